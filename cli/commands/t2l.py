"""``hyperlora t2l``: task descriptions in, adapters out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.loading import load_base
from cli.progress import bar, spinner

if TYPE_CHECKING:
    from shared.provenance import Stages
    from t2l.encoder import TextEncoder
    from t2l.generate import BatchResult, TaskAdapterOptions, TaskAdapterResult
    from t2l.model import T2LModel
    from t2l.pick import PickConfig
    from t2l.tasks import Example

_CANDIDATES, _NOISE = 4, 0.1


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
        typer.Option(
            "--n", min=1, help=f"With --pick: candidates per description. Default: {_CANDIDATES}.", show_default=False
        ),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --pick: noise on the description's features in all candidates but the first, relative to them. "
            f"Default: {_NOISE}.",
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
    from shared.base.device import dtype_name, tune_malloc
    from shared.hypernetwork.registry import find_hypernetwork
    from shared.paths import check_output
    from shared.provenance import Stages

    dtype, stages = dtype_name(dtype), Stages()
    if batch is not None:
        from t2l.descriptions import read_requests

        requests, target = read_requests(batch), output_dir
    else:
        from t2l.descriptions import adapter_name

        target = output_dir or Path(adapter_name(texts[0]))
    if pick is not None:
        from t2l.tasks import read_examples

        examples = read_examples(pick)
    check_output(target, force=force, what="adapter" if batch is None else "directory of adapters")
    entry = find_hypernetwork(hypernet, "t2l")
    with stages("import"), spinner("importing"):
        # Timed apart from the models.
        if entry.config.get("pooling", "sentence") == "sentence":
            import sentence_transformers  # noqa: F401
        else:
            import transformers  # noqa: F401

        from t2l.encoder import load_encoder_of
        from t2l.generate import TaskAdapterOptions, generate_task_adapter, generate_task_adapters
        from t2l.model import T2LModel
    if pick is not None:
        from t2l.pick import PickConfig

        picking = PickConfig(_CANDIDATES if n is None else n, _NOISE if noise is None else noise, seed)
    with stages("load"), spinner("loading the hypernetwork"):
        model = T2LModel.from_pretrained(entry.path)
        if base is not None:
            from shared.importing.source import read_architecture

            model.check_base(read_architecture(base))
            if text_encoder is None and model.config.text_encoder == model.config.base.name_or_path:
                text_encoder = base
        encoder = load_encoder_of(model.config, text_encoder, dtype=dtype, trust_remote_code=trust_remote_code)
        if model.copies_words and pick is None:
            from shared.hypernetwork.vocabulary import Vocabulary

            model.vocabulary = Vocabulary.read(base or model.config.base.name_or_path)
    written = TaskAdapterOptions(entry.name, scale, "float32" if dtype == "float32" else "bfloat16", force)
    if batch is not None:
        tune_malloc()
        with bar("adapters") as move:
            _report_batch(generate_task_adapters(model, encoder, requests, target, written, stages, move))
        return
    if pick is not None:
        with stages("load"):
            loaded = load_base(base or model.config.base.name_or_path, device, dtype)
        result = _pick(model, encoder, loaded, texts, examples, picking, target, written, stages)
    else:
        result = generate_task_adapter(model, encoder, texts[0], target, written, stages)
    output.note(f"rank {result.rank}, {result.bytes / 1e6:.2f} MB, {sum(result.seconds.values()):.1f} s")
    _report_distance(result)
    output.result(result.adapter, result)
    output.next_step(f'hyperlora ask {result.adapter} "AN INPUT OF YOUR TASK" --compare')


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

    usage = 'hyperlora t2l "DESCRIPTION", or hyperlora t2l --batch FILE.jsonl -o DIR'
    if batch is not None and texts:
        raise InputError("a description and --batch exclude each other", usage)
    if batch is not None and pick is not None:
        raise InputError("--pick works for one adapter, not with --batch", usage)
    if batch is not None and output_dir is None:
        raise InputError("--batch needs a directory for the adapters", usage)
    if batch is None and not texts:
        raise InputError("no description", usage)
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


def _pick(
    model: "T2LModel",
    encoder: "TextEncoder",
    base,
    texts: list[str],
    examples: "list[Example]",
    config: "PickConfig",
    target: Path,
    options: "TaskAdapterOptions",
    stages: "Stages",
) -> "TaskAdapterResult":
    """Choose among candidates and write the best one."""
    from t2l.generate import publish_result
    from t2l.pick import pick_adapter

    with stages("generate"), bar("candidates") as move:
        picked = pick_adapter(model, encoder, base, texts, examples, config, scale=options.scale, on_progress=move)
    output.note(
        f"candidate {picked.chosen + 1} of {len(picked.candidates)}: loss {picked.best.loss:.3g} (the description as "
        f"given: {picked.candidates[0].loss:.3g}; base without adapter: {picked.base_loss:.3g})"
    )
    return publish_result(
        model,
        encoder,
        picked.weights,
        picked.best.description,
        picked.distance,
        target,
        options,
        stages,
        pick=picked.facts() | {"noise": config.noise, "seed": config.seed},
    )


def _report_distance(result: "TaskAdapterResult") -> None:
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


def _report_batch(result: "BatchResult") -> None:
    size = sum(entry.bytes for entry in result.adapters)
    output.note(
        f"{len(result.adapters)} adapters, {size / 1e6:.2f} MB, {sum(result.seconds.values()):.1f} s, "
        f"{result.adapters_per_second:.1f} adapters/s without loading"
    )
    far = [Path(e.adapter).name for e in result.adapters if (e.distance or 0) > (result.distance_threshold or 2)]
    if far:
        names = ", ".join(far[:5]) + (", ..." if len(far) > 5 else "")
        output.warning(
            f"{len(far)} of {len(result.adapters)} descriptions are far from what {result.hypernetwork} was "
            f"trained on (distance above {result.distance_threshold:.2f}; 95% of unseen wordings of its own tasks are "
            f"within): {names}: test these adapters before you rely on them"
        )
    output.result("\n".join(entry.adapter for entry in result.adapters), result)
    output.next_step(f'hyperlora ask {result.adapters[0].adapter} "AN INPUT OF YOUR TASK" --compare')
