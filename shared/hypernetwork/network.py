"""The hypernetwork: context features in, LoRA weights out. It knows neither text nor documents."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from shared.base.targets import Target, TargetGrid, find_targets
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.checkpoint import load_network, read_checkpoint_config
from shared.hypernetwork.features import ContextFeatures
from shared.hypernetwork.head import ChunkFactors, Head
from shared.hypernetwork.linear import LinearHeadConfig, PreHeadBlock
from shared.hypernetwork.memory import MemoryHeadConfig
from shared.hypernetwork.perceiver import MAX_BLOCKS, Perceiver, PerceiverConfig
from shared.lora.weights import LoraFactors, LoraWeights, TruncatedLora


@dataclass(frozen=True)
class HyperNetworkConfig(Config):
    """Shape of a hypernetwork.

    Attributes:
        targets: the linear layers it writes for; every adapted block has the same modules.
        head: ``linear`` is the published head, ``memory`` takes keys and values from the context's own activations.
        r: rank per chunk; of a memory, the largest number of a chunk's rows.
        feature_size: width of the context features.
        per_layer_features: layer l's LoRA comes from layer l's own features (layer-to-layer mode).
        perceiver: the Perceiver.
        num_pre_head_layers: residual MLP blocks between Perceiver and head.
        per_layer_processing: separate linear maps per layer in those blocks.
        bias_r: rank of the bias LoRA, which is learned, does not depend on the input and is appended once; 0: none.
        bias_targets: further layers that have the bias LoRA only: what teaches the base model to read the generated
            memory without adding to it.
        scaling: factor on the generated and the bias update (``lora_alpha`` as Doc-to-LoRA uses it).
    """

    targets: tuple[Target, ...]
    head: LinearHeadConfig | MemoryHeadConfig = LinearHeadConfig()
    r: int = 8
    feature_size: int = 576
    per_layer_features: bool = False
    perceiver: PerceiverConfig = PerceiverConfig()
    num_pre_head_layers: int = 0
    per_layer_processing: bool = True
    bias_r: int = 8
    bias_targets: tuple[Target, ...] = ()
    scaling: float = 1.0

    former: ClassVar[dict[str, str]] = {
        "grounded": "its options are in head now: {kind: memory, whitening_rank: ..., ...}",
        "copy": "it is an option of the linear head now: head: {kind: linear, copy: {...}}",
    }

    def __post_init__(self) -> None:
        if not self.targets:
            raise InputError("a hypernetwork needs at least one target layer")
        if self.r < 1 or self.bias_r < 0 or self.feature_size < 1:
            raise InputError("r and feature_size must be at least 1 and bias_r at least 0")
        if not 0 <= self.num_pre_head_layers <= MAX_BLOCKS:
            raise InputError(f"num_pre_head_layers must be 0 to {MAX_BLOCKS}")
        self.grid.check()
        if self.bias_targets and not self.bias_r:
            raise InputError("bias_targets need a bias_r of at least 1")
        self.head.check(self.grid, self.per_layer_features)

    @cached_property
    def grid(self) -> TargetGrid:
        return TargetGrid(self.targets)


@dataclass(frozen=True)
class HyperNetworkShape(Config):
    """A hypernetwork to build for whatever base model is given; fields as in ``HyperNetworkConfig``.

    Attributes:
        target_modules, layers: the linear layers it writes for, by module name and block; all blocks by default.
        bias_modules, bias_layers: those that have the bias LoRA only.
    """

    target_modules: tuple[str, ...] = ("down_proj",)
    layers: tuple[int, ...] | None = None
    head: LinearHeadConfig | MemoryHeadConfig = LinearHeadConfig()
    r: int = 8
    bias_r: int = 8
    bias_modules: tuple[str, ...] = ()
    bias_layers: tuple[int, ...] | None = None
    perceiver: PerceiverConfig = PerceiverConfig()
    scaling: float = 1.0

    def network_config(
        self, model: nn.Module, feature_size: int, *, per_layer_features: bool = False
    ) -> HyperNetworkConfig:
        """The full configuration for a base model.

        Raises:
            InputError: target modules or layers that the base model does not have.
        """
        reading: list[Target] = []
        if self.bias_modules:
            reading = find_targets(model, self.bias_modules, self.bias_layers, where_present=True)
        return HyperNetworkConfig(
            targets=tuple(find_targets(model, self.target_modules, self.layers)),
            head=self.head,
            r=self.r,
            feature_size=feature_size,
            per_layer_features=per_layer_features,
            perceiver=self.perceiver,
            bias_r=self.bias_r,
            bias_targets=tuple(reading),
            scaling=self.scaling,
        )


class HyperNetwork(nn.Module):
    """Perceiver, pre-head blocks, head, and the bias LoRA."""

    def __init__(self, config: HyperNetworkConfig) -> None:
        super().__init__()
        self.config = config
        grid, size = config.grid, config.perceiver.latent_size
        layers, modules = len(grid.layers), len(grid.modules)
        self.query_shape = layers, modules, config.head.num_queries(config.r)
        per_layer = modules * self.query_shape[-1]
        self.perceiver = Perceiver(
            config.perceiver,
            feature_size=config.feature_size,
            num_queries=per_layer if config.per_layer_features else layers * per_layer,
        )
        self.pre_head = nn.ModuleList(
            PreHeadBlock(size, 4 * size, layers if config.per_layer_processing else None)
            for _ in range(config.num_pre_head_layers)
        )
        self.head: Head = config.head.build(grid, r=config.r, latent_size=size, scaling=config.scaling)
        if config.bias_r:
            self.bias_A, self.bias_B = nn.ParameterDict(), nn.ParameterDict()
            for t in (*config.targets, *config.bias_targets):
                noise = torch.randn(config.bias_r, t.in_features) * t.in_features**-0.5
                self.bias_A[_key(t)] = nn.Parameter(noise)
                self.bias_B[_key(t)] = nn.Parameter(torch.zeros(t.out_features, config.bias_r))

    @classmethod
    def read(cls, path: Path) -> "HyperNetwork":
        """The hypernetwork of a checkpoint directory, whichever way in it serves.

        Raises:
            InputError: no hypernetwork there, a damaged one, or one of a published architecture.
        """
        config = HyperNetworkConfig.from_dict(read_checkpoint_config(path).get("hypernetwork"))
        return load_network(path, lambda: cls(config))

    def forward(self, features: ContextFeatures) -> ChunkFactors:
        """Factors of every chunk, batched; ``join`` makes LoRA weights of a document's chunks."""
        mask, hidden = features.attention_mask, features.hidden_states
        batch = hidden.shape[0]
        if self.config.per_layer_features:
            layers = hidden.shape[1]
            if layers != self.query_shape[0]:
                raise InputError(f"{layers} layers of features for {self.query_shape[0]} adapted layers")
            hidden, mask = hidden.flatten(0, 1), mask.repeat_interleave(layers, dim=0)
        output = self.perceiver(hidden, mask)
        queries = output.queries.view(batch, *self.query_shape, -1)
        for block in self.pre_head:
            queries = block(queries)
        return self.head(queries, output, features)

    def bias(self, *, reading: bool = True) -> LoraWeights | None:
        """The bias LoRA, unbatched, or ``None``; ``reading`` as in ``finish``."""
        config = self.config
        if not config.bias_r:
            return None
        return LoraWeights(
            {
                t.name: LoraFactors(self.bias_A[_key(t)], self.bias_B[_key(t)] * config.scaling)
                for t in (*config.targets, *(config.bias_targets if reading else ()))
            }
        )

    def join(self, parts: Iterable[ChunkFactors], max_rank: int | None = None) -> TruncatedLora:
        """LoRA weights from the rows of any number of sources, with the bias LoRA appended once.

        Args:
            parts: batched (one sample for each context, as in training) or not; any iterable, read once.
            max_rank: cut to this rank (unbatched only).

        Raises:
            InputError: the rank leaves nothing for the document; before any part is asked for.
        """
        return self.finish(self.head.join(parts, max_rank, self.config.bias_r), max_rank)

    def finish(self, joined: TruncatedLora, max_rank: int | None = None, *, reading: bool = True) -> TruncatedLora:
        """A head's LoRA weights with the bias LoRA appended; unbatched ones cut to a rank and to the layers' own.

        Args:
            reading: with the layers that have the bias LoRA only.
        """
        weights = self._with_bias(joined.weights, reading)
        if weights.batch_size is not None:
            return TruncatedLora(weights, joined.energy_kept)
        # A rank above the layers' own is the same update in more bytes.
        cut = weights.truncate(min(weights.full_rank, max_rank or weights.full_rank))
        return TruncatedLora(cut.weights, joined.energy_kept * cut.energy_kept)

    def write(self, features: ContextFeatures) -> LoraWeights:
        """LoRA weights of contexts of one chunk each, batched."""
        return self.join([self(features)]).weights

    def gain_parameters(self) -> list[nn.Parameter]:
        """See ``Head.gain_parameters``."""
        return self.head.gain_parameters()

    def reading_parameters(self) -> list[nn.Parameter]:
        """Those of the layers that have the bias LoRA only, which studied documents leave out."""
        targets = self.config.bias_targets
        return [factors[_key(t)] for t in targets for factors in (self.bias_A, self.bias_B)]

    @torch.no_grad()
    def grow_from(self, other: "HyperNetwork") -> None:
        """Start from another hypernetwork of a different shape: all that fits is taken, the rest stays as it is.

        Tensors with a part per adapted layer go by the number of the layer; of a tensor that has grown, the first part
        is the old one. Calibration is taken where it has the same shape.

        Raises:
            InputError: it is for other modules, has other features or another head.
        """
        config, theirs = self.config, other.config
        mine = config.grid.modules, config.head.kind, config.feature_size
        if mine != (theirs.grid.modules, theirs.head.kind, theirs.feature_size):
            raise InputError("the hypernetwork to start from has other target modules, features or another head")
        layers, old_layers = config.grid.layers, theirs.grid.layers
        shared_layers = [(layers.index(n), old_layers.index(n)) for n in old_layers if n in layers]
        old = other.state_dict()
        for key, tensor in self.state_dict().items():
            if key not in old or old[key].dim() != tensor.dim():
                continue
            source = old[key].to(tensor)
            if "whitening" in key and source.shape[1:] != tensor.shape[1:]:
                continue  # its columns are eigenvectors in ascending order: a part of them is no smaller whitening
            if key == "perceiver.decoder.latents":  # output queries, those of a layer together
                tensor, source = (
                    t.view(n, -1, t.shape[-1]) for t, n in ((tensor, len(layers)), (source, len(old_layers)))
                )
            per_layer = tensor.shape[0] == len(layers) and source.shape[0] == len(old_layers)
            pairs = [(tensor[a], source[b]) for a, b in shared_layers] if per_layer else [(tensor, source)]
            for into, part in pairs:
                common = tuple(slice(min(a, b)) for a, b in zip(into.shape, part.shape, strict=True))
                into[common] = part[common]

    def _with_bias(self, weights: LoraWeights, reading: bool = True) -> LoraWeights:
        """Append the bias LoRA; layers that have nothing else get zero factors, so that all layers keep one rank."""
        bias = self.bias(reading=reading)
        if bias is None:
            return weights
        some = next(iter(weights.values())).lora_A
        lead, r = some.shape[:-2], some.shape[-2]
        zeros = {
            t.name: LoraFactors(some.new_zeros(*lead, r, t.in_features), some.new_zeros(*lead, t.out_features, r))
            for t in (self.config.bias_targets if reading else ())
        }
        widened = LoraWeights({**weights, **zeros}) if zeros else weights
        return LoraWeights.concat([widened, bias.to(next(iter(weights.values())).lora_B)])


def _key(target: Target) -> str:
    """A target's name in a parameter dictionary, which allows no dots."""
    return target.name.replace(".", "/")
