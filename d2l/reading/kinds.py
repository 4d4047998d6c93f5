"""Which format a file is in: by its name, and by its first bytes where those say otherwise."""

import functools
import io
import re
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

from d2l.reading.encodings import is_text
from shared.errors import InputError

PDF = "application/pdf"
HTML = "text/html"
EML = "message/rfc822"
MBOX = "application/mbox"
NOTEBOOK = "application/x-ipynb+json"
EPUB = "application/epub+zip"
_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = _OFFICE + "wordprocessingml.document"
PPTX = _OFFICE + "presentationml.presentation"
XLSX = _OFFICE + "spreadsheetml.sheet"
RTF = "application/rtf"
PLAIN = "text/plain"
_ODF = "application/vnd.oasis.opendocument."
OPENDOCUMENT = (_ODF + "text", _ODF + "spreadsheet", _ODF + "presentation")
HTML_TYPES = (HTML, "application/xhtml+xml")
NAMES = {
    PDF: "PDF",
    HTML: "HTML",
    "application/xhtml+xml": "HTML",
    EML: "EML",
    MBOX: "MBOX",
    NOTEBOOK: "IPYNB",
    EPUB: "EPUB",
    DOCX: "DOCX",
    PPTX: "PPTX",
    XLSX: "XLSX",
    PLAIN: "text",
    "text/markdown": "Markdown",
    RTF: "RTF",
    "application/msword": "DOC",
    "application/vnd.ms-excel": "XLS",
    "application/vnd.ms-powerpoint": "PPT",
    "application/vnd.ms-outlook": "MSG",
    **dict(zip(OPENDOCUMENT, ("ODT", "ODS", "ODP"), strict=True)),
}
SUPPORTED = "hyperlora reads PDF, DOCX, PPTX, XLSX, HTML, Markdown, EPUB, EML and text files"

# Formats whose text needs no extraction: they keep their own lines and markup.
_TEXT = re.compile(
    r"text/(?!html|rtf)|application/(json|toml|xml|xml\+opml|x-(bibtex|latex|ndjson|subrip|typst|yaml|research-.*))$"
)
_READABLE = re.compile(r"text/|message/|application/(?!gzip|octet-stream|x-7z|x-tar|zip|vnd\.ms-outlook-pst)")
_EXTENSIONS = {
    **dict.fromkeys(("docx", "docm", "dotx", "dotm"), DOCX),
    **dict.fromkeys(("pptx", "pptm", "ppsx", "ppsm", "potx", "potm"), PPTX),
    **dict.fromkeys(("xlsx", "xlsm", "xltx", "xltm"), XLSX),
    **dict.fromkeys(("html", "htm", "xhtml", "xht"), HTML),
    **dict.fromkeys(("eml", "mht", "mhtml"), EML),
    "ipynb": NOTEBOOK,
    **dict(zip(("odt", "ods", "odp"), OPENDOCUMENT, strict=True)),
}
_PACKAGES = {"word/document.xml": DOCX, "ppt/presentation.xml": PPTX, "xl/workbook.xml": XLSX}
# Streams of an OLE container, whose names are in UTF-16.
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = {
    "WordDocument": "application/msword",
    "Workbook": "application/vnd.ms-excel",
    "PowerPoint Document": "application/vnd.ms-powerpoint",
    "__substg1.0_": "application/vnd.ms-outlook",
}
_MARKS = ((b"%PDF-", PDF), (b"{\\rtf", RTF))
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.{0,1000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


def format_name(mime_type: str) -> str:
    """What people call a format: PDF."""
    return NAMES.get(mime_type) or mime_type.rpartition("/")[2]


def hint_for(mime_type: str | None) -> str:
    """What to do with a file of a type that is not read."""
    if mime_type is not None and mime_type.startswith("image/"):
        return "images are not read; run OCR first: ocrmypdf --image-dpi 300 in.png out.pdf"
    return SUPPORTED


def is_plain(mime_type: str) -> bool:
    """Whether decoding is all that a format needs."""
    return _TEXT.match(mime_type) is not None


@functools.cache
def is_readable(mime_type: str | None) -> bool:
    """Whether there is a reader for a format."""
    if mime_type is None or not _READABLE.match(mime_type):
        return False
    if mime_type in NAMES or is_plain(mime_type):
        return True
    from kreuzberg import validate_mime_type

    with suppress(RuntimeError):  # kreuzberg has names for formats that it does not read
        return bool(validate_mime_type(mime_type))
    return False


def kind_by_name(name: str) -> str | None:
    """The MIME type by a file's extension, None if it is unknown. The file need not exist."""
    return _kind_by_extension(Path(name).suffix.lower().removeprefix("."))


@functools.cache
def _kind_by_extension(extension: str) -> str | None:
    if extension in _EXTENSIONS or not re.fullmatch(r"[a-z0-9_+-]{1,20}", extension):
        return _EXTENSIONS.get(extension)
    from kreuzberg import detect_mime_type_from_path

    # Kreuzberg's table can be asked for files that exist only. It raises RuntimeError for what it does not know.
    with tempfile.NamedTemporaryFile(suffix=f".{extension}") as file, suppress(RuntimeError):
        return detect_mime_type_from_path(file.name)
    return None


def kind_by_bytes(data: bytes) -> str | None:
    """The MIME type by what the bytes are, None if they are neither a known format nor text."""
    found = _marked(data)
    return found or (PLAIN if is_text(data) else None)


def kind_of(name: str | None, data: bytes) -> str | None:
    """The MIME type of a file, by its name unless that is unknown or the bytes are those of another known format.

    Web programs call HTML tables .xls, and a .doc may be RTF.
    """
    named = kind_by_name(name) if name else None
    if named is None:
        return kind_by_bytes(data)
    if not is_readable(named) and named.startswith("application/"):  # text, for example of feeds, or nothing known
        return kind_by_bytes(data) or named
    if is_readable(named) and not is_plain(named):
        return _marked(data) or named
    return named


def _marked(data: bytes) -> str | None:
    for mark, kind in _MARKS:
        if mark in data[:1024] if kind == PDF else data.startswith(mark):
            return kind
    if data.startswith(OLE):
        return next((kind for stream, kind in _OLE_STREAMS.items() if stream.encode("utf-16-le") in data), None)
    if data.startswith(b"PK\x03\x04"):
        return _package(data)
    return HTML if _HTML_START.match(data) else None


def _package(data: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = set(package.namelist())
            if "mimetype" in names:
                return package.read("mimetype")[:200].decode("ascii").strip()
    except Exception:  # a damaged package is whatever its name says
        return None
    return next((kind for part, kind in _PACKAGES.items() if part in names), None)


def damaged(name: str, mime_type: str) -> InputError:
    """The error for a file that is not what it should be."""
    return InputError(
        f"{name} is damaged, or not a {format_name(mime_type)} file", "open it in its program and save it again"
    )


def encrypted(name: str) -> InputError:
    """The error for a file that needs a password."""
    return InputError(f"{name} is encrypted with a password", "save it without the password and try again")
