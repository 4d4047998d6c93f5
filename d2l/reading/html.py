"""HTML -> the text that a browser shows, in document order, by a WHATWG parser."""

import re
from collections import Counter
from typing import Any

from d2l.reading.maths import mathml
from d2l.reading.numerals import numeral
from d2l.reading.report import Reading

_SKIPPED = frozenset("script style template noscript head title meta link datalist desc metadata rp".split())
# Shown, but not as text; what stands inside is for browsers that cannot show it.
_NOT_TEXT = {
    **dict.fromkeys(("img", "canvas"), ("picture", "pictures are not read")),
    **dict.fromkeys(("iframe", "frame"), ("frame", "other pages are not read")),
    **dict.fromkeys(("audio", "video"), ("recording", "recordings are not read")),
    **dict.fromkeys(("object", "embed"), ("object", "embedded objects are not read")),
}
_PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 blockquote pre table figure hr section article ul ol dl".split())
_BLOCKS = _PARAGRAPHS | frozenset(
    "address aside body caption center dd details dialog dir div dt fieldset figcaption footer form frameset header "
    "hgroup html legend li main menu nav option optgroup search select summary tbody textarea tfoot thead tr xmp "
    "listing text".split()  # text: of SVG
)
_APART = frozenset("button meter progress".split())  # boxes, without blanks between them
_KEEPS_BLANKS = frozenset("pre textarea listing xmp".split())
_NOT_DISPLAYED = re.compile(r"(?:^|;)\s*display\s*:\s*none", re.I)
_VISIBILITY = re.compile(r"(?:^|;)\s*visibility\s*:\s*(\w+)", re.I)
_SHOWN_INPUTS = frozenset(
    "text search email tel url number date datetime-local month week time button submit reset".split()
)
_HELD_FRAMES = 5  # pages in pages that are read
# In XHTML any element may be closed where it opens; an HTML parser would take the whole page for a script's source.
_EMPTY = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([\w:-]+)"
    r"((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*/>",
    re.IGNORECASE,
)
_XHTML = "http://www.w3.org/1999/xhtml"
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_SUPERSCRIPTS = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def html_text(markup: str, reading: Reading, depth: int = 0) -> str:
    """The visible text of a page: blocks on their own lines, paragraphs apart, cells of a row between `` | ``.

    Pictures and other things that are shown and are no text are counted in ``reading``.

    Args:
        depth: in how many pages this one stands.
    """
    from selectolax.lexbor import LexborHTMLParser

    if "<?xml" in markup[:200] or _XHTML in markup[:2000]:
        markup = _EMPTY.sub(r"<\1\2></\1>", _without_cdata(markup))
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
    for (what, why), count in writer.left_out.items():
        reading.leave_out(what, why, count=count)
    return writer.frame.text()


def _without_cdata(markup: str) -> str:
    """XHTML's other way to write text, which an HTML parser takes for a comment."""
    first, *rest = markup.split("<![CDATA[")
    for part in rest:
        text, end, behind = part.partition("]]>")
        first += text.replace("&", "&amp;").replace("<", "&lt;") + behind if end else part
    return first


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
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.invisible: list[tuple[int, bool]] = []  # elements whose style says whether they are

    def enter(self, node: Any) -> bool:
        """Whether the node's content is shown."""
        tag = node.tag
        if tag == "-text":
            text = node.text_content or ""
            self._put(superscript(text) if self.raised and not self.kept else text, as_is=self.kept > 0)
            return False
        if tag.startswith("-") or tag in _SKIPPED:
            return tag == "-document"
        attributes = node.attributes
        if _is_hidden(tag, attributes):
            self.left_out["passage", "hidden text"] += bool((node.text() or "").strip())
            return False
        if self._is_replaced(node, attributes):
            return False
        if visibility := _VISIBILITY.search(attributes.get("style") or ""):
            self.invisible.append((node.mem_id, visibility[1].lower() in ("hidden", "collapse")))
        if tag in _BLOCKS:
            nested = tag in ("ul", "ol") and self.lists
            self.frame.block(2 if tag in _PARAGRAPHS and not nested else 1)
        self._element(node, tag, attributes)
        return tag != "option" or not attributes.get("label")

    def _put(self, text: str, *, as_is: bool = False) -> None:
        """Text, unless its element is invisible."""
        if self.invisible and self.invisible[-1][1]:
            self.left_out["passage", "hidden text"] += any(map(str.isalnum, text))
        elif as_is:
            self.frame.put(text)
        else:
            self.frame.flow(text)

    def _is_replaced(self, node: Any, attributes: dict[str, str | None]) -> bool:
        """Whether something else stands for an element and what is in it."""
        page = attributes.get("srcdoc") if node.tag == "iframe" else None
        if node.tag == "math":
            self._put(mathml(node) + " " * (attributes.get("display") == "block"))
        elif page and self.depth < _HELD_FRAMES:
            self.frame.block(1)
            self._put(html_text(page, self.reading, self.depth + 1), as_is=True)
            self.frame.block(1)
        elif node.tag in _NOT_TEXT:
            self.left_out[_NOT_TEXT[node.tag]] += 1
        else:
            return False
        return True

    def _element(self, node: Any, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "br":
            self.frame.parts.append("\n")
            self.frame.blank = False
        elif tag == "input" and (attributes.get("type") or "").lower() == "image":
            self.left_out[_NOT_TEXT["img"]] += 1
        elif tag in ("optgroup", "option"):
            self._put(attributes.get("label") or "")
            self.frame.block(1)
        elif tag == "rt":
            self._put("(")
        elif tag == "tspan":  # a line of its own where it says where it stands
            self.frame.blank |= not attributes.keys().isdisjoint(("x", "y", "dy"))
        elif tag in _APART:
            self.frame.blank = True
        elif tag == "q":
            self._put("“")
        elif tag == "input" and (attributes.get("type") or "text").lower() in _SHOWN_INPUTS:
            self._put(f" {attributes.get('value') or attributes.get('placeholder') or ''} ")
        elif tag in ("ul", "ol"):
            step = -1 if "reversed" in attributes else 1
            items = sum(item.tag == "li" for item in node.iter()) if step < 0 and "start" not in attributes else 1
            start = _integer(attributes.get("start"), items)
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
        if tag in ("q", "rt"):
            self.frame.blank = False
            self._put("”" if tag == "q" else ")")
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
        if self.invisible and self.invisible[-1][0] == node.mem_id:
            self.invisible.pop()


def _is_hidden(tag: str, attributes: dict[str, str | None]) -> bool:
    """Whether browsers do not display an element, by their own rules or by its own style."""
    if "hidden" in attributes or "popover" in attributes or tag == "dialog" and "open" not in attributes:
        return True
    return _NOT_DISPLAYED.search(attributes.get("style") or "") is not None


def _integer(text: str | None, otherwise: int) -> int:
    return int(text) if text and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text) else otherwise
