"""Imports Doc-to-LoRA checkpoints (https://github.com/SakanaAI/doc-to-lora): names and layouts, no computation."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d2l.config import D2LConfig, EncoderConfig
from shared.base.model import MAX_LAYERS, BaseArchitecture, BaseModelSpec
from shared.base.targets import Target
from shared.errors import InputError
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig
from shared.hypernetwork.perceiver import PerceiverConfig
from shared.importing.restricted_pickle import Record, TensorRef
from shared.importing.source import (
    MAX_BLOCKS,
    MAX_MODULES,
    check_count,
    check_name,
    check_shapes,
    check_value,
    layer_name,
    require_tensor,
    short,
)
from shared.importing.torch_file import read_torch_file

if TYPE_CHECKING:
    from torch import Tensor

# The checkpoint does not say how its contexts were cut; --chunk-tokens overrides this.
DEFAULT_CHUNK_TOKENS = 1024
_PERCEIVER = "aggregator.perceiver."


@dataclass(frozen=True)
class ImportedD2L:
    """An imported checkpoint: configuration, weights of our ``HyperNetwork``, and what was left behind."""

    config: D2LConfig
    state: "dict[str, Tensor]"
    dropped: list[str]


def import_d2l(file: Path, base: BaseArchitecture | None = None) -> ImportedD2L:
    """Read a published ``pytorch_model.bin``.

    Args:
        base: architecture to check against; without it the layers get the names of Llama-like models.

    Raises:
        InputError: refused content, an unsupported variant, or tensors that do not fit the configuration or base.
    """
    entries = read_torch_file(file)
    hypernet, context = entries.pop("hypernet_config", None), entries.pop("ctx_encoder_args", None)
    name = entries.pop("base_model_name_or_path", None)
    if not isinstance(hypernet, Record) or not isinstance(context, Record) or not isinstance(name, str):
        raise InputError(f"{file} is no Doc-to-LoRA checkpoint", "it lacks hypernet_config or ctx_encoder_args")
    state = {key: value for key, value in entries.items() if hasattr(value, "shape")}
    if len(state) != len(entries):
        raise InputError(f"{file} holds the unknown entry {min(set(entries) - set(state))[:80]}", "refused")
    network = _network_config(hypernet, state, base)
    encoder = _encoder_config(context, name, len(network.grid.layers))
    if network.per_layer_features != (encoder.type == "per_layer_activations"):
        raise InputError("the checkpoint's encoder and aggregator disagree about layer-to-layer mode", "refused")
    spec = BaseModelSpec(
        check_name("base_model_name_or_path", name),
        hidden_size=network.feature_size,
        num_hidden_layers=len(network.grid.layers),
        fingerprint=base.spec.fingerprint if base else "",
        revision=base.spec.revision if base and base.spec.name_or_path == name else None,
    )
    if base:
        spec.check(base.spec, "this hypernetwork")
    config = D2LConfig(spec, encoder, network, chunk_tokens=DEFAULT_CHUNK_TOKENS, chunking="tokens", question_system="")
    renamed = _rename(state, network)
    import torch

    with torch.device("meta"):
        expected = {key: tuple(t.shape) for key, t in HyperNetwork(network).state_dict().items()}
    check_shapes(renamed, expected)
    dropped = ["dropout and training options", "options without effect (light-weight LoRA, token mixing)"]
    if not network.bias_r:
        dropped.append("the unused bias tensors (use_bias is off)")
    if context.get("quantize_ctx_encoder"):
        dropped.append("the 4-bit context encoder it was trained with (--load-in-4bit comes nearest)")
    return ImportedD2L(config, renamed, dropped)


def _network_config(hypernet: Record, state: dict[str, Any], base: BaseArchitecture | None) -> HyperNetworkConfig:
    """Configuration of the hypernetwork, every count checked against the tensors."""
    aggregator, lora = hypernet.get("aggregator_config"), hypernet.get("lora_config")
    if not isinstance(aggregator, Record) or not isinstance(lora, Record):
        raise InputError("the checkpoint lacks its aggregator or LoRA configuration", "get the file again")
    for wrong, text in (
        (hypernet.get("per_rank_gen") is not True, "has no generation by rank"),
        (hypernet.get("extra_modules"), "has extra modules"),
        (aggregator.get("aggregator_type") != "perceiver", "has no Perceiver"),
        (lora.get("use_rslora"), "uses rslora"),
    ):
        if wrong:
            raise InputError(f"the checkpoint {text}, which no released one does", "this variant is not supported")
    modules, sizes = lora.get("target_modules"), hypernet.get("feature_sizes")
    scaled = {key.removeprefix("scaler_A.") for key in state if key.startswith("scaler_A.")}
    named = isinstance(modules, (frozenset, list)) and all(isinstance(module, str) for module in modules)
    if not named or set(modules) != scaled:
        raise InputError("the checkpoint's target_modules are not those of its tensors", "refused")
    modules = sorted(modules)
    check_count("target modules", len(modules), MAX_MODULES)
    try:
        sizes = {module: (int(sizes[0][module]), int(sizes[1][module])) for module in modules}
        alpha = float(lora.get("lora_alpha"))
    except (TypeError, KeyError, ValueError, IndexError, OverflowError):
        raise InputError("the checkpoint's feature_sizes or lora_alpha are missing", "get the file again") from None
    if not math.isfinite(alpha):
        raise InputError("the checkpoint's lora_alpha is not finite", "refused")
    latents = require_tensor(state, f"{_PERCEIVER}encoder.latents_q", 2)
    scaler = require_tensor(state, f"scaler_A.{modules[0]}", 4)
    layers, r = scaler.shape[1], check_value("r", lora.get("r"), scaler.shape[2])
    check_count("layers", layers, MAX_LAYERS)
    indices = hypernet.get("layer_indices")
    check_value("the number of layers", indices.size[0] if _is_vector(indices) else None, layers)
    blocks, own = aggregator.get("num_blocks"), aggregator.get("num_self_attn_per_block")
    found = len({key.split(".")[4] for key in state if key.startswith(f"{_PERCEIVER}encoder.layers.")})
    if type(blocks) is not int or type(own) is not int or own < 0 or blocks < 1:
        raise InputError("the checkpoint's num_blocks or num_self_attn_per_block is missing", "get the file again")
    check_count("Perceiver layers", found, MAX_BLOCKS)
    check_value("the number of Perceiver layers", blocks * (1 + own), found)
    pre_head = len({key.split(".")[1] for key in state if key.startswith("layers.")})
    check_count("pre-head blocks", pre_head + 1, MAX_BLOCKS)
    width = require_tensor(state, "head.weight", 3 if len(modules) == 1 else 4).shape[-1]
    check_value("the width of the head", max(a + b for a, b in sizes.values()), width)
    feature = require_tensor(state, f"{_PERCEIVER}modality_projection.gate_proj.weight", 2).shape[1]
    if base:
        targets = tuple(base.check_targets(sizes))
    else:
        targets = tuple(Target(layer_name(n, m), n, m, *sizes[m]) for n in range(layers) for m in modules)
    check_value("the number of layers", len({t.layer for t in targets}), layers)
    return HyperNetworkConfig(
        targets,
        r=r,
        feature_size=check_value("feature_size", aggregator.get("feature_size"), feature),
        per_layer_features=bool(aggregator.get("layer_to_layer_ctx_encoder")),
        perceiver=PerceiverConfig(
            latent_size=check_value("latent_size", hypernet.get("latent_size"), latents.shape[1]),
            num_latents=check_value("n_latent_queries", aggregator.get("n_latent_queries"), latents.shape[0]),
            num_blocks=blocks,
            num_self_attn_per_block=own,
        ),
        # Checkpoints from before the attribute existed have four blocks.
        num_pre_head_layers=check_value("num_pre_head_layers", hypernet.get("num_pre_head_layers", 4), pre_head),
        per_layer_processing=bool(hypernet.get("per_layer_processing")),
        bias_r=r if hypernet.get("use_bias", True) else 0,
        scaling=alpha,
    )


def _is_vector(value: Any) -> bool:
    return isinstance(value, TensorRef) and len(value.size) == 1


def _encoder_config(context: Record, base_name: str, layers: int) -> EncoderConfig:
    name = context.get("ctx_encoder_model_name_or_path")
    kind, index = context.get("ctx_encoder_type"), context.get("layer_idx")
    if name not in (None, base_name) or context.get("ctx_encoder_last_layer") not in (None, layers):
        raise InputError(f"the context encoder is another model ({short(name)})", "this variant is not supported")
    if kind not in ("early_exit", "per_layer_activations", "embed_only"):
        raise InputError(f"the context encoder type {short(kind)!r} is not supported", "no released model has it")
    if kind != "early_exit":
        return EncoderConfig(kind)
    return EncoderConfig("early_exit", index if type(index) is int else layers // 4)


def _rename(state: dict[str, Any], config: HyperNetworkConfig) -> dict[str, Any]:
    """Published names and layouts -> those of ``HyperNetwork``."""
    per_layer = config.per_layer_processing
    parts = {"0": "norm_in", "4": "norm_out"} if per_layer else {"0": "norm_in", "6": "norm_out"}
    linears = {"1": "in", "3": "out"} if per_layer else {"2": "in", "5": "out"}
    container = "layers" if per_layer else "mlp"
    result: dict[str, Any] = {}
    for key, tensor in state.items():
        if key.startswith(_PERCEIVER):
            name = key.removeprefix(_PERCEIVER).replace("modality_projection.", "input_projection.")
            name = name.replace(".latents_q", ".latents").replace(".self_attn.", ".attention.")
            result[f"perceiver.{name}"] = tensor
        elif match := re.fullmatch(rf"layers\.(\d+)\.{container}\.(\d)\.(weight|bias)", key):
            block, number, kind = match.groups()
            if number in parts:
                result[f"pre_head.{block}.{parts[number]}.{kind}"] = tensor
            elif number in linears:
                if kind == "bias":
                    tensor = tensor.reshape(len(config.grid.layers), -1) if per_layer else tensor
                elif not per_layer:
                    tensor = tensor.mT
                result[f"pre_head.{block}.{kind}_{linears[number]}"] = tensor
            else:
                result[key] = tensor
        elif key == "head.weight":
            result["head.weight"] = tensor.unsqueeze(1) if tensor.dim() == 3 else tensor
        elif key.startswith(("scaler_A.", "scaler_B.")):
            result[f"head.{key}"] = tensor.reshape(tensor.shape[1:])
        elif not key.startswith(("bias_A.", "bias_B.")):
            result[key] = tensor
    for target in config.targets if config.bias_r else ():
        for half in ("bias_A", "bias_B"):
            tensor = require_tensor(state, f"{half}.{target.module}", 3)
            check_value(f"the layers of {half}", len(config.grid.layers), tensor.shape[0])
            row = tensor[target.layer]
            result[f"{half}.{target.name.replace('.', '/')}"] = row if half == "bias_A" else row.mT
    return result
