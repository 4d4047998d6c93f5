"""XLSX -> what its visible sheets show: rows as lines, cells between `` | ``, numbers as they are formatted."""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from d2l.reading.cellformat import BUILT_IN, shown_number, shown_text
from d2l.reading.drawings import drawing_text
from d2l.reading.package import Package, attribute, child, children, tag
from d2l.reading.report import Reading


@dataclass(frozen=True)
class _Workbook:
    strings: list[str]
    formats: list[str]
    since_1904: bool


def xlsx_text(data: bytes, reading: Reading) -> str:
    """The sheets in their order, each under its name; hidden ones are named in ``reading``.

    Raises:
        Exception: no workbook, or a damaged one.
    """
    package = Package(data)
    main = package.main_part()
    root, relations = package.xml(main), package.relations(main)
    since_1904 = any(tag(e) == "workbookPr" and e.get("date1904") in ("1", "true") for e in root)
    workbook = _Workbook(_strings(package, main), _formats(package, main), since_1904)
    parts = []
    for sheet in children(root, "sheets"):
        name = sheet.get("name", "")
        target = relations[attribute(sheet, "id")]
        if sheet.get("state", "visible") != "visible":
            reading.leave_out("sheet", "hidden", name)
        elif target.kind == "worksheet":
            rows = _rows(package, target.target, workbook, reading, name)
            comments = [package.xml(part) for part in package.related(target.target, "comments")]
            count = sum(len(children(root_, "commentList")) for root_ in comments)
            reading.leave_out("comment", "comments are not part of the text", count=count)
            drawn = [drawing_text(package, part, reading) for part in package.related(target.target, "drawing")]
            body = "\n\n".join(filter(None, [rows, *drawn]))
            if body:
                parts.append(f"{name}\n\n{body}")
            reading.count("sheets")
        else:
            drawn = [drawing_text(package, part, reading) for part in package.related(target.target, "drawing")]
            parts += [f"{name}\n\n{text}" for text in drawn if text]
            reading.count("sheets")
    return "\n\n".join(parts)


def _strings(package: Package, main: str) -> list[str]:
    strings = []
    for part in package.related(main, "sharedStrings"):
        for event, element in package.elements(part):
            if event == "end" and tag(element) == "si":
                strings.append(_string(element))
                element.clear()
    return strings


def _string(item: Element) -> str:
    """Text of a string and of its runs, without the reading aids beside them."""
    texts = []
    for part in item:
        if tag(part) == "t":
            texts.append(part.text or "")
        elif tag(part) == "r":
            texts += [t.text or "" for t in part if tag(t) == "t"]
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), "".join(texts))


def _formats(package: Package, main: str) -> list[str]:
    """The number format of each cell style."""
    codes = dict(BUILT_IN)
    formats: list[str] = []
    for part in package.related(main, "styles"):
        root = package.xml(part)
        for entry in children(root, "numFmts"):
            codes[int(entry.get("numFmtId", 0))] = entry.get("formatCode", "General")
        formats = [codes.get(int(xf.get("numFmtId", 0)), "General") for xf in children(root, "cellXfs")]
    return formats


def _rows(package: Package, part: str, workbook: _Workbook, reading: Reading, sheet: str) -> str:
    rows: list[dict[int, str]] = []
    hidden_columns: set[int] = set()
    hidden_rows = unknown = 0
    numbers: list[int] = []
    row_number = 0
    merged: list[str] = []
    for event, element in package.elements(part):
        name = tag(element)
        if event == "start":
            if name == "row":
                row_number = int(element.get("r") or row_number + 1)
            continue
        if name == "mergeCell":
            merged.append(element.get("ref", ""))
        elif name == "col" and (element.get("hidden") in ("1", "true") or _is_zero(element.get("width"))):
            hidden_columns.update(range(int(element.get("min", 1)), int(element.get("max", 1)) + 1))
        elif name == "row":
            if element.get("hidden") in ("1", "true") or _is_zero(element.get("ht")):
                hidden_rows += any(len(cell) for cell in element)
            else:
                cells = _cells(element, workbook)
                unknown += sum(text is None for text in cells.values())
                cells = {column: text for column, text in cells.items() if text}
                if cells:
                    rows.append(cells)
                    numbers.append(row_number)
            element.clear()
    reading.leave_out("cell", f"covered by another in sheet {sheet}", count=_uncover(rows, numbers, merged))
    used = sorted({column for cells in rows for column in cells})
    reading.leave_out("row", f"hidden in sheet {sheet}", count=hidden_rows)
    reading.leave_out("column", f"hidden in sheet {sheet}", count=len(hidden_columns.intersection(used)))
    reading.leave_out("formula", "its value is not stored in the file", count=unknown)
    columns = [column for column in used if column not in hidden_columns]
    numbers = [number for number, cells in zip(numbers, rows, strict=True) if cells]
    rows = [cells for cells in rows if cells]
    lines = []
    for index, cells in enumerate(rows):
        if index and numbers[index] > numbers[index - 1] + 1:
            lines.append("")
        # Of a row with few cells in a wide sheet, only what lies before its last cell.
        lines.append(" | ".join(cells.get(column, "") for column in columns if column <= max(cells)).rstrip(" |"))
    return "\n".join(lines)


def _cells(row: Element, workbook: _Workbook) -> dict[int, str | None]:
    """The texts of a row's cells by column, from 1; None: a formula without a value."""
    cells: dict[int, str | None] = {}
    column = 0
    for cell in row:
        if tag(cell) != "c":
            continue
        letters = re.match(r"[A-Z]+", cell.get("r", ""))
        column = _column(letters[0]) if letters else column + 1
        text = _shown(cell, workbook)
        cells[column] = None if text is None else " ".join(text.split())
    return cells


def _uncover(rows: list[dict[int, str]], numbers: list[int], merged: list[str]) -> int:
    """Drop what stands in merged cells behind their first one, which alone is shown; returns the number of these."""
    dropped = 0
    for area in merged:
        match = re.fullmatch(r"([A-Z]+)(\d+):([A-Z]+)(\d+)", area)
        if match is None:
            continue
        left, right = _column(match[1]), _column(match[3])
        first = bisect_left(numbers, int(match[2]))
        for index in range(first, bisect_right(numbers, int(match[4]))):
            for column in [c for c in rows[index] if left <= c <= right]:
                if (numbers[index], column) != (int(match[2]), left):
                    del rows[index][column]
                    dropped += 1
    return dropped


def _is_zero(size: str | None) -> bool:
    return size is not None and re.fullmatch(r"0*\.?0*", size.strip()) is not None


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _shown(cell: Element, workbook: _Workbook) -> str | None:
    kind, style = cell.get("t", "n"), int(cell.get("s", 0))
    code = workbook.formats[style] if style < len(workbook.formats) else "General"
    if kind == "inlineStr":
        inline = child(cell, "is")
        return shown_text(_string(inline), code) if inline is not None else ""
    value = child(cell, "v")
    if value is None or value.text is None:
        return None if child(cell, "f") is not None and kind != "str" else ""
    if kind == "s":
        return shown_text(workbook.strings[int(value.text)], code)
    if kind == "b":
        return "TRUE" if value.text.strip() in ("1", "true") else "FALSE"
    if kind == "d":
        return _iso_date(value.text, code, workbook)
    if kind == "n":
        return shown_number(float(value.text), code, since_1904=workbook.since_1904)
    return shown_text(value.text, code) if kind == "str" else value.text


def _iso_date(text: str, code: str, workbook: _Workbook) -> str:
    """A date that is stored as ISO 8601 has it, under a format code; General shows it as it is stored."""
    try:
        moment = datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:  # a time of day, or no date
        return text
    if code.lower() in ("", "general"):
        return text
    since = datetime(1904, 1, 1) if workbook.since_1904 else datetime(1899, 12, 30)
    return shown_number((moment - since) / timedelta(1), code, since_1904=workbook.since_1904)
