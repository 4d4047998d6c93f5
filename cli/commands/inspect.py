"""``hyperlora inspect``: what an adapter is and where it came from."""

from typing import Annotated, Any

import typer

from cli import options, output
from cli.loading import load_adapter


def inspect(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show an adapter's base model, rank, modules, size, norms by layer and origin.

    Example: hyperlora inspect brief-adapter
    """
    loaded = load_adapter(adapter)
    weights = loaded.weights
    norms = {name: f.norm() for name, f in weights.items()}
    facts: dict[str, Any] = {
        "adapter": adapter,
        "base_model": loaded.base_model,
        "rank": weights.r,
        "target_modules": weights.modules,
        "layers": len(weights.layers) or len(weights),
        "parameters": weights.num_parameters,
        "bytes": loaded.num_bytes,
    }
    source = loaded.provenance
    origin = {
        key: source[key]
        for key in ("kind", "hypernetwork", "created", "command", "source", "versions")
        if key in source
    }
    text = [f"{key:15} {', '.join(map(str, v)) if isinstance(v, list) else v}" for key, v in facts.items()]
    for key, value in origin.items():
        if key == "source" and isinstance(value, dict):
            files = value.get("files")
            for file in files if isinstance(files, list) else []:
                known = file if isinstance(file, dict) else {}  # somebody else may have written it
                text.append(f"{'source file':15} {known.get('name')} sha256 {known.get('sha256')}")
            text += [f"{name:15} {value[name]}" for name in ("description", "tokens", "chunks") if name in value]
        elif isinstance(value, dict):
            text.append(f"{key:15} {', '.join(f'{name} {number}' for name, number in value.items())}")
        else:
            text.append(f"{key:15} {value}")
    text.append(output.table("norm of delta W", ["layer", "norm"], [[name, norm] for name, norm in norms.items()]))
    output.result("\n".join(text), {**facts, "provenance": source, "norms": norms})
