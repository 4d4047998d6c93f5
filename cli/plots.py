"""Plots of measurements; matplotlib is an optional dependency."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import InputError

if TYPE_CHECKING:
    from d2l.evaluation.needles import NeedleCell


SUFFIXES = (".png", ".svg", ".pdf")


def check_plot(path: Path | None) -> None:
    """Fail before the measurement and not after it; nothing to check for ``None``.

    Raises:
        InputError: matplotlib is not installed, another kind of file, or no such folder.
    """
    from importlib.util import find_spec

    if path is None:
        return
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--plot {path} must end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of --plot does not exist")
    if find_spec("matplotlib") is None:
        raise InputError("--plot needs matplotlib", "pip install 'hyperlora[plot]'")


def needles_heatmap(cells: Sequence["NeedleCell"], path: Path, title: str) -> None:
    """Accuracy by length (columns) and depth (rows), adapter beside the text in the prompt."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lengths, depths = sorted({c.length for c in cells}), sorted({c.depth for c in cells})
    modes = ["adapter"]
    if any(cell.context is not None for cell in cells):
        modes.append("context")
    figure, axes = pyplot.subplots(
        1, len(modes), figsize=(1.5 + (1.2 + 0.8 * len(lengths)) * len(modes), 4), sharey=True, squeeze=False
    )
    names = {"adapter": "adapter, nothing in the prompt", "context": "base model, text in the prompt"}
    for axis, mode in zip(axes[0], modes, strict=True):
        grid = [[float("nan")] * len(lengths) for _ in depths]
        for cell in cells:
            value = getattr(cell, mode)
            if value is not None:
                grid[depths.index(cell.depth)][lengths.index(cell.length)] = value
        image = axis.imshow(grid, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
        axis.set_title(names[mode], fontsize=9)
        axis.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths])
        axis.set_xlabel("document, tokens")
        axis.set_yticks(range(len(depths)), [f"{depth:.0%}" for depth in depths])
    axes[0][0].set_ylabel("needle's depth")
    figure.colorbar(image, ax=axes[0].tolist(), label="needles found")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def task_differences(differences: Mapping[str, Mapping[str, float]], path: Path, title: str) -> None:
    """Horizontal bars of one value per task, sorted, one panel per comparison."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    longest = max(map(len, differences.values()))
    figure, axes = pyplot.subplots(
        1, len(differences), figsize=(7 * len(differences), 1.2 + 0.22 * longest), squeeze=False, layout="constrained"
    )
    for axis, (name, values) in zip(axes[0], differences.items(), strict=True):
        ordered = sorted(values.items(), key=lambda item: item[1])
        colours = ["#3b7a57" if value > 0 else "#b5432f" for _, value in ordered]
        axis.barh(range(len(ordered)), [value for _, value in ordered], color=colours)
        axis.set_yticks(range(len(ordered)), [task for task, _ in ordered], fontsize=7)
        axis.set_ylim(-0.7, len(ordered) - 0.3)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_xlim(-1.05, 1.05)
        axis.set_xlabel(f"score: {name}")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def adapter_picture(norms: Mapping[str, float], chunks: Sequence[tuple[int, int, int]], path: Path, title: str) -> None:
    """Norms of the update by module (rows) and layer, and below, where it was asked, what each chunk gives back.

    Args:
        norms: by the layer's full name.
        chunks: number, questions answered, questions asked.
    """
    import re

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    places = {}
    for name, norm in norms.items():
        numbers = re.findall(r"(?<=\.)\d+(?=\.)", name)
        places[name.rpartition(".")[2], int(numbers[-1]) if numbers else 0] = norm
    modules, layers = sorted({m for m, _ in places}), sorted({n for _, n in places})
    grid = [[places.get((module, layer), float("nan")) for layer in layers] for module in modules]
    figure, axes = pyplot.subplots(
        1 + bool(chunks),
        1,
        figsize=(2 + 0.28 * max(len(layers), len(chunks), 16), 2 + 0.4 * len(modules) + 3 * bool(chunks)),
        squeeze=False,
        layout="constrained",
    )
    image = axes[0][0].imshow(grid, aspect="auto", cmap="viridis", vmin=0)
    axes[0][0].set_yticks(range(len(modules)), modules)
    axes[0][0].set_xticks(range(len(layers)), [str(layer) for layer in layers], fontsize=7)
    axes[0][0].set_xlabel("layer")
    figure.colorbar(image, ax=axes[0][0], label="norm of delta W")
    if chunks:
        axis = axes[1][0]
        numbers = [number for number, _, _ in chunks]
        axis.bar(numbers, [asked for _, _, asked in chunks], color="#d9d9d9", label="asked")
        axis.bar(numbers, [answered for _, answered, _ in chunks], color="#3b7a57", label="answered")
        axis.set_xlabel("chunk of the document")
        axis.set_ylabel("questions")
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
