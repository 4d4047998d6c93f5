"""``hyperlora eval``: how good a hypernetwork or an adapter is."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.commands.evaluate_tasks import tasks
from cli.errors import handled
from cli.loading import load_adapter, load_base, load_d2l
from cli.progress import bar

app = typer.Typer(help="Measure hypernetworks and adapters on data they have not seen.", no_args_is_help=True)

Limit = Annotated[int | None, typer.Option(min=1, help="Only so many.", show_default=False)]


def docqa(
    data: Annotated[
        Path, typer.Option(help="JSONL with context, question, answer; or SQuAD JSON.", show_default=False)
    ],
    limit: Limit = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    nll_only: Annotated[bool, typer.Option("--nll-only", help="Likelihoods only, no generated answers.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Ask as hyperlora ask does, without the request for a short answer.")
    ] = False,
    context: Annotated[
        bool, typer.Option("--context/--no-context", help="Also with the document in the prompt (slow if long).")
    ] = True,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask questions on documents: without anything, with the adapter, with another's, with the document in the prompt.

    Example: hyperlora eval docqa --data validation.jsonl --limit 50
    """
    output.configure(json_output=json, quiet=quiet)
    from d2l.docqa import read_docqa

    contexts = read_docqa(data)[:limit]
    name, model = load_d2l(hypernet, base, device, dtype)
    from d2l.evaluate import evaluate_docqa

    with bar("contexts") as move:
        result = evaluate_docqa(
            model,
            contexts,
            generate_answers=not nll_only,
            short=not plain,
            with_context=context,
            max_new_tokens=48 if plain else 24,
            on_progress=move,
            facts={"data": data.name, "limit": limit, "hypernetwork": name, "short": not plain},
        )
    columns = ["mode", "NLL/token", "F1", "exact", "recall"]
    text = output.table(
        f"docqa: {result.questions} questions on {result.contexts} contexts",
        columns,
        [[mode, s.nll, s.f1, s.exact_match, s.recall] for mode, s in result.modes.items()],
    )
    parts = [*result.lengths.items(), *result.kinds.items()]
    if len(parts) > 2:
        rows = [
            [f"{name} ({g.questions}), {mode}", s.nll, s.f1, s.exact_match, s.recall]
            for name, g in parts
            for mode, s in g.modes.items()
            if mode in ("adapter", "other", "context+bias")
        ]
        text += "\n" + output.table("by context length in tokens and by kind of question", columns, rows)
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
    if result.skipped:
        output.note(f"{result.skipped} contexts are longer than the base model's window and were left out")
    output.result(text, result.to_dict())


def niah(
    lengths: Annotated[str, typer.Option(help="Document lengths in tokens.")] = "128,512,2048,8192",
    depths: Annotated[int, typer.Option(min=1, help="Depths from the first to the last sentence.")] = 10,
    samples: Annotated[int, typer.Option(min=1, help="Documents per length and depth.")] = 1,
    haystack: Annotated[
        Path | None,
        typer.Option(help="Real prose: several differently worded needles, one is asked for.", show_default=False),
    ] = None,
    max_rank: options.MaxRank = options.LARGEST_RANK,
    max_bytes: options.MaxBytes = None,
    chunk_tokens: options.ChunkTokens = None,
    context: Annotated[
        bool, typer.Option("--context/--no-context", help="Also ask the base with the text in its prompt.")
    ] = True,
    plot: Annotated[Path | None, typer.Option(help="Write a heat map (PNG, SVG or PDF).", show_default=False)] = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Needle in a haystack: hide a number in a long document, make its adapter, and ask for the number.

    Example: hyperlora eval niah --lengths 128,1024,8192 --plot niah.png
    """
    output.configure(json_output=json, quiet=quiet)
    from cli.plots import check_plot, niah_heatmap
    from shared.errors import InputError

    try:
        wanted = [int(part) for part in lengths.split(",")]
    except ValueError:
        raise InputError(f"--lengths {lengths!r} is no list of numbers", "for example --lengths 128,1024") from None
    size_limit = options.parse_bytes(max_bytes)
    check_plot(plot)
    prose = None
    if haystack is not None:
        from d2l.reader import read_document

        prose = read_document(str(haystack)).text
    name, model = load_d2l(hypernet, base, device, dtype)
    from d2l.generate import RankBudget
    from d2l.niah import evaluate_niah

    with bar("documents") as move:
        result = evaluate_niah(
            model,
            wanted,
            num_depths=depths,
            samples=samples,
            haystack=prose,
            chunk_tokens=chunk_tokens,
            max_rank=RankBudget(max_rank, size_limit).rank(model.config.hypernetwork),
            with_context=context,
            seed=seed,
            on_progress=move,
            facts={"hypernetwork": name, "haystack": haystack.name if haystack else "noise", "depths": depths},
        )
    title = f"needle in a haystack: {depths * samples} documents per length"
    rows = [[str(length), s["rank"], s["adapter"], s["context"]] for length, s in result.lengths.items()]
    output.result(output.table(title, ["tokens", "rank", "adapter", "context"], rows), result.to_dict())
    if plot is not None:
        niah_heatmap(result.cells, plot, f"{name}, {'real prose' if haystack else 'noise'}")
        output.note(f"heat map: {plot}")


def general(
    data: Annotated[
        Path, typer.Option(help="Documents: JSONL with context, question, answer; or SQuAD JSON.", show_default=False)
    ],
    limit: Annotated[int, typer.Option(min=1, help="Documents to load, one after the other.")] = 10,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask general questions with documents loaded: what does an adapter break?

    Example: hyperlora eval general --data validation.jsonl
    """
    output.configure(json_output=json, quiet=quiet)
    from d2l.docqa import read_docqa

    documents = [context.text for context in read_docqa(data)[:limit]]
    name, model = load_d2l(hypernet, base, device, dtype)
    from d2l.interference import evaluate_interference

    with bar("documents") as move:
        result = evaluate_interference(
            model,
            documents,
            on_progress=move,
            facts={"data": data.name, "limit": limit, "hypernetwork": name},
        )
    title = f"{result.questions} general questions, {len(documents)} documents"
    rows = [["base", result.base], ["bias LoRA alone", result.bias], ["a document's adapter", result.adapter]]
    text = output.table(title, ["loaded", "right answer contained"], rows)
    text += f"\nanswers that are word for word the base's own: {result.unchanged:.2f}"
    if result.relative_loss is not None:
        text += f"\nlost against the base: {result.relative_loss:.1%}"
    output.result(text, result.to_dict())


def adapter(
    name: Annotated[str, typer.Argument(metavar="ADAPTER", help="Adapter directory or Hub id.", show_default=False)],
    questions: Annotated[Path, typer.Option(help="JSONL with question and answer.", show_default=False)],
    other: Annotated[
        str | None, typer.Option(help="Another adapter to ask the same, for comparison.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many, spread evenly over the file.", show_default=False)
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
    output.configure(json_output=json, quiet=quiet)
    from d2l.docqa import read_questions
    from shared.evaluation import spread

    asked = spread(read_questions(questions), limit)
    loaded_adapter = load_adapter(name)
    compared = load_adapter(other) if other else None
    loaded = load_base(base or loaded_adapter.base_model, device, dtype)
    from d2l.evaluate import evaluate_adapter

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
            facts={"adapter": name, "other": other, "questions": questions.name, "limit": limit, "short": not plain},
        )
    columns = ["mode", "NLL/token", "F1", "exact", "recall"]
    rows = [[mode, s.nll, s.f1, s.exact_match, s.recall] for mode, s in result.modes.items()]
    rows += [
        [f"{kind} ({g.questions}), {mode}", s.nll, s.f1, s.exact_match, s.recall]
        for kind, g in (result.kinds.items() if len(result.kinds) > 1 else ())
        for mode, s in g.modes.items()
    ]
    output.result(output.table(f"{name}: {result.questions} questions", columns, rows), result.to_dict())


app.command("adapter")(handled(adapter))
app.command("docqa")(handled(docqa))
app.command("general")(handled(general))
app.command("niah")(handled(niah))
app.command("tasks")(handled(tasks))
