"""``hyperlora describe``: examples of a task in, a description for ``hyperlora t2l`` out."""

from typing import Annotated

import typer

from cli import options, output
from cli.loading import load_base
from cli.progress import spinner


def describe(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE.jsonl",
            help="Examples of the task, objects with input and output, of which the first 8 are read; - reads stdin.",
            show_default=False,
        ),
    ],
    n: Annotated[int, typer.Option("--n", min=1, help="Proposals; all but the first are sampled.")] = 1,
    seed: options.Seed = 0,
    base: Annotated[
        str | None,
        typer.Option(help="Base model: path or Hub id. Default: the embedded one.", show_default=False),
    ] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    load_in_4bit: options.FourBit = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Propose a one-line task description from a few examples, to be edited and given to hyperlora t2l.

    Example: hyperlora describe examples.jsonl --n 4
    """
    from t2l.tasks import read_examples

    examples = read_examples(file, limit=None)
    loaded = load_base(base, device, dtype, load_in_4bit=load_in_4bit)
    from t2l.describe import MAX_EXAMPLES, describe_examples

    with spinner("describing"):
        proposals = describe_examples(loaded, examples, n, seed)
    if len(examples) > MAX_EXAMPLES:
        output.note(f"read the first {MAX_EXAMPLES} of {len(examples)} examples")
    facts = {"examples": min(len(examples), MAX_EXAMPLES), "base_model": loaded.spec.name_or_path, "seed": seed}
    output.result("\n".join(proposals), {"descriptions": proposals, **facts})
    output.next_step("hyperlora", "t2l", proposals[0], remark="edit it first")
