"""One document's bytes -> its text and the record of reading it, by format."""

import io
import zipfile

from d2l.reading import kinds
from d2l.reading.encodings import decode
from d2l.reading.report import Reading


def extract(
    data: bytes,
    *,
    name: str,
    mime_type: str,
    encoding: str | None = None,
    declared: str | None = None,
    ocr: str | None = None,
    depth: int = 0,
) -> tuple[str, Reading]:
    """Read a document.

    Args:
        name: what messages call it.
        encoding: of a text format, against what it declares.
        declared: the codec that stands outside of the document for its text.
        ocr: language, as Tesseract calls it, to recognise the text of pages that have none.
        depth: how many documents this one is attached in.

    Raises:
        InputError: it cannot be read.
        BaseException: whatever the library raises for a damaged file.
    """
    if is_encrypted(data):
        raise kinds.encrypted(name)
    reading = Reading(kinds.format_name(mime_type))
    if kinds.is_plain(mime_type):
        from d2l.reading.plain import plain_text

        return plain_text(data, name, reading, encoding, declared), reading
    if mime_type == kinds.NOTEBOOK:
        from d2l.reading.notebook import notebook_text

        return notebook_text(decode(data, name, reading), reading), reading
    if mime_type in kinds.HTML_TYPES:
        from d2l.reading.html import html_text

        return html_text(decode(data, name, reading, encoding, label_outside=declared, markup=True), reading), reading
    if mime_type == kinds.DOCX:
        from d2l.reading.docx import docx_text

        return docx_text(data, reading, extract), reading
    if mime_type == kinds.PPTX:
        from d2l.reading.pptx import pptx_text

        return pptx_text(data, reading), reading
    if mime_type == kinds.XLSX:
        from d2l.reading.xlsx import xlsx_text

        return xlsx_text(data, reading), reading
    if mime_type in kinds.OPENDOCUMENT:
        from d2l.reading.opendocument import opendocument_text

        return opendocument_text(data, reading), reading
    if mime_type == kinds.EPUB:
        from d2l.reading.epub import epub_text

        return epub_text(data, name, reading), reading
    if mime_type == kinds.EML:
        from d2l.reading.mail import mail_text

        return mail_text(data, name, reading, extract, encoding, depth), reading
    if mime_type == kinds.MBOX:
        from d2l.reading.mail import mailbox_text

        return mailbox_text(data, name, reading, extract, encoding), reading
    if mime_type == kinds.RTF:
        from d2l.reading.rtf import rtf_text

        return rtf_text(data, reading), reading
    if mime_type == kinds.PDF:
        from d2l.reading.pdf import pdf_text

        return pdf_text(data, name, reading, ocr), reading
    from d2l.reading.other import other_text

    return other_text(data, name, mime_type, reading), reading


def is_encrypted(data: bytes) -> bool:
    """Whether an Office file (an OLE container with an encrypted package) or an OpenDocument file is encrypted."""
    if data.startswith(kinds.OLE):
        return "EncryptedPackage".encode("utf-16-le") in data
    if not data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            manifest = "META-INF/manifest.xml"
            return manifest in package.namelist() and b"encryption-data" in package.read(manifest)
    except Exception:  # a damaged package: whoever reads it says so
        return False
