"""ODT, ODS and ODP -> the text that is shown: paragraphs, tables with their cells as formatted, slides with notes."""

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from d2l.reading.html import join_cells, superscript
from d2l.reading.package import Package, attribute, child, children, tag
from d2l.reading.report import Reading

_SKIPPED = {
    "tracked-changes",
    "forms",
    "sequence-decls",
    "variable-decls",
    "desc",
    "title",
    "note-citation",
}
_GROUPS = (
    "table-rows",
    "table-header-rows",
    "table-row-group",
    "table-columns",
    "table-header-columns",
    "table-column-group",
)
_HIDDEN_ROWS = ("collapse", "filter")
_MOST_REPEATED = 1000  # of a row or cell that is written once; the rest of a sheet is one empty row repeated


def opendocument_text(data: bytes, reading: Reading) -> str:
    """The text of an OpenDocument file.

    Raises:
        Exception: no such file, or a damaged one.
    """
    package = Package(data)
    root = package.xml("content.xml")
    common = package.xml("styles.xml") if "styles.xml" in package.names else None
    document = _Document(root, common, reading)
    body = next(iter(children(root, "body")))
    text = document.blocks(body)
    heads, feet = (_around(common, document, kind) if tag(body) == "text" else "" for kind in ("header", "footer"))
    return "\n\n".join(filter(None, [heads, text, "\n".join(document.notes), feet]))


def _around(common: Element | None, document: "_Document", kind: str) -> str:
    """Running heads or feet, each once."""
    pages = children(common, "master-styles") if common is not None else []
    return "\n\n".join(dict.fromkeys(document.blocks(e) for page in pages for e in page if tag(e) == kind))


class _Document:
    def __init__(self, root: Element, common: Element | None, reading: Reading) -> None:
        self.reading = reading
        self.notes: list[str] = []
        own = children(root, "automatic-styles")
        others = (
            [s for kind in ("styles", "automatic-styles") for s in children(common, kind)] if common is not None else []
        )
        self.styles = {(attribute(s, "family"), attribute(s, "name")): s for s in (*others, *own)}
        sheets = child(root, "body", "spreadsheet")
        self.sheets = [] if sheets is None else [e for e in sheets if tag(e) == "table"]

    def blocks(self, parent: Iterable[Element]) -> str:
        """Paragraphs and tables below an element; items of a list are on neighbouring lines."""
        out: list[str] = []
        was_item = False
        for text, is_item in self._blocks(parent, in_list=False):
            if text.strip():
                out.append(("\n" if is_item and was_item else "\n\n") + text if out else text)
                was_item = is_item
        return "".join(out)

    def _blocks(self, parent: Iterable[Element], *, in_list: bool) -> Iterator[tuple[str, bool]]:
        """Texts, and whether they are items of a list."""
        number = 0
        for element in parent:
            kind = tag(element)
            if kind in ("p", "h"):
                if self._is_hidden(element, "paragraph"):
                    self.reading.leave_out("passage", "hidden text", count=1)
                else:
                    yield self._inline(element).strip(" "), in_list
            elif kind == "table":
                yield self._table(element), False
            elif kind == "page":
                number += 1
                if self._style(element, "drawing-page", "visibility") == "hidden":
                    self.reading.leave_out("slide", "hidden", str(number))
                else:
                    self.reading.count("slides")
                    yield self.blocks(element), False
            elif kind == "annotation":
                self.reading.leave_out("comment", "comments are not part of the text", count=1)
            elif kind == "image":
                self.reading.leave_out("picture", "pictures are not read", count=1)
            elif kind == "object":
                self.reading.leave_out("object", "embedded objects are not read", count=1)
            elif kind == "section" and attribute(element, "display") == "none":
                self.reading.leave_out("section", "hidden", attribute(element, "name"))
            elif kind not in _SKIPPED:
                yield from self._blocks(element, in_list=in_list or kind == "list")

    def _style(self, element: Element, family: str, name: str) -> str:
        """A property by an element's style or one that it is based on."""
        style, seen = attribute(element, "style-name"), set()
        while style not in seen:
            seen.add(style)
            entry = self.styles.get((family, style), self.styles.get(("", style)))
            if entry is None:
                break
            found = next((value for p in entry if (value := attribute(p, name))), "")
            if found:
                return found
            style = attribute(entry, "parent-style-name")
        return ""

    def _is_hidden(self, element: Element, family: str) -> bool:
        inner = child(element, "hidden-paragraph")
        by_field = attribute(element if inner is None else inner, "is-hidden") == "true"
        return by_field or self._style(element, family, "display") == "none"

    def _inline(self, element: Element) -> str:
        out = [element.text or ""]
        for part in element:
            kind = tag(part)
            if kind == "s":
                out.append(" " * int(attribute(part, "c", "1")))
            elif kind in ("tab", "line-break"):
                out.append("\t" if kind == "tab" else "\n")
            elif kind == "note":
                self.notes.append(f"[{len(self.notes) + 1}] {self.blocks(part)}")
                out.append(f"[{len(self.notes)}]")
            elif kind in ("span", "hidden-text") and self._is_hidden(part, "text"):
                self.reading.leave_out("passage", "hidden text", count=1)
            elif kind == "span" and self._style(part, "text", "text-position").startswith("super"):
                out.append(superscript(self._inline(part)))
            elif kind == "ruby-text":
                out.append(f"({self._inline(part)})")
            elif kind in ("frame", "custom-shape", "g", "annotation"):
                out.append(f"\n{self.blocks([part])}\n")
            elif kind not in _SKIPPED:
                out.append(self._inline(part))
            out.append(part.tail or "")
        return "".join(out)

    def _table(self, table: Element) -> str:
        name = attribute(table, "name")
        if self._style(table, "table", "display") == "false":
            self.reading.leave_out("sheet", "hidden", name)
            return ""
        rows: list[str] = []
        is_sheet = any(table is sheet for sheet in self.sheets)
        hidden, found = _hidden_columns(table), set()
        for row in _below(table, "table-row"):
            cells: list[str] = []
            for cell in row:
                if tag(cell) in ("table-cell", "covered-table-cell"):
                    text = self.blocks(cell) if tag(cell) == "table-cell" else ""
                    cells += [text] * min(int(attribute(cell, "number-columns-repeated", "1")), _MOST_REPEATED)
            found |= {column for column in hidden if column < len(cells) and cells[column]}
            line = join_cells([text for column, text in enumerate(cells) if column not in hidden])
            if line and attribute(row, "visibility") in _HIDDEN_ROWS:
                self.reading.leave_out("row", f"hidden in sheet {name}", count=1)
            elif line:
                rows += [line] * min(int(attribute(row, "number-rows-repeated", "1")), _MOST_REPEATED)
        self.reading.leave_out("column", f"hidden in sheet {name}", count=len(found))
        if is_sheet:
            self.reading.count("sheets")
        text = "\n".join(rows)
        return f"{name}\n\n{text}" if is_sheet and text else text


def _hidden_columns(table: Element) -> set[int]:
    """Columns that are not shown, from 0."""
    hidden, place = set(), 0
    for column in _below(table, "table-column"):
        number = int(attribute(column, "number-columns-repeated", "1"))
        if attribute(column, "visibility") in _HIDDEN_ROWS:
            hidden.update(range(place, place + min(number, _MOST_REPEATED)))
        place += number
    return hidden


def _below(parent: Element, name: str) -> Iterator[Element]:
    """Rows or columns of a table, through its groups, and not those of tables in its cells."""
    for element in parent:
        if tag(element) == name:
            yield element
        elif tag(element) in _GROUPS:
            yield from _below(element, name)
