"""The memory head: the context's own activations are keys and values, the hypernetwork only weighs them.

    token t of a chunk            key: input of down_proj at t        value: embedding of token t+1
    rows of chunk 1  | k k k k    whitened, times a weight w          times a learned length
    rows of chunk 2  | k k k
    rows of ...      | k k        all rows of all sources -> solver -> lora_A, lora_B of each layer

A module that writes to the residual stream is a key-value memory (Geva et al. 2021, arXiv:2012.14913): its input at a
token is a key, what it adds is a value. ``solver.py`` makes LoRA factors of the rows.

Shapes: *batch*; *layers* adapted decoder blocks; *modules* target modules in each, sorted by name; *T* context tokens;
*rows* of a chunk's factors; *latent_size*. Factors are rank-major here, (batch, layers, rows, in or out).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.base.targets import TargetGrid
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.collector import RowCollector
from shared.hypernetwork.features import ContextFeatures, MemorySource
from shared.hypernetwork.head import ChunkFactors
from shared.hypernetwork.perceiver import PerceiverOutput
from shared.hypernetwork.solver import half_whitened, leading_directions
from shared.lora.weights import TruncatedLora

MIN_RIDGE = 1e-3


@dataclass(frozen=True)
class MemoryHeadConfig(Config):
    """What becomes a row of the memory, and how strongly it is written.

    Attributes:
        whitening_rank: directions of the key covariance that whitening removes; 0 turns it off.
        whitening_ridge: ridge of the covariance, as a share of its mean eigenvalue.
        initial_gain: initial length of a row's value vector, relative to the residual stream's.
        value_rank: rank of a learned map per layer that is added to the identity on the values; 0 for none.
        horizon: a row's value is a learned mixture of the embeddings of this many tokens behind its own. It starts as
            the next one alone.
        recall_layers: this many of the first adapted layers start with the whole horizon in equal parts: asked about
            something that the document names, they recall what it said next.
        initial_ridge: where the learned ridge of the rows' Gram matrix starts, relative to its mean diagonal; small
            values make a row silent on the keys of the document's other rows.
        initial_study_gain: where the learned length of a study row's value starts, relative to a token row's.
        embedding: what a token's value is made of: the base's ``input`` embedding, which a learned map can turn into
            what its ``output`` layer looks for, or that layer's own row.
    """

    whitening_rank: int = 64
    whitening_ridge: float = 0.05
    initial_gain: float = 0.06
    value_rank: int = 16
    horizon: int = 1
    recall_layers: int = 0
    initial_ridge: float = 0.02
    initial_study_gain: float = 2.0
    embedding: Literal["input", "output"] = "input"
    kind: Literal["memory"] = "memory"

    needs_states: ClassVar[bool] = True
    needs_words: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.whitening_rank < 0:
            raise InputError("whitening_rank must not be negative")
        if self.horizon < 1 or self.recall_layers < 0:
            raise InputError("horizon must be at least 1 and recall_layers not negative")

    def check(self, grid: TargetGrid, per_layer_features: bool) -> None:
        """Refuse features that the head cannot read.

        Raises:
            InputError: a feature vector for every layer.
        """
        if per_layer_features:
            raise InputError("the memory head weighs tokens once for all layers: per_layer_features must be false")

    def num_queries(self, r: int) -> int:
        """Output queries per layer and module."""
        return 1

    def build(self, grid: TargetGrid, *, r: int, latent_size: int, scaling: float) -> "MemoryHead":
        return MemoryHead(self, grid, r=r, latent_size=latent_size, scaling=scaling)


class MemoryHead(nn.Module):
    """Every content token is a row; the Perceiver decides how much each one counts and how strongly it is written.

        K = w k(t)     V = w g unit((1 + M) e(t+1))     w = 2 sigmoid(q_w . c(t)), g = gain 2 sigmoid(q_g . c(t))

    with q_w and q_g from the output query of the layer and c(t) the Perceiver's projected input. w^2 is the row's
    weight in the least-squares fit; both start at 1, where the memory is plain regression of the next token on the
    layer's input. Of a chunk with more than ``r`` tokens the ``r`` with the largest w are kept, in every layer its own.

    With a horizon, e(t+1) is sum_d mix_d s(t+d) unit(e(t+d)) instead, where the layer's mix is learned and the salience
    s = 2 sigmoid(q_s . c(t+d-1)) is the Perceiver's: what a subject's last token should bring back is not the next word
    but what is said of it (Meng et al. 2022, arXiv:2202.05262).
    """

    def __init__(self, config: MemoryHeadConfig, grid: TargetGrid, *, r: int, latent_size: int, scaling: float) -> None:
        super().__init__()
        self.config, self.grid, self.r, self.scaling = config, grid, r, scaling
        num_layers, sizes = len(grid.layers), grid.sizes
        width = next(iter(sizes.values()))[1]
        if config.value_rank:
            self.value_in = nn.Parameter(torch.randn(num_layers, width, config.value_rank) * width**-0.5)
            self.value_out = nn.Parameter(torch.zeros(num_layers, config.value_rank, width))
        # Log gains: multiplicative, so one learning rate suits layers of any magnitude.
        self.log_gain = nn.Parameter(torch.full((num_layers, len(sizes), 1), config.initial_gain).log())
        # Set by ``calibrate`` from the base model's activations; saved with the weights.
        self.register_buffer("value_scale", torch.ones(num_layers, len(sizes)))
        for module, (in_features, _) in sizes.items():
            self.register_buffer(f"whitening_{module}", torch.zeros(num_layers, in_features, config.whitening_rank))
        self.num_choices = 2 if config.horizon == 1 else 3
        self.query = nn.Linear(latent_size, self.num_choices * latent_size, bias=False)
        self.key = nn.Linear(latent_size, self.num_choices * latent_size, bias=False)
        self.norm = nn.RMSNorm(latent_size, eps=1e-6)
        nn.init.zeros_(self.query.weight)
        self.bias = nn.Parameter(torch.zeros(num_layers, len(sizes), self.num_choices))
        if config.horizon > 1:
            mix = torch.zeros(num_layers, len(sizes), config.horizon)
            mix[:, :, 0] = 1
            mix[: config.recall_layers] = 1
            self.mix = nn.Parameter(mix)
        self.log_ridge = nn.Parameter(torch.full((num_layers, len(sizes)), config.initial_ridge).log())
        # Frozen, unless a run solves study rows: several processes must not wait for gradients that never come.
        for name in ("study_weight", "study_gain", "null_weight", "token_weight"):
            start = config.initial_study_gain if name == "study_gain" else 1.0
            initial = torch.full((num_layers, len(sizes)), start).log()
            self.register_parameter(f"log_{name}", nn.Parameter(initial, requires_grad=False))

    def gain_parameters(self) -> list[nn.Parameter]:
        mix = [self.mix] if self.config.horizon > 1 else []
        return [self.log_gain, self.log_ridge, *mix, *self.study_parameters()]

    def study_parameters(self) -> list[nn.Parameter]:
        """What studied documents alone depend on."""
        return [self.log_study_weight, self.log_study_gain, self.log_null_weight, self.log_token_weight]

    @torch.no_grad()
    def calibrate(self, module: str, keys: Sequence[Tensor], value_scale: Tensor) -> None:
        """Set the whitening and the gain's unit from states of general text.

        Args:
            keys: of each layer, (n, in_features).
            value_scale: mean length of the residual stream behind each layer, (layers,).

        (C + ridge)^-1 of the second moment C = K'K / n is kept in low-rank form: up to a factor that cancels it is
        I - U diag(s / (s + ridge)) U', with the leading eigenpairs (s, U) of C.
        """
        self.value_scale[:, self.grid.modules.index(module)] = value_scale.to(self.value_scale)
        rank = self.config.whitening_rank
        if not rank:
            return
        for layer, rows in enumerate(keys):
            s, u = leading_directions(rows, rank)
            ridge = self.config.whitening_ridge * rows.square().mean()
            self.whitening(module)[layer, : rows.shape[1]] = u * (s / (s + ridge)).sqrt()

    def whitening(self, module: str) -> Tensor:
        """M of ``half_whitened``, (layers, in_features, whitening_rank)."""
        return getattr(self, f"whitening_{module}")

    def ridge(self, module: str, layer: int) -> Tensor:
        """Ridge of the joint solve, relative to the Gram matrix's mean diagonal; ``layer`` counts the adapted ones."""
        # The floor keeps the Gram matrix of repeated sentences positive definite in float32.
        return self.log_ridge[layer, self.grid.modules.index(module)].exp().clamp_min(MIN_RIDGE)

    def forward(self, queries: Tensor, output: PerceiverOutput, features: ContextFeatures) -> ChunkFactors:
        """queries (batch, layers, modules, 1, latent_size).

        Returns half-whitened keys and values; chunks with fewer rows than others have zeros behind theirs.

        Raises:
            InputError: ``features`` has no states.
        """
        source = features.states
        if source is None:
            raise InputError("the memory head needs the context's keys and values")
        size = output.context.shape[-1]
        q = self.query(self.norm(queries[..., 0, :])).unflatten(-1, (self.num_choices, size))
        k = self.key(self.norm(output.context)).unflatten(-1, (self.num_choices, size))
        logits = torch.einsum("blmpd,btpd->blmtp", q, k).float() / size**0.5 + self.bias[:, :, None]
        weight, strength, *salience = (2 * logits.sigmoid()).unbind(-1)
        keep = source.mask[:, None, None]
        rows = min(self.r, int(source.mask.sum(-1).max()))
        index = weight.masked_fill(~keep, -1.0).topk(rows, dim=-1).indices
        weight = (weight * keep).take_along_dim(index, -1)
        gain = self.log_gain.exp() * self.value_scale[..., None] * strength.take_along_dim(index, -1)
        following = source.values[:, None, None]
        if salience:
            following = self._mixed(following, salience[0] * keep)
        following = following.take_along_dim(index[..., None], -2)
        values = self._values(following, gain * weight)
        sample, layer = (torch.arange(n, device=index.device) for n in index.shape[:2])
        result = {}
        for position, module in enumerate(self.grid.modules):
            # Whole rows: number by number, they would take a tenth of the encoding.
            keys = source.keys[module][sample[:, None, None], layer[:, None], index[:, :, position]]
            keys = half_whitened(keys.float(), self.whitening(module).float()) * weight[:, :, position, :, None]
            result[module] = keys, values[:, :, position]
        return ChunkFactors.from_stacks(result, self.grid, self.scaling)

    def study_rows(self, source: MemorySource) -> ChunkFactors:
        """Rows, unbatched, from questions as they are asked: states that predict an answer's tokens bring these back.

        Args:
            source: keys and next tokens of prompts with their answers; ``mask`` marks the states that predict them.
        """
        keep = source.mask.flatten()
        following = source.values[:, None, None]
        if self.config.horizon > 1:
            following = self._mixed(following, source.mask[:, None, None].float())
        batch, layers, modules = len(source.mask), len(self.grid.layers), len(self.grid.modules)
        following = following.expand(batch, layers, modules, *following.shape[-2:])
        chosen = following.permute(1, 2, 0, 3, 4).flatten(2, 3)[None, :, :, keep]
        weight = self.log_study_weight.exp()[..., None]
        gain = (self.log_gain + self.log_study_gain[..., None]).exp() * self.value_scale[..., None]
        values = self._values(chosen, (gain * weight).expand(1, *chosen.shape[1:4]))
        result = {}
        for position, module in enumerate(self.grid.modules):
            keys = source.keys[module].transpose(0, 1).flatten(1, 2)[None, :, keep]
            keys = half_whitened(keys.float(), self.whitening(module).float()) * weight[:, position, None]
            result[module] = keys, values[:, :, position]
        return ChunkFactors.from_stacks(result, self.grid, self.scaling).select(0)

    def null_rows(self, source: MemorySource) -> ChunkFactors:
        """Rows, unbatched, at which nothing is to be written: values of zero; ``mask`` marks the keys that count."""
        keep = source.mask.flatten()
        result = {}
        for position, module in enumerate(self.grid.modules):
            keys = source.keys[module].transpose(0, 1).flatten(1, 2)[None, :, keep]
            weight = self.log_null_weight[:, position].exp()[:, None, None]
            keys = half_whitened(keys.float(), self.whitening(module).float()) * weight
            result[module] = keys, keys.new_zeros(*keys.shape[:-1], self.grid.sizes[module][1])
        return ChunkFactors.from_stacks(result, self.grid, self.scaling).select(0)

    def token_weights(self) -> dict[str, Tensor]:
        """Factor on the weight of a studied document's token rows, by the layer's name."""
        layers, modules = self.grid.layers, self.grid.modules
        weights = self.log_token_weight.exp()
        return {t.name: weights[layers.index(t.layer), modules.index(t.module)] for t in self.grid.targets}

    def _mixed(self, following: Tensor, salience: Tensor) -> Tensor:
        """Mixtures of the tokens within the horizon behind every token.

        following (batch, 1, 1, T, hidden), salience (batch, layers, modules, T). Returns (batch, layers, modules, T,
        hidden) float32.
        """
        at = torch.arange(salience.shape[-1], device=salience.device)
        ahead = at[None] - at[:, None]
        within = (ahead >= 0) & (ahead < self.config.horizon)
        share = self.mix[..., ahead.clamp(0, self.config.horizon - 1)] * within
        return (share * salience[..., None, :]) @ F.normalize(following.float(), dim=-1)

    def _values(self, pooled: Tensor, gain: Tensor) -> Tensor:
        """Values of rows: pooled embeddings (batch, layers, modules, rows, hidden), mapped and given their lengths."""
        values = pooled.float()
        if self.config.value_rank:
            mapped = torch.einsum("blmrh,lhk->blmrk", values, self.value_in)
            values = values + torch.einsum("blmrk,lkh->blmrh", mapped, self.value_out)
        return F.normalize(values, dim=-1) * gain[..., None]

    def num_rows(self, num_tokens: int) -> int:
        return min(self.r, num_tokens)

    def compress(self, factors: ChunkFactors) -> ChunkFactors:
        """Half precision, unless that would overflow: bf16 is too coarse, since the solve takes differences of keys."""
        largest = max(rows.keys.abs().max().item() for rows in factors.values())
        return factors.to(torch.float16) if largest < torch.finfo(torch.float16).max else factors

    def collector(self) -> RowCollector:
        """An empty collection of rows for this head's memories."""
        return RowCollector(self.grid, self._constants, self.log_gain.device)

    def join(self, parts: Iterable[ChunkFactors], max_rank: int | None = None, reserved: int = 0) -> TruncatedLora:
        """All rows of all parts solved together, one memory per layer."""
        rank = self.own_rank(max_rank, reserved)
        collector = self.collector()
        for part in parts:
            collector.add(part)
        return collector.solve(rank)

    @staticmethod
    def own_rank(max_rank: int | None, reserved: int) -> int | None:
        """What a largest rank leaves for the memory.

        Raises:
            InputError: it leaves no rank.
        """
        if max_rank is not None and max_rank <= reserved:
            raise InputError(
                f"rank {max_rank} leaves nothing for the document: {reserved} are the hypernetwork's own",
                f"allow a rank of at least {reserved + 1}",
            )
        return None if max_rank is None else max_rank - reserved

    def _constants(self, module: str, layer: int) -> tuple[Tensor, Tensor]:
        """Whitening and ridge of one memory."""
        return self.whitening(module)[layer], self.ridge(module, layer)
