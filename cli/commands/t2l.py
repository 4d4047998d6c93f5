"""``hyperlora t2l``: task descriptions in, adapters out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options, output
from cli.loading import load_base
from cli.progress import bar, spinner

if TYPE_CHECKING:
    from shared.base.model import BaseModel
    from shared.provenance import Stages
    from t2l.descriptions import AdapterRequest
    from t2l.generate import TaskAdapterOptions, WrittenBatch, WrittenTaskAdapter
    from t2l.model import T2LModel, TaskLora
    from t2l.pick import PickConfig
    from t2l.tasks import Example


def t2l(
    descriptions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DESCRIPTION",
            help="One line that says what to do; several wordings of it with --pick.",
            show_default=False,
        ),
    ] = None,
    output_dir: options.Output = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="An adapter for each line, an object with description and perhaps name, as OUTPUT/NAME; - reads "
            "stdin.",
            show_default=False,
        ),
    ] = None,
    pick: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Generate several candidates and keep the one with the smallest loss on these examples, objects with "
            "input and output (needs the base model).",
            show_default=False,
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("--n", min=1, help="With --pick: candidates per description. Default: 4.", show_default=False),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --pick: noise on the description's features in all candidates but the first, relative to them. "
            "Default: 0.1.",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = 0,
    hypernet: options.Hypernet = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Check the hypernetwork against this base model (path or Hub id); with --pick, where it is.",
            show_default=False,
        ),
    ] = None,
    text_encoder: options.TextEncoder = None,
    scale: options.Scale = 1.0,
    force: options.Force = False,
    device: Annotated[
        str,
        typer.Option(
            help="With --pick, where the base model runs: auto, cpu, mps, cuda or cuda:N. Without --pick it does not "
            "matter.",
            envvar="HYPERLORA_DEVICE",
        ),
    ] = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn a one-line task description into an adapter, or a file of descriptions into a directory of adapters.

    The base model does not run for that, only for --pick and to use the adapter; of its files, at most the tokenizer
    and the input embeddings are read.

    Example: hyperlora t2l "Classify support tickets by product area" -o tickets
    """
    texts = descriptions or []
    _check_arguments(texts, batch, output_dir, pick, n, noise)
    from shared.base.device import dtype_name
    from shared.hypernetwork.registry import find_hypernetwork
    from shared.paths import check_output
    from shared.provenance import Stages
    from t2l.descriptions import adapter_name, read_requests
    from t2l.tasks import read_examples

    dtype, stages = dtype_name(dtype), Stages()
    requests = read_requests(batch) if batch is not None else None
    examples = read_examples(pick) if pick is not None else None
    target = output_dir or Path(adapter_name(texts[0]))
    check_output(target, force=force, what="adapter" if requests is None else "directory of adapters")
    entry = find_hypernetwork(hypernet, "t2l")
    with stages("import"), spinner("importing"):
        # Timed apart from the models.
        if entry.config.get("pooling", "sentence") == "sentence":
            import sentence_transformers  # noqa: F401
        else:
            import transformers  # noqa: F401

        from t2l.generate import TaskAdapterOptions
        from t2l.model import T2LModel
        from t2l.pick import PickConfig
    config = PickConfig(n or PickConfig.n, PickConfig.noise if noise is None else noise, seed)
    with stages("load"):
        loaded = load_base(base or entry.base_model, device, dtype) if examples is not None else base
        with spinner("loading the hypernetwork"):
            model = T2LModel.from_pretrained(
                entry.path,
                name=entry.name,
                base=loaded,
                text_encoder=text_encoder,
                dtype=dtype,
                trust_remote_code=trust_remote_code,
            )
            model.load()
    how = TaskAdapterOptions(scale, options.written_dtype(dtype), force)
    if requests is not None:
        _write_batch(model, requests, target, how, stages)
    elif examples is not None:
        _write_picked(model, loaded, texts, examples, config, target, how, stages)
    else:
        with stages("generate"):
            lora = model.generate(texts)[0]
        _write(model, lora, target, how, stages)


def _write(
    model: "T2LModel",
    lora: "TaskLora",
    target: Path,
    options: "TaskAdapterOptions",
    stages: "Stages",
    pick: dict[str, Any] | None = None,
) -> None:
    """Write one adapter and report it."""
    from shared.provenance import provenance
    from t2l.generate import write_task_adapter

    with stages("write"):
        written = write_task_adapter(target, model, lora, options, pick)
    output.note(f"rank {written.rank}, {written.bytes / 1e6:.2f} MB, {sum(stages.seconds.values()):.1f} s")
    if written.is_zero:
        output.warning(output.ZERO_ADAPTER)
    _report_distance(written)
    output.result(written.adapter, written, tokens=lora.tokens, seconds=stages.seconds, provenance=provenance())
    output.next_step("hyperlora", "ask", Path(written.adapter), "AN INPUT OF YOUR TASK", "--compare")


def _check_arguments(
    texts: list[str],
    batch: str | None,
    output_dir: Path | None,
    pick: str | None,
    n: int | None,
    noise: float | None,
) -> None:
    """Refuse options that do not go together before anything is loaded."""
    from shared.errors import InputError
    from shared.text import check_text

    usage = 'hyperlora t2l "DESCRIPTION", or hyperlora t2l --batch FILE.jsonl -o DIR'
    if batch is not None and texts:
        raise InputError("a description and --batch exclude each other", usage)
    if batch is not None and pick is not None:
        raise InputError("--pick works for one adapter, not with --batch", usage)
    if batch is not None and output_dir is None:
        raise InputError("--batch needs a directory for the adapters", usage)
    if batch is None and not texts:
        raise InputError("no description", usage)
    check_text(texts, "the description")
    if not all(text.strip() for text in texts):
        raise InputError("the description is empty", 'describe the task in a sentence: hyperlora t2l "..."')
    if pick is None and (n is not None or noise is not None):
        raise InputError(
            "--n and --noise make candidates to choose from and need --pick",
            "--pick FILE.jsonl, a few lines with input and output",
        )
    if pick is None and len(texts) > 1:
        raise InputError(
            f"{len(texts)} descriptions for one adapter",
            "put the description in quotes; --pick chooses among several wordings, --batch makes several adapters",
        )


def _write_picked(
    model: "T2LModel",
    base: "BaseModel",
    texts: list[str],
    examples: "list[Example]",
    config: "PickConfig",
    target: Path,
    options: "TaskAdapterOptions",
    stages: "Stages",
) -> None:
    """Choose among candidates and write the best one."""
    from t2l.pick import pick_adapter

    with stages("generate"), bar("candidates") as move:
        picked = pick_adapter(model, base, texts, examples, config, scale=options.scale, on_progress=move)
    output.note(
        f"candidate {picked.chosen + 1} of {len(picked.candidates)}: loss {picked.best.loss:.3g} (the description as "
        f"given: {picked.candidates[0].loss:.3g}; base without adapter: {picked.base_loss:.3g})"
    )
    facts = picked.facts() | {"noise": config.noise, "seed": config.seed}
    _write(model, picked.lora, target, options, stages, pick=facts)


def _write_batch(
    model: "T2LModel",
    requests: "list[AdapterRequest]",
    target: Path,
    options: "TaskAdapterOptions",
    stages: "Stages",
) -> None:
    """Write a directory of adapters and report it."""
    from dataclasses import replace

    from shared.base.device import tune_malloc
    from t2l.generate import write_task_adapters

    tune_malloc()
    with bar("adapters") as move:
        result = write_task_adapters(target, model, requests, options, move)
    _report_batch(replace(result, seconds=stages.seconds | result.seconds))


def _report_distance(result: "WrittenTaskAdapter") -> None:
    """How near the description is to the training, as a warning where that is far."""
    if result.distance is None:
        output.note(f"{result.hypernetwork} does not say which descriptions it was trained on")
        return
    within = f"95% of unseen wordings of its own tasks are within {result.distance_threshold:.2f}"
    if result.distance <= result.distance_threshold:
        output.note(f"distance {result.distance:.2f} from the nearest training description ({within})")
        return
    output.warning(
        f"this description is far from what {result.hypernetwork} was trained on (distance {result.distance:.2f}; "
        f"{within}): test the adapter before you rely on it"
    )


def _report_batch(result: "WrittenBatch") -> None:
    size = sum(entry.bytes for entry in result.adapters)
    output.note(
        f"{len(result.adapters)} adapters, {size / 1e6:.2f} MB, {sum(result.seconds.values()):.1f} s, "
        f"{result.adapters_per_second:.1f} adapters/s without loading"
    )
    zero = [Path(entry.adapter).name for entry in result.adapters if entry.is_zero]
    if zero:
        output.warning(f"{', '.join(zero[:5])}{', ...' if len(zero) > 5 else ''}: {output.ZERO_ADAPTER}")
    far = [Path(e.adapter).name for e in result.adapters if (e.distance or 0) > (result.distance_threshold or 2)]
    if far:
        names = ", ".join(far[:5]) + (", ..." if len(far) > 5 else "")
        output.warning(
            f"{len(far)} of {len(result.adapters)} descriptions are far from what {result.hypernetwork} was "
            f"trained on (distance above {result.distance_threshold:.2f}; 95% of unseen wordings of its own tasks are "
            f"within): {names}: test these adapters before you rely on them"
        )
    output.result("\n".join(entry.adapter for entry in result.adapters), result)
    output.next_step("hyperlora", "ask", Path(result.adapters[0].adapter), "AN INPUT OF YOUR TASK", "--compare")
