"""``hyperlora hypernet``: the hypernetworks on this machine."""

from typing import Annotated

import typer

from cli import options, output
from cli.errors import handled

app = typer.Typer(help="List and describe hypernetworks.", no_args_is_help=True)


def list_(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the hypernetworks that are installed.

    Example: hyperlora hypernet list
    """
    output.configure(json_output=json, quiet=quiet)
    from shared.registry import shipped_hypernetworks

    rows = [
        {"name": e.name, "kind": e.kind, "base_model": e.config["base"]["name_or_path"], "path": str(e.path)}
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
    output.configure(json_output=json, quiet=quiet)
    import math

    from shared.checkpoint import CARD_FILE, checkpoint_shapes
    from shared.registry import find_hypernetwork

    entry = find_hypernetwork(name, None)
    parameters = sum(math.prod(shape) for shape in checkpoint_shapes(entry.path).values())
    size = sum(file.stat().st_size for file in entry.path.glob("*.safetensors"))
    core = entry.config.get("hypernetwork", {})
    facts = {
        "name": entry.name,
        "kind": entry.kind,
        "path": str(entry.path),
        "base_model": entry.config["base"]["name_or_path"],
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


app.command("list")(handled(list_))
app.command("info")(handled(info))
