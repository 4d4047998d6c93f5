"""What a file says of its encoding, and which codec that means."""

import codecs
import re
from contextlib import suppress

# What labels mean on the web, where they differ from Python's names (https://encoding.spec.whatwg.org).
_WEB = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
# Labels of the web that Python does not know, by its codec.
_UNKNOWN_TO_PYTHON = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
    "utf-16-le": "csunicode iso-10646-ucs-2 ucs-2 unicodefeff",
    "utf-16-be": "unicodefffe",
    "iso8859-2": "iso88592",
    "iso8859-6": "csiso88596e csiso88596i iso-8859-6-e iso-8859-6-i",
    "iso8859-7": "sun_eu_greek",
    "iso8859-8": "csiso88598e csiso88598i iso-8859-8-e iso-8859-8-i logical visual",
    "iso8859-15": "csisolatin9 iso885915",
    "koi8-r": "koi koi8",
    "koi8-u": "koi8-ru",
    "mac_roman": "csmacintosh mac x-mac-roman",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp874": "dos-874 windows-874 iso885911",
    "cp1252": "iso88591",
    "cp1254": "iso88599",
    **{f"cp125{n}": f"x-cp125{n}" for n in (0, 1, 3, 5, 6, 7, 8)},
    "gb18030": "csgb2312 gb_2312 gb_2312-80 x-gbk",
    "big5hkscs": "cn-big5 x-x-big5",
    "euc_jp": "cseucpkdfmtjapanese x-euc-jp",
    "cp932": "windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 iso-ir-149 ks_c_5601-1989 ksc_5601 windows-949",
}
_LABELS = {name: codec for codec, names in _UNKNOWN_TO_PYTHON.items() for name in names.split()}
_LABELS |= {"x-cp1252": "cp1252", "x-cp1254": "cp1254"}
_LATEX = {"latin1": "cp1252", "ansinew": "cp1252", "latin9": "iso8859-15", "applemac": "mac_roman"}

_XML = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']?([\w.:-]+)""")
_CSS = re.compile(rb'@charset\s+"([\w.:-]+)"')
# Heads of mail, editors' cookies, LaTeX.
_LINES = re.compile(
    rb"""^.{0,40}content-type:.{0,200}?charset\s*=\s*["']?([\w.:-]+)|^.{0,200}?coding\s*[=:]\s*["']?([\w.:-]+)"""
    rb"|\[(\w+)\]\{inputenc\}",
    re.IGNORECASE | re.MULTILINE,
)
# One that nothing closes goes to the end, as in a browser; were it none, each "<meta" would be read to there in vain.
_META = re.compile(rb"""<meta\b((?:[^>"']|"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))*)(?:>|\Z)""", re.IGNORECASE)
_CONTENT = re.compile(rb"""\bcontent\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*))""", re.IGNORECASE)
_CHARSET = re.compile(rb"""(?:^|[\s"'/;])charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
# Scripts and comments talk of other files' encodings.
_NO_MARKUP = re.compile(rb"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1|\Z)", re.IGNORECASE | re.DOTALL)
_HEAD, _MARKUP_HEAD = 2048, 1 << 16


def python_name(name: str) -> str | None:
    """The codec for an encoding's label, None if there is none. Labels mean what they mean on the web."""
    name = name.strip().lower()
    if name in _LABELS:
        return _LABELS[name]
    with suppress(LookupError, ValueError):  # ValueError: a NUL in the label
        codec = codecs.lookup(name)
        if codec._is_text_encoding:
            return _WEB.get(codec.name, codec.name)
    return None


def declared(data: bytes, *, markup: bool = False) -> tuple[str | None, bool]:
    """The codec that a file declares, None if it does not, and whether by the rules of its format.

    Args:
        markup: the file is HTML, where only ``meta`` elements count. A line that may be a cookie may be prose, too.
    """
    head = data[:_HEAD]
    for pattern in (_XML, _CSS):
        match = pattern.match(head.removeprefix(codecs.BOM_UTF8))
        if match and (codec := _codec(match[1])):
            return codec, True
    if markup or b"<meta" in head.lower():
        codec = next(filter(None, map(_codec, _meta_labels(data[:_MARKUP_HEAD]))), None)
        if codec or markup:
            return codec, markup
    labels = (next(filter(None, match.groups())) for match in _LINES.finditer(head))
    return next(filter(None, map(_codec, labels)), None), False


def _meta_labels(head: bytes) -> list[bytes]:
    found = []
    for meta in _META.finditer(_NO_MARKUP.sub(b"", head)):
        attributes = meta[1]
        direct = _CHARSET.search(_CONTENT.sub(b"", attributes))
        content = _CONTENT.search(attributes) if b"http-equiv" in attributes.lower() else None
        inner = content and _CHARSET.search(next(filter(None, content.groups()), b""))
        found += [match[1] for match in (direct, inner) if match]
    return found


def _codec(label: bytes) -> str | None:
    name = label.decode("ascii", "replace")
    found = _LATEX.get(name) or python_name(name)
    if found is None or found in ("utf-7", "unicode_escape", "raw_unicode_escape", "idna", "punycode"):
        return None
    # A declaration that could be read is not in UTF-16.
    return "utf-8" if found.startswith(("utf-16", "utf-32")) else found
