"""JSON Lines files of records."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.errors import HyperLoraError, InputError
from shared.text import ESCAPED_SURROGATE, check_text
from shared.work_folder import whole_file


def read_jsonl(path: Path, required: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Records of a JSONL file.

    Raises:
        InputError: missing file, a line that is no JSON object, or a record without a required field.
    """
    return [record for _, record in numbered_records(str(path), required)]


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records as JSON Lines; the file appears whole or not at all.

    Raises:
        HyperLoraError: the disk is full or may not be written.
    """
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    try:
        with whole_file(path) as new:
            new.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise HyperLoraError(
            f"cannot write {path}: {error.strerror or error}", "check the folder and its disk"
        ) from error


def numbered_records(source: str, required: Iterable[str] = ()) -> list[tuple[int, dict[str, Any]]]:
    """Records of a JSONL file with the number of each one's line, from 1; ``-`` reads stdin.

    Raises:
        InputError: as ``read_jsonl``.
    """
    required = tuple(required)
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        # Not splitlines: a JSON string may hold other line separators as they are.
        lines = data.decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        raise InputError(f"{source} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {source}: {error}") from None
    name = "stdin" if source == "-" else source
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # also an integer of thousands of digits, or endless nesting
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise InputError(f"{name}, line {number}: not JSON ({reason})") from None
        if ESCAPED_SURROGATE.search(line):
            check_text(record, f"{name}, line {number}")
        missing = [field for field in required if not isinstance(record, dict) or field not in record]
        if not isinstance(record, dict) or missing:
            raise InputError(f"{name}, line {number}: needs the fields {', '.join(required)}")
        records.append((number, record))
    if not records:
        raise InputError(f"{name} holds no records")
    return records
