"""The published Text-to-LoRA hypernetwork: MLPs from a task embedding to LoRA weights.

Architecture and parameter names: ``HyperModulator`` of https://github.com/SakanaAI/text-to-lora (Charakorn et al. 2025,
Text-to-LoRA). It runs through the same path as the ``HyperNetwork`` of ``shared``: features in, ``LoraWeights`` out.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.base.targets import Target
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.features import ContextFeatures
from shared.lora.weights import LoraFactors, LoraWeights
from t2l.mlp.task_encoders import TASK_ENCODERS

LAYER_NORM_EPS = 1e-5
DROPOUT = 0.05  # of training; inactive in what is imported
ROTARY_BASE = 10000.0
Z_SCORE_EPS = 1e-10


@dataclass(frozen=True)
class MLPHyperNetworkConfig(Config):
    """Shape of a published hypernetwork.

    Attributes:
        targets: the linear layers it writes for: all blocks, the same modules in each.
        r: rank.
        feature_size: width of the task embedding.
        latent_size: half of it encodes the task, a quarter each the layer's depth and its type.
        head_in_size: width of the input of the heads.
        task_encoder: what follows the task embedding; ``discrete`` has one-hot depths and types.
        num_codes: classes of ``discrete``, codes of ``vq`` and ``softmax``; 0 for ``linear``.
        shared_head: one head for A and B of a module, told apart by a learned vector; otherwise it yields both at once.
        positions: how ranks are told apart when they are generated one by one; ``none`` generates all at once.
        head_bias: the heads have a bias.
        offset: a learned LoRA per layer is added.
        z_score: the network predicts z-scores of the factors, given their mean and standard deviation.
        factor_scale: factor on A and on B.
        scaling: factor on the update, the published ``lora_alpha / sqrt(r)``.
    """

    targets: tuple[Target, ...]
    r: int
    feature_size: int
    latent_size: int
    head_in_size: int
    task_encoder: Literal["linear", "discrete", "vq", "softmax"] = "linear"
    num_codes: int = 0
    shared_head: bool = False
    positions: Literal["none", "learned", "rotary"] = "none"
    head_bias: bool = False
    offset: bool = False
    z_score: bool = False
    factor_scale: float = 1.0
    scaling: float = 1.0

    def __post_init__(self) -> None:
        if not self.targets or self.r < 1 or self.latent_size < 4:
            raise InputError("a hypernetwork needs a target layer, r of at least 1 and latent_size of at least 4")
        grid = {(t.layer, t.module) for t in self.targets}
        if len(grid) != len(self.targets) or len(grid) != self.num_layers * len(self.modules):
            raise InputError("every block must have the same target modules, from block 0 on")
        if len({(t.module, t.in_features, t.out_features) for t in self.targets}) != len(self.modules):
            raise InputError("a target module must have the same size in all blocks")
        if (self.task_encoder == "linear") != (self.num_codes == 0):
            raise InputError("num_codes belongs to the task encoders discrete, vq and softmax")
        if self.positions == "rotary" and self.width % 2:
            raise InputError(f"rotary positions need an even width, not {self.width}")

    @property
    def modules(self) -> list[str]:
        """Target modules, sorted: the row order of the layer-type embedding."""
        return sorted({t.module for t in self.targets})

    @property
    def num_layers(self) -> int:
        return max(t.layer for t in self.targets) + 1

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """In and out features by module."""
        return {
            module: next((t.in_features, t.out_features) for t in self.targets if t.module == module)
            for module in self.modules
        }

    @property
    def width(self) -> int:
        """Width of task, depth and type side by side."""
        if self.task_encoder == "discrete":
            return self.num_codes + self.num_layers + len(self.modules)
        return self.latent_size // 2 + 2 * (self.latent_size // 4)

    @property
    def rank_by_rank(self) -> bool:
        return self.positions != "none"


class ResidualMLP(nn.Module):
    """x + silu(W4 silu(W1 LN(x))): the last activation is inside the branch."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.LayerNorm(size, eps=LAYER_NORM_EPS), *_two_layers(size, size))

    def forward(self, x: Tensor) -> Tensor:
        """x (*, size). Returns the same shape."""
        return x + self.mlp(x)


class MLPHyperNetwork(nn.Module):
    """Task, depth and layer type mixed by MLPs, and one head per target module."""

    def __init__(self, config: MLPHyperNetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, part = config.width, config.latent_size // 4
        layers, sizes = config.num_layers, config.sizes
        self.task_encoder = TASK_ENCODERS[config.task_encoder](
            config.feature_size, config.latent_size // 2, config.num_codes
        )
        self.layer_depth_encoder = self.layer_type_encoder = None
        if config.task_encoder != "discrete":
            self.layer_depth_encoder = _embedding(layers, part)
            self.layer_type_encoder = _embedding(len(sizes), part)
        self.mixer = nn.Sequential(nn.Dropout(DROPOUT), *_two_layers(width, width))
        self.mlp1, self.mlp2 = ResidualMLP(width), ResidualMLP(width)
        self.mlp3 = nn.Sequential(nn.LayerNorm(width, eps=LAYER_NORM_EPS), *_two_layers(width, config.head_in_size))
        if config.positions == "learned":
            self.pos_emb = _embedding(config.r, width)
        if config.shared_head:
            self.out_emb = nn.ModuleDict(
                {m: nn.ParameterDict({half: nn.Parameter(torch.randn(width)) for half in "AB"}) for m in sizes}
            )
            self.out_emb_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        ranks = 1 if config.rank_by_rank else config.r
        combine = max if config.shared_head else sum
        self.heads = nn.ModuleDict(
            {
                m: nn.Linear(config.head_in_size, ranks * combine(size), bias=config.head_bias)
                for m, size in sizes.items()
            }
        )
        if config.offset:
            self.AB_offset = _factors_by_module(config)
        if config.z_score:
            self.mean_recon_target, self.std_recon_target = _factors_by_module(config), _factors_by_module(config)

    def forward(self, features: ContextFeatures) -> LoraWeights:
        """LoRA weights of every task, batched.

        features: hidden_states (batch, 1, feature_size), the task embeddings.
        """
        config = self.config
        task = self.task_encoder(features.hidden_states[:, 0])
        depths = _rows(self.layer_depth_encoder, config.num_layers, task)
        types = _rows(self.layer_type_encoder, len(config.modules), task)
        factors = {}
        for row, module in enumerate(config.modules):
            parts = [task[:, None].expand(-1, config.num_layers, -1), depths.expand(len(task), -1, -1)]
            parts.append(types[row].expand(len(task), config.num_layers, -1))
            state = self.mlp1(self.mixer(torch.cat(parts, dim=-1)))
            generate = self._from_shared_head if config.shared_head else self._from_split_head
            lora_A, lora_B = generate(state, module)
            factors[module] = self._rescale(module, lora_A, lora_B.mT)
        return LoraWeights(
            {
                t.name: LoraFactors(factors[t.module][0][:, t.layer], factors[t.module][1][:, t.layer] * config.scaling)
                for t in config.targets
            }
        )

    def write(self, features: ContextFeatures) -> LoraWeights:
        """As ``HyperNetwork.write``; the offset is in the weights already."""
        return self(features)

    def _from_split_head(self, state: Tensor, module: str) -> tuple[Tensor, Tensor]:
        """state (batch, layers, width) -> A (batch, layers, r, in) and B (batch, layers, r, out) of one head output."""
        config, (in_features, out_features) = self.config, self.config.sizes[module]
        if config.rank_by_rank:
            ranks = state[..., None, :].expand(-1, -1, config.r, -1)
            ranks = ranks + self.pos_emb(_range(config.r, state)) if config.positions == "learned" else _rotate(ranks)
            lora_A, lora_B = self._head(self.mlp2(ranks), module).split((in_features, out_features), dim=-1)
            return lora_A, lora_B
        out = self._head(self.mlp2(state), module)
        lora_A, lora_B = out.split((config.r * in_features, config.r * out_features), dim=-1)
        return lora_A.unflatten(-1, (config.r, in_features)), lora_B.unflatten(-1, (config.r, out_features))

    def _from_shared_head(self, state: Tensor, module: str) -> tuple[Tensor, ...]:
        """A and B as from ``_from_split_head``, by two calls of a head that yields one factor, cut to its width."""
        config, factors = self.config, []
        for half, size in zip("AB", config.sizes[module], strict=True):
            out = self.mlp2(state + self.out_emb_norm(self.out_emb[module][half]))
            if config.rank_by_rank:
                ranks = out[..., None, :].expand(-1, -1, config.r, -1)
                # mlp2 on each summand by itself, but a second time on the rotated state: so it was trained.
                if config.positions == "learned":
                    ranks = ranks + self.mlp2(self.pos_emb(_range(config.r, state)))
                else:
                    ranks = self.mlp2(_rotate(ranks))
                factor = self._head(ranks, module)
            else:
                factor = self._head(out, module).unflatten(-1, (config.r, -1))
            factors.append(factor[..., :size])
        return tuple(factors)

    def _head(self, state: Tensor, module: str) -> Tensor:
        return self.heads[module](self.mlp3(state))

    def _rescale(self, module: str, lora_A: Tensor, lora_B: Tensor) -> tuple[Tensor, Tensor]:
        """Both in PEFT's orientation, (batch, layers, r, in) and (batch, layers, out, r)."""
        config = self.config
        factors = {"A": lora_A * config.factor_scale, "B": lora_B * config.factor_scale}
        for half in factors:
            if config.z_score:
                mean, std = self.mean_recon_target[half][module], self.std_recon_target[half][module]
                factors[half] = factors[half] * (std + Z_SCORE_EPS) + mean
            if config.offset:
                factors[half] = factors[half] + self.AB_offset[half][module]
        return factors["A"], factors["B"]


def _two_layers(in_size: int, out_size: int) -> list[nn.Module]:
    """Four times as wide in between; the dropouts hold the places of the published parameter names."""
    hidden = 4 * in_size
    return [nn.Linear(in_size, hidden), nn.SiLU(), nn.Dropout(DROPOUT), nn.Linear(hidden, out_size), nn.SiLU()]


def _embedding(rows: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Embedding(rows, size), nn.LayerNorm(size, eps=LAYER_NORM_EPS))


def _rows(encoder: nn.Sequential | None, rows: int, like: Tensor) -> Tensor:
    """All rows of an embedding, (rows, size); one-hot vectors without one."""
    index = _range(rows, like)
    return F.one_hot(index, rows).to(like.dtype) if encoder is None else encoder(index)


def _range(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, device=like.device)


def _rotate(ranks: Tensor) -> Tensor:
    """Rotary embedding over the whole width with the rank as position. ranks (..., r, width), width even."""
    r, width = ranks.shape[-2:]
    frequencies = ROTARY_BASE ** (-torch.arange(0, width, 2, device=ranks.device, dtype=torch.float32) / width)
    angles = (torch.arange(r, device=ranks.device)[:, None] * frequencies).repeat(1, 2)
    half = torch.cat([-ranks[..., width // 2 :], ranks[..., : width // 2]], dim=-1)
    return ranks * angles.cos().to(ranks.dtype) + half * angles.sin().to(ranks.dtype)


def _factors_by_module(config: MLPHyperNetworkConfig) -> nn.ModuleDict:
    """LoRA factors in PEFT's orientation: ``A.<module>`` (layers, r, in), ``B.<module>`` (layers, out, r)."""
    layers, r = config.num_layers, config.r
    return nn.ModuleDict(
        {
            "A": nn.ParameterDict(
                {m: nn.Parameter(torch.zeros(layers, r, size)) for m, (size, _) in config.sizes.items()}
            ),
            "B": nn.ParameterDict(
                {m: nn.Parameter(torch.zeros(layers, size, r)) for m, (_, size) in config.sizes.items()}
            ),
        }
    )
