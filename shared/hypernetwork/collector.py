"""Rows of a memory, added up source by source and solved whenever wanted."""

from collections.abc import Callable

import torch
from torch import Tensor

from shared.base.targets import Target, TargetGrid
from shared.hypernetwork.head import ChunkFactors
from shared.hypernetwork.solver import MemoryStatistics, SolvedMemory, solve_rows, solve_statistics
from shared.lora.weights import LoraFactors, LoraWeights, TruncatedLora
from shared.threads import each_on_one_thread, large_products

#: Rows that are held before they are summed; each sum reads and writes all second moments.
ROWS_AT_A_TIME = 1024


class RowCollector:
    """The rows of all layers' memories.

    Once there are more rows than a layer has inputs (and neither a gradient nor a batch is wanted), second moments are
    kept in their place, which do not grow with their number; new rows are held until there are enough for one sum.

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
        summed = max(statistics.rows for statistics in self.statistics.values()) if self.statistics else 0
        return summed + sum(part.num_rows for part in self.held)

    def add(self, part: ChunkFactors) -> None:
        """Add the rows of one more source."""
        self.held.append(part)
        held = sum(part.num_rows for part in self.held)
        if self.statistics is not None:
            if held > ROWS_AT_A_TIME:
                self._sum()
        elif held > self.widest and part.batch_size is None and not torch.is_grad_enabled():
            self.statistics = {
                t.name: MemoryStatistics.empty(t.in_features, t.out_features, self.device) for t in self.grid.targets
            }
            self._sum()

    def scale(self, weights: dict[str, Tensor]) -> None:
        """Give all rows so far another weight in the fit: key and value times a factor of each layer, by its name."""
        self.held = [part.weighted(weights) for part in self.held]
        for name, statistics in (self.statistics or {}).items():
            statistics.scale(weights[name].item() ** 2)

    def solve(self, max_rank: int | None = None) -> TruncatedLora:
        """LoRA weights of the memories of all rows so far, cut to a rank; more rows may be added afterwards."""
        layers = self.grid.layers
        if self.statistics is not None:
            self._sum()
        rows = ChunkFactors.concat(self.held) if self.statistics is None else None

        def memory(target: Target) -> SolvedMemory:
            name, (whitening, ridge) = target.name, self.constants(target.module, layers.index(target.layer))
            if rows is None:
                return solve_statistics(self.statistics[name], whitening, ridge, max_rank)
            return solve_rows(rows[name].keys, rows[name].values, whitening, ridge, max_rank)

        targets = self.grid.targets
        if rows is not None and torch.is_grad_enabled():
            found = [memory(target) for target in targets]
        else:  # rows are kept on the CPU
            found = each_on_one_thread(memory, targets, self.device if rows is None else rows.device)
        solved = {t.name: memory for t, memory in zip(targets, found, strict=True)}
        total = sum(memory.total for memory in solved.values())
        kept = sum(memory.kept for memory in solved.values()) / total if total else 1.0
        weights = LoraWeights({name: LoraFactors(memory.lora_A, memory.lora_B) for name, memory in solved.items()})
        return TruncatedLora(weights, kept)

    def _sum(self) -> None:
        """Move the held rows into the second moments, layer by layer so that only one layer's lie side by side."""

        def add(name: str) -> None:
            part = ChunkFactors.concat([ChunkFactors({name: held[name]}) for held in self.held])
            self.statistics[name].add(part[name].keys, part[name].values)

        if self.held:
            with large_products():
                each_on_one_thread(add, list(self.statistics), self.device)
        self.held = []
