"""``hyperlora d2l``: documents in, an adapter out."""

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
    chunk_tokens: options.ChunkTokens = None,
    memory: Annotated[str, typer.Option(help="For the activations of the chunks encoded at a time.")] = "1GB",
    use_cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep encoded chunks in HYPERLORA_HOME and reuse them.")
    ] = True,
    max_rank: options.MaxRank = options.LARGEST_RANK,
    max_bytes: options.MaxBytes = None,
    scale: options.Scale = 1.0,
    force: options.Force = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    load_in_4bit: options.FourBit = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn a document into an adapter that knows it.

    Reads PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, EPUB and EML; several documents become one adapter. After an
    edit, the same command with --force encodes only the chunks that changed; so does one after an interruption.

    Example: hyperlora d2l brief.pdf -o brief-adapter
    """
    from d2l.reader import expand_paths, read_document
    from shared.base.device import dtype_name
    from shared.hypernetwork.registry import find_hypernetwork
    from shared.paths import check_output, default_name
    from shared.provenance import Stages

    dtype, stages = dtype_name(dtype), Stages()
    size_limit, memory_limit = options.parse_bytes(max_bytes), options.parse_bytes(memory)
    target = output_dir or Path(default_name(files[0]))
    check_output(target, force=force, what="adapter")
    with stages("read"), spinner("reading"):
        documents = [read_document(path) for path in expand_paths(files)]
    entry = find_hypernetwork(hypernet, "d2l")
    with stages("import"), spinner("importing"):
        from d2l.cache import ChunkCache
        from d2l.generate import InternalizeOptions, RankBudget, internalize
        from d2l.model import D2LModel
    with stages("load"):
        loaded = load_base(base or entry.config["base"]["name_or_path"], device, dtype, load_in_4bit=load_in_4bit)
        model = D2LModel.from_pretrained(entry.path, loaded)
    with bar("encoding", unit="tokens") as move:
        result = internalize(
            model,
            documents,
            target,
            InternalizeOptions(
                chunk_tokens=chunk_tokens,
                memory=memory_limit,
                budget=RankBudget(max_rank, size_limit),
                scale=scale,
                dtype="float32" if dtype == "float32" else "bfloat16",
                force=force,
            ),
            hypernetwork=entry.name,
            stages=stages,
            cache=ChunkCache.for_model(model, entry.path) if use_cache else None,
            on_progress=move,
        )
    pages = f"{result.extra['pages']} pages, " if result.extra["pages"] else ""
    output.note(
        f"{pages}{result.extra['characters']} characters, {result.tokens} tokens in {result.chunks} chunks -> "
        f"rank {result.rank}, {result.bytes / 1e6:.2f} MB, {sum(result.seconds.values()):.1f} s"
    )
    if result.extra["cached_chunks"]:
        output.note(f"{result.extra['cached_chunks']} of {result.chunks} chunks were encoded before")
    changes = [f"{len(names)} {what}" for what, names in (result.extra["changes"] or {}).items() if names]
    if changes:
        output.note(f"documents: {', '.join(changes)}")
    if result.energy_kept < 1:
        output.note(f"kept by the rank limit: {result.energy_kept:.1%}")
    output.result(result.adapter, result)
    output.next_step(f'hyperlora ask {result.adapter} "YOUR QUESTION" --compare')
