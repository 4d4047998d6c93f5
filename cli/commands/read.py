"""``hyperlora read``: the text of documents, and what was not read of them."""

from typing import Annotated

import typer

from cli import options, output
from cli.documents import report_all
from cli.progress import bar


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
    report_all(read_)
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
