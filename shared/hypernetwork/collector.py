"""Rows of a memory, added up source by source and solved whenever wanted."""

from collections.abc import Callable

import torch
from torch import Tensor

from shared.base.targets import TargetGrid
from shared.hypernetwork.head import ChunkFactors, LayerRows
from shared.hypernetwork.solver import MemoryStatistics, SolvedMemory, solve_rows, solve_statistics
from shared.lora.weights import LoraFactors, LoraWeights, TruncatedLora


class RowCollector:
    """The rows of all layers' memories.

    Once there are more rows than a layer has inputs (and neither a gradient nor a batch is wanted), only their second
    moments are kept, which do not grow with their number.

    Args:
        constants: whitening and ridge of a memory, by module and the layer's place among the adapted ones.
        device: where second moments are summed.
    """

    def __init__(
        self, grid: TargetGrid, constants: Callable[[str, int], tuple[Tensor, Tensor]], device: torch.device
    ) -> None:
        self.grid, self.constants, self.device = grid, constants, device
        self.widest = max(target.in_features for target in grid.targets)
        self.held: list[ChunkFactors] = []
        self.statistics: dict[str, MemoryStatistics] | None = None

    @property
    def num_rows(self) -> int:
        """Rows so far, those of padding included until only moments are kept."""
        if self.statistics is not None:
            return max(statistics.rows for statistics in self.statistics.values())
        return sum(part.num_rows for part in self.held)

    def add(self, part: ChunkFactors) -> None:
        """Add the rows of one more source."""
        if self.statistics is not None:
            self._sum(part)
            return
        self.held.append(part)
        if self.num_rows > self.widest and part.batch_size is None and not torch.is_grad_enabled():
            self.statistics = {
                t.name: MemoryStatistics.empty(t.in_features, t.out_features, self.device) for t in self.grid.targets
            }
            for held in self.held:
                self._sum(held)
            self.held = []

    def scale(self, weights: dict[str, Tensor]) -> None:
        """Give all rows so far another weight in the fit: key and value times a factor of each layer, by its name."""
        self.held = [
            ChunkFactors({n: LayerRows(r.keys * weights[n], r.values * weights[n]) for n, r in part.items()})
            for part in self.held
        ]
        for name, statistics in (self.statistics or {}).items():
            statistics.scale(weights[name].item() ** 2)

    def solve(self, max_rank: int | None = None) -> TruncatedLora:
        """LoRA weights of the memories of all rows so far, cut to a rank; more rows may be added afterwards."""
        layers = self.grid.layers
        rows = ChunkFactors.concat(self.held) if self.statistics is None else None

        def memory(name: str, module: str, layer: int) -> SolvedMemory:
            whitening, ridge = self.constants(module, layer)
            if rows is None:
                return solve_statistics(self.statistics[name], whitening, ridge, max_rank)
            return solve_rows(rows[name].keys, rows[name].values, whitening, ridge, max_rank)

        solved = {t.name: memory(t.name, t.module, layers.index(t.layer)) for t in self.grid.targets}
        total = sum(memory.total for memory in solved.values())
        kept = sum(memory.kept for memory in solved.values()) / total if total else 1.0
        weights = LoraWeights({name: LoraFactors(memory.lora_A, memory.lora_B) for name, memory in solved.items()})
        return TruncatedLora(weights, kept)

    def _sum(self, part: ChunkFactors) -> None:
        for name, rows in part.items():
            self.statistics[name].add(rows.keys, rows.values)
