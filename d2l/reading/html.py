"""HTML -> the text that a browser shows, in document order, by a WHATWG parser."""

import re
from typing import Any

from d2l.reading.numerals import numeral
from d2l.reading.report import Reading

_SKIPPED = frozenset(
    "script style template noscript head title meta link datalist audio video canvas iframe object desc metadata "
    "annotation annotation-xml".split()
)
_PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 blockquote pre table figure hr section article ul ol dl".split())
_BLOCKS = _PARAGRAPHS | frozenset(
    "address aside body caption center dd details dialog dir div dt fieldset figcaption footer form frameset header "
    "hgroup html legend li main menu nav option optgroup search select summary tbody textarea tfoot thead tr xmp "
    "listing".split()
)
_KEEPS_BLANKS = frozenset("pre textarea listing xmp".split())
_HIDDEN_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))", re.I)
_SHOWN_INPUTS = frozenset("text search email tel url number date time button submit reset".split())
# In XHTML any element may be closed where it opens; an HTML parser would take the whole page for a script's source.
_EMPTY = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([\w:-]+)"
    r"((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*/>",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_SUPERSCRIPTS = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def html_text(markup: str, reading: Reading) -> str:
    """The visible text of a page: blocks on their own lines, paragraphs apart, cells of a row between `` | ``.

    Pictures are counted in ``reading``.
    """
    from selectolax.lexbor import LexborHTMLParser

    if "<?xml" in markup[:200]:
        markup = _EMPTY.sub(r"<\1\2></\1>", markup)
    root = LexborHTMLParser(markup).root
    writer = _Writer()
    # Without recursion: pages may be nested a million deep.
    node, entered = root, True
    while True:
        opened = not entered or writer.enter(node)
        child = node.child if entered and opened else None
        if child is not None:
            node = child
            continue
        if opened:
            writer.leave(node)
        if node.mem_id == root.mem_id:
            break
        following = node.next
        node, entered = (following, True) if following is not None else (node.parent, False)
    reading.leave_out("picture", "pictures are not read", count=writer.pictures)
    return writer.frame.text()


def superscript(text: str) -> str:
    """``10`` and ``2`` above it must not become 102; what has no superscript letters stays as it is."""
    stripped = text.strip()
    return stripped.translate(_SUPERSCRIPTS) if re.fullmatch(r"[0-9+\-−]+", stripped) else text


class _Frame:
    """Text of the page or of one table cell as it grows."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.breaks = 0
        self.blank = False
        self.label = ""  # a list item's number, before whatever comes first in it
        self.cells: list[_Frame] = []
        self.is_layout = False

    def block(self, breaks: int) -> None:
        """What follows starts ``breaks`` lines further down."""
        self.breaks = max(self.breaks, breaks)

    def put(self, text: str) -> None:
        if self.breaks and self.parts:
            self.parts.append("\n" * self.breaks)
        elif self.blank and self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append(" ")
        self.parts.append(self.label + text)
        self.breaks, self.blank, self.label = 0, False, ""

    def flow(self, text: str) -> None:
        """Text whose blanks and line ends are blanks."""
        words = _BLANKS.sub(" ", text)
        self.blank |= words.startswith(" ")
        if words.strip(" "):
            self.put(words.strip(" "))
            self.blank = words.endswith(" ")

    def row(self) -> None:
        """Cells become one line, unless one of them is laid out in paragraphs."""
        texts = [cell.text() for cell in self.cells]
        if any(cell.is_layout for cell in self.cells) or any("\n\n" in text for text in texts):
            lines = ["\n\n".join(filter(None, texts))]
        else:
            lines = [join_cells(texts)]
        self.cells = []
        self.block(1)
        for line in filter(None, lines):
            self.put(line)
        self.block(1)

    def text(self) -> str:
        if self.cells:  # of no row
            self.row()
        return "".join(self.parts).strip(" \n")


def join_cells(cells: list[str]) -> str:
    """A table's row on one line."""
    return " | ".join(" ".join(cell.split()) for cell in cells).rstrip(" |")


class _Writer:
    def __init__(self) -> None:
        self.frame = _Frame()
        self.outer: list[_Frame] = []
        self.lists: list[tuple[int, int, str] | None] = []
        self.kept = 0  # depth in elements that keep their blanks
        self.raised = 0
        self.pictures = 0

    def enter(self, node: Any) -> bool:
        """Whether the node's content is shown."""
        tag = node.tag
        if tag == "-text":
            text = node.text_content or ""
            if self.kept:
                self.frame.put(text)
            else:
                self.frame.flow(superscript(text) if self.raised else text)
            return False
        if tag.startswith("-") or tag in _SKIPPED:
            return tag == "-document"
        attributes = node.attributes
        if "hidden" in attributes or _HIDDEN_STYLE.search(attributes.get("style") or ""):
            return False
        if tag in _BLOCKS:
            nested = tag in ("ul", "ol") and self.lists
            self.frame.block(2 if tag in _PARAGRAPHS and not nested else 1)
        self._element(tag, attributes)
        return True

    def _element(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "br":
            self.frame.parts.append("\n")
            self.frame.blank = False
        elif tag == "img":
            self.pictures += 1
        elif tag == "q":
            self.frame.put("“")
        elif tag == "input" and (attributes.get("type") or "text").lower() in _SHOWN_INPUTS:
            self.frame.flow(f" {attributes.get('value') or ''} ")
        elif tag in ("ul", "ol"):
            step = -1 if "reversed" in attributes else 1
            start = _integer(attributes.get("start"), 1)
            self.lists.append((start, step, attributes.get("type") or "1") if tag == "ol" else None)
        elif tag == "li" and self.lists and self.lists[-1] is not None:
            number, step, kind = self.lists[-1]
            number = _integer(attributes.get("value"), number)
            self.lists[-1] = (number + step, step, kind)
            self.frame.label = f"{numeral(number, kind)}. "
        elif tag in ("td", "th"):
            self.outer.append(self.frame)
            self.frame = _Frame()
        self.kept += tag in _KEEPS_BLANKS
        self.raised += tag == "sup"

    def leave(self, node: Any) -> None:
        tag = node.tag
        self.kept -= tag in _KEEPS_BLANKS
        self.raised -= tag == "sup"
        if tag == "q":
            self.frame.blank = False
            self.frame.put("”")
        elif tag in ("ul", "ol"):
            self.lists.pop()
        elif tag == "li":
            self.frame.label = ""
        elif tag in ("td", "th"):
            cell, self.frame = self.frame, self.outer.pop()
            self.frame.cells.append(cell)
        elif tag == "tr":
            self.frame.row()
        elif tag == "table":
            self.frame.is_layout = True  # of the cell that it stands in
        if tag in _BLOCKS:
            self.frame.block(2 if tag in _PARAGRAPHS and not (tag in ("ul", "ol") and self.lists) else 1)


def _integer(text: str | None, otherwise: int) -> int:
    return int(text) if text and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text) else otherwise
