"""What is filled into the form of a PDF: PDFium has it in no page's text."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

# Where an object begins, and ends: one scan, whatever is missing. More digits are no number of an object.
_EDGE = re.compile(rb"(?:^|[\s>])(\d{1,10})\s+\d{1,10}\s+obj\b|\bendobj\b")
_TOKEN = re.compile(
    rb"%[^\r\n]*|(?P<open><<)|(?P<close>>>)|(?P<begin>\[)|(?P<end>\])|(?P<hex><[0-9A-Fa-f\s]*>)|(?P<string>\()"
    rb"|/(?P<name>[^\s()<>\[\]{}/%]*)|(?P<reference>\d{1,10}\s+\d{1,10}\s+R\b)|(?P<word>[^\s()<>\[\]{}/%]+)|\s+"
)
_STRING = re.compile(rb"\\(?:([0-7]{1,3})|(\r\n?|\n)|(.))|[()]|[^\\()]+", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
# PDFDocEncoding where it is not Latin-1 (ISO 32000-1, table D.2).
_PDF_ENCODING = dict(
    zip(
        (*range(0x18, 0x20), *range(0x80, 0x9F), 0xA0),
        "˘ˇˆ˙˝˛˚˜•†‡…—–ƒ⁄‹›−‰„“”‘’‚™ﬁﬂŁŒŠŸŽıłœšž€",
        strict=True,
    )
)
_MOST_DEPTH = 50


class _Name(str):
    """A name, which is no text."""


class _Reference(int):
    """The number of an object that stands elsewhere."""


def form_lines(parts: Iterable[bytes]) -> list[str]:
    """The fields that are filled in, one ``name: value`` each, in the order of their names in the file.

    Args:
        parts: the file and its unpacked streams; of an object that stands in several, the last counts.
    """
    objects: dict[int, Any] = {}
    for part in parts:
        for number, body in _bodies(part):
            if any(key in body for key in (b"/FT", b"/T", b"/V", b"/Kids")):
                objects[number] = _Parser(body).value()
    lines = []
    for entry in objects.values():
        if isinstance(entry, dict) and "V" in entry and _inherited(entry, "FT", objects) in ("Tx", "Ch", "Btn"):
            value = entry["V"]
            value = objects.get(value, "") if isinstance(value, _Reference) else value
            shown = ", ".join(v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str))
            if shown.strip() and not (isinstance(value, _Name) and value == "Off"):
                lines.append(f"{_full_name(entry, objects)}: {shown}".removeprefix(": "))
    return list(dict.fromkeys(lines))


def _bodies(part: bytes) -> Iterable[tuple[int, bytes]]:
    """Numbers and sources of objects, of a file or of a stream that is made of them."""
    edges = list(_EDGE.finditer(part))
    found = [(int(edge[1]), part[edge.end() : following.start()]) for edge, following in pairwise(edges) if edge[1]]
    head = re.match(rb"\s*(\d{1,10}\s+\d{1,10}\s+)+(?=<<|\[|\(|/)", part)
    if found or not head:
        return found
    numbers = list(map(int, head[0].split()))
    starts = [head.end() + offset for offset in numbers[1::2]]
    return [(n, part[a:b]) for n, a, b in zip(numbers[::2], starts, [*starts[1:], len(part)], strict=True)]


def _inherited(entry: dict[str, Any], key: str, objects: dict[int, Any], depth: int = 0) -> Any:
    if key in entry or depth > _MOST_DEPTH:
        return entry.get(key)
    parent = objects.get(entry.get("Parent"))
    return _inherited(parent, key, objects, depth + 1) if isinstance(parent, dict) else None


def _full_name(entry: dict[str, Any], objects: dict[int, Any]) -> str:
    """The field's name behind those of the groups that it is in; or the words that are shown for it."""
    if isinstance(entry.get("TU"), str):
        return entry["TU"]
    names: list[str] = []
    at: Any = entry
    while isinstance(at, dict) and len(names) < _MOST_DEPTH:
        names.append(at["T"] if isinstance(at.get("T"), str) else "")
        at = objects.get(at.get("Parent"))
    return ".".join(filter(None, reversed(names)))


class _Parser:
    """One object of a file. What is damaged ends early."""

    def __init__(self, source: bytes) -> None:
        self.source, self.place = source, 0

    def value(self, depth: int = 0) -> Any:
        """Dictionary, list, text, name, reference; None for others and where the source or the brackets end."""
        while (match := _TOKEN.match(self.source, self.place)) is not None:
            self.place = match.end()
            kind = match.lastgroup
            if kind == "open":
                return self._dictionary(depth + 1)
            if kind == "begin":
                return self._list(depth + 1)
            if kind == "string":
                return _text(self._string())
            if kind == "hex":
                digits = re.sub(rb"[^0-9A-Fa-f]", b"", match[0]).decode()
                return _text(bytes.fromhex(digits + "0" * (len(digits) % 2)))
            if kind == "name":
                return _Name(
                    re.sub(r"#([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), match["name"].decode("latin-1"))
                )
            if kind == "reference":
                return _Reference(match["reference"].split()[0])
            if kind in ("close", "end"):
                return _END
            if kind == "word":
                return None
        return _END

    def _dictionary(self, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while depth < _MOST_DEPTH and isinstance(key := self.value(depth), _Name):
            value = self.value(depth)
            if value is _END:
                break
            entries[str(key)] = value
        return entries

    def _list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while depth < _MOST_DEPTH and (item := self.value(depth)) is not _END:
            items.append(item)
        return items

    def _string(self) -> bytes:
        out, depth = [], 1
        while (match := _STRING.match(self.source, self.place)) is not None:
            self.place = match.end()
            depth += (match[0] == b"(") - (match[0] == b")")
            if not depth:
                break
            octal, line, escaped = match.groups()
            if octal:
                out.append(bytes([int(octal, 8) & 0xFF]))
            elif not line:
                out.append(_ESCAPES.get(escaped, escaped) if escaped else match[0])
        return b"".join(out)


_END = object()


def _text(data: bytes) -> str:
    if data.startswith(b"\xfe\xff"):
        return data[2:].decode("utf-16-be", "replace")
    if data.startswith(b"\xef\xbb\xbf"):
        return data[3:].decode(errors="replace")
    return data.decode("latin-1").translate(_PDF_ENCODING)
