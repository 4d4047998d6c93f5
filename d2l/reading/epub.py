"""EPUB -> its pages in reading order, each as HTML."""

import posixpath
import re
from urllib.parse import unquote

from d2l.reading.encodings import decode
from d2l.reading.html import html_text
from d2l.reading.package import Damaged, Package, attribute, children, tag
from d2l.reading.report import Reading
from shared.errors import InputError


def epub_text(data: bytes, name: str, reading: Reading) -> str:
    """The text of a book.

    Raises:
        InputError: its pages are encrypted.
        Exception: no book, or a damaged one.
    """
    package = Package(data)
    files = [e for e in package.xml("META-INF/container.xml").iter() if tag(e) == "rootfile"]
    main = attribute(files[0], "full-path")
    root = package.xml(main)
    items = {item.get("id"): item for item in children(root, "manifest")}
    pages = []
    for entry in children(root, "spine"):
        item = items.get(entry.get("idref"))
        if item is None:
            raise Damaged("the book's order names a page that it does not have")
        pages.append(posixpath.normpath(posixpath.join(posixpath.dirname(main), unquote(item.get("href", "")))))
    if "META-INF/encryption.xml" in package.names:  # fonts may be, and stay unread
        hidden = {unquote(e.get("URI", "")) for e in package.xml("META-INF/encryption.xml").iter()}
        if hidden & set(pages):
            raise InputError(f"{name} is protected against copying", "give a copy without the protection")
    texts = []
    for page in pages:
        if not re.search(r"\.(svg|png|jpe?g|gif)$", page, re.IGNORECASE):
            texts.append(html_text(decode(package.read(page), page, Reading(), markup=True), reading))
        else:
            reading.leave_out("picture", "pictures are not read", count=1)
    return "\n\n".join(filter(None, texts))
