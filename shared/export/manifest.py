"""What an exported directory was made from."""

import json
from pathlib import Path
from typing import Any

from shared.paths import EXPORT_FILE


def write_manifest(directory: Path, facts: dict[str, Any]) -> None:
    """Write ``export.json``, by which ``--force`` knows the directory as one of ours."""
    (directory / EXPORT_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
