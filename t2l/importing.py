"""Imports Text-to-LoRA checkpoints (https://github.com/SakanaAI/text-to-lora): names and layouts, no computation.

The reference loader ignores ``encoder_type`` and ``head_use_bias`` of ``args.yaml``; so does this one, and goes by the
tensors. It also takes the row of a layer type from a Python set, whose order changes with the process; here it is the
order in which the heads were created, which the file keeps.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.base.model import MAX_LAYERS, BaseArchitecture, BaseModelSpec
from shared.base.targets import Target
from shared.config import read_json
from shared.errors import InputError
from shared.importing.inert_yaml import MAX_BYTES, read_arguments
from shared.importing.source import (
    MAX_MODULES,
    T2L_ADAPTER,
    T2L_ARGUMENTS,
    check_count,
    check_name,
    check_shapes,
    check_value,
    hidden_size,
    layer_name,
    require_tensor,
    short,
)
from shared.importing.torch_file import read_torch_file
from t2l.config import T2LConfig
from t2l.mlp.hypernetwork import MLPHyperNetwork, MLPHyperNetworkConfig

if TYPE_CHECKING:
    from torch import Tensor

_REQUIRED = {
    "training_task": str,
    "model_dir": str,
    "hypernet_latent_size": int,
    "head_in_size": int,
    "shared_AB_head": bool,
    "autoreg_gen": bool,
    "learnable_pos_emb": bool,
}
_OPTIONAL = {"emb_model": None, "pred_z_score": True, "factorized": False, "delta_w_scaling": 10000}
_HEAD = re.compile(r"heads\.(\w+)\.weight", re.ASCII)
_STATISTICS = ("AB_offset.", "mean_recon_target.", "std_recon_target.")
# Running averages that only training needs.
_TRAINING_ONLY = ("task_encoder.cluster_size", "task_encoder.embed_avg")


@dataclass(frozen=True)
class ImportedT2L:
    """An imported checkpoint: configuration, weights of ``MLPHyperNetwork``, and what was left behind."""

    config: T2LConfig
    state: "dict[str, Tensor]"
    dropped: list[str]


@dataclass(frozen=True)
class _Lora:
    """What ``adapter_config.json`` says that matters."""

    r: int
    scaling: float


def import_t2l(file: Path, folder: Path, base: BaseArchitecture | None = None) -> ImportedT2L:
    """Read a published ``hypermod.pt`` with the ``args.yaml`` and ``adapter_config.json`` in ``folder``.

    Args:
        base: architecture to check against; without it the layers get the names of Llama-like models.

    Raises:
        InputError: refused content, an unsupported variant, or tensors that do not fit the configuration or base.
    """
    arguments = _read_arguments(folder / T2L_ARGUMENTS)
    state = read_torch_file(file)
    odd = [key for key, value in state.items() if not hasattr(value, "shape")]
    if odd:
        raise InputError(f"{file} holds {odd[0][:80]!r}, which is no tensor", "it is no Text-to-LoRA checkpoint")
    rows = [match.group(1) for key in state if (match := _HEAD.fullmatch(key))]
    lora = _read_adapter_config(folder / T2L_ADAPTER, set(rows))
    network = _network_config(arguments, lora, rows, state, base)
    text_encoder, pooling = _text_encoder(arguments)
    spec = BaseModelSpec(
        check_name("model_dir", arguments["model_dir"]),
        hidden_size=base.spec.hidden_size if base else hidden_size(network.sizes),
        num_hidden_layers=network.num_layers,
        fingerprint=base.spec.fingerprint if base else "",
        revision=base.spec.revision if base and base.spec.name_or_path == arguments["model_dir"] else None,
    )
    if base:
        spec.check(base.spec, "this hypernetwork")
    config = T2LConfig(spec, text_encoder, network, features="pooled", pooling=pooling)
    kept = _sort_type_rows({k: t for k, t in state.items() if _is_kept(k, network)}, rows, network)
    import torch

    with torch.device("meta"):
        expected = {key: tuple(t.shape) for key, t in MLPHyperNetwork(network).state_dict().items()}
    check_shapes(kept, expected)
    dropped = ["training arguments", "the order of the layer types (their rows are sorted by name now)"]
    if not network.offset:
        dropped.append("the LoRA offset, which this variant does not add")
    if not network.z_score:
        dropped.append("mean and deviation of reconstruction targets, which this variant does not use")
    return ImportedT2L(config, kept, dropped)


def _read_arguments(path: Path) -> dict[str, Any]:
    arguments = _OPTIONAL | read_arguments(path, (*_REQUIRED, *_OPTIONAL, "use_one_hot_task_emb"))
    for name, kind in _REQUIRED.items():
        if type(arguments.get(name)) is not kind:
            raise InputError(f"{path} lacks {name} or it is no {kind.__name__}", "get the file again")
    if arguments.get("use_one_hot_task_emb"):
        raise InputError(
            "the checkpoint knows its training tasks by number (use_one_hot_task_emb)", "it cannot read a description"
        )
    if arguments["training_task"] not in ("sft", "recon"):
        raise InputError(f"unknown training_task {short(arguments['training_task'])!r}", "sft and recon are known")
    return arguments


def _read_adapter_config(path: Path, modules: set[str]) -> _Lora:
    """Rank and scaling.

    Raises:
        InputError: no plain LoRA, or other target modules than the heads'.
    """
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES >> 10} kB", "it is no adapter configuration")
    config = read_json(path, "T2L checkpoint")
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InputError(f"{path} configures no LoRA", "Text-to-LoRA checkpoints for LoRA are supported")
    special = ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform", "fan_in_fan_out")
    odd = [name for name in special if config.get(name) not in (None, False, {}, [])]
    if odd or config.get("bias", "none") != "none":
        raise InputError(f"{path} sets {(odd or ['bias'])[0]}", "this variant is not supported")
    stated = config.get("target_modules")
    if not isinstance(stated, list) or {str(name) for name in stated} != modules:
        raise InputError(f"{path} has other target_modules than the heads of the checkpoint", "refused")
    r, alpha = config.get("r"), config.get("lora_alpha")
    if type(r) is not int or not 1 <= r <= 1 << 16 or type(alpha) not in (int, float) or not 0 < alpha < 1e9:
        raise InputError(f"{path} has no usable r and lora_alpha", "get the file again")
    return _Lora(r, alpha / math.sqrt(r) if config.get("use_rslora") else alpha / r)


def _network_config(
    arguments: dict[str, Any], lora: _Lora, rows: list[str], state: dict[str, Any], base: BaseArchitecture | None
) -> MLPHyperNetworkConfig:
    """Configuration of the hypernetwork, every count checked against the tensors."""
    check_count("heads", len(rows), MAX_MODULES)
    sizes = {}
    for module in sorted(rows):
        lora_A, lora_B = (require_tensor(state, f"AB_offset.{half}.{module}", 3).shape for half in "AB")
        sizes[module] = lora_A[2], lora_B[1]
        layers = lora_A[0]
        check_value("r", lora.r, lora_A[1])
    check_count("layers", layers, MAX_LAYERS)
    if base:
        targets = tuple(base.check_targets(sizes))
        check_value("the number of layers", base.spec.num_hidden_layers, layers)
    else:
        targets = tuple(Target(layer_name(n, m), n, m, *sizes[m]) for n in range(layers) for m in sizes)
    encoder, size, codes = _task_encoder(state)
    if encoder != "discrete":
        latent_size = arguments["hypernet_latent_size"]
        check_value("hypernet_latent_size", latent_size, 2 * size + latent_size % 2)
    head_in = require_tensor(state, "mlp3.4.weight", 2).shape[0]
    shared, learned = any(k.startswith("out_emb.") for k in state), "pos_emb.0.weight" in state
    for name, found in (("shared_AB_head", shared), ("learnable_pos_emb", learned)):
        if arguments[name] != found:
            raise InputError(f"args.yaml says {name} {arguments[name]}, the tensors say {found}", "refused")
    if learned and not arguments["autoreg_gen"]:
        raise InputError("args.yaml sets learnable_pos_emb without autoreg_gen", "refused")
    recon = arguments["training_task"] == "recon"
    factorized, z_score = arguments["factorized"] is True, arguments["pred_z_score"] is not False
    if recon and z_score and not factorized:
        raise InputError("args.yaml asks for z-scores of products (pred_z_score without factorized)", "unsupported")
    return MLPHyperNetworkConfig(
        targets,
        r=lora.r,
        feature_size=require_tensor(state, "task_encoder.mlp.0.weight", 2).shape[1],
        # One-hot encodings have their own widths; nothing else depends on it.
        latent_size=arguments["hypernet_latent_size"] if encoder != "discrete" else 4,
        head_in_size=check_value("head_in_size", arguments["head_in_size"], head_in),
        task_encoder=encoder,
        num_codes=codes,
        shared_head=shared,
        positions="none" if not arguments["autoreg_gen"] else "learned" if learned else "rotary",
        head_bias=f"heads.{rows[0]}.bias" in state,
        offset=not recon or factorized,
        z_score=recon and z_score,
        factor_scale=_delta_w_factor(arguments["delta_w_scaling"]) if recon and not factorized else 1.0,
        scaling=lora.scaling,
    )


def _delta_w_factor(scaling: Any) -> float:
    """Each factor takes the square root of what the product was scaled by in training."""
    if type(scaling) not in (int, float) or not 0 < scaling < 1e12:
        raise InputError("args.yaml has no usable delta_w_scaling", "get the file again")
    return scaling**-0.5


def _task_encoder(state: dict[str, Any]) -> tuple[str, int, int]:
    """Kind of the task encoder by its tensors, width of its output, and number of codes."""
    if "task_encoder.mlp.1.weight" in state:
        return "linear", require_tensor(state, "task_encoder.mlp.1.weight", 1).shape[0], 0
    last = require_tensor(state, "task_encoder.mlp.3.weight", 2).shape[0]
    if "task_encoder.cluster_size" in state:
        return "vq", *require_tensor(state, "task_encoder.embed", 2).shape
    if "task_encoder.embed" in state:
        return "softmax", require_tensor(state, "task_encoder.embed", 2).shape[1], last
    return "discrete", last, last


def _text_encoder(arguments: dict[str, Any]) -> tuple[str, str]:
    """Name of the text encoder and how its states become one embedding.

    Raises:
        InputError: an encoder for which the reference defines no pooling.
    """
    name = arguments["emb_model"]
    if name in (None, ""):
        return arguments["model_dir"], "last_token"
    if not isinstance(name, str) or "gte" not in name:
        raise InputError(f"the text encoder {short(name)} is not supported", "gte encoders and the base itself are")
    return check_name("emb_model", name), "cls"


def _is_kept(key: str, config: MLPHyperNetworkConfig) -> bool:
    if key.startswith(_STATISTICS):
        return config.offset if key.startswith("AB_offset.") else config.z_score
    return key not in _TRAINING_ONLY


def _sort_type_rows(state: dict[str, Any], rows: list[str], config: MLPHyperNetworkConfig) -> dict[str, Any]:
    """Rows of the layer types in the order of ``config.modules``; with one-hot types, the mixer's columns for them."""
    order = [rows.index(module) for module in config.modules]
    if config.task_encoder != "discrete":
        table = require_tensor(state, "layer_type_encoder.0.weight", 2)
        check_value("the number of layer types", len(rows), table.shape[0])
        return {**state, "layer_type_encoder.0.weight": table[order]}
    mixer = require_tensor(state, "mixer.1.weight", 2)
    check_value("the width of the mixer", config.width, mixer.shape[1])
    columns = list(range(config.width - len(rows))) + [config.width - len(rows) + row for row in order]
    return {**state, "mixer.1.weight": mixer[:, columns]}
