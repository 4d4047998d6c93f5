"""Questions on a table's rows and on records, by rule: what a cell says needs no language model to be asked for.

    Product    Shelf life | Storage           "What is the shelf life of Greek yogurt in the Northeast region?"
    Greek yogurt  24 days | open cooler  ->   "What is the storage of Greek yogurt in the Northeast region?"

Cells are known where the text has bars or tabs between them. A PDF's text has blanks alone; there the columns are those
whose values have digits, under a header whose names begin with capitals.
"""

import re

from d2l.questions import QA
from d2l.study.windows import Window

KIND = "table"
_NUMBER = re.compile(r"^\d{1,2}(?:\.\d{1,2})*\.?\s+")
_VALUE = re.compile(r"^[^\w]*[$€£¥]?\d[\w.,:/%°+-]*%?$|^[$€£¥]\d")
_RECORD = re.compile(r"^(?P<name>[^:=|\t]{2,40}?)(?::| ->| =| \.{3,})\s+(?P<value>\S.{0,100})$")
_MAX_CELL = 100


def table_pairs(window: Window) -> list[QA]:
    """Pairs for the cells of a row that stands under a header, or for records such as "Price: $3.49".

    Two wordings for each cell; none where the cells cannot be told apart.
    """
    place = _places(window)
    if window.header:
        row = _aligned(window.header, window.row)
        if row is None:
            return []
        kind, label, cells = row
        asked = [_asked(name, label, value, place) for name, value in cells]
        # Every column in one wording before any in the other; then which row it was.
        pairs = [found[(number + turn) % len(found)] for turn in (0, 1) for number, found in enumerate(asked)]
        return pairs + [_which(kind, label, name, value, place) for name, value in cells]
    # The first line of a record, "Product: jam", is what the others are about. Without one a colon may mean anything.
    subject = _RECORD.match(place[0]) if place else None
    records = [_RECORD.match(line) for line in window.text.split("\n")]
    if subject is None or not all(records):
        return []
    label, place = subject["value"], place[1:]
    return [pair for line in records for pair in _asked(line["name"].strip(), label, line["value"].strip(), place)]


def _places(window: Window) -> list[str]:
    """The headings that the window stands under without their numbers, the innermost first."""
    names = window.context.split(" > ") if window.context else []
    if window.header and names:
        names = names[:-1]
    return [name for name in (_NUMBER.sub("", part).strip() for part in reversed(names)) if name]


def _asked(column: str, label: str, value: str, places: list[str]) -> list[QA]:
    """Two wordings for a cell, or for a line of a record."""
    topic, when, where = _topic(column, places)
    of = f" of {label}" if label else ""
    first = f"What is the {topic}{of}{where and f' {where}'}{when and f', {when}'}?"
    second = ", ".join(filter(None, (where[:1].upper() + where[1:], when)))
    second = f"{second}: what is the {topic}{of}?" if second else f"The {topic}{of}: what is it?"
    return [QA(question, (value,), KIND) for question in (first, second)]


def _which(kind: str, label: str, column: str, value: str, places: list[str]) -> QA:
    """The question for the row that has a value."""
    topic, when, where = _topic(column, places)
    behind = ", ".join(filter(None, (f"{value}{where and f' {where}'}", when)))
    return QA(f"Which {_lower(kind)} has the {topic} {behind}?", (label,), KIND)


def _topic(column: str, places: list[str]) -> tuple[str, str, str]:
    """What a column holds, when, and where: under "Prices" the columns "Last week" and "This week" hold prices."""
    where = f"in the {places[1]}" if len(places) > 1 else f"in {places[0]}" if places else ""
    if len(places) > 1 and re.fullmatch(r"[A-Za-z]+[^s]s", places[0]):
        return places[0][:-1].lower(), _lower(column), where
    return _lower(column), "", where


def _lower(name: str) -> str:
    """A column's name inside a sentence; abbreviations stay as they are."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def _aligned(header: str, row: str) -> tuple[str, str, list[tuple[str, str]]] | None:
    """The label column's name, a row's label, and the names and values of its other cells; ``None`` where they cannot
    be told apart."""
    for mark in ("|", "\t"):
        if mark in row:
            cells = [cell.strip() for cell in row.strip().strip(mark).split(mark)]
            names = [cell.strip() for cell in header.strip().strip(mark).split(mark)]
            return _cells(names, cells)
    names = re.split(r"\s+(?=[A-Z])", header.strip())
    words = row.split()
    first = next((place for place, word in enumerate(words) if _VALUE.match(word)), None)
    if not first:  # no value, or no label before it
        return None
    values = words[first:]
    if all(map(_VALUE.match, values)):
        return _cells(names, [" ".join(words[:first]), *values])
    if sum(map(bool, map(_VALUE.match, values))) == 1 and values[1:2] and values[1].islower():
        # One measure with its unit; what stands behind it fills one more column.
        return _cells(
            names, [" ".join(words[:first]), " ".join(values[:2]), *([" ".join(values[2:])] * (len(values) > 2))]
        )
    return None


def _cells(names: list[str], cells: list[str]) -> tuple[str, str, list[tuple[str, str]]] | None:
    if len(names) != len(cells) or len(cells) < 2 or not cells[0] or not names[0]:
        return None
    known = [(n, c) for n, c in zip(names[1:], cells[1:], strict=True) if n and c and len(c) <= _MAX_CELL and c != "-"]
    return names[0], cells[0], known
