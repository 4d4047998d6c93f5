"""HTML -> the text that a browser shows, in document order, by a WHATWG parser."""

import html
import re
from collections import Counter
from typing import Any

from d2l.reading.maths import mathml
from d2l.reading.numerals import numeral
from d2l.reading.report import Reading

_SKIPPED = frozenset(
    "script style template noscript head title meta link datalist audio video canvas iframe frame object embed desc "
    "metadata math rp".split()
)
# What is shown and is no text, and what the report calls it.
_NOT_TEXT = {
    "img": "picture",
    "audio": "sound",
    "video": "video",
    "iframe": "frame",
    "frame": "frame",
    "object": "object",
    "embed": "object",
}
_PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 blockquote pre table figure hr section article ul ol dl".split())
_BLOCKS = _PARAGRAPHS | frozenset(
    "address aside body caption center dd details dialog dir div dt fieldset figcaption footer form frameset header "
    "hgroup html legend li main menu nav option optgroup search select summary tbody textarea tfoot thead tr xmp "
    "listing text".split()  # text: of SVG
)
_APART = frozenset("button meter progress".split())  # boxes, without blanks between them
_KEEPS_BLANKS = frozenset("pre textarea listing xmp".split())
_HIDDEN_STYLE = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))", re.I)
_SHOWN_INPUTS = frozenset(
    "text search email tel url number date time datetime-local month week button submit reset".split()
)
_HELD_FRAMES = 5  # pages in pages that are read
# In XHTML any element may be closed where it opens; an HTML parser would take the whole page for a script's source.
_EMPTY = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([\w:-]+)"
    r"((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*/>",
    re.IGNORECASE,
)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_SUPERSCRIPTS = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def html_text(markup: str, reading: Reading, depth: int = 0) -> str:
    """The visible text of a page: blocks on their own lines, paragraphs apart, cells of a row between `` | ``.

    Pictures and other things that are shown and are no text are counted in ``reading``.

    Args:
        depth: in how many pages this one stands.
    """
    from selectolax.lexbor import LexborHTMLParser

    if "<?xml" in markup[:200]:
        markup = _CDATA.sub(lambda section: html.escape(section[1]), _EMPTY.sub(r"<\1\2></\1>", markup))
    root = LexborHTMLParser(markup).root
    writer = _Writer(reading, depth)
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
    for what, count in writer.left_out.items():
        reading.leave_out(what, f"{what}s are not read", count=count)
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
    def __init__(self, reading: Reading, depth: int) -> None:
        self.reading, self.depth = reading, depth
        self.frame = _Frame()
        self.outer: list[_Frame] = []
        self.lists: list[tuple[int, int, str] | None] = []
        self.kept = 0  # depth in elements that keep their blanks
        self.raised = 0
        self.left_out: Counter[str] = Counter()

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
        if tag.startswith("-"):
            return tag == "-document"
        attributes = node.attributes
        if _is_hidden(tag, attributes):
            return False
        if tag in _SKIPPED:
            self._skipped(node, attributes)
            return False
        if tag in _BLOCKS:
            nested = tag in ("ul", "ol") and self.lists
            self.frame.block(2 if tag in _PARAGRAPHS and not nested else 1)
        self._element(tag, attributes)
        return True

    def _skipped(self, node: Any, attributes: dict[str, str | None]) -> None:
        """What stands for an element whose content is not shown as it is."""
        page = attributes.get("srcdoc") if node.tag == "iframe" else None
        if node.tag == "math":
            self.frame.flow(mathml(node) + " " * (attributes.get("display") == "block"))
        elif page and self.depth < _HELD_FRAMES:
            self.frame.block(1)
            self.frame.put(html_text(page, self.reading, self.depth + 1))
            self.frame.block(1)
        elif node.tag in _NOT_TEXT:
            self.left_out[_NOT_TEXT[node.tag]] += 1

    def _element(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "br":
            self.frame.parts.append("\n")
            self.frame.blank = False
        elif tag == "img" or tag == "input" and attributes.get("type") == "image":
            self.left_out["picture"] += 1
        elif tag == "rt":
            self.frame.put("(")
        elif tag == "tspan":  # a line of its own where it says where it stands
            self.frame.blank |= not attributes.keys().isdisjoint(("x", "y", "dy"))
        elif tag in _APART:
            self.frame.blank = True
        elif tag in ("optgroup", "option") and attributes.get("label"):
            self.frame.put(attributes["label"] or "")
            self.frame.block(1)
        elif tag == "q":
            self.frame.put("“")
        elif tag == "input" and (attributes.get("type") or "text").lower() in _SHOWN_INPUTS:
            self.frame.flow(f" {attributes.get('value') or attributes.get('placeholder') or ''} ")
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
        elif tag == "rt":
            self.frame.blank = False
            self.frame.put(")")
        elif tag in _APART:
            self.frame.blank = True
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


def _is_hidden(tag: str, attributes: dict[str, str | None]) -> bool:
    """Whether browsers hide an element by their own rules or by its own style."""
    if "hidden" in attributes or "popover" in attributes or tag == "dialog" and "open" not in attributes:
        return True
    return _HIDDEN_STYLE.search(attributes.get("style") or "") is not None


def _integer(text: str | None, otherwise: int) -> int:
    return int(text) if text and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text) else otherwise
