"""``hyperlora eval tasks``: does a description make the model do the task?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.loading import load_adapter, load_base
from cli.progress import bar

if TYPE_CHECKING:
    from t2l.evaluation.bootstrap import Interval
    from t2l.evaluation.tasks import TasksResult
    from t2l.tasks import Task

SPLITS = ("train", "held_out", "procedural", "procedural_held_out", "procedural_labels")


def tasks(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Directory with tasks.jsonl, descriptions.json and examples/; the procedural splits need none.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="train (seen tasks, unseen examples), held_out (unseen tasks), procedural (generated tasks, seen), "
            "procedural_held_out (generated tasks of unseen kinds) or procedural_labels (labels by unseen words)."
        ),
    ] = "train",
    limit: Annotated[int, typer.Option(min=1, help="Test examples per task.")] = 20,
    max_tasks: Annotated[
        int | None, typer.Option(min=1, help="A random sample of this many tasks.", show_default=False)
    ] = None,
    descriptions: Annotated[
        int, typer.Option(min=1, help="Unseen descriptions per task; scores are means over them.")
    ] = 1,
    max_input_tokens: Annotated[int, typer.Option(min=1, help="Longer inputs are left out.")] = 512,
    procedural_tasks: Annotated[
        int, typer.Option(min=1, help="Generated tasks that were in training (data.procedural).")
    ] = 600,
    multitask: Annotated[
        str | None,
        typer.Option(help="Adapter that was trained on all tasks, to compare with.", show_default=False),
    ] = None,
    shots: Annotated[
        str | None,
        typer.Option(
            help="Also adapters trained on these numbers of labelled examples, e.g. 8,32, and the same in the prompt.",
            show_default=False,
        ),
    ] = None,
    oracle: Annotated[
        int, typer.Option(min=0, help="Number of tasks that get a LoRA trained on their examples, to compare with.")
    ] = 0,
    oracle_steps: Annotated[int, typer.Option(min=1, help="Training steps of each such LoRA.")] = 60,
    plot: Annotated[
        Path | None, typer.Option(help="Write the differences by task (PNG, SVG or PDF).", show_default=False)
    ] = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    text_encoder: options.TextEncoder = None,
    trust_remote_code: options.TrustRemoteCode = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score tasks: adapters of unseen descriptions against prompts, wrong descriptions and other LoRAs.

    The score is exact match or ROUGE-L of greedy answers; labels are also ranked by their likelihood. Intervals are
    95% bootstrap intervals over tasks and examples.

    Example: hyperlora eval tasks --data tasks --split held_out
    """
    from cli.plots import check_plot, task_differences
    from shared.errors import InputError
    from shared.hypernetwork.registry import find_hypernetwork
    from shared.provenance import provenance

    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}", f"use {', '.join(SPLITS)}")
    if data is None and not split.startswith("procedural"):
        raise InputError(f"--split {split} needs --data", "or use --split procedural, whose tasks are generated")
    check_plot(plot)
    pool = _tasks_of(data, split, procedural_tasks)
    from random import Random

    chosen = pool
    if max_tasks is not None and max_tasks < len(pool):
        chosen = [pool[i] for i in sorted(Random(seed).sample(range(len(pool)), max_tasks))]
    entry = find_hypernetwork(hypernet, "t2l")
    loaded_multitask = load_adapter(multitask) if multitask else None
    loaded = load_base(base or entry.base_model, device, dtype)
    from t2l.evaluation.baselines import OracleConfig
    from t2l.evaluation.tasks import TasksEvalConfig, evaluate_tasks
    from t2l.model import T2LModel

    model = T2LModel.from_pretrained(
        entry.path, name=entry.name, base=loaded, text_encoder=text_encoder, trust_remote_code=trust_remote_code
    )
    config = TasksEvalConfig(
        limit=limit,
        descriptions=descriptions,
        max_input_tokens=max_input_tokens,
        shots=options.parse_numbers(shots, "--shots"),
        oracle=oracle,
        oracle_training=OracleConfig(steps=oracle_steps),
        seed=seed,
    )
    with bar("tasks") as move:
        result = evaluate_tasks(
            model,
            loaded,
            chosen,
            config,
            pool=pool,
            multitask=loaded_multitask.weights if loaded_multitask else None,
            on_progress=move,
        )
    columns = ["score", "balanced", "label", "label, balanced"]
    title = f"{len(result.tasks)} tasks ({split}), {result.examples} examples; mean [95% interval]"
    text = output.table(title, ["mode", *columns], _rows(result.modes))
    text += "\n" + output.table("paired differences", ["modes", *columns], _rows(result.differences))
    facts = {"data": data and data.name, "split": split, "hypernetwork": entry.name, "multitask": multitask}
    output.result(text, result, provenance=provenance(loaded, **config.to_dict(), **facts))
    if plot is not None:
        compared = [mode for mode in ("base+description", "multitask") if mode in result.modes]
        task_differences(
            {f"adapter - {mode}": _by_task(result, mode) for mode in compared}, plot, f"{entry.name}, tasks: {split}"
        )
        output.note(f"differences by task: {plot}")


def _tasks_of(data: Path | None, split: str, procedural: int) -> "list[Task]":
    if split.startswith("procedural"):
        from t2l.procedural import held_out_procedural_tasks, procedural_tasks, relabelled_tasks

        if split == "procedural_labels":
            return relabelled_tasks([], seed=1)  # training has those of seed 0
        return procedural_tasks(procedural) if split == "procedural" else held_out_procedural_tasks()
    from t2l.tasks import PUBLISHABLE, read_tasks

    # Training uses the publishable families only, so only their tasks were seen.
    return [t for t in read_tasks(data) if t.split == split and (split != "train" or t.family in PUBLISHABLE)]


def _by_task(result: "TasksResult", minus: str) -> dict[str, float]:
    return {name: modes["adapter"]["score"] - modes[minus]["score"] for name, modes in result.tasks.items()}


def _rows(table: "dict[str, dict[str, Interval | None]]") -> list[list[str | None]]:
    order = ("score", "balanced_accuracy", "label_accuracy", "balanced_label_accuracy")
    return [
        [name, *(f"{i.mean:.3f} [{i.low:.3f}, {i.high:.3f}]" if (i := metrics[m]) else None for m in order)]
        for name, metrics in table.items()
    ]
