"""Documents that commands read, and the report of what was read of them and what was not."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import output
from cli.progress import spinner

if TYPE_CHECKING:
    from d2l.reader import Documents, DocumentText


def read_one(path: str | Path) -> "DocumentText":
    """Read a document beside a command's main input, and say on stderr what was left out of it.

    Raises:
        InputError: it cannot be read.
    """
    from d2l.reader import read_document

    with spinner("reading"):
        document = read_document(str(path))
    _report([document], losses_only=True)
    return document


def report(read: "Documents", *, losses_only: bool = False) -> None:
    """Say on stderr what was read and what was not.

    Args:
        losses_only: nothing about documents that were read whole, as UTF-8 where they are text.
    """
    _report(read.documents, losses_only=losses_only)
    if read.skipped:
        names = ", ".join(Path(file).name for file in read.skipped[:10])
        more = f" and {len(read.skipped) - 10} more" if len(read.skipped) > 10 else ""
        output.warning(f"skipped {len(read.skipped)} of no readable type: {names}{more}")
    for reason in read.bad.values():
        output.warning(f"not read: {reason}")


def _report(documents: "Sequence[DocumentText]", *, losses_only: bool) -> None:
    for document in documents:
        name = "standard input" if document.path == "-" else Path(document.path).name
        said, *left_out = document.reading.lines()
        if not losses_only or left_out or document.reading.encoding_from not in (None, "UTF-8"):
            output.note(f"{name}: {said}")
        for line in left_out:
            output.warning(f"{name}: {line}")
