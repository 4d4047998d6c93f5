"""PDF -> the text of its pages as PDFium has it, by kreuzberg; pages without text by OCR where the user asks for it."""

import os
import re
import unicodedata
import zlib
from dataclasses import dataclass
from glob import glob
from typing import TYPE_CHECKING

from d2l.reading.kinds import PDF, damaged
from d2l.reading.pdfform import form_lines
from d2l.reading.report import Reading
from shared.errors import InputError

if TYPE_CHECKING:
    from kreuzberg import ExtractionResult

_HYPHEN = re.compile(r"(?<=\w)(?:\x02|[\xad\u2010]\r?\n)(?=\w)")
# Ligatures and the shapes of Arabic letters that fonts have as characters of their own: ﬁ is fi.
_PRESENTATION = re.compile(r"[\ufb00-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]")
_BROKEN = re.compile(r"[^\W_]+(?:\x02|[\xad\u2010]\r?\n)[^\W_]+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# Words that keep their hyphen also where a line ends behind it.
_COMPOUND = frozenset(("self", "well", "half"))
# Streams whose first filter is zlib's; one of no length has nothing to check.
_STREAM = re.compile(
    rb"/Filter\s*(?:\[\s*)?/FlateDecode\b[^<>]{0,300}(?:<<[^<>]{0,1000}>>[^<>]{0,300})*>>\s*stream\r?\n(?!\s*endstream)"
)
_MAX_STREAM = 64 << 20
_RIGHT_TO_LEFT = re.compile(rb"/Direction\s*/R2L")
_FORM_FIELD = re.compile(rb"/FT\s*/(?:Tx|Ch|Btn)\b")
_LANGUAGES = (
    *filter(None, [os.environ.get("TESSDATA_PREFIX")]),
    "/usr/share/tesseract-ocr/*/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
_MIRROR = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_EDGES = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


def pdf_text(data: bytes, name: str, reading: Reading, ocr: str | None = None) -> str:
    """The pages' text; those without any are named in ``reading``.

    Kreuzberg's own joined text is not used: it reads what looks like a table twice.

    Raises:
        InputError: damaged, or OCR is wanted and there is no engine.
        BaseException: what kreuzberg raises.
    """
    from kreuzberg import PdfConfig

    structure = inspect(data, name)
    result = _extract(data, pdf_options=PdfConfig(extract_annotations=True))
    pages = {page["page_number"]: page["content"] for page in result.pages or ()}
    for note in result.annotations or ():  # text boxes and notes that a reader put on the page
        if note.annotation_type == "text" and note.content and note.page_number in pages:
            pages[note.page_number] += f"\n{note.content}"
    reading.leave_out("form field", "its value is encrypted", count=structure.hidden_fields)
    attached = [child["path"] for child in result.children or ()]
    reading.leave_out("attachment", "attached files are not read", *attached)
    reading.count("pages", len(pages))
    if structure.form:
        reading.count("form fields", len(structure.form))
    empty = [number for number, text in pages.items() if not text.strip()]
    if empty and ocr:
        recognised = _recognised(data, empty, ocr)
        pages |= recognised
        reading.count("pages by OCR", len(recognised))
        empty = [number for number in empty if number not in recognised]
    reading.leave_out("page", "without text: scanned or blank", *map(str, empty))
    text = "\n\n".join([*(pages[number] for number in sorted(pages)), "\n".join(structure.form)])
    text = join_broken_words(_PRESENTATION.sub(lambda form: unicodedata.normalize("NFKC", form[0]), text))
    return text if structure.right_to_left else "\n".join(logical(line) for line in text.splitlines())


def _extract(data: bytes, marker: str | None = None, **options: object) -> "ExtractionResult":
    from kreuzberg import ConcurrencyConfig, ExtractionConfig, PageConfig, extract_bytes_sync

    marked = {} if marker is None else {"insert_page_markers": True, "marker_format": marker}
    config = ExtractionConfig(
        use_cache=False,  # it would keep the document's text in the user's home
        enable_quality_processing=False,
        output_format="plain",
        pages=PageConfig(extract_pages=True, **marked),
        concurrency=ConcurrencyConfig(max_threads=1),
        **options,
    )
    return extract_bytes_sync(data, PDF, config)


def _recognised(data: bytes, pages: list[int], language: str) -> dict[int, str]:
    """The text of those pages that have any for Tesseract. Kreuzberg gives it in the joined text only."""
    from kreuzberg import OcrConfig, OCRError

    try:
        config = OcrConfig(backend="tesseract", language=language)
        result = _extract(data, "\n\ufdd5{page_num}\ufdd5\n", ocr=config, force_ocr_pages=pages)
    except OCRError:
        raise _no_engine(language) from None
    _, *parts = re.split(r"\ufdd5(\d+)\ufdd5", result.content)
    texts = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
    found = {page: texts[page] for page in pages if texts.get(page, "").strip()}
    if not found and not any(glob(f"{folder}/{language}.traineddata") for folder in _LANGUAGES):
        raise _no_engine(language)
    return found


def _no_engine(language: str) -> InputError:
    return InputError(
        f"OCR needs Tesseract's language data {language!r}",
        f"apt install tesseract-ocr-{language}, brew install tesseract-lang, or another --ocr-language",
    )


@dataclass(frozen=True)
class Structure:
    """What a file says of itself outside of its pages.

    Attributes:
        right_to_left: it declares that it is read that way; PDFium gives its words in that order then.
        form: fields that are filled in, ``name: value``.
        hidden_fields: number of fields whose values are encrypted.
    """

    right_to_left: bool
    form: list[str]
    hidden_fields: int


def inspect(data: bytes, name: str) -> Structure:
    """Refuse a file whose end is missing or whose compressed parts are damaged: PDFium passes over what it cannot read.

    Raises:
        InputError: damaged.
    """
    if b"startxref" not in data[-2048:]:
        raise damaged(name, PDF)
    parts = [data]
    for match in () if b"/Encrypt" in data else _STREAM.finditer(data):
        stream = zlib.decompressobj()
        try:
            chunk = stream.decompress(memoryview(data)[match.end() : match.end() + _MAX_STREAM], 1 << 20)
            kept = [chunk] if b"/ObjStm" in data[max(0, match.start() - 200) : match.end()] else None
            while chunk and not stream.eof:
                chunk = stream.decompress(stream.unconsumed_tail, 1 << 20)
                if kept is not None:
                    kept.append(chunk)
            if kept is not None:
                parts.append(b"".join(kept))
        except zlib.error:
            raise damaged(name, PDF) from None
    fields = sum(len(_FORM_FIELD.findall(part)) for part in parts)
    is_encrypted = b"/Encrypt" in data
    form = form_lines(parts) if fields and not is_encrypted else []
    return Structure(any(_RIGHT_TO_LEFT.search(part) for part in parts), form, fields * is_encrypted)


def join_broken_words(text: str) -> str:
    """Words that a line's end breaks become one, by what else stands in the text.

    PDFium puts U+0002 for such a hyphen. It stays where the word with it or both of its parts stand elsewhere, between
    digits and before capitals.
    """
    if not _HYPHEN.search(text):
        return text
    words = {word.lower() for word in _WORD.findall(_BROKEN.sub(" ", text))}

    def joined(match: re.Match[str]) -> str:
        before = re.search(r"[^\W_]+$", text[max(0, match.start() - 60) : match.start()])
        behind = re.match(r"[^\W_]+", text[match.end() : match.end() + 60])
        if before is None or behind is None:
            return "-"
        first, second = before[0].lower(), behind[0]
        if not second[0].islower() and not second[0].isupper() and second[0].isalpha():
            return ""  # scripts without case
        if not second[0].islower() or not before[0][-1].isalpha():
            return "-"
        whole = first + second.lower()
        if whole in words:
            return ""
        apart = first in words and second.lower() in words
        return "-" if f"{first}-{second.lower()}" in words or apart or first in _COMPOUND else ""

    return _HYPHEN.sub(joined, text)


def logical(line: str) -> str:
    """A line in the order in which it is read.

    PDFium gives words in the order in which they stand from left to right, those of Hebrew and Arabic too, whose
    letters it does put into reading order.
    """
    directions = [unicodedata.bidirectional(c) for c in line] if not line.isascii() else []
    right = sum(d in ("R", "AL") for d in directions)
    if not right:
        return line
    words = line.split(" ")
    if right >= directions.count("L"):
        words = _runs_reversed(words[::-1], right_to_left=False)
    else:
        words = _runs_reversed(words, right_to_left=True)
    return " ".join(_edges(word) if _is_right(word) else word for word in words)


def _runs_reversed(words: list[str], *, right_to_left: bool) -> list[str]:
    """Each run of words of one direction the other way round; numbers belong to the words on both of their sides."""
    out: list[str] = []
    run: list[str] = []
    loose: list[str] = []
    for word in words:
        direction = _is_right(word)
        if direction is None and run:
            loose.append(word)
        elif direction is right_to_left:
            run += [*loose, word]
            loose = []
        else:
            out += [*run[::-1], *loose, word]
            run, loose = [], []
    return [*out, *run[::-1], *loose]


def _is_right(word: str) -> bool | None:
    """Whether a word is written from right to left; None for numbers and marks."""
    directions = {unicodedata.bidirectional(character) for character in word}
    return True if directions & {"R", "AL"} else False if "L" in directions else None


def _edges(word: str) -> str:
    """Marks around a word that is written from right to left change sides."""
    match = _EDGES.match(word)
    before, middle, behind = match.groups() if match else ("", word, "")
    return behind[::-1].translate(_MIRROR) + middle + before[::-1].translate(_MIRROR)
