"""Text in drawings and charts of Office documents."""

import re
from collections.abc import Iterator
from itertools import zip_longest
from xml.etree.ElementTree import Element

from d2l.reading.html import superscript
from d2l.reading.maths import omml_text
from d2l.reading.numerals import numeral
from d2l.reading.package import Package, attribute, child, children, tag
from d2l.reading.report import Reading
from d2l.reading.symbols import symbol, translated

_LIST_STYLES = {"alphaLc": "a", "alphaUc": "A", "romanLc": "i", "romanUc": "I"}


def drawing_text(package: Package, part: str, reading: Reading) -> str:
    """Text boxes and charts of a drawing, in its order; pictures are counted in ``reading``."""
    relations = package.relations(part)
    texts = []
    for element in package.xml(part).iter():
        if tag(element) == "txBody":
            texts.append(paragraphs(element, reading))
        elif tag(element) == "blip":
            reading.leave_out("picture", "pictures are not read", count=1)
        elif tag(element) == "chart" and attribute(element, "id") in relations:
            texts.append(chart_text(package.xml(relations[attribute(element, "id")].target), reading))
    return "\n".join(filter(None, texts))


def diagram_text(root: Element, reading: Reading) -> str:
    """The points of a SmartArt diagram, one a line."""
    points = [point for point in root.iter() if tag(point) == "pt"]
    texts = ("\n".join(paragraph(p, reading) for p in point.iter() if tag(p) == "p") for point in points)
    return "\n".join(filter(None, texts))


def paragraphs(body: Element, reading: Reading) -> str:
    """The paragraphs of a DrawingML text body, one a line, with the numbers that lists show."""
    lines, counts = [], {}
    for element in body:
        if tag(element) != "p":
            continue
        text, properties = paragraph(element, reading), child(element, "pPr")
        level, numbered = int(attribute(properties, "lvl", "0")), child(properties, "buAutoNum")
        counts = {other: count for other, count in counts.items() if other < level + (numbered is not None)}
        if numbered is not None and text:
            counts[level] = counts[level] + 1 if level in counts else int(numbered.get("startAt", 1))
            text = f"{_list_number(counts[level], numbered.get('type', ''))} {text}"
        lines.append(text)
    return "\n".join(lines)


def _list_number(number: int, kind: str) -> str:
    style = next((style for name, style in _LIST_STYLES.items() if kind.startswith(name)), "1")
    before, behind = ("(", ")") if kind.endswith("Both") else ("", ")" if kind.endswith("ParenR") else ".")
    return f"{before}{numeral(number, style)}{'' if kind.endswith('Plain') else behind}"


def paragraph(element: Element, reading: Reading) -> str:
    """A DrawingML paragraph; characters that are pictures of a font are counted in ``reading``."""
    text = []
    for part in element:
        if tag(part) in ("r", "fld"):
            text.append(_run(part, reading))
        elif tag(part) == "br":
            text.append("\n")
        elif tag(part) not in ("pPr", "endParaRPr"):
            text.append(omml_text([part]))
    return "".join(text)


def _run(run: Element, reading: Reading) -> str:
    properties = child(run, "rPr")
    font = child(properties, "sym") if child(properties, "sym") is not None else child(properties, "latin")
    text = _letters("".join(t.text or "" for t in run if tag(t) == "t"), font, reading)
    raised = attribute(properties, "baseline", "0").rstrip("%")
    return superscript(text) if re.fullmatch(r"[0-9.]*[1-9][0-9.]*", raised) else text


def _letters(text: str, font: Element | None, reading: Reading) -> str:
    """Characters of a symbol font as what they show. The arrow that PowerPoint makes of --> is a lone à in one."""
    name, lone = attribute(font, "typeface"), text.strip()
    if attribute(font, "charset") == "2" and len(lone) == 1 and "\xa0" < lone <= "\xff":
        return text.replace(lone, symbol(name, 0xF000 | ord(lone)) or lone)
    text, unknown = translated(text, name)
    reading.leave_out("symbol", "of a symbol font", count=unknown)
    return text


def chart_text(root: Element, reading: Reading) -> str:
    """Titles of a chart, and its series as a table: a row for each category."""
    lines = [paragraph(p, reading) for p in _without_series(root) if tag(p) == "p"]
    for data in children(root, "chartData"):  # charts of kinds that came with Office 2016
        levels = [level for dimension in data for level in dimension if tag(level) == "lvl"]
        cells = [[point.text or "" for point in level if tag(point) == "pt"] for level in levels]
        lines += [" | ".join(row) for row in zip_longest(*cells, fillvalue="")]
    names: list[str] = []
    table: dict[str, list[str]] = {}
    for number, series in enumerate(e for e in root.iter() if tag(e) == "ser"):
        names.append(" ".join(_points(child(series, "tx")).values()))
        categories = _points(child(series, "cat") if child(series, "cat") is not None else child(series, "xVal"))
        values = _points(child(series, "val") if child(series, "val") is not None else child(series, "yVal"))
        for index, value in values.items():
            row = table.setdefault(categories.get(index, str(index + 1)), [])
            row += [""] * (number - len(row)) + [value]
    if any(names):
        lines.append(" | ".join(["", *names]))
    lines += [" | ".join([category, *values]) for category, values in table.items()]
    return "\n".join(line for line in lines if line.strip(" |"))


def _points(source: Element | None) -> dict[int, str]:
    """Cached values of a series by their index."""
    if source is None:
        return {}
    found: dict[int, str] = {}
    for point in source.iter():
        if tag(point) == "pt":
            value = child(point, "v")
            level = found.get(int(point.get("idx", 0)))
            text = (value.text or "") if value is not None else ""
            found[int(point.get("idx", 0))] = f"{text} {level}" if level else text
    if not found:
        found = {i: v.text or "" for i, v in enumerate(v for v in source.iter() if tag(v) == "v")}
    return found


def _without_series(element: Element) -> Iterator[Element]:
    for part in element:
        if tag(part) != "ser":
            yield part
            yield from _without_series(part)
