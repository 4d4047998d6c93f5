"""Documents that commands take: read, with a word on stderr on what was not read of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from cli import output
from cli.progress import spinner

if TYPE_CHECKING:
    from d2l.reader import Documents, DocumentText


def read_one(path: str | Path) -> "DocumentText":
    """A document whose losses are said as ``d2l`` says them.

    Raises:
        InputError: it cannot be read.
    """
    from d2l.reader import read_document

    with spinner("reading"):
        document = read_document(str(path))
    report([document], losses_only=True)
    return document


def report(documents: "list[DocumentText]", *, losses_only: bool = False) -> None:
    """Say on stderr what was read of documents and what was not.

    Args:
        losses_only: nothing about documents that were read whole, as UTF-8 where they are text.
    """
    for document in documents:
        name = "standard input" if document.path == "-" else Path(document.path).name
        said, *left_out = document.reading.lines()
        if not losses_only or left_out or document.reading.encoding_from not in (None, "UTF-8"):
            output.note(f"{name}: {said}")
        for line in left_out:
            output.warning(f"{name}: {line}")


def report_all(read: "Documents", *, losses_only: bool = False) -> None:
    """The same, and the files that were skipped or cannot be read."""
    report(read.documents, losses_only=losses_only)
    if read.skipped:
        names = ", ".join(Path(file).name for file in read.skipped[:10])
        more = f" and {len(read.skipped) - 10} more" if len(read.skipped) > 10 else ""
        output.warning(f"skipped {len(read.skipped)} of no readable type: {names}{more}")
    for reason in read.bad.values():
        output.warning(f"not read: {reason}")
