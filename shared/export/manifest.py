"""What an exported directory was made from."""

from pathlib import Path
from typing import Any

from shared.config import written_json
from shared.paths import EXPORT_FILE


def write_manifest(directory: Path, facts: dict[str, Any]) -> None:
    """Write ``export.json``, the last file: by its list ``--force`` knows what of a directory is ours."""
    listed = {**facts, "files": sorted(file.name for file in directory.iterdir())}
    (directory / EXPORT_FILE).write_text(written_json(listed), encoding="utf-8")
