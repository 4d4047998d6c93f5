"""``hyperlora scale``: an adapter with a stronger or weaker effect."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import load_adapter


def scale(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    factor: Annotated[float, typer.Argument(help="Factor on its effect; -0.5 needs -- in front.", show_default=False)],
    output_dir: Annotated[Path, typer.Option("--output", "-o", help="Adapter directory to write.", show_default=False)],
    base: options.Base = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Multiply an adapter's effect by a factor.

    Example: hyperlora scale brief-adapter 0.7 -o brief-softer
    """
    from shared.paths import check_output

    check_output(output_dir, force=force, what="adapter")
    loaded = load_adapter(adapter)
    import torch

    from shared.errors import InputError
    from shared.lora.derived import save_derived, stored_dtype

    weights = loaded.weights.scaled(factor)
    if not weights.to(getattr(torch, stored_dtype(loaded))).is_finite:
        raise InputError(f"the factor {factor:g} is too large for this adapter", "1 is the adapter as it is")
    written = save_derived(output_dir, loaded, weights, {"scaled_by": factor}, base=base, force=force)
    if written.is_zero:
        output.warning(output.ZERO_ADAPTER)
    output.note(f"times {factor:g}, rank {written.rank}, {written.bytes / 1e6:.2f} MB")
    output.result(written.adapter, written)
