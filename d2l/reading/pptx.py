"""PPTX -> the text of the slides that are shown, in the order of their shapes, with the speaker's notes."""

from xml.etree.ElementTree import Element

from d2l.reading.drawings import chart_text, diagram_text, paragraphs
from d2l.reading.html import join_cells
from d2l.reading.package import Package, Relation, attribute, child, children, tag
from d2l.reading.report import Reading


def pptx_text(data: bytes, reading: Reading) -> str:
    """The visible text of a presentation; hidden slides are named in ``reading``.

    Raises:
        Exception: no presentation, or a damaged one.
    """
    package = Package(data)
    main = package.main_part()
    relations = package.relations(main)
    texts = []
    for number, entry in enumerate(children(package.xml(main), "sldIdLst"), start=1):
        part = relations[_relation_id(entry)].target
        root = package.xml(part)
        if root.get("show") in ("0", "false"):
            reading.leave_out("slide", "hidden", str(number))
            continue
        reading.count("slides")
        slide = _Slide(package, part, reading)
        texts.append(slide.text(root))
        for notes in package.related(part, "notesSlide"):
            texts.append(_notes(package.xml(notes), reading))
        comments = [*package.related(part, "comments"), *package.related(part, "comment")]
        count = sum(tag(e) == "cm" for part in comments for e in package.xml(part))
        reading.leave_out("comment", "comments are not part of the text", count=count)
    return "\n\n".join(filter(None, texts))


def _relation_id(entry: Element) -> str:
    """``r:id``, not the ``id`` beside it."""
    return next(value for key, value in entry.attrib.items() if key.endswith("}id"))


class _Slide:
    def __init__(self, package: Package, part: str, reading: Reading) -> None:
        self.package, self.reading = package, reading
        self.relations: dict[str, Relation] = package.relations(part)

    def text(self, root: Element) -> str:
        tree = child(root, "cSld", "spTree")
        if tree is None:
            raise ValueError("no shapes")
        return "\n\n".join(filter(None, self._shapes(tree)))

    def _shapes(self, tree: Element) -> list[str]:
        texts: list[str] = []
        for shape in tree:
            kind = tag(shape)
            if _is_hidden(shape):
                self.reading.leave_out("shape", "hidden", count=1)
            elif kind == "grpSp":
                texts += self._shapes(shape)
            elif kind == "AlternateContent":  # the same thing twice: for new programs and for old ones
                choice = child(shape, "Choice")
                texts += self._shapes(choice if choice is not None else shape[-1])
            elif kind == "graphicFrame":
                texts += self._graphic(shape)
            elif kind == "pic":
                self.reading.leave_out("picture", "pictures are not read", count=1)
            elif _placeholder(shape) != "sldNum":
                texts.append(_body(shape, self.reading).strip())
        return texts

    def _graphic(self, frame: Element) -> list[str]:
        data = children(child(frame, "graphic"), "graphicData")
        texts = []
        for element in data:
            if tag(element) == "tbl":
                rows = [[c for c in row if tag(c) == "tc"] for row in element if tag(row) == "tr"]
                cells = [[_body(cell, self.reading) for cell in row] for row in rows]
                texts.append("\n".join(filter(None, map(join_cells, cells))))
            elif tag(element) == "chart":
                chart = self.package.xml(self.relations[attribute(element, "id")].target)
                texts.append(chart_text(chart, self.reading))
            elif tag(element) == "relIds":
                diagram = self.package.xml(self.relations[attribute(element, "dm")].target)
                texts.append(diagram_text(diagram, self.reading))
            else:
                self.reading.leave_out("object", "embedded objects are not read", count=1)
        return texts


def _properties(shape: Element) -> list[Element]:
    return next((list(e) for e in shape if tag(e).startswith("nv")), [])


def _is_hidden(shape: Element) -> bool:
    return any(p.get("hidden") in ("1", "true") for p in _properties(shape) if tag(p) == "cNvPr")


def _placeholder(shape: Element) -> str:
    return next((attribute(child(p, "ph"), "type") for p in _properties(shape) if tag(p) == "nvPr"), "")


def _body(shape: Element, reading: Reading) -> str:
    body = child(shape, "txBody")
    return "" if body is None else paragraphs(body, reading)


def _notes(root: Element, reading: Reading) -> str:
    shapes = [shape for shape in children(child(root, "cSld"), "spTree") if _placeholder(shape) == "body"]
    return "\n".join(filter(None, (_body(shape, reading) for shape in shapes)))
