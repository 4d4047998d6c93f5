"""Bytes of text formats -> text: by byte order mark, choice, declaration or UTF-8; nothing else is guessed."""

import codecs
import re
import unicodedata
from contextlib import suppress

from d2l.reading.declared import declared, python_name
from d2l.reading.likely import likely_encoding
from d2l.reading.report import Reading
from shared.errors import InputError

# The first that fits: UTF-32's little-endian mark starts with that of UTF-16.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours of terminals
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_CONTROL_BYTE = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_HIGH = re.compile(rb"[\x80-\xff]")
_BLANKS = set(" \n\t\u3000\u3001\u3002")
_PRINTABLE = bytes(range(32, 127)) + b"\t\n\r"


def decode(
    data: bytes,
    name: str,
    reading: Reading,
    encoding: str | None = None,
    *,
    label_outside: str | None = None,
    markup: bool = False,
) -> str:
    """The text of a file; how it was decoded goes into ``reading``.

    Args:
        encoding: the user's word; only a byte order mark is above it.
        label_outside: the codec that is declared outside of the file.
        markup: the file is HTML.

    Raises:
        InputError: not text in the encoding that is given, declared or else UTF-8, with the place of the first wrong
            byte and the encoding that is likely.
    """
    for bom, marked in _BOMS:
        if data.startswith(bom):
            return _checked(_strict(data, name, marked), name, reading, marked, "byte order mark")
    if encoding is not None:
        chosen = python_name(encoding)
        if chosen is None:
            raise InputError(f"unknown encoding {encoding!r}", "for example --encoding windows-1251")
        return _checked(_strict(data, name, chosen), name, reading, chosen, "--encoding")
    said, firm = (label_outside, True) if label_outside else declared(data, markup=markup)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if said and said != "utf-8" and (text is None or text.isascii() or firm and _is_doubtful(data, said)):
        with suppress(UnicodeDecodeError):
            decoded = _decode(data, said)
            if decoded != text and not _stray_control(decoded):
                return _checked(decoded, name, reading, said, "declaration")
    if text is None or _stray_control(text):
        unmarked = _unmarked(data)
        if unmarked is not None:
            return _checked(data.decode(unmarked), name, reading, unmarked, "assumption")
    return _checked(_strict(data, name, "utf-8") if text is None else text, name, reading, "utf-8", "UTF-8")


def label(codec: str) -> str:
    """What people call a codec, and what ``--encoding`` takes: UTF-16-LE, windows-1252, koi8_r."""
    return codec.upper() if codec.startswith("utf") else re.sub(r"^cp(125\d)$", r"windows-\1", codec)


def is_text(data: bytes) -> bool:
    """Whether bytes can be decoded without being told how."""
    try:
        decode(data, "", Reading())
    except InputError:
        return False
    return True


def _is_doubtful(data: bytes, codec: str) -> bool:
    """Whether valid UTF-8 may be by chance what is declared: a few letters of an encoding of several bytes each.

    Otherwise the label was left behind in a file that became UTF-8.
    """
    is_single = codec.startswith(("cp12", "iso8859", "koi8", "mac", "cp8", "cp4"))
    return not is_single and len(_HIGH.findall(data)) < 8


def _decode(data: bytes, encoding: str) -> str:
    if encoding.startswith(("cp12", "cp874")):  # unassigned bytes are C1 controls on the web
        return codecs.decode(data, encoding, "hyperlora_c1")
    return data.decode(encoding)


def _c1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError) or error.object[error.start] >= 0xA0:
        raise error
    return chr(error.object[error.start]), error.start + 1


codecs.register_error("hyperlora_c1", _c1)


def _strict(data: bytes, name: str, encoding: str) -> str:
    try:
        return _decode(data, encoding)
    except UnicodeDecodeError as error:
        wrong, offset = data[error.start], error.start
    message = f"{name} is not {label(encoding)} text: byte 0x{wrong:02x} at offset {offset}"
    if encoding != "utf-8":
        raise InputError(message, "give the right encoding, or leave --encoding out for UTF-8")
    valid = len(re.findall(rb"[\xc2-\xf4][\x80-\xbf]+", data[:100_000]))
    stray = data[:100_000].decode(errors="replace").count("\ufffd")
    if valid >= stray:
        raise InputError(message, f"the rest is UTF-8: mend that byte ({stray} wrong in the first 100,000)")
    likely = likely_encoding(data)
    if likely is None:
        raise InputError(message, "give its encoding: --encoding NAME")
    raise InputError(message, f"it looks like {label(likely)}: try --encoding {label(likely)}")


def _stray_control(text: str) -> re.Match[str] | None:
    found = _CONTROL.search(text)
    if found and ("\x1b" in text or found.start() == len(text) - 1):
        plain = _ESCAPE_SEQUENCE.sub("", text).removesuffix("\x1a")  # DOS programs end a file with it
        found = _CONTROL.search(plain) and found
    return found


def _checked(text: str, name: str, reading: Reading, encoding: str, source: str) -> str:
    """Text in which a control character stands is not what it was taken for."""
    stray = _stray_control(text)
    if stray:
        offset = len(text[: stray.start()].encode(encoding, "surrogatepass"))
        raise InputError(
            f"{name} is not text: control character 0x{ord(stray[0]):02x} at offset {offset}",
            "remove it, or give the file's encoding: --encoding NAME",
        )
    reading.encoding, reading.encoding_from = label(encoding), source
    return _ESCAPE_SEQUENCE.sub("", text).removesuffix("\x1a") if "\x1b" in text or text.endswith("\x1a") else text


def _unmarked(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, None for anything else.

    Right are control bytes (they are half of the characters' bytes), every character assigned, blanks or full stops if
    there is more than one script, and the few different high bytes that a script has.
    """
    sample = data[:200_000]
    if len(data) < 8 or not _CONTROL_BYTE.search(sample):
        return None
    if len(sample.translate(None, _PRINTABLE)) < 0.15 * len(sample):
        return None
    found = []
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        with suppress(UnicodeDecodeError):
            characters = set(data.decode(encoding))
            if all(_is_assigned(c) for c in characters) and (
                characters & _BLANKS or len(set(map(_script, characters))) < 2
            ):
                found.append((len({ord(character) >> 8 for character in characters}), encoding))
    return min(found)[1] if found else None


def _script(character: str) -> int:
    """The 256 characters that one belongs to, or a number for all of Chinese, Japanese and Korean."""
    row = ord(character) >> 8
    return 0x4E if 0x30 <= row <= 0x9F or 0xAC <= row <= 0xD7 or row == 0xFF else row


def _is_assigned(character: str) -> bool:
    return character in "\t\n\r\f\v\ufeff" or unicodedata.category(character) not in ("Cc", "Cn", "Co", "Cs")
