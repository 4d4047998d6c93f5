"""``hyperlora hypernet``: the hypernetworks on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.hypernets import convert, install


def list_(
    available: Annotated[
        bool, typer.Option("--available", help="Those that others released and hypernet install gets.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """List the hypernetworks that are installed, or that can be.

    Example: hyperlora hypernet list --available
    """
    from shared.hypernetwork.published import PUBLISHED
    from shared.hypernetwork.registry import installed_hypernetworks, shipped_hypernetworks

    here = installed_hypernetworks()
    if available:
        names = {entry.name for entry in here}
        rows = [{**vars(entry), "installed": entry.name in names} for entry in PUBLISHED]
        table = [
            [r["name"], r["base_model"], f"{r['megabytes'] / 1000:.1f} GB", r["licence"], _source(r), _mark(r)]
            for r in rows
        ]
        text = output.table("released", ["name", "base model", "size", "base's licence", "source", "here"], table)
    else:
        rows = [
            {"name": e.name, "kind": e.kind, "base_model": e.base_model, "path": str(e.path)}
            for e in (*shipped_hypernetworks(), *here)
        ]
        table = [[r["name"], r["kind"], r["base_model"]] for r in rows]
        text = output.table("hypernetworks", ["name", "kind", "base model"], table)
    output.result(text, {"hypernetworks": rows})


def _source(row: dict) -> str:
    return f"{row['repo_id']} {row['subfolder']}"


def _mark(row: dict) -> str:
    return "yes" if row["installed"] else "no"


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
    from shared.importing.source import find_published
    from shared.paths import check_output

    dtype = dtype_name(dtype, auto=False)
    check_output(output_dir, force=force, what="hypernetwork")
    found = find_published(source, subfolder=subfolder, revision=revision)
    architecture = read_architecture(base) if base is not None else None
    config = convert(found, architecture, output_dir, dtype=dtype, force=force)
    base_model = config["base"]["name_or_path"]
    output.result(str(output_dir), {"hypernetwork": str(output_dir), "kind": found.kind, "base_model": base_model})
    output.next_step(*_USE[found.kind], "--hypernet", output_dir)


def install_(
    name: Annotated[str, typer.Argument(help="Name in hyperlora hypernet list --available.", show_default=False)],
    dtype: Annotated[str, typer.Option(help="Of the kept weights: float32, bfloat16 or float16.")] = "float32",
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Download a released hypernetwork, convert it without unpickling it, and keep it under its name.

    Example: hyperlora hypernet install sakana-d2l-gemma-2-2b
    """
    from shared.base.device import dtype_name
    from shared.hypernetwork.published import check_published
    from shared.hypernetwork.registry import installed_path
    from shared.paths import check_output

    dtype, entry = dtype_name(dtype, auto=False), check_published(name)
    check_output(installed_path(name), force=force, what="hypernetwork")
    path = install(entry, dtype=dtype, force=force)
    output.result(name, {"hypernetwork": name, "path": str(path), "kind": entry.kind, "base_model": entry.base_model})
    output.next_step(*_USE[entry.kind], "--hypernet", name)


_USE = {"d2l": ("hyperlora", "d2l", "FILE"), "t2l": ("hyperlora", "t2l", "WHAT TO DO")}
