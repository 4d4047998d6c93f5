"""Every shared option, defined once."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output directory.")]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.", envvar="HYPERLORA_DEVICE")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.", envvar="HYPERLORA_DTYPE")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Adapter directory to write.", show_default=False)]
Hypernet = Annotated[
    str | None,
    typer.Option(
        help="Hypernetwork: name, path or Hub id; training-free for none. Default: the shipped one.", show_default=False
    ),
]
Base = Annotated[
    str | None,
    typer.Option(help="Base model: path, GGUF file or Hub id. Default: the one it was made for.", show_default=False),
]
Scale = Annotated[float, typer.Option(help="Factor on the adapter's effect.")]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
ChunkTokens = Annotated[
    int | None,
    typer.Option(min=8, help="Longest chunk. Default: what the hypernetwork was trained at.", show_default=False),
]
MaxRank = Annotated[int, typer.Option(min=1, help="Largest rank of the adapter (512 is the largest that vLLM takes).")]
LARGEST_RANK = 512
MaxBytes = Annotated[
    str | None,
    typer.Option(help="Lower the rank until the weights fit, e.g. 50MB.", show_default=False),
]
Temperature = Annotated[float, typer.Option(min=0.0, help="Sampling temperature; 0 is greedy.")]
TopP = Annotated[float, typer.Option(help="Sample from the most likely tokens with this total probability.")]
TopK = Annotated[int, typer.Option(min=0, help="Sample from this many most likely tokens; 0 is all.")]
RepetitionPenalty = Annotated[float, typer.Option(help="Above 1 discourages repeated tokens.")]
FourBit = Annotated[bool, typer.Option("--load-in-4bit", help="Load the base in 4 bits (needs bitsandbytes).")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that the text encoder's repository brings.")
]
Think = Annotated[bool, typer.Option("--think", help="Let a thinking model think before it answers.")]
TemplateOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--template-option", metavar="NAME=VALUE", help="Argument of the chat template; repeatable.", show_default=False
    ),
]
TextEncoder = Annotated[str | None, typer.Option(help="Where the text encoder is: path or Hub id.", show_default=False)]


def parse_bytes(text: str | None) -> int | None:
    """'50MB', '1.5 GB', '4096' -> bytes; units are powers of 1000, with an i of 1024.

    Raises:
        InputError: no such size.
    """
    if text is None:
        return None
    import re

    from shared.errors import InputError

    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)(i?)B?\s*", text, re.IGNORECASE)
    if not match:
        raise InputError(f"{text!r} is no size", "for example 50MB")
    number, unit, binary = match.groups()
    power = {"": 0, "K": 1, "M": 2, "G": 3}[unit.upper()]
    return int(float(number) * (1024 if binary else 1000) ** power)


def written_dtype(dtype: str) -> str:
    """The dtype of an adapter's factors, given that of ``--dtype``."""
    return "float32" if dtype == "float32" else "bfloat16"
