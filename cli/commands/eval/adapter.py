"""``hyperlora eval adapter``: an adapter that exists, asked questions with known answers."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import base_of, load_adapter, load_base
from cli.progress import bar


def adapter(
    name: Annotated[str, typer.Argument(metavar="ADAPTER", help="Adapter directory or Hub id.", show_default=False)],
    questions: Annotated[Path, typer.Option(help="JSONL with question and answer.", show_default=False)],
    other: Annotated[
        str | None, typer.Option(help="Another adapter to ask the same, for comparison.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many, spread evenly over the file.", show_default=False)
    ] = None,
    base: options.Base = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Ask as hyperlora ask does, without the request for a short answer.")
    ] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask an adapter that exists questions with known answers, and the base model without it.

    Example: hyperlora eval adapter brief-adapter --questions questions.jsonl
    """
    from d2l.questions import read_questions
    from shared.metrics import spread
    from shared.provenance import provenance

    asked = spread(read_questions(questions), limit)
    loaded_adapter = load_adapter(name)
    compared = load_adapter(other) if other else None
    loaded = load_base(base_of(loaded_adapter, base), device, dtype)
    from d2l.evaluation.docqa import evaluate_adapter

    with bar("passes") as move:
        result = evaluate_adapter(
            loaded,
            loaded_adapter.weights,
            asked,
            system=loaded_adapter.question_system,
            other=compared and compared.weights,
            short=not plain,
            max_new_tokens=48 if plain else 24,
            on_progress=move,
        )
    columns = ["mode", "NLL/token", "F1", "exact", "recall"]
    rows = [[mode, s.nll, s.f1, s.exact_match, s.recall] for mode, s in result.modes.items()]
    rows += [
        [f"{kind} ({g.questions}), {mode}", s.nll, s.f1, s.exact_match, s.recall]
        for kind, g in (result.kinds.items() if len(result.kinds) > 1 else ())
        for mode, s in g.modes.items()
    ]
    text = output.table(f"{name}: {result.questions} questions", columns, rows)
    names = {"adapter": Path(name).name, "other": other and Path(other).name, "questions_file": questions.name}
    output.result(text, result, provenance=provenance(loaded, **names, limit=limit, short=not plain))
