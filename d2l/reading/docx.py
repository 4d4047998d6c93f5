"""DOCX -> the text that Word shows, in its order: body, tables, boxes, lists' numbers, notes, headers and footers."""

from collections.abc import Callable, Iterable, Iterator
from xml.etree.ElementTree import Element

from d2l.reading.drawings import chart_text, diagram_text
from d2l.reading.html import join_cells, superscript
from d2l.reading.kinds import kind_of
from d2l.reading.maths import omml
from d2l.reading.numerals import numeral
from d2l.reading.package import Package, Relation, attribute, child, is_on, tag
from d2l.reading.report import Reading
from d2l.reading.symbols import symbol, translated
from d2l.reading.wordlists import Lists

_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t", "softHyphen": ""}
# Deleted by a tracked change, moved away, a field's program, settings.
_SKIPPED = {"del", "moveFrom", "instrText", "delText", "rPr", "pPr", "tblPr", "trPr", "tcPr", "sectPr", "sdtPr"}


def docx_text(data: bytes, reading: Reading, extract: Callable[..., tuple[str, Reading]]) -> str:
    """The visible text of a document.

    Args:
        extract: ``formats.extract``, for documents of other formats inside.

    Raises:
        Exception: no document, or a damaged one.
    """
    package = Package(data)
    main = package.main_part()
    document = _Document(package, main, reading, extract)
    body = document.blocks(_required(child(package.xml(main), "body")))
    around: dict[str, list[str]] = {"header": [], "footer": []}
    for kind, texts in around.items():
        for part in package.related(main, kind):
            text = _Document(package, part, reading, extract, document).blocks(package.xml(part))
            if text and text not in texts:  # the same one on first, even and other pages
                texts.append(text)
    notes = []
    for kind in ("footnotes", "endnotes"):
        for part in package.related(main, kind):
            notes.append(_Document(package, part, reading, extract, document).note_texts(kind, package.xml(part)))
    for part in package.related(main, "comments"):
        reading.leave_out("comment", "comments are not part of the text", count=len(package.xml(part)))
    kinds = [relation.kind for relation in package.relations(main).values()]
    reading.leave_out("picture", "pictures are not read", count=kinds.count("image"))
    objects = kinds.count("oleObject") + kinds.count("package")
    reading.leave_out("object", "embedded objects are not read", count=objects)
    return "\n\n".join(filter(None, [*around["header"], body, *notes, *around["footer"]]))


def _required(element: Element | None) -> Element:
    if element is None:
        raise ValueError("no body")
    return element


class _Document:
    """One part of a document, with the styles and lists of all."""

    def __init__(
        self,
        package: Package,
        part: str,
        reading: Reading,
        extract: Callable[..., tuple[str, Reading]],
        whole: "_Document | None" = None,
    ) -> None:
        self.package, self.reading, self.extract = package, reading, extract
        self.relations: dict[str, Relation] = package.relations(part)
        self.style = ""  # of the paragraph that is read
        if whole is None:
            styles = [package.xml(name) for name in package.related(part, "styles")]
            self.styles = {attribute(s, "styleId"): s for root in styles for s in root if tag(s) == "style"}
            numbering = package.related(part, "numbering")
            self.lists = Lists([package.xml(name) for name in numbering], self.styles)
            self.notes: dict[tuple[str, str], str] = {}
        else:
            self.styles, self.lists, self.notes = whole.styles, whole.lists, whole.notes

    def blocks(self, parent: Element) -> str:
        """Paragraphs and tables below an element; paragraphs are apart by a blank line, items of a list are not."""
        out: list[str] = []
        was_item = False
        for kind, text, is_item in self._blocks(parent):
            if text:
                out.append(("\n" if is_item and was_item and kind == "p" else "\n\n") + text if out else text)
                was_item = is_item
        return "".join(out)

    def _blocks(self, parent: Element) -> Iterator[tuple[str, str, bool]]:
        """Kind, text and whether it is an item of a list."""
        carried = ""  # of paragraphs whose end a tracked change deleted
        for element in parent:
            kind = tag(element)
            if kind == "p" and child(element, "pPr", "rPr", "del") is not None:
                carried += self._paragraph(element, strip=False)
            elif kind == "p":
                number = self.lists.number(child(element, "pPr"))
                text, carried = carried + self._paragraph(element, strip=not carried), ""
                yield kind, f"{number} {text}" if number and text else text, number is not None
            elif kind == "tbl":
                yield kind, self._table(element), False
            elif kind == "altChunk":
                yield kind, self._chunk(attribute(element, "id")), False
            elif kind not in _SKIPPED:
                yield from self._blocks(element)
        if carried:
            yield "p", carried.strip(" "), False

    def _paragraph(self, element: Element, *, strip: bool = True) -> str:
        outer, self.style = self.style, attribute(child(child(element, "pPr"), "pStyle"), "val")
        text = self._inline(element)
        self.style = outer
        return text.strip(" ") if strip else text

    def _table(self, table: Element) -> str:
        rows = []
        for row in _below(table, "tr"):
            changes = child(row, "trPr")
            if child(changes, "del") is None and not is_on(child(changes, "hidden")):
                rows.append(self._row(row))
        return "\n".join(filter(None, rows))

    def _row(self, row: Element) -> str:
        cells = _below(row, "tc")
        texts = [self.blocks(cell) for cell in cells]
        if any(_below(cell, "tbl") for cell in cells):  # a table for the layout
            return "\n\n".join(filter(None, texts))
        return join_cells(texts)

    def _chunk(self, relation: str) -> str:
        """A document of another format that Word shows in place."""
        part = self.relations[relation].target
        data = self.package.read(part)
        text, _ = self.extract(data, name=part, mime_type=kind_of(part, data) or "", depth=1)
        return text

    def _inline(self, parent: Iterable[Element]) -> str:
        out = []
        for element in parent:
            kind = tag(element)
            if kind == "r":
                out.append(self._run(element))
            elif kind == "AlternateContent":  # the same thing twice: for new programs and for old ones
                choice = child(element, "Choice")
                out.append(self._inline(choice if choice is not None else _required(child(element, "Fallback"))))
            elif kind == "ruby":  # its reading is above it
                base, aid = self._inline(_below(element, "rubyBase")), self._inline(_below(element, "rt"))
                out.append(f"{base}({aid})" if aid else base)
            elif kind == "textpath":  # of old WordArt: watermarks
                out.append(f"\n{attribute(element, 'string')}\n")
            elif kind == "txbxContent":
                out.append(f"\n{self.blocks(element)}\n")
            elif kind == "chart" and attribute(element, "id") in self.relations:
                chart = self.package.xml(self.relations[attribute(element, "id")].target)
                out.append(f"\n{chart_text(chart, self.reading)}\n")
            elif kind == "relIds" and attribute(element, "dm") in self.relations:
                diagram = self.package.xml(self.relations[attribute(element, "dm")].target)
                out.append(f"\n{diagram_text(diagram, self.reading)}\n")
            elif kind == "t":
                out.append(element.text or "")
            elif kind not in _SKIPPED:
                formula = omml(element, self._inline)
                out.append(self._inline(element) if formula is None else formula)
        return "".join(out)

    def _run(self, run: Element) -> str:
        properties = child(run, "rPr")
        if self._is_hidden(properties):
            text = "".join(t.text or "" for t in run.iter() if tag(t) == "t")
            self.reading.leave_out("passage", "hidden text", count=int(bool(text.strip())))
            return ""
        out = []
        for element in run:
            kind = tag(element)
            if kind == "t":
                out.append(self._letters(properties, element.text or ""))
            elif kind == "fldChar":
                out.append(_form_field(child(element, "ffData")))
            elif kind in _CHARACTERS:
                out.append(_CHARACTERS[kind])
            elif kind == "sym":
                out.append(self._symbol(element))
            elif kind in ("footnoteReference", "endnoteReference"):
                kind = kind.removesuffix("Reference") + "s"
                number = 1 + sum(other == kind for other, _ in self.notes)
                mark = numeral(number, "i" if kind == "endnotes" else "1")  # as Word numbers them
                out.append(f"[{self.notes.setdefault((kind, attribute(element, 'id')), mark)}]")
            elif kind not in _SKIPPED:
                out.append(self._inline([element]))
        text = "".join(out)
        raised = child(properties, "vertAlign")
        return superscript(text) if raised is not None and attribute(raised, "val") == "superscript" else text

    def _is_hidden(self, properties: Element | None) -> bool:
        own = child(properties, "vanish")
        if own is not None:
            return is_on(own)
        by_style = [self._hides(attribute(child(properties, "rStyle"), "val")), self._hides(self.style)]
        return next((hides for hides in by_style if hides is not None), False)

    def _hides(self, style: str) -> bool | None:
        """Whether a style or one that it is based on hides text; None if none of them says."""
        seen: set[str] = set()
        while style in self.styles and style not in seen:
            seen.add(style)
            vanish = child(self.styles[style], "rPr", "vanish")
            if vanish is not None:
                return is_on(vanish)
            style = attribute(child(self.styles[style], "basedOn"), "val")
        return None

    def _symbol(self, element: Element) -> str:
        text = symbol(attribute(element, "font"), int(attribute(element, "char", "0"), 16))
        self.reading.leave_out("symbol", "of a symbol font", count=int(text is None))
        return text or ""

    def _letters(self, properties: Element | None, text: str) -> str:
        """A run's text, whose font may have other signs in the letters' places."""
        fonts = child(properties, "rFonts")
        text, unknown = translated(text, attribute(fonts, "ascii") or attribute(fonts, "hAnsi"))
        self.reading.leave_out("symbol", "of a symbol font", count=unknown)
        return text

    def note_texts(self, kind: str, root: Element) -> str:
        """Notes with the number that the text refers to them by."""
        numbered = [(self.notes.get((kind, attribute(note, "id"))), note) for note in root]
        return "\n".join(f"[{number}] {self.blocks(note)}" for number, note in numbered if number is not None)


def _form_field(data: Element | None) -> str:
    """What a form's field shows without text of its own: a choice from a list, a box with or without a cross."""
    box, choices = child(data, "checkBox"), child(data, "ddList")
    for field in (box, choices):
        if field is not None:
            name = next((n for n in ("checked", "result", "default") if child(field, n) is not None), "")
            value = child(field, name)
            if field is box:
                return "☒" if is_on(value) else "☐"
            entries = [attribute(entry, "val") for entry in field if tag(entry) == "listEntry"]
            return "".join(entries[int(attribute(value, "val", "0")) :][:1])
    return ""


def _below(parent: Element, name: str) -> list[Element]:
    """Elements of a name below another one, through content controls and tracked insertions."""
    found = []
    for element in parent:
        if tag(element) == name:
            found.append(element)
        elif tag(element) in ("sdt", "sdtContent", "ins", "customXml", "moveTo", "smartTag"):
            found += _below(element, name)
    return found
