"""Jupyter notebooks: the cells in order, their sources and the text of their outputs."""

import json
import re
from typing import Any

from d2l.reading.html import html_text
from d2l.reading.plain import without_inline_pictures
from d2l.reading.report import Reading

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def notebook_text(text: str, reading: Reading) -> str:
    """The text of a notebook of format 3 or 4.

    Raises:
        ValueError: not a notebook.
    """
    notebook = json.loads(text)
    sheets = notebook.get("worksheets") or [notebook]
    cells = [cell for sheet in sheets for cell in sheet["cells"]]
    reading.count("cells", len(cells))
    parts: list[str] = []
    for cell in cells:
        parts.append(_joined(cell["input"] if "input" in cell else cell["source"]))
        parts += [_output(output, reading) for output in cell.get("outputs") or []]
        pictures = sum(len(bundle) for bundle in (cell.get("attachments") or {}).values())
        reading.leave_out("picture", "pictures are not read", count=pictures)
    return without_inline_pictures("\n\n".join(filter(None, parts)), reading)


def _output(output: dict[str, Any], reading: Reading) -> str:
    data = output.get("data") or {}
    shown = sum(kind.startswith("image/") for kind in data) or "png" in output or "jpeg" in output
    reading.leave_out("picture", "pictures are not read", count=int(bool(shown)))
    if output.get("output_type") in ("error", "pyerr"):
        return _COLOURS.sub("", "\n".join(output.get("traceback") or []))
    plain = _joined(data.get("text/plain", output.get("text", "")))
    if shown:  # beside a picture it is only the name of an object: <Figure size 640x480 with 1 Axes>
        return "" if re.fullmatch(r"<.*>", plain.strip(), re.DOTALL) else plain
    if "text/markdown" in data:
        return _joined(data["text/markdown"])
    if not plain and "text/html" in data:
        return html_text(_joined(data["text/html"]), reading)
    if not plain and "text/latex" in data:
        return _joined(data["text/latex"])
    if data and "text/plain" not in data:
        reading.leave_out("output", "its format is not read", *data)
    return _COLOURS.sub("", plain)


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
