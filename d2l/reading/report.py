"""What was read of a document and what was not: names and counts, never its text."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class LeftOut:
    """Parts of a document that are not in its text.

    Attributes:
        what: kind of part, singular: ``page``, ``slide``, ``sheet``, ``attachment``, ``picture``, ...
        why: in a few words.
        count: number of parts.
        names: their names or numbers as far as they have any.
    """

    what: str
    why: str
    count: int
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f"{self.count} {self.what}s" if self.count > 1 else self.what
        shown = ", ".join(self.names[:10]) + (f" and {len(self.names) - 10} more" if len(self.names) > 10 else "")
        return f"not read: {what}{': ' * bool(shown)}{shown} ({self.why})"


@dataclass
class Reading:
    """The record of reading one document, filled while it is read.

    Attributes:
        format: ``PDF``, ``DOCX``, ...
        encoding: of a text format, as it was read; None for formats that bring their own.
        encoding_from: ``UTF-8``, ``byte order mark``, ``declaration``, ``--encoding`` or ``assumption``.
        parts: number of parts read by kind: pages, slides, sheets, attachments.
        left_out: what is not in the text.
    """

    format: str = ""
    encoding: str | None = None
    encoding_from: str | None = None
    parts: dict[str, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """Add parts that were read."""
        self.parts[what] = self.parts.get(what, 0) + number

    def leave_out(self, what: str, why: str, *names: str, count: int | None = None) -> None:
        """Add parts that were not read; those of the same kind and reason become one entry."""
        count = len(names) if count is None else count
        if count:
            why, names = _printable(why), tuple(map(_printable, names))
            same = next((old for old in self.left_out if (old.what, old.why) == (what, why)), LeftOut(what, why, 0))
            kept = [old for old in self.left_out if old is not same]
            self.left_out = [*kept, LeftOut(what, why, same.count + count, (*same.names, *names))]

    def lines(self) -> list[str]:
        """What a user should know, one line each: the parts read, an encoding that is not UTF-8, what was left out."""
        said = [f"{number} {what if number != 1 else what.removesuffix('s')}" for what, number in self.parts.items()]
        if self.encoding and self.encoding_from != "UTF-8":
            said.append(f"{self.encoding} by {self.encoding_from}")
        return [", ".join([self.format, *said]), *map(str, self.left_out)]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Reading":
        """The inverse of ``to_dict``."""
        left_out = [LeftOut(**{**entry, "names": tuple(entry["names"])}) for entry in data["left_out"]]
        return cls(**{**data, "left_out": left_out})


def _printable(name: str) -> str:
    """A name from a stranger's file, which may hold line ends and commands for the terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)[:120]
