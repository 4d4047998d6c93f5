"""``hyperlora eval docqa``: does a document's adapter know its document?"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.loading import load_d2l
from cli.progress import bar

if TYPE_CHECKING:
    from d2l.evaluation.docqa import DocQAResult
    from d2l.model import D2LModel
    from d2l.questions import QA, Context


def docqa(
    data: Annotated[
        Path, typer.Option(help="JSONL with context, question, answer; or SQuAD JSON.", show_default=False)
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many contexts.", show_default=False)] = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    nll_only: Annotated[bool, typer.Option("--nll-only", help="Likelihoods only, no generated answers.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Ask as hyperlora ask does, without the request for a short answer.")
    ] = False,
    context: Annotated[
        bool, typer.Option("--context/--no-context", help="Also with the document in the prompt (slow if long).")
    ] = True,
    study: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Also with the document studied: up to this many written pairs for each chunk, or the data's own "
            'questions with "study": true.',
            show_default=False,
        ),
    ] = None,
    refine: options.Refine = options.REFINE_PASSES,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask questions on documents: without anything, with the adapter, with another's, with the document in the prompt.

    Example: hyperlora eval docqa --data validation.jsonl --limit 50
    """
    from d2l.questions import read_docqa
    from shared.provenance import provenance

    contexts = read_docqa(data)[:limit]
    model = load_d2l(hypernet, base, device, dtype)
    from d2l.evaluation.docqa import evaluate_docqa
    from shared.training.refine import REFINE

    with bar("contexts") as move:
        result = evaluate_docqa(
            model,
            contexts,
            generate_answers=not nll_only,
            short=not plain,
            with_context=context,
            study=None if study is None else partial(_pairs, model, study),
            refined=REFINE.replace(passes=refine) if refine else None,
            max_new_tokens=48 if plain else 24,
            on_progress=move,
        )
    if result.skipped:
        output.note(f"{result.skipped} contexts are longer than the base model's window and were left out")
    facts = {"data": data.name, "limit": limit, "hypernetwork": model.name, "short": not plain}
    facts |= {"study": study, "refine": refine}
    output.result(_render(result), result, provenance=provenance(model.base, **facts))


def _pairs(model: "D2LModel", number: int, context: "Context") -> "Sequence[QA]":
    """What a context is studied with: what its data says, or what the writer asks about it."""
    from d2l.study.document import document_pairs

    return context.study or document_pairs(model, context.text, number)


def _render(result: "DocQAResult") -> str:
    columns = ["mode", "NLL/token", "F1", "exact", "recall"]
    text = output.table(
        f"docqa: {result.questions} questions on {result.contexts} contexts",
        columns,
        [[mode, s.nll, s.f1, s.exact_match, s.recall] for mode, s in result.modes.items()],
    )
    parts = [*result.lengths.items(), *result.kinds.items(), *result.covered.items()]
    if len(parts) > 2:
        rows = [
            [f"{name} ({g.questions}), {mode}", s.nll, s.f1, s.exact_match, s.recall]
            for name, g in parts
            for mode, s in g.modes.items()
            if mode in ("adapter", "study", "other", "context+bias")
        ]
        text += "\n" + output.table("by context length in tokens and by kind of question", columns, rows)
    if result.coverage is not None:
        text += (
            f"\n{result.pairs:.0f} pairs a context; some pair has the answer of {result.coverage:.0%} of the questions"
        )
    if result.adapter_over_context is not None:
        text += f"\nadapter F1 / context F1 {result.adapter_over_context:.2f}"
        if result.adapter_over_context > 1:
            text += ": the adapter also learned the answers' form, compare it with context+bias"
    gaps = {
        "NLL": result.gap_closed,
        "F1": result.f1_gap_closed,
        "exact match": result.em_gap_closed,
        "recall": result.recall_gap_closed,
    }
    closed = [f"{name} {share:.2f}" for name, share in gaps.items() if share is not None]
    if closed:
        text += f"\ngap from other to context+bias closed: {', '.join(closed)}"
    return text
