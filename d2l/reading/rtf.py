"""RTF -> the text that a word processor shows (Rich Text Format specification 1.9.1)."""

import re
from dataclasses import dataclass, replace

from d2l.reading.html import join_cells, superscript
from d2l.reading.report import Reading
from d2l.reading.rtfwords import AROUND, CHARACTERS, CHARSETS, ENDS, KNOWN, MARKS, NOT_TEXT, SKIPPED, SYMBOL
from d2l.reading.symbols import symbol

_TOKEN = re.compile(
    rb"\\([a-zA-Z]+)(-?\d+)?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class _State:
    """What holds until a group's end."""

    skips: bool = False
    hidden: bool = False
    deleted: bool = False
    raised: bool = False
    in_table: bool = False
    font: int = -1
    fallback: int = 1  # characters behind \u for programs that do not know it
    opens: str = ""  # the destination that the group is, which ends with it


def rtf_text(data: bytes, reading: Reading) -> str:
    """The visible text: paragraphs, rows of tables, notes, heads and feet, text boxes.

    Raises:
        ValueError: no RTF, or its end is missing.
    """
    return _Document(data, reading).read()


class _Text:
    """Blocks of the body, of a head or of a note as they grow."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, bool]] = []  # text, and whether it is a row of a table
        self.cells: list[str] = []
        self.parts: list[str] = []

    def end(self, *, in_table: bool) -> None:
        if in_table:
            self.parts.append("\n")
        else:
            self._close()

    def cell(self) -> None:
        self.cells.append("".join(self.parts))
        self.parts = []

    def row(self) -> None:
        self.blocks.append((join_cells(self.cells), True))
        self.cells = []

    def _close(self) -> None:
        if self.cells:  # of a row without an end
            self.row()
        self.blocks.append(("".join(self.parts).strip(" "), False))
        self.parts = []

    def text(self, separator: str = "\n\n") -> str:
        self._close()
        out: list[str] = []
        was_row = False
        for text, is_row in self.blocks:
            if text:
                out += ["\n" if was_row and is_row else separator] * bool(out) + [text]
                was_row = is_row
        return "".join(out)


class _Document:
    def __init__(self, data: bytes, reading: Reading) -> None:
        self.data, self.reading = data, reading
        self.state = _State()
        self.stack: list[_State] = []
        self.texts = [_Text()]  # the innermost destination last
        # In order; the same one stands on first, even and other pages.
        self.around: dict[str, dict[str, None]] = {"header": {}, "footer": {}}
        self.notes: list[str] = []
        self.codec, self.fonts, self.font_of_table = "cp1252", {}, -1
        self.bytes = bytearray()  # not decoded yet: a character may have several
        self.units: list[int] = []  # of \u, not decoded yet: a character may have two
        self.fallback = 0

    def read(self) -> str:
        if not self.data.lstrip().startswith(b"{\\rtf"):
            raise ValueError("no RTF")
        place, first = self.data.index(b"{"), False
        while (match := _TOKEN.match(self.data, place)) is not None:
            place = match.end()
            word, number, code, mark, brace, run = match.groups()
            if brace == b"{":
                self._flush()
                self.stack.append(self.state)
                self.state = replace(self.state, opens="")
                first = True
                continue
            if brace == b"}":
                self._close()
                if not self.stack:
                    break
            elif mark == b"*" and first:
                place = self._ignorable(place)
                continue
            elif word == b"bin":
                place += max(0, int(number or 0))
            elif word:
                self._word(word.decode(), int(number) if number else None, first)
            elif code or run:
                self._letters(bytes([int(code, 16)]) if code else run)
            elif mark:
                self._mark(mark.decode("latin-1"))
            first = first and not (word or code or run or mark or brace)
        if self.stack or place == 0:
            raise ValueError("the end is missing")
        notes = "\n".join(self.notes)
        return "\n\n".join(filter(None, [*self.around["header"], self.texts[0].text(), notes, *self.around["footer"]]))

    def _ignorable(self, place: int) -> int:
        """Behind ``\\*``: skip the group unless its destination is known."""
        match = re.compile(rb"\s*\\([a-zA-Z]+)").match(self.data, place)
        name = match[1].decode() if match else ""
        if name not in KNOWN and name not in NOT_TEXT:
            self.state = replace(self.state, skips=True)
        elif name in NOT_TEXT:
            self._count(name)
            self.state = replace(self.state, skips=True)
        elif name == "ud":  # as the group around \\upr is
            self.state = replace(self.state, skips=len(self.stack) > 1 and self.stack[-2].skips)
        return match.end() if match else place

    def _word(self, word: str, number: int | None, first: bool) -> None:
        self.fallback = 0 if word != "u" else self.fallback
        if self._font_table(word, number):
            return
        if word == "u" and number is not None:
            if not self.state.skips:
                self._flush_bytes()
                self.units.append(number & 0xFFFF)
            self.fallback = self.state.fallback
            return
        self._flush()
        if word == "fonttbl":
            self.state = replace(self.state, opens="fonts", skips=True)
            self.font_of_table = -1
        elif first and (word in SKIPPED or word in NOT_TEXT):
            self._count(word)
            self.state = replace(self.state, skips=word != "object")
        elif first and (word in AROUND or word in ("footnote", "listtext", "pntext", "shptxt")):
            self.state = replace(_State(skips=self.state.skips, font=self.state.font), opens=AROUND.get(word, word))
            self.texts.append(_Text())
        elif word == "upr" and first:
            self.state = replace(self.state, skips=True)  # until \ud, which says the same in Unicode
        elif word in CHARACTERS:
            self._put(CHARACTERS[word])
        elif word in ENDS:
            self._end(word)
        elif word in ("cell", "nestcell", "row", "nestrow") and not self.state.skips:
            getattr(self.texts[-1], word.removeprefix("nest"))()
        else:
            self._property(word, number)

    def _property(self, word: str, number: int | None) -> None:
        on = number != 0
        if word == "ansicpg" and number:
            self.codec = _known(f"cp{number}") or self.codec
        elif word in ("mac", "pc", "pca"):
            self.codec = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]
        elif word == "uc":
            self.state = replace(self.state, fallback=number or 0)
        elif word in ("f", "deff") and number is not None:
            self.state = replace(self.state, font=number)
        elif word == "v":
            self.state = replace(self.state, hidden=on)
        elif word == "deleted":
            self.state = replace(self.state, deleted=on)
        elif word in ("super", "up", "nosupersub"):
            self.state = replace(self.state, raised=word == "super" and on)
        elif word == "intbl":
            self.state = replace(self.state, in_table=True)
        elif word == "pard":
            self.state = replace(self.state, in_table=False)
        elif word == "plain":
            self.state = replace(self.state, hidden=False, deleted=False, raised=False)

    def _font_table(self, word: str, number: int | None) -> bool:
        """Whether a word belongs to the table of fonts."""
        if not any(state.opens == "fonts" for state in (self.state, *self.stack[-2:])):
            return False
        if word == "f" and number is not None:
            self.font_of_table = number
        elif word == "fcharset" and number is not None:
            self.fonts[self.font_of_table] = number
        return True

    def _mark(self, mark: str) -> None:
        if self.fallback:
            self.fallback -= 1
        elif mark in MARKS:
            self._flush()
            self._put(MARKS[mark])
        elif mark in ENDS:
            self._flush()
            self._end(mark)

    def _end(self, word: str) -> None:
        if not (self.state.skips or self.state.deleted):
            self.texts[-1].end(in_table=self.state.in_table)

    def _letters(self, data: bytes) -> None:
        skipped = min(self.fallback, len(data))
        self.fallback -= skipped
        if data[skipped:] and not self.state.skips:
            self._flush_units()
            self.bytes += data[skipped:]

    def _flush(self) -> None:
        self._flush_units()
        self._flush_bytes()

    def _flush_units(self) -> None:
        if self.units:
            data = b"".join(unit.to_bytes(2, "little") for unit in self.units)
            self.units = []
            self._put(data.decode("utf-16-le", "replace"))

    def _flush_bytes(self) -> None:
        if not self.bytes:
            return
        charset = self.fonts.get(self.state.font)
        if charset == SYMBOL:
            signs = [symbol("symbol", byte) for byte in self.bytes]
            self.reading.leave_out("symbol", "of a symbol font", count=signs.count(None))
            text = "".join(filter(None, signs))
        else:
            text = self.bytes.decode(CHARSETS.get(charset, self.codec), "replace")
        self.bytes.clear()
        self._put(text)

    def _put(self, text: str) -> None:
        state = self.state
        if state.skips or state.deleted:
            return
        if state.hidden:
            self.reading.leave_out("passage", "hidden text", count=int(bool(text.strip())))
            return
        self.texts[-1].parts.append(superscript(text) if state.raised else text)

    def _count(self, word: str) -> None:
        if word in NOT_TEXT and not self.state.skips:
            what = NOT_TEXT[word]
            why = {"object": "embedded objects are not read", "comment": "comments are not part of the text"}
            self.reading.leave_out(what, why.get(what, "pictures are not read"), count=1)

    def _close(self) -> None:
        self._flush()
        self.fallback = 0
        opened = self.state.opens
        self.state = self.stack.pop()
        if opened in ("", "fonts"):
            return
        text = self.texts.pop().text("\n" if opened == "footnote" else "\n\n")
        if self.state.skips:
            return
        if opened == "footnote":
            self.notes.append(f"[{len(self.notes) + 1}] {text}")
            self._put(f"[{len(self.notes)}]")
        elif opened in self.around:
            self.around[opened][text] = None
        elif opened == "shptxt":
            self._put(f"\n{text}\n")
        elif any(map(str.isalnum, text)):  # a number of a list, not a bullet
            self._put(f"{text.strip()} ")


def _known(codec: str) -> str | None:
    try:
        return "".encode(codec) == b"" and codec or None
    except LookupError:
        return None
