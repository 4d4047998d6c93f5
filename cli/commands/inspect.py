"""``hyperlora inspect``: what an adapter is, where it came from, and what it holds, as a picture too."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options, output
from cli.documents import read_one
from cli.loading import load_adapter, load_d2l
from cli.progress import bar, spinner

if TYPE_CHECKING:
    from d2l.remembered import ChunkRecall
    from shared.lora.adapter import Adapter


def inspect(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    context: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A document's adapter: ask it written questions on each chunk of this document.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw norms and chunks.", show_default=False)
    ] = None,
    study: options.Study = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show an adapter's base model, rank, modules, size, norms by layer and origin.

    With its document, also which parts of it are remembered: questions that the question writer asks about each chunk,
    most of which it was studied with.

    Example: hyperlora inspect brief-adapter --plot brief.png --context brief.pdf
    """
    from cli.plots import adapter_picture, check_plot

    check_plot(plot)
    loaded = load_adapter(adapter)
    chunks = _chunks(loaded, context, study, hypernet, base, device, dtype) if context else []
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
    largest = max(norms.values())
    rows = [[name, norm, output.bar(norm / largest if largest else 0)] for name, norm in _in_order(norms)]
    text.append(output.table("norm of delta W", ["layer", "norm", ""], rows))
    if chunks:
        rows = [
            [f"{c.number} {c.begins}", f"{c.answered} of {c.questions}" if c.questions else None, _share(c)]
            for c in chunks
        ]
        text.append(output.table("questions answered by chunk", ["chunk", "answered", ""], rows))
    if plot is not None:
        adapter_picture(norms, [(c.number, c.answered, c.questions) for c in chunks], plot, loaded.path.name)
        output.note(f"drawn: {plot}")
    more = {"chunks_remembered": [output.plain(c) for c in chunks]} if chunks else {}
    output.result("\n".join(text), {**facts, "provenance": source, "norms": norms, **more})


def _in_order(norms: dict[str, float]) -> list[tuple[str, float]]:
    """Layer 9 before layer 10."""
    import re

    return sorted(norms.items(), key=lambda item: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", item[0])])


def _share(chunk: "ChunkRecall") -> str:
    return output.bar(chunk.answered / chunk.questions) if chunk.questions else ""


def _chunks(
    adapter: "Adapter",
    path: Path,
    study: int | None,
    hypernet: str | None,
    base: str | None,
    device: str,
    dtype: str,
) -> "list[ChunkRecall]":
    from shared.errors import InputError

    document = read_one(path)
    model = load_d2l(hypernet, base or adapter.base_model, device, dtype)
    from d2l.remembered import recall_by_chunk
    from d2l.study.document import document_pairs, title_of

    with spinner("asking"):
        pairs = document_pairs(model, document.text, study, title=title_of(document), use_cache=True)
    if not pairs:
        raise InputError("there are no questions on this document", "a question writer asks them: --study 8")
    with bar("answering") as move:
        chunks = model.chunk(document.text)
        return recall_by_chunk(
            model.base, adapter.weights, chunks, pairs, system=adapter.question_system, on_progress=move
        )
