"""Formats that kreuzberg reads as a whole: old Office formats, Outlook, XML dialects."""

import html
import re

from d2l.reading.encodings import decode
from d2l.reading.html import join_cells
from d2l.reading.report import Reading

_ENTITY_XML = re.compile(r"application/(docbook\+xml|x-fictionbook\+xml|x-jats\+xml)$")
# Kreuzberg 4 spaces entities out in XML dialects. They travel through it as Unicode noncharacters, which no document
# contains.
_STAND_INS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2", '"': "\ufdd3", "'": "\ufdd4"}
_RESTORE = str.maketrans({stand_in: char for char, stand_in in _STAND_INS.items()})
_ENTITY = re.compile(r"&(?:#x[0-9a-fA-F]+|#[0-9]+|amp|lt|gt|quot|apos);")


def other_text(data: bytes, name: str, mime_type: str, reading: Reading) -> str:
    """The text by kreuzberg.

    Raises:
        InputError: an XML dialect that is not text.
        BaseException: what kreuzberg raises.
    """
    from kreuzberg import ConcurrencyConfig, ExtractionConfig, PageConfig, extract_bytes_sync

    if mime_type == "application/vnd.ms-excel":
        reading.leave_out("number format", "numbers of this format are read as they are stored", count=1)
    if _ENTITY_XML.match(mime_type):
        data = _protect_entities(decode(data, name, reading)).encode()
    # Plain output: markdown output escapes characters and leaves out repeated headings and speaker notes. No cache: it
    # would keep the document's text in the user's home.
    config = ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        output_format="plain",
        pages=PageConfig(extract_pages=True),
        concurrency=ConcurrencyConfig(max_threads=1),
    )
    result = extract_bytes_sync(data, mime_type, config)
    pages = result.metadata.get("pages") or {}
    if pages.get("unit_type") in ("page", "slide"):
        reading.count(f"{pages['unit_type']}s", pages.get("total_count") or 0)
    return _separate_cells(result.content, result.tables).translate(_RESTORE)


def _protect_entities(xml: str) -> str:
    def stand_in(match: re.Match[str]) -> str:
        char = html.unescape(match[0])
        return _STAND_INS.get(char, char if char > " " else match[0])

    return _ENTITY.sub(stand_in, xml)


def _separate_cells(content: str, tables: list) -> str:
    """Put `` | `` between table cells: kreuzberg joins them by one space, so that their borders are lost."""
    content, done = f"\n{content}\n", 0
    out = []
    for table in tables:
        joined = "\n" + "\n".join(" ".join(row) for row in table.cells) + "\n"
        start = content.find(joined, done)
        if start >= 0:
            rows = "\n".join(filter(None, map(join_cells, table.cells)))
            out += [content[done:start], f"\n{rows}"]
            done = start + len(joined) - 1
    return "".join([*out, content[done:]])
