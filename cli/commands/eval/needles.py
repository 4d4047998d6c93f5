"""``hyperlora eval needles``: how long a document the adapter still finds one fact in."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import load_d2l
from cli.progress import bar
from cli.reading import read_one


def needles(
    lengths: Annotated[str, typer.Option(help="Document lengths in tokens.")] = "128,512,2048,8192",
    depths: Annotated[int, typer.Option(min=1, help="Depths from the first to the last sentence.")] = 10,
    samples: Annotated[int, typer.Option(min=1, help="Documents per length and depth.")] = 1,
    haystack: Annotated[
        Path | None,
        typer.Option(help="Real prose: several differently worded needles, one is asked for.", show_default=False),
    ] = None,
    max_rank: options.MaxRank = options.LARGEST_RANK,
    max_bytes: options.MaxBytes = None,
    chunk_tokens: options.ChunkTokens = None,
    context: Annotated[
        bool, typer.Option("--context/--no-context", help="Also ask the base with the text in its prompt.")
    ] = True,
    study: options.StudyBefore = 0,
    plot: Annotated[Path | None, typer.Option(help="Write a heat map (PNG, SVG or PDF).", show_default=False)] = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Needle in a haystack: hide a number in a long document, make its adapter, and ask for the number.

    Example: hyperlora eval needles --lengths 128,1024,8192 --plot needles.png
    """
    from cli.plots import check_plot, needles_heatmap
    from shared.provenance import provenance

    wanted = options.parse_numbers(lengths, "--lengths")
    size_limit = options.parse_bytes(max_bytes)
    check_plot(plot)
    prose = None if haystack is None else read_one(haystack).text
    model = load_d2l(hypernet, base, device, dtype)
    from d2l.evaluation.needles import evaluate_needles
    from d2l.generate import RankBudget
    from d2l.study.document import document_pairs

    with bar("documents") as move:
        result = evaluate_needles(
            model,
            wanted,
            num_depths=depths,
            samples=samples,
            haystack=prose,
            chunk_tokens=chunk_tokens,
            max_rank=RankBudget(max_rank, size_limit).rank(model.config.hypernetwork),
            with_context=context,
            study=partial(document_pairs, model, study=study) if study else None,
            seed=seed,
            on_progress=move,
        )
    title = f"needle in a haystack: {depths * samples} documents per length"
    rows = [[str(length), s["rank"], s["adapter"], s["context"]] for length, s in result.lengths.items()]
    text = output.table(title, ["tokens", "rank", "adapter", "context"], rows)
    facts = {"hypernetwork": model.name, "haystack": haystack.name if haystack else "noise", "study": study}
    output.result(text, result, provenance=provenance(model.base, **facts, depths=depths, seed=seed))
    if plot is not None:
        needles_heatmap(result.cells, plot, f"{model.name}, {'real prose' if haystack else 'noise'}")
        output.note(f"heat map: {plot}")
