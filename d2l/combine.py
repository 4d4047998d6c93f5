"""Documents of several adapters solved together again: one memory of all their rows, as if they had been read at once.

Added up, two documents' memories answer each other's questions, and the bias LoRA counts twice. Their rows are still in
the caches of this machine; an adapter's provenance says by which names.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from d2l.cache import ChunkCache
from d2l.model import D2LModel
from d2l.study.kept import kept_studied
from shared.errors import HyperLoraError
from shared.hypernetwork.head import ChunkFactors
from shared.lora.parts import Part
from shared.lora.weights import LoraWeights
from shared.paths import home
from shared.training.refine import REFINE


def can_be_solved(parts: Sequence[Part]) -> list[str]:
    """Names of parts that are documents of one memory whose rows this machine still has; empty if fewer than two."""
    groups: dict[Any, list[str]] = {}
    for part in parts:
        rows = part.record.get("rows")
        if part.record.get("kind") == "d2l" and part.record.get("weight") == 1 and _is_cached(rows):
            groups.setdefault((part.record.get("hypernetwork"), rows["cache"]), []).append(part.name)
    largest = max(groups.values(), key=len, default=[])
    return largest if len(largest) > 1 else []


def _is_cached(rows: Any) -> bool:
    try:
        names = [rows["cache"], *rows["chunks"], *([] if rows["studied"] is None else [rows["studied"]])]
        if not all(re.fullmatch("[0-9a-f]{32,64}", name) for name in names):  # of a file that anybody may have made
            return False
        folder = home() / "chunks" / rows["cache"]
        studied = rows["studied"] is None or kept_studied(rows["studied"]) is not None
        return studied and all((folder / f"{name}.rows").is_file() for name in rows["chunks"])
    except (KeyError, TypeError):
        return False


def solve_together(
    model: D2LModel,
    parts: Sequence[Part],
    max_rank: int | None,
    on_study: Callable[[int, int], None] | None = None,
) -> LoraWeights:
    """One memory of the parts' rows, studied with the pairs of all of them.

    Raises:
        HyperLoraError: rows that were made with another base, dtype or device, or have gone from the cache.
    """
    cache = ChunkCache(model.cache_key())
    pairs = []
    for part in parts:
        rows = part.record["rows"]
        if rows["cache"] != cache.directory.name:
            raise HyperLoraError(
                f"the rows of {part.name} are of another base, dtype or device", "combine them with --add"
            )
        if rows["studied"] is not None:
            pairs += kept_studied(rows["studied"]) or []

    def factors() -> Iterator[ChunkFactors]:
        # In the order of a run over all of them, which has equal chunks together.
        times = Counter(name for part in parts for name in part.record["rows"]["chunks"])
        for name, number in times.items():
            found = cache.find(name)
            if found is None:
                owner = next(part.name for part in parts if name in part.record["rows"]["chunks"])
                raise HyperLoraError(
                    f"a chunk of {owner} has gone from the cache", "run d2l again, or combine with --add"
                )
            yield from [found] * number

    weights = model.solve(factors(), pairs, max_rank=max_rank, on_study=on_study).weights.to("cpu")
    return model.refine(weights, pairs, REFINE).weights if pairs else weights
