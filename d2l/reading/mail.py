"""E-mail -> its heads, the body, and the attachments that can be read, one below the other."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.errors import (
    CloseBoundaryNotFoundDefect,
    InvalidBase64CharactersDefect,
    InvalidBase64LengthDefect,
    InvalidBase64PaddingDefect,
    MultipartInvariantViolationDefect,
    NoBoundaryInMultipartDefect,
    StartBoundaryNotFoundDefect,
)
from email.message import EmailMessage

from d2l.reading import kinds
from d2l.reading.declared import python_name
from d2l.reading.encodings import decode
from d2l.reading.html import html_text
from d2l.reading.report import Reading
from shared.errors import InputError

_HEADS = ("Subject", "From", "To", "Cc", "Date")
_MAX_DEPTH = 5
_TRANSFER_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64", "x-uuencode", "uuencode", "uue", "x-uue")
# What a saved page brings for its looks.
_LOOKS = re.compile(r"text/css|font/|(text|application)/(x-)?(javascript|font)")
_SIGNATURE = re.compile(r"application/(pgp-signature|(x-)?pkcs7-signature)")
_ADDRESS = re.compile(r"<?\b(?:https?|mailto):\S+")
_MESSAGE_START = re.compile(rb"(?:\A|\n\r?\n)From [^\n]*\n")
_DAMAGE = (
    InvalidBase64CharactersDefect,
    InvalidBase64LengthDefect,
    InvalidBase64PaddingDefect,
    MultipartInvariantViolationDefect,
    NoBoundaryInMultipartDefect,
    StartBoundaryNotFoundDefect,
)


def mail_text(
    data: bytes,
    name: str,
    reading: Reading,
    extract: Callable[..., tuple[str, Reading]],
    encoding: str | None = None,
    depth: int = 0,
) -> str:
    """The text of a message.

    Args:
        extract: ``formats.extract``, for the attachments.
        encoding: of parts that declare none.
        depth: how many messages this one is attached in.

    Raises:
        InputError: a part is not text in the encoding that it declares.
        ValueError: the message is damaged.
    """
    message = message_from_bytes(data, policy=policy.default)
    if not message.keys():
        raise ValueError("no message")
    return _Message(name, reading, extract, encoding, depth).text(message)


def mailbox_text(
    data: bytes, name: str, reading: Reading, extract: Callable[..., tuple[str, Reading]], encoding: str | None = None
) -> str:
    """The messages of a Unix mailbox, one below the other.

    Raises:
        ValueError: no mailbox, or a damaged one.
    """
    head, *messages = _MESSAGE_START.split(data)
    if head.strip() or not messages:
        raise ValueError("no mailbox")
    reading.count("messages", len(messages))
    originals = (re.sub(rb"^>(>*From )", rb"\1", message, flags=re.MULTILINE) for message in messages)
    return "\n\n".join(mail_text(message, name, reading, extract, encoding) for message in originals)


def _words(texts: list[str]) -> int:
    """How many different words there are, without addresses: plain forms spell out what links hide."""
    return len(set(re.findall(r"\w+", _ADDRESS.sub(" ", " ".join(texts)))))


class _Message:
    def __init__(
        self,
        name: str,
        reading: Reading,
        extract: Callable[..., tuple[str, Reading]],
        encoding: str | None,
        depth: int,
    ) -> None:
        self.name, self.reading, self.extract, self.encoding, self.depth = name, reading, extract, encoding, depth

    def text(self, message: EmailMessage) -> str:
        heads = [f"{head}: {' '.join(str(message[head]).split())}" for head in _HEADS if message[head]]
        return "\n\n".join(filter(None, ["\n".join(heads), *self._part(message)]))

    def _part(self, part: EmailMessage) -> list[str]:
        """Texts of a part of the message, in its order."""
        if any(isinstance(defect, _DAMAGE) for defect in part.defects):
            raise ValueError(str(part.defects))
        if any(isinstance(defect, CloseBoundaryNotFoundDefect) for defect in part.defects):
            self.reading.leave_out("end", "the message is cut off", count=1)
        if str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower() not in _TRANSFER_ENCODINGS:
            raise ValueError("unknown transfer encoding")
        kind = part.get_content_type()
        if kind == "multipart/alternative":
            return self._alternative(list(part.iter_parts()))
        if kind == "message/delivery-status" and part.is_multipart():
            return self._status(part)
        if part.is_multipart() and kind != "message/rfc822":
            return [text for inner in part.iter_parts() for text in self._part(inner)]
        if kind in ("text/plain", "text/html") and not part.is_attachment() and not part.get_filename():
            return [self._body(part, kind)]
        return [] if _LOOKS.match(kind) else self._attachment(part, kind)

    def _alternative(self, parts: list[EmailMessage]) -> list[str]:
        """The form with the most words, of equals the first: the plain one may be a stub, or lack a table."""
        shown = [p for p in parts if p.is_multipart() or p.get_content_type() in ("text/plain", "text/html")]
        texts: list[list[str]] = []
        for part in shown or parts[-1:]:  # an invitation to a meeting comes as text and as data for calendars
            attached = self.reading.parts.get("attachments", 0)
            texts.append(self._part(part))
            if self.reading.parts.get("attachments", 0) > attached:
                return texts[-1]
        return max(texts, key=_words, default=[])

    def _status(self, part: EmailMessage) -> list[str]:
        """A report on a delivery: groups of heads without a body."""
        groups = part.get_payload()
        return ["\n".join(f"{head}: {value}" for head, value in group.items()) for group in groups]

    def _body(self, part: EmailMessage, kind: str) -> str:
        data = part.get_payload(decode=True) or b""
        if any(isinstance(defect, _DAMAGE) for defect in part.defects):
            raise ValueError(str(part.defects))
        declared = python_name(part.get_content_charset() or "")
        is_html = kind == "text/html"
        text = decode(data, self.name, Reading(), self.encoding, label_outside=declared, markup=is_html)
        if is_html:
            return html_text(text, self.reading)
        if part.get_param("format") == "flowed":
            blank = "" if part.get_param("delsp") == "yes" else " "
            text = re.sub(r"(?<!^--) \r?\n(?=\S)", blank, text, flags=re.MULTILINE)
        return text.strip()

    def _attachment(self, part: EmailMessage, kind: str) -> list[str]:
        name = part.get_filename() or f"without a name ({kind})"
        if kind == "message/rfc822":
            inner = part.get_payload()[0]
            data, kind = inner.as_bytes(), kinds.EML
            name = part.get_filename() or "message"
        else:
            data = part.get_payload(decode=True) or b""
            kind = kinds.kind_of(part.get_filename(), data)
        if kind is not None and kind.startswith("image/") or part.get_content_maintype() == "image":
            self.reading.leave_out("picture", "pictures are not read", name)
            return []
        if _SIGNATURE.fullmatch(part.get_content_type()):
            self.reading.leave_out("attachment", "a signature", name)
            return []
        if not kinds.is_readable(kind) or self.depth >= _MAX_DEPTH:
            self.reading.leave_out("attachment", "its format is not read", name)
            return []
        try:
            declared = python_name(part.get_content_charset() or "")
            options = {"encoding": self.encoding, "declared": declared, "depth": self.depth + 1}
            text, inner = self.extract(data, name=name, mime_type=kind, **options)
        except MemoryError:
            raise
        except InputError as error:
            self.reading.leave_out("attachment", error.message.removeprefix(name).strip(), name)
            return []
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            self.reading.leave_out("attachment", "damaged", name)
            return []
        self.reading.count("attachments")
        for entry in inner.left_out:
            self.reading.leave_out(entry.what, f"{entry.why} in {name}", *entry.names, count=entry.count)
        return [f"{name}:", text.strip()]
