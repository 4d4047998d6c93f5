"""``hyperlora t2l``: task descriptions in, adapters out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options, output
from cli.hypernets import find_or_install
from cli.loading import load_base
from cli.progress import bar, spinner
from cli.task_reports import report_batch, report_distance

if TYPE_CHECKING:
    from shared.base.model import BaseModel
    from shared.provenance import Stages
    from t2l.descriptions import AdapterRequest
    from t2l.generate import TaskAdapterOptions
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
    examples: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Train the adapter on these examples, from where the description led, or on them alone.",
            show_default=False,
        ),
    ] = None,
    steps: options.LearnSteps = None,
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
    save_dtype: options.SaveDtype = "bfloat16",
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
    _check_arguments(texts, batch, output_dir, pick, examples, n, noise, steps)
    from shared.base.device import dtype_name
    from shared.paths import check_output
    from shared.provenance import Stages
    from t2l.descriptions import adapter_name, read_requests
    from t2l.tasks import read_examples

    dtype, stages = dtype_name(dtype), Stages()
    save_dtype = dtype_name(save_dtype, auto=False)
    requests = read_requests(batch) if batch is not None else None
    labelled = read_examples(pick or examples) if pick or examples else None
    target = output_dir or Path(adapter_name(texts[0]))
    check_output(target, force=force, what="adapter" if requests is None else "directory of adapters")
    entry = find_or_install(hypernet, "t2l")
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
        loaded = load_base(base or entry.base_model, device, dtype) if labelled is not None else base
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
    how = TaskAdapterOptions(scale, save_dtype, force)
    if requests is not None:
        _write_batch(model, requests, target, how, stages)
    elif pick is not None:
        _write_picked(model, loaded, texts, labelled, config, target, how, stages)
    else:
        with stages("generate"):
            lora = model.generate(texts)[0] if texts else None
        if labelled is not None:
            lora = _learned(model, loaded, lora, labelled, steps, seed, stages)
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
    report_distance(written)
    output.result(written.adapter, written, tokens=lora.tokens, seconds=stages.seconds, provenance=provenance())
    output.next_step("hyperlora", "ask", Path(written.adapter), "AN INPUT OF YOUR TASK", "--compare")


def _learned(
    model: "T2LModel",
    base: "BaseModel",
    lora: "TaskLora | None",
    examples: "list[Example]",
    steps: int | None,
    seed: int,
    stages: "Stages",
) -> "TaskLora":
    """The adapter trained on examples."""
    from t2l.learn import LEARN, learn_examples

    config = LEARN.replace(least_steps=steps or LEARN.least_steps, seed=seed)
    with stages("learn"), bar("steps") as move:
        learned = learn_examples(model, base, lora, examples, config, on_progress=move)
    output.note(f"learned {learned.examples} examples in {learned.gradient_steps} gradient steps")
    return learned


def _check_arguments(
    texts: list[str],
    batch: str | None,
    output_dir: Path | None,
    pick: str | None,
    examples: str | None,
    n: int | None,
    noise: float | None,
    steps: int | None,
) -> None:
    """Refuse options that do not go together before anything is loaded."""
    from shared.errors import InputError
    from shared.text import check_text

    usage = 'hyperlora t2l "DESCRIPTION", or hyperlora t2l --batch FILE.jsonl -o DIR'
    if batch is not None and texts:
        raise InputError("a description and --batch exclude each other", usage)
    if batch is not None and (pick or examples):
        raise InputError("--pick and --examples work for one adapter, not with --batch", usage)
    if pick is not None and examples is not None:
        raise InputError("--pick and --examples exclude each other", "train on the examples: --examples FILE.jsonl")
    if examples is None and steps is not None:
        raise InputError("--steps needs --examples", "--examples FILE.jsonl, lines with input and output")
    if not texts and examples is not None and output_dir is None:
        raise InputError("an adapter without a description needs a name", "-o NAME")
    if batch is not None and output_dir is None:
        raise InputError("--batch needs a directory for the adapters", usage)
    if batch is None and examples is None and not texts:
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
    report_batch(replace(result, seconds=stages.seconds | result.seconds))
