"""Formulas of HTML (MathML) and Word (OMML) on one line: (a+b)/2, x^2, √(y)."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree.ElementTree import Element

from d2l.reading.package import attribute, child, tag

_OMML = "/math}"  # how its namespace ends, transitional and strict
_MOST_DEPTH = 200
_ROOTS = {"": "√", "2": "√", "3": "∛", "4": "∜"}
_NO_MATHML = frozenset(("annotation", "annotation-xml", "mphantom", "mprescripts", "none"))
_TEMPLATES = {
    "mfrac": "{}/{}",
    "msup": "{}^{}",
    "mover": "{}^{}",
    "msub": "{}_{}",
    "munder": "{}_{}",
    "msubsup": "{}_{}^{}",
    "munderover": "{}_{}^{}",
}


def mathml(node: Any, depth: int = 0) -> str:
    """A ``math`` element of a page and what is in it; parts that are nested very deep are left as they are."""
    name = node.tag
    if name == "-text":
        return " ".join((node.text_content or "").split())
    if name in _NO_MATHML:
        return ""
    if depth > _MOST_DEPTH:
        return " ".join((node.text(deep=True) or "").split())
    parts = []
    inner = node.child
    while inner is not None:
        if inner.tag == "-text" or not inner.tag.startswith("-"):
            parts.append((inner.tag, mathml(inner, depth + 1)))
        inner = inner.next
    texts = [text for _, text in parts if text]
    elements = [text for kind, text in parts if kind != "-text"]
    if name == "semantics":
        return elements[0] if elements else ""
    if name in _TEMPLATES and len(elements) == _TEMPLATES[name].count("{}"):
        return _TEMPLATES[name].format(*map(grouped, elements))
    if name == "msqrt":
        return f"√({''.join(texts)})"
    if name == "mroot" and len(elements) == 2:
        return root(elements[0], elements[1])
    if name == "mfenced":
        attributes = node.attributes
        return f"{attributes.get('open', '(')}{', '.join(texts)}{attributes.get('close', ')')}"
    if name == "mspace":
        return " "
    if name in ("mtable", "mtr", "mlabeledtr"):
        return ("; " if name == "mtable" else ", ").join(texts)
    return "".join(texts)


def omml(element: Element, inline: Callable[[Iterable[Element]], str]) -> str | None:
    """A formula element of Word's, None for one that is nothing but what is in it.

    Args:
        inline: the text of elements.
    """
    if _OMML not in element.tag:
        return None
    kind, properties = tag(element), child(element, f"{tag(element)}Pr")

    def part(name: str) -> str:
        found = child(element, name)
        return "" if found is None else inline(list(found))

    def parts(parent: Element, name: str = "e") -> list[str]:
        return [inline(list(e)) for e in parent if tag(e) == name]

    def scripts() -> str:
        return "".join(mark + grouped(text) for mark, name in (("_", "sub"), ("^", "sup")) if (text := part(name)))

    if kind == "f":
        return f"{grouped(part('num'))}/{grouped(part('den'))}"
    if kind in ("sSup", "sSub", "sSubSup"):
        return grouped(part("e")) + scripts()
    if kind == "rad":
        return root(part("e"), part("deg"))
    if kind == "d":
        marks = {name: child(properties, name) for name in ("begChr", "sepChr", "endChr")}
        usual = {"begChr": "(", "sepChr": "|", "endChr": ")"}
        begin, separator, end = (usual[n] if e is None else attribute(e, "val") for n, e in marks.items())
        return f"{begin}{separator.join(parts(element))}{end}"
    if kind == "nary":
        sign = child(properties, "chr")
        return f"{'∫' if sign is None else attribute(sign, 'val')}{scripts()} {part('e')}"
    if kind in ("limLow", "limUpp"):
        return f"{part('e')}{'_' if kind == 'limLow' else '^'}{grouped(part('lim'))}"
    if kind == "func":
        return f"{part('fName')} {part('e')}"
    if kind == "m":
        return "; ".join(", ".join(parts(row)) for row in element if tag(row) == "mr")
    return "; ".join(parts(element)) if kind == "eqArr" else None


def omml_text(elements: Iterable[Element]) -> str:
    """Formulas that stand alone, as in a slide's paragraph."""
    out = []
    for element in elements:
        formula = omml(element, omml_text)
        if formula is None:
            formula = (element.text or "") if tag(element) == "t" else omml_text(element)
        out.append(formula)
    return "".join(out)


def root(text: str, degree: str) -> str:
    """A root of that degree; the second where it is not said."""
    return f"{_ROOTS[degree]}({text})" if degree in _ROOTS else f"{grouped(degree)}√({text})"


def grouped(text: str) -> str:
    """Between parentheses what is more than one number or name."""
    return text if re.fullmatch(r"[\w.,′']*|\([^()]*\)", text) else f"({text})"
