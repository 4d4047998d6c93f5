"""The published head: a linear map from the Perceiver's output queries to LoRA factors, and words copied beside it.

Shapes: *batch*; *layers* adapted decoder blocks; *modules* target modules in each, sorted by name; *r* rank;
*latent_size*. Factors are rank-major here, (batch, layers, r, in) and (batch, layers, r, out), one pair per module.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.base.targets import TargetGrid
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.copying import CopyConfig, CopyHead
from shared.hypernetwork.features import ContextFeatures, CopySource
from shared.hypernetwork.head import ChunkFactors
from shared.hypernetwork.perceiver import PerceiverOutput
from shared.lora.weights import LoraFactors, LoraWeights, TruncatedLora

LAYER_NORM_EPS = 1e-5


@dataclass(frozen=True)
class LinearHeadConfig(Config):
    """The published head.

    Attributes:
        copy: words of the input that are added to B; ``None`` for none.
    """

    copy: CopyConfig | None = None
    kind: Literal["linear"] = "linear"

    needs_states: ClassVar[bool] = False

    @property
    def needs_words(self) -> bool:
        return self.copy is not None

    def check(self, grid: TargetGrid, per_layer_features: bool) -> None:
        """Refuse target layers that the head cannot write for.

        Raises:
            InputError: words are copied to a module that is no target, or to modules of several widths.
        """
        if self.copy is None:
            return
        if not set(self.copy.modules) <= set(grid.modules):
            raise InputError("the modules that get copied words must be target modules")
        if len({grid.sizes[module][1] for module in self.copy.modules}) != 1:
            raise InputError("the modules that get copied words must write to the residual stream")

    def num_queries(self, r: int) -> int:
        """Output queries per layer and module."""
        return r

    def build(self, grid: TargetGrid, *, r: int, latent_size: int, scaling: float) -> "LinearHead":
        return LinearHead(self, grid, r=r, latent_size=latent_size, scaling=scaling)


class PreHeadBlock(nn.Module):
    """Residual MLP block y = x + LN(W2 silu(W1 LN(x) + b1) + b2), with separate linear maps per layer if asked."""

    def __init__(self, size: int, hidden_size: int, num_layers: int | None) -> None:
        super().__init__()
        lead = () if num_layers is None else (num_layers,)
        self.norm_in = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        self.norm_out = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        # Input dimension first, as in the published per-layer weights: x @ weight.
        self.weight_in = nn.Parameter(torch.randn(*lead, size, hidden_size) * size**-0.5)
        self.bias_in = nn.Parameter(torch.zeros(*lead, hidden_size))
        self.weight_out = nn.Parameter(torch.randn(*lead, hidden_size, size) * hidden_size**-0.5)
        self.bias_out = nn.Parameter(torch.zeros(*lead, size))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, layers, modules, r, latent_size). Returns the same shape."""
        y = _layerwise(self.norm_in(x), self.weight_in, self.bias_in)
        return x + self.norm_out(_layerwise(F.silu(y), self.weight_out, self.bias_out))


def _layerwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x @ weight + bias with one weight for all layers, or one for each."""
    if weight.dim() == 2:
        return x @ weight + bias
    return torch.einsum("blmri,lio->blmro", x, weight) + bias[None, :, None, None, :]


class LinearHead(nn.Module):
    """One linear map per layer and module from the normalised query to a row of A and of B, times learned scalers.

    A row of the map holds A's numbers first, B's behind them, then padding up to the largest module.
    """

    def __init__(self, config: LinearHeadConfig, grid: TargetGrid, *, r: int, latent_size: int, scaling: float) -> None:
        super().__init__()
        self.grid, self.r, self.scaling = grid, r, scaling
        sizes, layers = grid.sizes, len(grid.layers)
        width = max(in_features + out_features for in_features, out_features in sizes.values())
        self.weight = nn.Parameter(torch.randn(layers, len(sizes), latent_size, width))
        with torch.no_grad():
            for index, (in_features, out_features) in enumerate(sizes.values()):
                self.weight[:, index, :, :in_features] *= in_features**-0.5
                self.weight[:, index, :, in_features:] *= out_features**-0.5
        # B's scaler starts at zero: the first update has no effect.
        self.scaler_A = nn.ParameterDict({m: nn.Parameter(torch.ones(layers, r, 1)) for m in sizes})
        self.scaler_B = nn.ParameterDict({m: nn.Parameter(torch.zeros(layers, r, 1)) for m in sizes})
        self.copy: CopyHead | None = None
        if config.copy:
            self.copying = config.copy.modules
            self.copy = CopyHead(
                config.copy,
                num_layers=layers,
                in_features=[sizes[module][0] for module in self.copying],
                hidden_size=sizes[self.copying[0]][1],
                r=r,
                latent_size=latent_size,
            )

    def forward(self, queries: Tensor, output: PerceiverOutput, features: ContextFeatures) -> ChunkFactors:
        """queries (batch, layers, modules, r, latent_size). Returns rows of A and B, ``r`` of each chunk.

        Raises:
            InputError: words are copied and ``features`` has none.
        """
        rows = torch.einsum("blmrd,lmdo->blmro", F.normalize(queries, dim=-1, eps=0.0), self.weight)
        factors = {}
        for index, (module, (in_features, out_features)) in enumerate(self.grid.sizes.items()):
            row = rows[:, :, index]
            lora_A, lora_B = row[..., :in_features], row[..., in_features : in_features + out_features]
            factors[module] = lora_A * self.scaler_A[module], lora_B * self.scaler_B[module]
        if self.copy is not None:
            self._add_words(factors, queries, features.words)
        return ChunkFactors.from_stacks(factors, self.grid, self.scaling)

    def _add_words(self, factors: dict[str, tuple[Tensor, Tensor]], queries: Tensor, words: CopySource | None) -> None:
        """Add copied values to B of the modules that get some, and to A what calls for them."""
        if words is None:
            raise InputError("this hypernetwork needs the words of its input")
        chosen = queries[:, :, [self.grid.modules.index(module) for module in self.copying]]
        for module, copied in zip(self.copying, self.copy(chosen, words), strict=True):
            lora_A, lora_B = factors[module]
            if copied.triggers is not None:
                lora_A = lora_A + copied.triggers
            factors[module] = lora_A, lora_B + copied.values

    def num_rows(self, num_tokens: int) -> int:
        return self.r

    def join(self, parts: Iterable[ChunkFactors], max_rank: int | None = None, reserved: int = 0) -> TruncatedLora:
        """The sum of all updates, as a concatenation along the rank."""
        joined = ChunkFactors.concat(list(parts))
        return TruncatedLora(LoraWeights({n: LoraFactors(f.keys, f.values) for n, f in joined.items()}), 1.0)

    def compress(self, factors: ChunkFactors) -> ChunkFactors:
        return factors

    def gain_parameters(self) -> list[nn.Parameter]:
        return [] if self.copy is None else [self.copy.log_gain]
