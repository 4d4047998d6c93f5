"""What a head is: output queries in, rows of factors out, and rows of any number of sources joined to LoRA weights."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.base.targets import Target, TargetGrid
from shared.hypernetwork.features import ContextFeatures
from shared.hypernetwork.perceiver import PerceiverOutput
from shared.lora.weights import TruncatedLora


@dataclass(frozen=True)
class LayerRows:
    """Rows of one layer: what each answers to and what it writes.

    Attributes:
        keys: (*batch*, rows, in_features).
        values: (*batch*, out_features, rows).
    """

    keys: Tensor
    values: Tensor


class ChunkFactors(Mapping[str, LayerRows]):
    """Rows of several layers from one source (a chunk, or any other), by the layer's full module name.

    A linear head's rows are rows of A with their columns of B, which add up; a memory's are whitened keys and the
    values that they are to bring back, which are solved together. Rows of zeros are padding.
    """

    def __init__(self, rows: Mapping[str, LayerRows]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, name: str) -> LayerRows:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @classmethod
    def from_stacks(
        cls, stacks: Mapping[str, tuple[Tensor, Tensor]], grid: TargetGrid, scaling: float
    ) -> "ChunkFactors":
        """Factors of all layers side by side, module -> (batch, layers, rows, in) and (batch, layers, rows, out).

        Args:
            scaling: factor on the values.
        """
        position = {layer: index for index, layer in enumerate(grid.layers)}
        # Taken apart once: the gradient of an indexed layer is a tensor of all layers, one per layer.
        by_layer = {module: [stack.unbind(1) for stack in pair] for module, pair in stacks.items()}

        def rows(target: Target) -> LayerRows:
            keys, values = (stack[position[target.layer]] for stack in by_layer[target.module])
            return LayerRows(keys[..., : target.in_features], values[..., : target.out_features].mT * scaling)

        return cls({target.name: rows(target) for target in grid.targets})

    @property
    def num_rows(self) -> int:
        return next(iter(self.values())).keys.shape[-2]

    @property
    def device(self) -> torch.device:
        return next(iter(self.values())).keys.device

    @property
    def batch_size(self) -> int | None:
        """Length of the batch dimension, ``None`` without one."""
        keys = next(iter(self.values())).keys
        return keys.shape[0] if keys.dim() == 3 else None

    def map(self, fn: Callable[[LayerRows], LayerRows]) -> "ChunkFactors":
        return ChunkFactors({name: fn(rows) for name, rows in self.items()})

    def to(self, *args, **kwargs) -> "ChunkFactors":
        """``Tensor.to`` on every tensor."""
        return self.map(lambda rows: LayerRows(rows.keys.to(*args, **kwargs), rows.values.to(*args, **kwargs)))

    def select(self, index: Tensor | slice | int) -> "ChunkFactors":
        """Samples of the batch; a number gives one without the batch dimension."""
        return self.map(lambda rows: LayerRows(rows.keys[index], rows.values[index]))

    def unbind(self) -> list["ChunkFactors"]:
        """One without a batch dimension for each sample of the batch."""
        return [self.select(index) for index in range(self.batch_size or 0)]

    def by_context(self, num_contexts: int) -> list["ChunkFactors"]:
        """A batch of ``num_contexts * n`` chunks, neighbours of one context -> n parts, each a batch of contexts."""
        number = (self.batch_size or 0) // num_contexts
        return [self.select(slice(place, None, number)) for place in range(number)]

    def weighted(self, weights: "Mapping[str, Tensor] | float") -> "ChunkFactors":
        """Another weight in the fit: keys and values times a factor, or one of each layer by its name."""

        def scaled(name: str, rows: LayerRows) -> LayerRows:
            factor = weights[name] if isinstance(weights, Mapping) else weights
            return LayerRows(rows.keys * factor, rows.values * factor)

        return ChunkFactors({name: scaled(name, rows) for name, rows in self.items()})

    def first(self, num_rows: int) -> "ChunkFactors":
        """The first rows."""
        return self.map(lambda rows: LayerRows(rows.keys[..., :num_rows, :], rows.values[..., :num_rows]))

    @staticmethod
    def stack(parts: Sequence["ChunkFactors"]) -> "ChunkFactors":
        """A batch of parts without a batch dimension; those with fewer rows get rows of zeros behind theirs."""
        longest = max(part.num_rows for part in parts)

        def padded(name: str) -> LayerRows:
            missing = [longest - part.num_rows for part in parts]
            keys = [F.pad(part[name].keys, (0, 0, 0, rows)) for part, rows in zip(parts, missing, strict=True)]
            values = [F.pad(part[name].values, (0, rows)) for part, rows in zip(parts, missing, strict=True)]
            return LayerRows(torch.stack(keys), torch.stack(values))

        return ChunkFactors({name: padded(name) for name in parts[0]})

    @staticmethod
    def concat(parts: Sequence["ChunkFactors"]) -> "ChunkFactors":
        """The rows of all parts side by side; all have the same layers."""
        if len(parts) == 1:
            return parts[0]
        return parts[0].__class__(
            {
                name: LayerRows(
                    torch.cat([part[name].keys for part in parts], dim=-2),
                    torch.cat([part[name].values for part in parts], dim=-1),
                )
                for name in parts[0]
            }
        )


class Head(Protocol):
    """The last part of a hypernetwork; ``LinearHead`` and ``MemoryHead`` are the two."""

    def __call__(self, queries: Tensor, output: PerceiverOutput, features: ContextFeatures) -> ChunkFactors:
        """Rows of a batch of chunks.

        Args:
            queries: the Perceiver's output queries behind the pre-head blocks, (batch, layers, modules, queries,
                latent_size).
        """

    def num_rows(self, num_tokens: int) -> int:
        """Rows of a chunk of ``num_tokens`` tokens that may be used."""

    def join(self, parts: Iterable[ChunkFactors], max_rank: int | None = None, reserved: int = 0) -> TruncatedLora:
        """LoRA weights from the rows of any number of sources, batched or not.

        Args:
            max_rank: a head that knows which directions matter cuts to it; others leave that to ``truncate``.
            reserved: what of that rank is not the head's to use.

        Raises:
            InputError: the rank leaves nothing for the rows; before any part is asked for.
        """

    def compress(self, factors: ChunkFactors) -> ChunkFactors:
        """Fewer bytes for factors that are kept, as far as their use allows."""

    def gain_parameters(self) -> list[nn.Parameter]:
        """Parameters on a logarithmic or relative scale, which learn at a rate of their own and do not decay."""
