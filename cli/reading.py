"""What several commands read the same way, and say of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from cli import output
from cli.progress import spinner

if TYPE_CHECKING:
    from d2l.reader import Documents, DocumentText


def read_one(path: Path | str) -> "DocumentText":
    """Read one document, and say on stderr what of it was not read.

    Raises:
        InputError: it cannot be read.
    """
    from d2l.reader import Documents, read_document

    with spinner("reading"):
        document = read_document(str(path))
    report(Documents([document], [], {}), losses_only=True)
    return document


def report(read_: "Documents", *, losses_only: bool = False) -> None:
    """Say on stderr what was read and what was not.

    Args:
        losses_only: nothing about documents that were read whole, as UTF-8 where they are text.
    """
    for document in read_.documents:
        name = "standard input" if document.path == "-" else Path(document.path).name
        said, *left_out = document.reading.lines()
        if not losses_only or left_out or document.reading.encoding_from not in (None, "UTF-8"):
            output.note(f"{name}: {said}")
        for line in left_out:
            output.warning(f"{name}: {line}")
    if read_.skipped:
        names = ", ".join(Path(file).name for file in read_.skipped[:10])
        more = f" and {len(read_.skipped) - 10} more" if len(read_.skipped) > 10 else ""
        output.warning(f"skipped {len(read_.skipped)} of no readable type: {names}{more}")
    for reason in read_.bad.values():
        output.warning(f"not read: {reason}")
