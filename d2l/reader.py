"""Documents in, plain text out, with a word on what was left out. How each format is read: ``d2l.reading``."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from d2l.reading import kinds
from d2l.reading.files import STDIN, display, expand_paths, read_bytes
from d2l.reading.report import Reading
from shared.errors import InputError

__all__ = ["STDIN", "Documents", "DocumentText", "expand_paths", "read_document", "read_documents"]

_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\xad\ufeff]")
_C1 = re.compile(r"[\x80-\x84\x86-\x9f]")
_LINE_END = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
# The look-behind lets a run of blanks be tried once, not from each of its blanks.
_TRAILING = re.compile(r"(?<![^\S\n])[^\S\n]+$", re.MULTILINE)


@dataclass(frozen=True)
class DocumentText:
    """A document, read.

    Attributes:
        path: as given; ``-`` for standard input.
        text: lines end in ``\\n``, paragraphs are apart by at most one blank line.
        sha256: of the document's bytes, in hex.
        num_pages: pages of a PDF, slides of a presentation, otherwise None.
        num_characters: length of ``text``.
        reading: what was read of it and what was left out.
    """

    path: str
    text: str
    sha256: str
    num_pages: int | None
    num_characters: int
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Documents:
    """Several documents, read.

    Attributes:
        documents: in the order given, the files of folders sorted.
        skipped: files in folders that are of no type that can be read.
        bad: files that could not be read, with the reason.
    """

    documents: list[DocumentText]
    skipped: list[str]
    bad: dict[str, str]

    @property
    def unread(self) -> list[str]:
        """Names of the files that are in no document."""
        return [Path(file).name for file in (*self.skipped, *self.bad)]


def read_document(
    path: str, *, stdin: BinaryIO | None = None, encoding: str | None = None, ocr: str | None = None
) -> DocumentText:
    """Read one document.

    Args:
        path: a file, or ``-`` for standard input.
        stdin: what ``-`` reads; the process's standard input by default.
        encoding: of a text or HTML file, against what it declares.
        ocr: recognise the text of PDF pages that have none, in this language as Tesseract calls it (``eng``).

    Raises:
        InputError: missing, empty, encrypted, damaged or unsupported file, a folder, a document without text, or one
            that takes too much memory or time.
    """
    name = display(path)
    data = read_bytes(path, stdin)
    if not data:
        raise InputError(f"{name} is empty", "give a document with text")
    mime_type = kinds.kind_of(None if path == STDIN else path, data)
    if not kinds.is_readable(mime_type):
        raise InputError(f"{name} is of an unsupported type ({mime_type or 'unknown'})", kinds.hint_for(mime_type))
    text, reading = _text(data, name, mime_type, encoding, ocr)
    text = normalise(text)
    if not text:
        if mime_type == kinds.PDF:
            raise InputError(f"no text in {name}: it looks scanned", "run OCR: --ocr, or ocrmypdf in.pdf out.pdf")
        left_out = "".join(f"; {entry}" for entry in reading.left_out)
        raise InputError(f"no text in {name}{left_out}", "give a document with text")
    unreadable = text.count("\ufffd")
    reading.leave_out("character", "unreadable in the file", count=unreadable)
    num_pages = reading.parts.get("pages") or reading.parts.get("slides")
    return DocumentText(path, text, hashlib.sha256(data).hexdigest(), num_pages, len(text), reading)


def read_documents(
    paths: list[str],
    *,
    encoding: str | None = None,
    ocr: str | None = None,
    skip_bad: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Documents:
    """Read documents and the documents in folders.

    Args:
        skip_bad: leave out files that cannot be read, as long as one can.
        on_progress: called with the number of files read and of all files.

    Raises:
        InputError: a path does not exist or a folder has nothing to read; files that cannot be read, all of them in
            one message.
    """
    files, skipped = expand_paths(paths)
    documents, errors = [], {}
    for done, file in enumerate(files):
        if on_progress:
            on_progress(done, len(files))
        try:
            documents.append(read_document(file, encoding=encoding, ocr=ocr))
        except InputError as error:
            errors[file] = error
    if errors and (not skip_bad or not documents):
        raise _all_bad(errors, len(files), skip_bad)
    return Documents(documents, skipped, {file: error.message for file, error in errors.items()})


def _all_bad(errors: dict[str, InputError], number: int, skip_bad: bool) -> InputError:
    first = next(iter(errors.values()))
    if len(errors) == 1:
        return first if number == 1 or skip_bad else InputError(first.message, f"{first.hint}; or --skip-bad")
    reasons = "; ".join(error.message for error in errors.values())
    what = "none can be read" if len(errors) == number else f"{len(errors)} of {number} files cannot be read"
    return InputError(f"{what}: {reasons}", first.hint if len(errors) == number else "leave them out with --skip-bad")


def _text(data: bytes, name: str, mime_type: str, encoding: str | None, ocr: str | None) -> tuple[str, Reading]:
    if kinds.is_plain(mime_type):  # decoding is safe here and saves a copy
        from d2l.reading.formats import extract

        return extract(data, name=name, mime_type=mime_type, encoding=encoding)
    from d2l.reading.child import read_in_child

    answer: dict[str, Any] = read_in_child(data, name, {"mime_type": mime_type, "encoding": encoding, "ocr": ocr})
    return answer["text"], Reading.from_dict(answer["reading"])


def normalise(text: str) -> str:
    """Unix line ends, no invisible characters, no trailing spaces, at most one blank line, no space around.

    Every step is linear. C1 controls are what Windows-1252 has in their places, and lone surrogates are unreadable.
    """
    text = _LINE_END.sub("\n", text)
    if not text.isascii():
        text = _C1.sub(lambda control: control[0].encode("latin-1").decode("cp1252", "ignore"), text)
        text = re.sub(r"[\ud800-\udfff]", "\ufffd", text)
    text = _INVISIBLE.sub("", text)
    text = _TRAILING.sub("", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
