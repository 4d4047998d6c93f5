"""``hyperlora compare``: what the adapter saves on your own document, and what it costs."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.documents import read_one
from cli.loading import load_d2l
from d2l.questions import APPROACHES

if TYPE_CHECKING:
    from d2l.evaluation.compare import Comparison


def compare(
    file: Annotated[str, typer.Argument(help="Document; - reads stdin.", show_default=False)],
    questions: Annotated[Path, typer.Option(help="JSONL with question and answer (or answers).", show_default=False)],
    approaches: Annotated[str, typer.Option(help=f"Any of {', '.join(APPROACHES)}.")] = ",".join(APPROACHES),
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps of distillation.")] = 100,
    retrieved: Annotated[int, typer.Option(min=1, help="Passages that retrieval puts into the prompt.")] = 2,
    study: options.Study = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask this many, evenly spread.", show_default=False)] = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask the same questions on a document with it in the prompt, retrieved, distilled, and as an adapter.

    Example: hyperlora compare brief.pdf --questions questions.jsonl
    """
    from d2l.questions import read_questions
    from shared.errors import InputError
    from shared.metrics import spread
    from shared.provenance import provenance

    wanted = [approach.strip() for approach in approaches.split(",")]
    for approach in wanted:
        if approach not in APPROACHES:
            raise InputError(f"unknown approach {approach!r}", f"use {', '.join(APPROACHES)}")
    asked = spread(read_questions(questions), limit)
    document = read_one(file)
    model = load_d2l(hypernet, base, device, dtype)
    from d2l.evaluation.compare import compare as run
    from d2l.evaluation.distill import DistillConfig
    from d2l.study.document import document_pairs

    if "retrieval" in wanted:
        from t2l.encoder import load_text_encoder

        encoder = load_text_encoder()
    result = run(
        model,
        document.text,
        asked,
        embed=lambda texts: encoder.encode(texts, convert_to_tensor=True, normalize_embeddings=True).cpu(),
        study=partial(document_pairs, model, document.text, study),
        approaches=wanted,
        retrieved=retrieved,
        distillation=DistillConfig(steps=steps, seed=seed),
        on_progress=lambda approach: output.note(f"{approach} ..."),
    )
    facts = {"document": Path(document.path).name, "questions_file": questions.name, "hypernetwork": model.name}
    output.result(_render(result), result, provenance=provenance(model.base, **facts))


def _render(result: "Comparison") -> str:
    columns = ["approach", "update s", "peak MB", "s/question", "prompt tokens", "F1", "exact", "contained"]
    rows = [
        [
            a.name,
            f"{a.update_seconds:.1f}",
            None if a.peak_megabytes is None else round(a.peak_megabytes),
            None if a.question_seconds is None else f"{a.question_seconds:.2f}",
            None if a.prompt_tokens is None else round(a.prompt_tokens),
            a.f1,
            a.exact_match,
            a.recall,
        ]
        for a in result.approaches
    ]
    text = output.table(f"{result.questions} questions on {result.tokens:,} tokens", columns, rows)
    notes = [f"{a.name}: {a.note}" for a in result.approaches if a.note]
    return "\n".join([text, *notes])
