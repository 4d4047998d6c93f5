"""Text and Markdown: decoded, with pictures that are written into them left out."""

import re

from d2l.reading.encodings import decode
from d2l.reading.report import Reading

# A base64 picture is thousands of letters without a word. Shorter ones are an icon's address in a sentence about it.
_INLINE = re.compile(
    r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+=-]+)*;base64,\s*[A-Za-z0-9+/=_\-%]{64,}(?:\s+[A-Za-z0-9+/=]{60,})*"
    r"(?:\s+[A-Za-z0-9+/]{1,75}(?:={1,2}|(?=[)\"'>])))?"  # the end of one that is broken into lines
)


def plain_text(
    data: bytes, name: str, reading: Reading, encoding: str | None = None, declared: str | None = None
) -> str:
    """The text of a file that is text.

    Args:
        declared: the codec that is declared outside of the file.

    Raises:
        InputError: see ``encodings.decode``.
    """
    return without_inline_pictures(decode(data, name, reading, encoding, label_outside=declared), reading)


def without_inline_pictures(text: str, reading: Reading) -> str:
    """Replace ``data:`` addresses by ``data:``, and count them."""
    if ";base64," not in text:
        return text
    text, number = _INLINE.subn("data:", text)
    reading.leave_out("picture", "written into the text in base64", count=number)
    return text
