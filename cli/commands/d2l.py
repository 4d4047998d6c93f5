"""``hyperlora d2l``: documents in, an adapter out."""

import re
from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import load_base
from cli.progress import bar, spinner


def d2l(
    files: Annotated[list[str], typer.Argument(help="Documents or folders; - reads stdin.", show_default=False)],
    output_dir: options.Output = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(min=8, help="Longest chunk. Default: what the hypernetwork was trained at.", show_default=False),
    ] = None,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens encoded at a time; bounds the memory.")] = 2048,
    max_rank: Annotated[
        int | None, typer.Option(min=1, help="Truncate the adapter to this rank by SVD.", show_default=False)
    ] = None,
    scale: options.Scale = 1.0,
    force: options.Force = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    load_in_4bit: options.FourBit = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn a document into an adapter that knows it.

    Reads PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, EPUB and EML; several documents become one adapter.

    Example: hyperlora d2l brief.pdf -o brief-adapter
    """
    output.configure(json_output=json, quiet=quiet)
    from d2l.reader import expand_paths, read_document
    from shared.clock import Stages
    from shared.device import dtype_name
    from shared.paths import check_output
    from shared.registry import find_hypernetwork

    dtype, stages = dtype_name(dtype), Stages()
    target = output_dir or Path(default_name(files[0]))
    check_output(target, force=force, what="adapter")
    with stages("read"), spinner("reading"):
        documents = [read_document(path) for path in expand_paths(files)]
    entry = find_hypernetwork(hypernet, "d2l")
    with stages("import"), spinner("importing"):
        from d2l.generate import InternalizeOptions, internalize
        from d2l.model import D2LModel
    with stages("load"):
        loaded = load_base(base or entry.config["base"]["name_or_path"], device, dtype, load_in_4bit=load_in_4bit)
        model = D2LModel.from_pretrained(entry.path, loaded)
    with bar("encoding chunks") as move:
        result = internalize(
            model,
            documents,
            target,
            InternalizeOptions(
                chunk_tokens=chunk_tokens,
                batch_tokens=batch_tokens,
                max_rank=max_rank,
                scale=scale,
                dtype="float32" if dtype == "float32" else "bfloat16",
                force=force,
            ),
            hypernetwork=entry.name,
            stages=stages,
            on_progress=move,
        )
    pages = f"{result.extra['pages']} pages, " if result.extra["pages"] else ""
    output.note(
        f"{pages}{result.extra['characters']} characters, {result.tokens} tokens in {result.chunks} chunks -> "
        f"rank {result.rank}, {result.bytes / 1e6:.2f} MB, {sum(result.seconds.values()):.1f} s"
    )
    if max_rank is not None:
        output.note(f"energy kept by the rank limit: {result.energy_kept:.1%}")
    output.result(result.adapter, result)
    output.next_step(f'hyperlora ask {result.adapter} "YOUR QUESTION" --compare')


def default_name(source: str) -> str:
    """Adapter directory for a document or description: its own name in lower case, behind it ``-adapter``."""
    stem = "stdin" if source == "-" else Path(source).stem or Path(source).resolve().name
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") + "-adapter"
