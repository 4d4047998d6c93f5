"""Formulas of Office documents (OMML) on a line: without their own lines a fraction's numbers would run together."""

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

from d2l.reading.package import attribute, child, tag

_FORMS = {
    "f": "{num}/{den}",
    "sSup": "{e}^{sup}",
    "sSub": "{e}_{sub}",
    "sSubSup": "{e}_{sub}^{sup}",
    "rad": "{deg}√{e}",
    "nary": "{chr}_{sub}^{sup} {e}",
}
FORMULAS = frozenset((*_FORMS, "d"))


def formula(element: Element, inline: Callable[[Element], str]) -> str:
    """The text of an element of ``FORMULAS``.

    Args:
        inline: gives the text below an element.
    """
    kind = tag(element)
    if kind == "d":
        properties = child(element, "dPr")
        before = attribute(child(properties, "begChr"), "val", "(")
        behind = attribute(child(properties, "endChr"), "val", ")")
        return f"{before}{', '.join(inline(part) for part in element if tag(part) == 'e')}{behind}"
    parts = dict.fromkeys(("num", "den", "e", "sup", "sub", "deg"), "")
    parts |= {tag(part): _bracketed(inline(part)) for part in element}
    parts["chr"] = attribute(child(element, "naryPr", "chr"), "val", "∫")
    return re.sub(r"[_^](?=[\^ ]|$)", "", _FORMS[kind].format(**parts))


def _bracketed(text: str) -> str:
    """A part that must stay together on a line."""
    return text if re.fullmatch(r"[\w.,]*|\([^()]*\)", text) else f"({text})"
