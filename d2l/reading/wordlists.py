"""Numbers of Word's lists: they are in no paragraph's text, but on every page."""

from xml.etree.ElementTree import Element

from d2l.reading.numerals import numeral
from d2l.reading.package import attribute, child, is_on, tag

_KINDS = {"lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I"}


class Lists:
    """Counts the list items of a document.

    Args:
        numbering: roots of the numbering parts.
        styles: style elements by their ids: headings may be numbered by their style.
    """

    def __init__(self, numbering: list[Element], styles: dict[str, Element]) -> None:
        entries = [entry for root in numbering for entry in root]
        self.abstract = {attribute(e, "abstractNumId"): e for e in entries if tag(e) == "abstractNum"}
        self.numbers = {attribute(e, "numId"): e for e in entries if tag(e) == "num"}
        self.styles = styles
        self.counts: dict[str, dict[int, int]] = {}
        self.started: set[tuple[str, int]] = set()

    def number(self, properties: Element | None) -> str | None:
        """What stands before a paragraph: ``2.1``, ``b)``, nothing for a bullet; None if it is in no list."""
        number, level = self._place(properties)
        if number not in self.numbers:
            return None
        instance = self.numbers[number]
        abstract = attribute(child(instance, "abstractNumId"), "val")
        counts = self.counts.setdefault(abstract, {})
        override = next((o for o in instance if tag(o) == "lvlOverride" and attribute(o, "ilvl") == str(level)), None)
        restart = child(override, "startOverride")
        if restart is not None and (number, level) not in self.started:
            counts[level] = int(attribute(restart, "val", "1"))
        elif level in counts:
            counts[level] += 1
        else:
            counts[level] = self._start(abstract, level)
        self.started.add((number, level))
        for deeper in [other for other in counts if other > level]:
            del counts[deeper]
        for higher in range(level):
            counts.setdefault(higher, self._start(abstract, higher))
        return self._text(abstract, level, counts)

    def _place(self, properties: Element | None) -> tuple[str, int]:
        """The list and the level of a paragraph, its own or its style's."""
        name, seen = attribute(child(properties, "pStyle"), "val"), set()
        number: str | None = None
        level: int | None = None
        while properties is not None:
            own = child(properties, "numPr")
            if number is None and child(own, "numId") is not None:
                number = attribute(child(own, "numId"), "val")
            if level is None and child(own, "ilvl") is not None:
                level = int(attribute(child(own, "ilvl"), "val", "0"))
            if number is not None or name in seen or name not in self.styles:
                break
            seen.add(name)
            entry = self.styles[name]
            properties = child(entry, "pPr")
            properties = Element("pPr") if properties is None else properties
            name = attribute(child(entry, "basedOn"), "val")
        return number or "", level or 0

    def _level(self, abstract: str, level: int) -> Element | None:
        entries = self.abstract.get(abstract)
        levels = [] if entries is None else [e for e in entries if tag(e) == "lvl"]
        return next((e for e in levels if attribute(e, "ilvl") == str(level)), None)

    def _start(self, abstract: str, level: int) -> int:
        return int(attribute(child(self._level(abstract, level), "start"), "val", "1"))

    def _text(self, abstract: str, level: int, counts: dict[int, int]) -> str:
        entry = self._level(abstract, level)
        if entry is None or self._kind(entry) in ("bullet", "none"):
            return ""
        text = attribute(child(entry, "lvlText"), "val")
        legal = is_on(child(entry, "isLgl"))
        for other, count in counts.items():
            kind = "1" if legal else _KINDS.get(self._kind(self._level(abstract, other)), "1")
            text = text.replace(f"%{other + 1}", numeral(count, kind))
        return text.strip()

    def _kind(self, entry: Element | None) -> str:
        return attribute(child(entry, "numFmt"), "val", "decimal")
