"""Every shared option, defined once."""

import math
from pathlib import Path
from typing import Annotated

import typer


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def _seed(value: int) -> int:
    if not -(2**63) <= value < 2**64:
        raise typer.BadParameter("a seed has at most 64 bits")
    return value


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output directory.")]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.", envvar="HYPERLORA_DEVICE")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.", envvar="HYPERLORA_DTYPE")]
SaveDtype = Annotated[str, typer.Option(help="Of the written factors: bfloat16, float16 or float32.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", callback=_seed)]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Adapter directory to write.", show_default=False)]
Token = Annotated[
    str | None,
    typer.Option(envvar="HF_TOKEN", help="Hub token. Default: the one of `hf auth login`.", show_default=False),
]
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
Scale = Annotated[float, typer.Option(help="Factor on the adapter's effect.", callback=_finite)]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")]
ChunkTokens = Annotated[
    int | None,
    typer.Option(min=8, help="Longest chunk. Default: what the hypernetwork was trained at.", show_default=False),
]
StudyBefore = Annotated[
    int, typer.Option("--study", min=0, help="Study the documents with up to this many written pairs for each chunk.")
]
Study = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=1000,
        help="Largest number of questions for each chunk that the document is studied with. Default: 18, "
        "of short documents up to 24, of long ones 3,840 in all, if the hypernetwork has a question writer, else none.",
        show_default=False,
    ),
]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context", metavar="FILE", help="Its document; of several, each with --context.", show_default=False
    ),
]
Refine = Annotated[
    int,
    typer.Option(
        min=0, max=1000, help="Passes of gradient steps over the questions of study; 0 for the closed form alone."
    ),
]
REFINE_PASSES = 4
LearnSteps = Annotated[
    int | None, typer.Option("--steps", min=1, help="With --examples: gradient steps.", show_default=False)
]
MaxRank = Annotated[int, typer.Option(min=1, help="Largest rank of the adapter (512 is the largest that vLLM takes).")]
LARGEST_RANK = 512
MaxBytes = Annotated[
    str | None,
    typer.Option(help="Lower the rank until the weights fit, e.g. 50MB.", show_default=False),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Of text and HTML files, e.g. windows-1251. Default: what they declare, else UTF-8.", show_default=False
    ),
]
Ocr = Annotated[
    bool, typer.Option("--ocr", help="Recognise the text of scanned PDF pages; needs Tesseract's language data.")
]
OcrLanguage = Annotated[str, typer.Option(help="What scanned pages are written in, as Tesseract calls it.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be read.")]
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
    size = float(number) * (1024 if binary else 1000) ** power
    if not size < 1e18:
        raise InputError(f"{text[:40]!r} is larger than any memory", "for example 50MB")
    return int(size)


def parse_numbers(text: str | None, option: str) -> tuple[int, ...]:
    """'8,32' -> (8, 32).

    Raises:
        InputError: anything but whole numbers from 1 on.
    """
    from shared.errors import InputError

    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"{option} {text} is no list of numbers", f"for example {option} 8,32")
    return tuple(map(int, parts))
