"""``hyperlora eval``: how good a hypernetwork is."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.errors import handled
from cli.loading import load_base
from cli.progress import bar

app = typer.Typer(help="Measure hypernetworks on data they have not seen.", no_args_is_help=True)

Limit = Annotated[int | None, typer.Option(min=1, help="Only so many.", show_default=False)]


def docqa(
    data: Annotated[
        Path, typer.Option(help="JSONL with context, question, answer; or SQuAD JSON.", show_default=False)
    ],
    limit: Limit = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    nll_only: Annotated[bool, typer.Option("--nll-only", help="Likelihoods only, no generated answers.")] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask questions on documents: without anything, with the adapter, with another's, with the document in the prompt.

    Example: hyperlora eval docqa --data validation.jsonl --limit 50
    """
    output.configure(json_output=json, quiet=quiet)
    from d2l.data import read_docqa
    from shared.registry import find_hypernetwork

    contexts = read_docqa(data)[:limit]
    entry = find_hypernetwork(hypernet, "d2l")
    loaded = load_base(base or entry.config["base"]["name_or_path"], device, dtype)
    from d2l.evaluate import evaluate_docqa
    from d2l.model import D2LModel

    model = D2LModel.from_pretrained(entry.path, loaded)
    with bar("contexts") as move:
        result = evaluate_docqa(
            model,
            contexts,
            generate_answers=not nll_only,
            on_progress=move,
            facts={"data": data.name, "limit": limit, "hypernetwork": entry.name},
        )
    rows = [[mode, s.nll, s.f1, s.exact_match, s.recall] for mode, s in result.modes.items()]
    text = output.table(
        f"docqa: {result.questions} questions on {result.contexts} contexts",
        ["mode", "NLL/token", "F1", "exact", "recall"],
        rows,
    )
    if result.adapter_over_context is not None:
        text += f"\nadapter F1 / context F1 {result.adapter_over_context:.2f}"
    text += f"\nNLL gap closed {result.gap_closed:.2f}"
    output.result(text, result.to_dict())


def tasks(
    data: Annotated[
        Path, typer.Option(help="Directory with tasks.jsonl, descriptions.json and examples/.", show_default=False)
    ],
    split: Annotated[
        str, typer.Option(help="train (seen tasks, unseen examples) or held_out (unseen tasks).")
    ] = "train",
    limit: Annotated[int, typer.Option(min=1, help="Test examples per task.")] = 20,
    max_tasks: Limit = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    text_encoder: options.TextEncoder = None,
    trust_remote_code: options.TrustRemoteCode = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score tasks: the base, the base with the description in its prompt, the adapter of an unseen description.

    Example: hyperlora eval tasks --data tasks --split held_out
    """
    output.configure(json_output=json, quiet=quiet)
    from shared.errors import InputError
    from shared.registry import find_hypernetwork

    if split not in ("train", "held_out"):
        raise InputError(f"unknown split {split!r}", "use train or held_out")
    from t2l.data import read_tasks

    chosen = [task for task in read_tasks(data) if task.split == split][:max_tasks]
    entry = find_hypernetwork(hypernet, "t2l")
    loaded = load_base(base or entry.config["base"]["name_or_path"], device, dtype)
    from t2l.encoder import load_encoder_of
    from t2l.evaluate import evaluate_tasks
    from t2l.model import T2LModel

    model = T2LModel.from_pretrained(entry.path)
    model.check_base(loaded)
    encoder = load_encoder_of(model.config, text_encoder, trust_remote_code=trust_remote_code)
    with bar("tasks") as move:
        result = evaluate_tasks(
            model,
            encoder,
            loaded,
            chosen,
            limit=limit,
            on_progress=move,
            facts={"data": data.name, "split": split, "limit": limit, "hypernetwork": entry.name},
        )
    rows = [[name, *scores.values()] for name, scores in result.tasks.items()]
    rows.append(["mean", *result.mean.values()])
    title = f"tasks ({split}): {len(result.tasks)} tasks, {result.examples} examples"
    output.result(output.table(title, ["task", *result.mean], rows), result.to_dict())


app.command("docqa")(handled(docqa))
app.command("tasks")(handled(tasks))
