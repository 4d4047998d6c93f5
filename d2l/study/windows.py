"""Cuts a document into windows of a few sentences, each with the headings it stands under: what a question needs.

A fact such as "Price $3.49" says little without the product of its row, the region of its chapter and the date of its
document. Whoever asks about it must see them, and they stand in headings and table headers, not beside the fact.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from d2l.chunking import split_sentences

WINDOW_CHARACTERS = 200  #: neighbouring sentences are joined up to here, about 45 tokens
LONGEST_SENTENCE = 320  #: longer ones are cut, at about 75 tokens
MAX_SENTENCES = 3
CONTEXT_CHARACTERS = 200
_HEADING_CHARACTERS = 80
_WRAPPED = 50  # a line so long that ends without a full stop goes on in the next one

_MARKDOWN = re.compile(r"\s*(#{1,6})\s+(\S.*)$")
_NUMBERED = re.compile(r"\s*(\d{1,2}(?:\.\d{1,2})*)\.?\s+(?=[^\W\d_])")
_ITEM = re.compile(r"\s*(?:[-*•+>–]|--|\d{1,2}\)|\[[\d:]+\])\s+")
_PAGE = re.compile(r"\s*(?:page|p\.)?\s*\d+\s*(?:(?:of|/)\s*\d+)?\s*$", re.IGNORECASE)
_RULE = re.compile(r"[\s|:+=_-]*$")
_PAIR = re.compile(r"\s*[^\s:=].{0,40}?(?::| ->| =| \.{3,}| \t)\s+\S")


@dataclass(frozen=True)
class Window:
    """One to three neighbouring sentences (or rows) of a document.

    Attributes:
        text: them, with single spaces; rows on lines of their own.
        context: title, headings and table header they stand under, joined by `` > ``; may be empty.
        start, stop: their characters in the document.
        header, row: of a table's row, its header and itself as they stand in the text; else empty.
    """

    text: str
    context: str = ""
    start: int = 0
    stop: int = 0
    header: str = ""
    row: str = ""


@dataclass(frozen=True)
class _Line:
    """A line of the document; ``start`` and ``stop`` without the white space around it."""

    text: str
    start: int
    stop: int

    @property
    def is_row(self) -> bool:
        return "|" in self.text or "\t" in self.text

    @property
    def is_bare(self) -> bool:
        """Short, and no sentence: a heading, or a row of a table."""
        ends = self.text[-1] in ".!?;,"
        return len(self.text) <= _HEADING_CHARACTERS and not ends and not _ITEM.match(self.text) or self.is_row


@dataclass
class _Headings:
    """The headings above the current line, by level, the document's title first.

    Attributes:
        repeated: lines that stand on many pages; they open no section.
    """

    title: str
    repeated: set[str]
    stack: list[tuple[int, str]] = field(default_factory=list)
    opened: bool = False  #: text or a heading came already

    def add(self, level: int, text: str) -> None:
        is_title = not self.title and not self.opened and not _NUMBERED.match(text)
        self.opened = True
        if is_title:
            self.title = text
        elif text != self.title and text not in self.repeated:
            self._open(level, text)

    def _open(self, level: int, text: str) -> None:
        self.stack = [(above, name) for above, name in self.stack if above < level] + [(level, text)]

    def context(self, header: str = "") -> str:
        """Title and the two nearest headings; where they are too long, the outer ones go first."""
        self.opened = True
        parts = [*([self.title] if self.title else []), *[name for _, name in self.stack[-2:]]]
        parts += [header] if header else []
        while len(parts) > 1 and len(" > ".join(parts)) > CONTEXT_CHARACTERS:
            parts.pop(0)
        return " > ".join(parts)[:CONTEXT_CHARACTERS]


@dataclass(frozen=True)
class _Unit:
    """A sentence or a row, and the context it stands in.

    Attributes:
        row: it stands on a line of its own.
        alone: it has a window of its own. Rows under a header do: side by side, a small writer takes the value of one
            for the name of another.
    """

    start: int
    stop: int
    context: str
    row: bool
    alone: bool = False
    header: str = ""


def cut_windows(text: str, title: str | None = None) -> list[Window]:
    """Windows over a whole document, in its order.

    Every character that is not white space, a heading, a page number or a rule lies in exactly one window. Headings
    (Markdown, numbered, or short lines without a full stop with text behind them) are the context of what follows; the
    first row of a table, or of a record such as "Product: jam", is the context of its other rows as well.

    Args:
        title: of the document; its first heading if not given.
    """
    lines = _lines(text)
    counts = Counter(line.text for line in lines if line is not None and line.is_bare and not line.is_row)
    end = len(text.rstrip())
    headings = _Headings(_clean(title or ""), {line for line, number in counts.items() if number > 2})
    units: list[_Unit] = []
    for block in _blocks(lines):
        units += _units(text, block, headings, ends_document=block[-1].stop >= end)
    return [_window(text, group) for group in _groups(units)]


def _lines(text: str) -> list[_Line | None]:
    """Lines that say something; ``None`` for the others."""
    lines: list[_Line | None] = []
    position = 0
    for raw in text.splitlines(keepends=True):
        stripped = raw.strip()
        start = position + len(raw) - len(raw.lstrip())
        if not stripped or _PAGE.match(stripped) or _RULE.match(stripped):
            lines.append(None)
        else:
            lines.append(_Line(stripped, start, start + len(stripped)))
        position += len(raw)
    return lines


def _blocks(lines: list[_Line | None]) -> Iterator[list[_Line]]:
    """Runs of lines that are either all bare or all prose, with the prose's wrapped lines joined.

    A single bare line at the end of a document heads nothing, so it comes as prose.
    """
    block: list[_Line] = []
    previous: _Line | None = None
    wrapped = False
    for line in lines:
        wrapped = line is not None and previous is not None and _goes_on(previous, line, wrapped)
        if line is not None and wrapped and block:
            # A long paragraph's start says what it is; all of it again for each of its lines would be quadratic.
            begun = block[-1].text[:2000]
            block[-1] = _Line(f"{begun} {line.text}", block[-1].start, line.stop)
        else:
            if block and (line is None or block[-1].is_bare != line.is_bare):
                yield block
                block = []
            block += [line] if line is not None else []
        previous = line
    if block:
        yield block


def _goes_on(line: _Line, following: _Line, wrapped: bool) -> bool:
    """Whether a paragraph's line was broken before the following one."""
    if line.is_row or following.is_row or _ITEM.match(following.text) or _MARKDOWN.match(line.text):
        return False
    if line.text[-1] in ".!?:;" or _MARKDOWN.match(following.text) or _NUMBERED.match(following.text):
        return False
    return len(line.text) >= _WRAPPED or (wrapped and following.text[0].islower())


def _units(text: str, block: list[_Line], headings: _Headings, *, ends_document: bool) -> list[_Unit]:
    first = block[0]
    if not first.is_bare or (len(block) == 1 and ends_document and not first.text.startswith("#")):
        return [unit for line in block for unit in _sentences(text, line, headings.context())]
    if all(line.is_row for line in block) or (len(block) > 1 and all(_PAIR.match(line.text) for line in block)):
        return _table(block, headings)
    units: list[_Unit] = []
    run: list[_Line] = []
    # Lines with marks or numbers are headings; what stands between them is a table, or a heading without a mark.
    for index, line in enumerate(block):
        level = _level(line.text)
        neighbours = block[max(0, index - 1) : index] + block[index + 1 : index + 2]
        listed = not line.text.startswith("#") and any(_level(other.text) == level for other in neighbours)
        if level is None or listed:
            run.append(line)
            continue
        units += _bare_run(run, headings, followed=True)
        run = []
        headings.add(level, _clean(line.text))
    return units + _bare_run(run, headings, followed=not ends_document)


def _bare_run(run: list[_Line], headings: _Headings, *, followed: bool) -> list[_Unit]:
    """One or two short lines before something else are headings, more of them a table."""
    if len(run) > 2 or (run and (not followed or run[0].is_row)):
        return _table(run, headings)
    for line in run:
        headings.add(9, _clean(line.text))
    return []


def _table(rows: list[_Line], headings: _Headings) -> list[_Unit]:
    """Rows under their first one, which is a unit itself only where it holds a value or nothing follows."""
    first = _clean(rows[0].text)
    is_header = len(rows) > 1 and not _PAIR.match(rows[0].text)
    units = [] if is_header else [_Unit(rows[0].start, rows[0].stop, headings.context(), True)]
    header = rows[0].text if is_header else ""
    return units + [_Unit(row.start, row.stop, headings.context(first), True, is_header, header) for row in rows[1:]]


def _level(line: str) -> int | None:
    """Depth of a heading with a mark or a number, from 1; ``None`` for a line without."""
    if marked := _MARKDOWN.match(line):
        return len(marked[1])
    numbered = _NUMBERED.match(line)
    return numbered[1].count(".") + 1 if numbered else None


def _clean(line: str) -> str:
    marked = _MARKDOWN.match(line)
    if marked:
        line = marked[2].rstrip().rstrip("#") or marked[2]  # a closing run of marks
    return " ".join(line.strip("|[] \t:").split())


def _sentences(text: str, line: _Line, context: str) -> list[_Unit]:
    # Line breaks inside a paragraph are blanks to the splitter, which keeps every character's place.
    paragraph = re.sub(r"[\r\n]", " ", text[line.start : line.stop])
    units: list[_Unit] = []
    position = line.start
    for sentence in split_sentences(paragraph):
        for piece in _pieces(sentence):
            stripped = piece.strip()
            if stripped:
                start = position + len(piece) - len(piece.lstrip())
                units.append(_Unit(start, start + len(stripped), context, bool(_ITEM.match(line.text))))
            position += len(piece)
    return units


def _pieces(sentence: str) -> Iterator[str]:
    """A sentence, cut behind a comma or a blank where it is too long; joined they give it back."""
    start, stop = 0, len(sentence.rstrip())
    while stop - start > LONGEST_SENTENCE:
        head = sentence[start : start + LONGEST_SENTENCE]
        cuts = [head.rfind(mark) + len(mark) for mark in ("; ", ", ") if head.rfind(mark) > LONGEST_SENTENCE // 2]
        cut = max(cuts, default=head.rfind(" ") + 1) or LONGEST_SENTENCE
        yield sentence[start : start + cut]
        start += cut
    yield sentence[start:]


def _groups(units: list[_Unit]) -> Iterator[list[_Unit]]:
    """Neighbours under the same headings, as many as fit a window."""
    group: list[_Unit] = []
    for unit in units:
        fits = (
            group and not unit.alone and unit.stop - group[0].start <= WINDOW_CHARACTERS and len(group) < MAX_SENTENCES
        )
        if group and not (fits and unit.context == group[-1].context):
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def _window(text: str, group: list[_Unit]) -> Window:
    parts = [" ".join(text[unit.start : unit.stop].split()) for unit in group]
    joined = parts[0]
    for part, unit in zip(parts[1:], group[1:], strict=True):
        joined += ("\n" if unit.row else " ") + part
    first = group[0]
    row = text[first.start : first.stop] if first.header else ""
    return Window(joined, first.context, first.start, group[-1].stop, first.header, row)
