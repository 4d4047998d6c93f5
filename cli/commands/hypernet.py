"""``hyperlora hypernet``: the hypernetworks on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output


def list_(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the hypernetworks that are installed.

    Example: hyperlora hypernet list
    """
    from shared.hypernetwork.registry import shipped_hypernetworks

    rows = [
        {"name": e.name, "kind": e.kind, "base_model": e.base_model, "path": str(e.path)}
        for e in shipped_hypernetworks()
    ]
    text = output.table(
        "hypernetworks", ["name", "kind", "base model"], [[r["name"], r["kind"], r["base_model"]] for r in rows]
    )
    output.result(text, {"hypernetworks": rows})


def info(
    name: Annotated[str, typer.Argument(help="Shipped name, path or Hub id.", show_default=False)],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Describe a hypernetwork and print its card.

    Example: hyperlora hypernet info smollm2-135m-d2l
    """
    import math

    from shared.hypernetwork.checkpoint import CARD_FILE, checkpoint_shapes
    from shared.hypernetwork.registry import find_hypernetwork

    entry = find_hypernetwork(name, None)
    parameters = sum(math.prod(shape) for shape in checkpoint_shapes(entry.path).values())
    size = sum(file.stat().st_size for file in entry.path.glob("*.safetensors"))
    core = entry.config.get("hypernetwork", {})
    facts = {
        "name": entry.name,
        "kind": entry.kind,
        "path": str(entry.path),
        "base_model": entry.base_model,
        "r": core.get("r"),
        "target_modules": sorted({t["module"] for t in core.get("targets", [])}),
        "parameters": parameters,
        "bytes": size,
    }
    card = entry.path / CARD_FILE
    text = "\n".join(f"{key:15} {', '.join(v) if isinstance(v, list) else v}" for key, v in facts.items())
    if card.exists():
        text += "\n\n" + card.read_text(encoding="utf-8").strip()
    output.result(text, {**facts, "config": entry.config})


def import_(
    source: Annotated[
        str, typer.Argument(help="pytorch_model.bin, hypermod.pt, the run's folder, or a Hub id.", show_default=False)
    ],
    output_dir: Annotated[Path, typer.Option("--output", "-o", help="Hypernetwork directory to write.")],
    base: options.Base = None,
    subfolder: Annotated[str | None, typer.Option(help="Folder of the run in SOURCE.", show_default=False)] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the Hub.", show_default=False)] = None,
    dtype: Annotated[str, typer.Option(help="Of the written weights: float32, bfloat16 or float16.")] = "float32",
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Convert a published Doc-to-LoRA or Text-to-LoRA checkpoint without unpickling it.

    Example: hyperlora hypernet import pytorch_model.bin --base google/gemma-2-2b-it -o gemma-d2l
    """
    from shared.base.device import dtype_name
    from shared.base.model import read_architecture
    from shared.importing.source import find_published, import_card
    from shared.paths import check_output

    dtype = dtype_name(dtype, auto=False)
    check_output(output_dir, force=force, what="hypernetwork")
    found = find_published(source, subfolder=subfolder, revision=revision)
    architecture = read_architecture(base) if base is not None else None
    from shared.hypernetwork.checkpoint import save_checkpoint

    if found.kind == "d2l":
        from d2l.importing import import_d2l

        imported = import_d2l(found.file, architecture)
        chunk = f"{imported.config.chunk_tokens} tokens (the checkpoint does not state it; set --chunk-tokens)"
        facts, following = {"chunk length": chunk}, ("hyperlora", "d2l", "FILE")
    else:
        from t2l.importing import import_t2l

        imported = import_t2l(found.file, found.folder, architecture)
        facts, following = {"text encoder": imported.config.text_encoder}, ("hyperlora", "t2l", "WHAT TO DO")
    base_model = imported.config.base.name_or_path
    card = import_card(found, {"base model": base_model, **facts, "dtype": dtype}, imported.dropped)
    save_checkpoint(output_dir, imported.config.to_dict(), imported.state, card=card, dtype=dtype, force=force)
    output.result(str(output_dir), {"hypernetwork": str(output_dir), "kind": found.kind, "base_model": base_model})
    output.next_step(*following, "--hypernet", output_dir)
