"""Documents in, plain text out: PDF, Office, HTML, EPUB, mail and text files, read through kreuzberg without OCR."""

import hashlib
import html
import io
import os
import re
import stat
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shared.errors import HyperLoraError, InputError

STDIN = "-"
_SUPPORTED = "hyperlora reads PDF, DOCX, PPTX, XLSX, HTML, Markdown, EPUB, EML and text files"
_PDF = "application/pdf"
_READABLE = re.compile(r"text/|message/|application/(?!gzip|octet-stream|x-7z|x-tar|zip|vnd\.ms-outlook-pst)")
# Formats whose text needs no extraction: they keep their own lines, which kreuzberg would reflow or strip of markup.
_TEXT = re.compile(
    r"text/(?!html|rtf)|application/(json|toml|xml|xml\+opml|x-(bibtex|latex|ndjson|subrip|typst|yaml|research-.*))$"
)
_ENTITY_XML = re.compile(r"application/(docbook\+xml|x-fictionbook\+xml|x-jats\+xml)$")
# kreuzberg 4 drops XML entities from DOCX ("R&D" reads "RD") and spaces them out in XML dialects. They travel through
# it as Unicode noncharacters, which no document contains.
_STAND_INS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2", '"': "\ufdd3", "'": "\ufdd4"}
_RESTORE = str.maketrans({stand_in: char for char, stand_in in _STAND_INS.items()})
_ENTITY = re.compile(r"&(?:#x[0-9a-fA-F]+|#[0-9]+|amp|lt|gt|quot|apos);")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufeff]")
_DECLARED_ENCODING = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class DocumentText:
    """A document, read.

    Attributes:
        path: as given; ``-`` for standard input.
        text: lines end in ``\\n``, paragraphs are apart by at most one blank line.
        sha256: of the document's bytes, in hex.
        num_pages: pages of a PDF, slides of a presentation, otherwise None.
        num_characters: length of ``text``.
    """

    path: str
    text: str
    sha256: str
    num_pages: int | None
    num_characters: int


def read_document(path: str, *, stdin: BinaryIO | None = None) -> DocumentText:
    """Read one document. OCR stays off.

    Args:
        path: a file, or ``-`` for standard input.
        stdin: what ``-`` reads; the process's standard input by default.

    Raises:
        InputError: missing, empty, encrypted, damaged or unsupported file, a folder, or a document without text.
    """
    name = "standard input" if path == STDIN else path
    data = _read_bytes(path, stdin)
    if not data:
        raise InputError(f"{name} is empty", "give a document with text")
    mime_type = _mime_type(path, data, name)
    if _TEXT.match(mime_type):
        text, num_pages = _decode(data, name), None
    else:
        text, num_pages = _extract(data, mime_type, name)
    text = _normalise(text)
    if not text:
        if mime_type == _PDF:
            raise InputError(f"no text in {name}: it looks scanned", "run OCR first: ocrmypdf in.pdf out.pdf")
        raise InputError(f"no text in {name}", "give a document with text")
    return DocumentText(path, text, hashlib.sha256(data).hexdigest(), num_pages, len(text))


def expand_paths(paths: list[str]) -> list[str]:
    """Replace folders by the readable files in them, recursively and sorted, and drop repeated files.

    Files named explicitly are kept whatever their type, and so is ``-``. In folders, hidden files and folders and
    files of unsupported types are skipped.

    Raises:
        InputError: a path that does not exist, a folder without a readable file, or one that may not be listed.
    """
    seen: set[str] = set()
    expanded = []
    for path in paths:
        for file in [path] if path == STDIN or not os.path.isdir(path) else _files_in(path):
            if file != STDIN and not os.path.exists(file):
                raise _missing(file)
            key = file if file == STDIN else os.path.realpath(file)
            if key not in seen:
                seen.add(key)
                expanded.append(file)
    return expanded


def _files_in(folder: str) -> list[str]:
    def refuse(error: OSError) -> None:
        raise InputError(f"cannot list {error.filename}: {error.strerror}", "check the folder's permissions") from None

    files = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        candidates = [os.path.join(parent, name) for name in names if not name.startswith(".")]
        files += [file for file in candidates if os.path.isfile(file) and _readable(_type_of_name(file))]
    if not files:
        raise InputError(f"no readable document in {folder}", _SUPPORTED)
    return sorted(files, key=lambda file: Path(file).parts)


def _missing(path: str) -> InputError:
    return InputError(f"{path} does not exist", "check the path; - reads from standard input")


def _read_bytes(path: str, stdin: BinaryIO | None) -> bytes:
    if path == STDIN:
        source = stdin or getattr(sys.stdin, "buffer", None)  # sys.stdin is None when it was closed
        return source.read() if source else b""
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise InputError(f"{path} is a folder, not a document", "name the files in it")
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    except PermissionError:
        raise InputError(f"not permitted to read {path}", "check the file's permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}", "check the path and the disk") from None


def _type_of_name(path: str) -> str | None:
    """The MIME type of an existing file by its extension, None if the extension is unknown."""
    from kreuzberg import detect_mime_type_from_path

    try:
        return detect_mime_type_from_path(path)
    except Exception:  # kreuzberg raises RuntimeError for what it does not know
        return None


def _mime_type(path: str, data: bytes, name: str) -> str:
    from kreuzberg import detect_mime_type

    if path != STDIN and (mime_type := _type_of_name(path)) is not None:
        if not _readable(mime_type):
            raise InputError(f"{name} is of an unsupported type ({mime_type})", _hint_for(mime_type))
        return mime_type
    try:
        mime_type = detect_mime_type(data)
    except Exception:
        mime_type = None
    if _readable(mime_type):
        return mime_type
    # Short magic numbers misfire on text: a sentence that starts with "BM" is taken for a bitmap.
    with suppress(UnicodeDecodeError):
        if data.startswith(_UTF16_BOMS) or not _CONTROL.search(data.decode("utf-8-sig")):
            return "text/plain"
    raise InputError(f"{name} is of an unsupported type ({mime_type or 'unknown'})", _hint_for(mime_type))


def _readable(mime_type: str | None) -> bool:
    return mime_type is not None and _READABLE.match(mime_type) is not None


def _hint_for(mime_type: str | None) -> str:
    if mime_type is not None and mime_type.startswith("image/"):
        return "images are not read; run OCR first: ocrmypdf --image-dpi 300 in.png out.pdf"
    return _SUPPORTED


def _decode(data: bytes, name: str) -> str:
    """Decode by byte order mark, else as UTF-8, else by the encoding an HTML or XML head declares. Never a guess."""
    declared = _DECLARED_ENCODING.search(data[:2048])
    for encoding in ("utf-16" if data.startswith(_UTF16_BOMS) else "utf-8-sig", declared and declared[1].decode()):
        with suppress(UnicodeError, LookupError):
            if encoding:
                return data.decode(encoding)
    raise InputError(f"{name} is not UTF-8 text", "convert it: iconv -f WINDOWS-1252 -t UTF-8 in.txt > out.txt")


def _extract(data: bytes, mime_type: str, name: str) -> tuple[str, int | None]:
    """The text by kreuzberg, and the number of pages or slides where the format has them."""
    from kreuzberg import ExtractionConfig, KreuzbergError, PageConfig, extract_bytes_sync
    from kreuzberg import ValidationError as UnknownTypeError

    if "html" in mime_type:
        prepared = _decode(data, name).encode()
    elif _ENTITY_XML.match(mime_type):
        prepared = _protect_entities(_decode(data, name)).encode()
    else:
        prepared = _protect_word(data) if "word" in mime_type else data
    # Plain output: markdown output escapes characters and leaves out repeated headings and speaker notes. No cache: it
    # would keep the document's text in the user's home.
    config = ExtractionConfig(
        use_cache=False, enable_quality_processing=False, output_format="plain", pages=PageConfig(extract_pages=True)
    )
    try:
        with _quiet_stderr():
            result = extract_bytes_sync(prepared, mime_type, config)
    except UnknownTypeError:
        raise InputError(f"{name} is of an unsupported type ({mime_type})", _SUPPORTED) from None
    except MemoryError:
        raise HyperLoraError(f"not enough memory to read {name}", "split the document") from None
    except (KreuzbergError, RuntimeError, OSError, ValueError) as error:
        raise _extraction_error(str(error), data, mime_type, name) from None
    pages = result.metadata.get("pages") or {}
    num_pages = pages.get("total_count") if pages.get("unit_type") in ("page", "slide") else None
    return _separate_cells(result.content, result.tables).translate(_RESTORE), num_pages


def _extraction_error(message: str, data: bytes, mime_type: str, name: str) -> InputError:
    if "password" in message or "Security" in message or _is_encrypted_package(data):
        return InputError(f"{name} is encrypted with a password", "save it without the password and try again")
    if "lock poisoned" in message:
        return InputError(f"cannot read {name}: an earlier PDF broke the PDF reader", "try again without that one")
    kind = "PDF" if mime_type == _PDF else Path(name).suffix.lstrip(".").upper() or mime_type
    return InputError(f"{name} is damaged, or not a {kind} file", "open it in its program and save it again")


def _is_encrypted_package(data: bytes) -> bool:
    """Whether an Office file (an OLE container with an encrypted package) or an OpenDocument file is encrypted."""
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "EncryptedPackage".encode("utf-16-le") in data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            return b"encryption-data" in package.read("META-INF/manifest.xml")
    except Exception:  # not a ZIP file, no such entry, or damaged
        return False


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep a panic report of kreuzberg's Rust code off the terminal; the error it becomes says enough."""
    try:
        saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no standard error
        yield
        return
    try:
        sys.stderr.flush()
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _protect_entities(xml: str) -> str:
    def stand_in(match: re.Match[str]) -> str:
        char = html.unescape(match[0])
        return _STAND_INS.get(char, char if char > " " else match[0])

    return _ENTITY.sub(stand_in, xml)


def _protect_word(data: bytes) -> bytes:
    """A DOCX whose XML parts hold no entities, or the bytes as they are when they are not a readable package."""
    output = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(output, "w") as target:
            for entry in source.infolist():
                part = source.read(entry)
                if entry.filename.startswith("word/") and entry.filename.endswith(".xml"):
                    part = _protect_entities(part.decode()).encode()
                target.writestr(entry.filename, part)
    except Exception:  # whatever is wrong with the package, kreuzberg says it
        return data
    return output.getvalue()


def _separate_cells(content: str, tables: list) -> str:
    """Put `` | `` between table cells: kreuzberg joins them by one space, so that their borders are lost."""
    content = f"\n{content}\n"
    for table in tables:
        joined = "\n".join(" ".join(row) for row in table.cells)
        rows = [" | ".join(" ".join(cell.split()) for cell in row).rstrip(" |") for row in table.cells]
        content = content.replace(f"\n{joined}\n", "\n" + "\n".join(row for row in rows if row) + "\n", 1)
    return content


def _normalise(text: str) -> str:
    """Unix line ends, no control characters, no trailing spaces, at most one blank line, no space around."""
    text = re.sub(r"\r\n?|[\v\f\x85\u2028\u2029]", "\n", text)
    text = _CONTROL.sub("", text)
    text = re.sub(r"[^\S\n]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
