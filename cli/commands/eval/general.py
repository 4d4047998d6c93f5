"""``hyperlora eval general``: what an adapter breaks."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import load_d2l
from cli.progress import bar


def general(
    data: Annotated[
        Path, typer.Option(help="Documents: JSONL with context, question, answer; or SQuAD JSON.", show_default=False)
    ],
    limit: Annotated[int, typer.Option(min=1, help="Documents to load, one after the other.")] = 10,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    study: options.StudyBefore = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask general questions with documents loaded: what does an adapter break?

    Example: hyperlora eval general --data validation.jsonl
    """
    from d2l.questions import read_docqa
    from shared.provenance import provenance

    documents = [context.text for context in read_docqa(data)[:limit]]
    model = load_d2l(hypernet, base, device, dtype)
    from d2l.evaluation.general import evaluate_general
    from d2l.study.document import document_pairs

    with bar("documents") as move:
        result = evaluate_general(
            model,
            documents,
            study=partial(document_pairs, model, study=study) if study else None,
            on_progress=move,
        )
    title = f"{result.questions} general questions, {len(documents)} documents"
    rows = [["base", result.base], ["bias LoRA alone", result.bias], ["a document's adapter", result.adapter]]
    text = output.table(title, ["loaded", "right answer contained"], rows)
    text += f"\nanswers that are word for word the base's own: {result.unchanged:.2f}"
    if result.relative_loss is not None:
        text += f"\nlost against the base: {result.relative_loss:.1%}"
    facts = {"data": data.name, "limit": limit, "hypernetwork": model.name, "study": study}
    output.result(text, result, provenance=provenance(model.base, **facts))
