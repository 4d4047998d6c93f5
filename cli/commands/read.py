"""``hyperlora read``: the text of documents, and what was not read of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.progress import bar

if TYPE_CHECKING:
    from d2l.reader import Documents


def read(
    files: Annotated[list[str], typer.Argument(help="Documents or folders; - reads stdin.", show_default=False)],
    encoding: options.Encoding = None,
    ocr: options.Ocr = False,
    ocr_language: options.OcrLanguage = "eng",
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Print the text of documents as d2l reads it, and on stderr what was read of them and what was not.

    Example: hyperlora read brief.pdf
    """
    from d2l.reader import read_documents

    with bar("reading") as move:
        read_ = read_documents(
            files, encoding=encoding, ocr=ocr_language if ocr else None, skip_bad=skip_bad, on_progress=move
        )
    report(read_)
    data = [
        {
            "path": document.path,
            "sha256": document.sha256,
            "pages": document.num_pages,
            "characters": document.num_characters,
            "reading": document.reading.to_dict(),
            "text": document.text,
        }
        for document in read_.documents
    ]
    text = "\n\n".join(document.text for document in read_.documents)
    output.result(text, {"documents": data, "skipped": read_.skipped, "bad": read_.bad})


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
