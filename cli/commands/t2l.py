"""``hyperlora t2l``: a task description in, an adapter out."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.commands.d2l import default_name
from cli.progress import spinner


def t2l(
    description: Annotated[str, typer.Argument(help="One line that says what to do.", show_default=False)],
    output_dir: options.Output = None,
    hypernet: options.Hypernet = None,
    base: Annotated[
        str | None,
        typer.Option(help="Check the hypernetwork against this base model (path or Hub id).", show_default=False),
    ] = None,
    text_encoder: options.TextEncoder = None,
    scale: options.Scale = 1.0,
    force: options.Force = False,
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn a one-line task description into an adapter.

    The base model is not needed for that, only to use the adapter.

    Example: hyperlora t2l "Classify support tickets by product area" -o tickets
    """
    output.configure(json_output=json, quiet=quiet)
    from shared.clock import Stages
    from shared.device import dtype_name
    from shared.errors import InputError
    from shared.paths import check_output
    from shared.registry import find_hypernetwork

    if not description.strip():
        raise InputError("the description is empty", 'describe the task in a sentence: hyperlora t2l "..."')
    dtype = dtype_name(dtype)
    stages = Stages()
    target = output_dir or Path(default_name(description.replace(".", " ").replace("/", " ")))
    check_output(target, force=force, what="adapter")
    entry = find_hypernetwork(hypernet, "t2l")
    with stages("import"), spinner("importing"):
        if entry.config.get("pooling", "sentence") == "sentence":
            import sentence_transformers  # noqa: F401  timed apart from the models

        from t2l.encoder import load_encoder_of
        from t2l.generate import generate_task_adapter
        from t2l.model import T2LModel
    with stages("load"), spinner("loading the hypernetwork"):
        model = T2LModel.from_pretrained(entry.path)
        if base is not None:
            from shared.published import read_architecture

            model.check_base(read_architecture(base))
            if text_encoder is None and model.config.text_encoder == model.config.base.name_or_path:
                text_encoder = base
        encoder = load_encoder_of(model.config, text_encoder, dtype=dtype, trust_remote_code=trust_remote_code)
    result = generate_task_adapter(
        model,
        encoder,
        description,
        target,
        hypernetwork=entry.name,
        stages=stages,
        scale=scale,
        dtype="float32" if dtype == "float32" else "bfloat16",
        force=force,
    )
    output.note(f"rank {result.rank}, {result.bytes / 1e6:.2f} MB, {sum(result.seconds.values()):.1f} s")
    output.result(result.adapter, result)
    output.next_step(f'hyperlora ask {result.adapter} "AN INPUT OF YOUR TASK" --compare')
