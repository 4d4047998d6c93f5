"""The hypernetwork: context features in, LoRA weights out. It knows neither text nor documents."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from shared.base.targets import Target
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.copying import CopyConfig, CopyHead, CopySource
from shared.hypernetwork.linear import LinearHead, PreHeadBlock
from shared.hypernetwork.memory import GroundedConfig, GroundedHead, GroundedSource, MemoryStatistics, SolvedMemory
from shared.hypernetwork.memory_heads import SlotHead, TokenHead
from shared.hypernetwork.perceiver import Perceiver, PerceiverConfig
from shared.lora.weights import LoraFactors, LoraWeights, TruncatedLora


@dataclass(frozen=True)
class TargetConfig(Config):
    """One adapted linear layer of the base model (see ``shared.base.targets.Target``)."""

    name: str
    layer: int
    module: str
    in_features: int
    out_features: int


@dataclass(frozen=True)
class HyperNetworkConfig(Config):
    """Shape of a hypernetwork.

    Attributes:
        targets: the linear layers it writes for; every adapted block has the same modules.
        r: rank per chunk; of a grounded head with a row per token, the largest number of rows.
        feature_size: width of the context features.
        per_layer_features: layer l's LoRA comes from layer l's own features (layer-to-layer mode).
        perceiver: the Perceiver.
        head: ``linear`` is the published head, ``grounded`` takes keys and values from the context's own activations.
        grounded: options of the grounded head.
        num_pre_head_layers: residual MLP blocks between Perceiver and head.
        per_layer_processing: separate linear maps per layer in those blocks.
        bias_r: rank of the learned LoRA that does not depend on the input, appended once; 0 for none.
        bias_targets: further layers that have this bias LoRA only: what teaches the base model to read the generated
            memory without adding to it.
        scaling: factor on the generated and the bias update (``lora_alpha`` as Doc-to-LoRA uses it).
        copy: with the linear head, words of the input that are added to B; ``None`` for none.
    """

    targets: tuple[TargetConfig, ...]
    r: int = 8
    feature_size: int = 576
    per_layer_features: bool = False
    perceiver: PerceiverConfig = PerceiverConfig()
    head: Literal["linear", "grounded"] = "linear"
    grounded: GroundedConfig = GroundedConfig()
    num_pre_head_layers: int = 0
    per_layer_processing: bool = True
    bias_r: int = 8
    bias_targets: tuple[TargetConfig, ...] = ()
    scaling: float = 1.0
    copy: CopyConfig | None = None

    def __post_init__(self) -> None:
        modules = set(self.modules)
        if not self.targets:
            raise InputError("a hypernetwork needs at least one target layer")
        if self.r < 1 or self.bias_r < 0:
            raise InputError("r must be at least 1 and bias_r at least 0")
        for layer in self.layers:
            if {t.module for t in self.targets if t.layer == layer} != modules:
                raise InputError(f"layer {layer} does not have the same target modules as the others")
        if len(self.targets) != len(self.layers) * len(modules):
            raise InputError("a target layer is listed twice")
        if self.bias_targets and not self.bias_r:
            raise InputError("bias_targets need a bias_r of at least 1")
        if self.copy and (self.head != "linear" or not set(self.copy.modules) <= modules):
            raise InputError("copy needs the linear head, and its modules must be target modules")

    @property
    def modules(self) -> list[str]:
        """Target modules, sorted: their order in all tensors."""
        return sorted({t.module for t in self.targets})

    @property
    def layers(self) -> list[int]:
        return sorted({t.layer for t in self.targets})

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """In and out features by module, the largest over the layers."""
        return {
            module: (
                max(t.in_features for t in self.targets if t.module == module),
                max(t.out_features for t in self.targets if t.module == module),
            )
            for module in self.modules
        }


def target_configs(targets: list[Target]) -> tuple[TargetConfig, ...]:
    """Targets found in a base model, as configuration."""
    return tuple(TargetConfig(t.name, t.layer, t.module, t.in_features, t.out_features) for t in targets)


@dataclass(frozen=True)
class ContextFeatures:
    """What the hypernetwork sees of its input.

    Attributes:
        hidden_states: (batch, T, feature_size), or (batch, layers, T, feature_size) in layer-to-layer mode.
        attention_mask: (batch, T) bool, True = keep.
        grounded: keys and values for the grounded head.
        words: the input's words, for a head that copies them.
    """

    hidden_states: Tensor
    attention_mask: Tensor
    grounded: GroundedSource | None = None
    words: CopySource | None = None

    def __len__(self) -> int:
        return self.hidden_states.shape[0]

    def to(self, device: torch.device) -> "ContextFeatures":
        """Without ``grounded``, which is made where it is used."""
        words = self.words.to(device) if self.words else None
        return ContextFeatures(self.hidden_states.to(device), self.attention_mask.to(device), words=words)


class HyperNetwork(nn.Module):
    """Perceiver, pre-head blocks, head, learned scalers and the input-independent bias LoRA."""

    def __init__(self, config: HyperNetworkConfig) -> None:
        super().__init__()
        self.config = config
        size, layers, modules = config.perceiver.latent_size, len(config.layers), config.modules
        self.queries_per_module = 1 if config.head == "grounded" and config.grounded.slots == "tokens" else config.r
        per_layer = len(modules) * self.queries_per_module
        self.perceiver = Perceiver(
            config.perceiver,
            feature_size=config.feature_size,
            num_queries=per_layer if config.per_layer_features else layers * per_layer,
        )
        self.pre_head = nn.ModuleList(
            PreHeadBlock(size, 4 * size, layers if config.per_layer_processing else None)
            for _ in range(config.num_pre_head_layers)
        )
        self.grounded_head: GroundedHead | None = None
        self.linear_head = None
        if config.head == "grounded":
            if config.per_layer_features:
                raise InputError(
                    "the grounded head chooses tokens once for all layers: per_layer_features must be false"
                )
            head = TokenHead if config.grounded.slots == "tokens" else SlotHead
            self.grounded_head = head(
                config.grounded, num_layers=layers, sizes=config.sizes, r=config.r, latent_size=size
            )
        else:
            self.linear_head = LinearHead(layers, config.sizes, size)
            # B's scaler starts at zero: the first update has no effect.
            self.scaler_A = nn.ParameterDict({m: nn.Parameter(torch.ones(layers, config.r, 1)) for m in modules})
            self.scaler_B = nn.ParameterDict({m: nn.Parameter(torch.zeros(layers, config.r, 1)) for m in modules})
        self.copy_head = None
        if config.copy:
            sizes = {config.sizes[module][1] for module in config.copy.modules}
            if len(sizes) != 1:
                raise InputError("the modules that get copied words must write to the residual stream")
            self.copy_head = CopyHead(
                config.copy,
                num_layers=layers,
                in_features=[config.sizes[module][0] for module in config.copy.modules],
                hidden_size=sizes.pop(),
                r=config.r,
                latent_size=size,
            )
        if config.bias_r:
            self.bias_A, self.bias_B = nn.ParameterDict(), nn.ParameterDict()
            for t in (*config.targets, *config.bias_targets):
                noise = torch.randn(config.bias_r, t.in_features) * t.in_features**-0.5
                self.bias_A[_key(t)] = nn.Parameter(noise)
                self.bias_B[_key(t)] = nn.Parameter(torch.zeros(t.out_features, config.bias_r))

    def forward(self, features: ContextFeatures) -> LoraWeights:
        """Factors of every chunk, batched; ``join`` makes LoRA weights of a document's chunks.

        A grounded head's factors are whitened keys and values; chunks with fewer rows than others have zeros behind.
        """
        config = self.config
        mask = features.attention_mask
        hidden = features.hidden_states
        batch = hidden.shape[0]
        if config.per_layer_features:
            layers = hidden.shape[1]
            if layers != len(config.layers):
                raise InputError(f"{layers} layers of features for {len(config.layers)} adapted layers")
            hidden, mask = hidden.flatten(0, 1), mask.repeat_interleave(layers, dim=0)
        output = self.perceiver(hidden, mask)
        queries = output.queries.view(batch, len(config.layers), len(config.modules), self.queries_per_module, -1)
        for block in self.pre_head:
            queries = block(queries)
        if self.grounded_head is None:
            factors = {
                module: (lora_A * self.scaler_A[module], lora_B * self.scaler_B[module])
                for module, (lora_A, lora_B) in self.linear_head(queries).items()
            }
            if self.copy_head is not None:
                self._add_words(factors, queries, features.words)
        elif features.grounded is None:
            raise InputError("the grounded head needs the context's keys and values")
        else:
            factors = self.grounded_head(queries, output.context, features.grounded)
        return self._weights(factors)

    def _add_words(self, factors: dict[str, tuple[Tensor, Tensor]], queries: Tensor, words: CopySource | None) -> None:
        """Add copied values to B of the modules that get some, and to A what calls for them."""
        if words is None:
            raise InputError("this hypernetwork needs the words of its input")
        copying = self.config.copy.modules
        chosen = queries[:, :, [self.config.modules.index(module) for module in copying]]
        for module, copied in zip(copying, self.copy_head(chosen, words), strict=True):
            lora_A, lora_B = factors[module]
            if copied.triggers is not None:
                lora_A = lora_A + copied.triggers
            factors[module] = lora_A, lora_B + copied.values

    def bias(self) -> LoraWeights | None:
        """The learned LoRA that does not depend on the input, unbatched, or ``None``."""
        config = self.config
        if not config.bias_r:
            return None
        return LoraWeights(
            {
                t.name: LoraFactors(self.bias_A[_key(t)], self.bias_B[_key(t)] * config.scaling)
                for t in (*config.targets, *config.bias_targets)
            }
        )

    def combine(self, chunks: LoraWeights, num_contexts: int = 1) -> LoraWeights:
        """LoRA weights of each context from the factors of its chunks.

        chunks: batch of ``num_contexts * n`` chunks, neighbours belong together. Returns a batch of ``num_contexts``.
        """
        return self.join(chunks.group(num_contexts)).weights

    def join(self, factors: LoraWeights, max_rank: int | None = None) -> TruncatedLora:
        """LoRA weights from factors that are already side by side along the rank, with the bias LoRA appended once.

        Args:
            max_rank: a grounded memory is cut to it (unbatched only): what the document's own keys read out most
                strongly is kept, and the bias LoRA whole. Other heads return what they have: use ``truncate``.

        Raises:
            InputError: the rank leaves nothing for the document.
        """
        if self.grounded_head is None:
            return TruncatedLora(self._with_bias(factors), 1.0)
        rank, solve = self.memory_rank(max_rank), self.grounded_head.solve
        return self._assembled(lambda t, at: solve(t.module, at, factors[t.name].lora_A, factors[t.name].lora_B, rank))

    @property
    def streams_beyond(self) -> int | None:
        """Rows beyond which ``join_stream`` costs less than ``join``; ``None``: never (and it is not possible)."""
        return None if self.grounded_head is None else max(t.in_features for t in self.config.targets)

    @torch.no_grad()
    def join_stream(self, parts: Iterable[LoraWeights], max_rank: int | None = None) -> TruncatedLora:
        """As ``join`` of all parts side by side (in any order), in memory that does not grow with their number.

        For grounded heads only: the least-squares memory depends on its rows through two matrices per layer.
        """
        rank, head = self.memory_rank(max_rank), self.grounded_head
        statistics = {
            t.name: MemoryStatistics.empty(t.in_features, t.out_features, head.log_gain.device)
            for t in self.config.targets
        }
        for part in parts:
            for name, f in part.items():
                statistics[name].add(f.lora_A, f.lora_B)
        return self._assembled(lambda t, at: head.solve_statistics(t.module, at, statistics[t.name], rank))

    def memory_rank(self, max_rank: int | None) -> int | None:
        """What a largest rank leaves for the document beside the bias LoRA.

        Raises:
            InputError: nothing.
        """
        if max_rank is not None and max_rank <= self.config.bias_r:
            raise InputError(
                f"rank {max_rank} leaves nothing for the document: {self.config.bias_r} are the hypernetwork's own",
                f"allow a rank of at least {self.config.bias_r + 1}",
            )
        return None if max_rank is None else max_rank - self.config.bias_r

    def _assembled(self, solve: Callable[[TargetConfig, int], SolvedMemory]) -> TruncatedLora:
        """The memories of all layers as LoRA weights, with the bias."""
        position = {layer: index for index, layer in enumerate(self.config.layers)}
        solved = {t.name: solve(t, position[t.layer]) for t in self.config.targets}
        factors = LoraWeights({name: LoraFactors(m.lora_A, m.lora_B) for name, m in solved.items()})
        total = sum(m.total for m in solved.values())
        kept = sum(m.kept for m in solved.values()) / total if total else 1.0
        return TruncatedLora(self._with_bias(factors), kept)

    def _with_bias(self, factors: LoraWeights) -> LoraWeights:
        bias = self.bias()
        if bias is None:
            return factors
        return LoraWeights.concat([self._widen(factors), bias.to(next(iter(factors.values())).lora_B)])

    def _widen(self, weights: LoraWeights) -> LoraWeights:
        """Add zero factors for the layers that have a bias LoRA only, so that all layers keep one rank."""
        some = next(iter(weights.values())).lora_A
        lead, r = some.shape[:-2], some.shape[-2]
        zeros = {
            t.name: LoraFactors(some.new_zeros(*lead, r, t.in_features), some.new_zeros(*lead, t.out_features, r))
            for t in self.config.bias_targets
        }
        return LoraWeights({**weights, **zeros}) if zeros else weights

    def _weights(self, factors: dict[str, tuple[Tensor, Tensor]]) -> LoraWeights:
        """Rank-major stacks of all layers -> PEFT's orientation by layer name, scaling folded into B."""
        index = {layer: position for position, layer in enumerate(self.config.layers)}
        # Taken apart once: the gradient of an indexed layer is a tensor of all layers, one per layer.
        by_layer = {module: [f.unbind(1) for f in pair] for module, pair in factors.items()}
        result = {}
        for t in self.config.targets:
            lora_A, lora_B = (f[index[t.layer]] for f in by_layer[t.module])
            result[t.name] = LoraFactors(
                lora_A[..., : t.in_features], lora_B[..., : t.out_features].mT * self.config.scaling
            )
        return LoraWeights(result)


def _key(target: TargetConfig) -> str:
    """A target's name in a parameter dictionary, which allows no dots."""
    return target.name.replace(".", "/")
