"""JSON Lines files of records."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.errors import InputError


def read_jsonl(path: Path, required: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Records of a JSONL file.

    Raises:
        InputError: missing file, a line that is no JSON object, or a record without a required field.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg})") from None
        missing = [name for name in required if not isinstance(record, dict) or name not in record]
        if not isinstance(record, dict) or missing:
            raise InputError(f"{path}, line {number}: needs the fields {', '.join(required)}")
        records.append(record)
    if not records:
        raise InputError(f"{path} holds no records")
    return records
