"""``hyperlora combine``: several adapters in one, and one of them out again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.loading import load_adapter, load_d2l
from cli.progress import bar, spinner

if TYPE_CHECKING:
    from shared.lora.parts import Part
    from shared.lora.weights import LoraWeights


def combine(
    adapters: Annotated[list[str], typer.Argument(help="Adapter directories or Hub ids.", show_default=False)],
    output_dir: Annotated[Path, typer.Option("--output", "-o", help="Adapter directory to write.", show_default=False)],
    weights: Annotated[
        str | None,
        typer.Option(help="Factor on each adapter's effect, such as 1,0.5. Default: 1 each.", show_default=False),
    ] = None,
    max_rank: Annotated[
        int | None, typer.Option(min=1, help="Cut the result to this rank. Default: exact.", show_default=False)
    ] = None,
    remove: Annotated[
        str | None,
        typer.Option(metavar="PART", help="Take this part out of a combined adapter.", show_default=False),
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add documents up instead of solving them together from their cached rows.")
    ] = False,
    base: options.Base = None,
    force: options.Force = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Combine adapters of one base: a task with a document, or several documents.

    The sum is exact. Documents whose rows this machine still has are solved together, as if d2l had read them at once.

    Example: hyperlora combine brief-adapter tickets-adapter -o both
    """
    from shared.errors import InputError
    from shared.paths import check_output

    check_output(output_dir, force=force, what="adapter")
    factors = _factors(weights, len(adapters))
    if remove is not None and (len(adapters) != 1 or weights is not None):
        raise InputError("--remove takes one combined adapter and no --weights")
    if remove is None and len(adapters) < 2 and max_rank is None:
        raise InputError("one adapter is nothing to combine", "name two or more, or scale one with hyperlora scale")
    loaded = [load_adapter(adapter) for adapter in adapters]
    from shared.lora import combine as library
    from shared.lora.parts import read_parts, without

    library.check_not_a_part(output_dir, loaded)
    parts = library.as_parts(loaded, factors) if remove is None else without(read_parts(loaded[0]), remove)
    together = _together(parts, add)

    def solve(group: "list[Part]") -> "LoraWeights":
        from d2l.combine import solve_together

        model = load_d2l(group[0].record["hypernetwork"], base, device, dtype)
        with bar("studying") as move:
            return solve_together(model, group, max_rank or options.LARGEST_RANK, move)

    combination = library.combine(parts, together=together, solve=solve, max_rank=max_rank)
    written_dtype = library.common_dtype(loaded, factors)
    with spinner("writing"):
        written = library.save_combination(
            output_dir, combination, loaded[0], dtype=written_dtype, base=base, force=force
        )
    names = ", ".join(part.name for part in parts)
    output.note(f"{names} -> rank {written.rank}, {written.bytes / 1e6:.2f} MB")
    if together:
        output.note(f"solved together: {', '.join(together)}")
    if combination.energy_kept < 1:
        output.note(f"kept by the rank limit: {combination.energy_kept:.1%}")
    if written.is_zero:
        output.warning(output.ZERO_ADAPTER)
    if written.rank > options.LARGEST_RANK:
        output.warning(f"vLLM takes no rank above {options.LARGEST_RANK}; --max-rank cuts it")
    facts = {"parts": [part.name for part in parts], "together": together, "energy_kept": combination.energy_kept}
    output.result(written.adapter, written, **facts)


def _factors(text: str | None, number: int) -> list[float]:
    from shared.errors import InputError

    if text is None:
        return [1.0] * number
    try:
        factors = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--weights {text!r} are no numbers", "such as 1,0.5") from None
    if len(factors) != number:
        raise InputError(f"{len(factors)} weights for {number} adapters")
    return factors


def _together(parts: "list[Part]", add: bool) -> list[str]:
    """Documents to solve together; says why others are not."""
    documents = [part.name for part in parts if part.record.get("kind") == "d2l"]
    if add or len(documents) < 2:
        return []
    from d2l.combine import can_be_solved

    together = can_be_solved(parts)
    others = [name for name in documents if name not in together]
    if others:
        output.note(f"added, not solved together: {', '.join(others)} (no cached rows, another weight or hypernetwork)")
    return together
