"""Characters of symbol fonts as Unicode; documents name them by their place in the font."""

import re

# https://www.unicode.org/Public/MAPPINGS/VENDORS/ADOBE/symbol.txt; a blank is a place without a character.
_SYMBOL = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?"
    "≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_"
    " αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼ "
    "                                "
    "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…   "
    "ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓"
    "◊〈®©™∑           〉∫"
)
# The marks that stand in sentences, of the fonts that are pictures for the rest.
_WINGDINGS = {
    0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x72: "❒", 0x75: "◆", 0x76: "❖", 0x78: "☒",
    0x9F: "•", 0xA7: "▪", 0xA8: "◻", 0xAB: "★", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔",
    0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_PICTURES = {"wingdings": _WINGDINGS, "wingdings 2": {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑"}}
_PRIVATE = re.compile("[\uf020-\uf0ff]")


def symbol(font: str, code: int) -> str | None:
    """The Unicode character at a place of a symbol font (U+F061 and 0x61 are the same one), None if it is unknown."""
    if not 0xF000 <= code < 0xF100 and code > 0xFF:
        return None if 0xE000 <= code < 0xF900 else chr(code)
    place, font = code & 0xFF, font.lower()
    if font.startswith("symbol"):
        found = _SYMBOL[place - 0x20 : place - 0x1F].strip() if place >= 0x20 else ""
    elif font in _PICTURES:
        found = _PICTURES[font].get(place, "")
    else:
        found = "" if code > 0xFF else chr(code)
    return found or None


def translated(text: str, font: str) -> tuple[str, int]:
    """Text with the private characters of a symbol font as Unicode has them, and how many of them are unknown."""
    unknown = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown
        found = symbol(font, ord(match[0]))
        unknown += found is None
        return found or ""

    return _PRIVATE.sub(replace, text), unknown
