"""``hyperlora export``: an adapter in the format of another runtime."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import load_adapter
from cli.progress import spinner

FORMATS = ("gguf", "merged", "merged-gguf", "mlx", "ollama", "vllm")


def export(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")],
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File (gguf, merged-gguf) or directory to write.", show_default=False),
    ] = None,
    gguf: Annotated[
        str | None,
        typer.Option(
            help="The base in GGUF, a file, or for ollama its name there. Default: the embedded base's own file.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            help="float32, bfloat16 or float16. auto: float32 for a LoRA, float16 in merged-gguf, the base's in merged."
        ),
    ] = "auto",
    max_rank: Annotated[
        int | None, typer.Option(min=1, help="Cut the adapter to this rank first.", show_default=False)
    ] = None,
    base: options.Base = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write an adapter for llama.cpp, Ollama, MLX-LM or vLLM, or merge it into its base.

    Example: hyperlora export brief-adapter --to gguf -o brief.gguf
    """
    from shared.base.device import dtype_name
    from shared.errors import InputError
    from shared.paths import check_file, check_output

    if to not in FORMATS:
        raise InputError(f"unknown format {to!r}", f"use {', '.join(FORMATS)}")
    dtype = dtype_name(dtype)
    name = Path(adapter).name or Path(adapter).resolve().name
    default = {"gguf": f"{name}.gguf", "merged-gguf": f"{name}-merged.gguf"}.get(to, f"{name}-{to}")
    target = output_path or Path(default)
    if to.endswith("gguf"):
        check_file(target, force=force, magic=b"GGUF")
    elif to != "vllm" or max_rank is not None:
        check_output(target, force=force, what="export")
    loaded = load_adapter(adapter)
    with spinner(f"exporting to {to}"):
        from shared.export.export import ExportOptions, export_adapter

        done = export_adapter(loaded, target, ExportOptions(to, base, gguf, dtype, max_rank), force=force)
    if done.energy_kept < 1:
        output.note(f"kept by the rank limit: {done.energy_kept:.1%}")
    output.note(f"rank {done.rank}, {done.bytes / 1e6:.2f} MB")
    output.result(done.run if to == "vllm" else done.output, done)
    if to == "merged":
        output.next_step(remark=done.run)  # Python, nothing for a shell
    elif to != "vllm":
        output.next_step(*shlex.split(done.run))
