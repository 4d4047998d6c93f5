"""Reads and writes PEFT adapter directories."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from shared.config import read_json
from shared.errors import HyperLoraError, InputError
from shared.lora.weights import LoraFactors, LoraWeights, factor_pairs
from shared.paths import whole_directory

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
CARD_FILE, PROVENANCE_FILE = "README.md", "provenance.json"


@dataclass(frozen=True)
class Adapter:
    """An adapter directory, read.

    Attributes:
        weights: float32, scaling folded in (so it is 1).
        config: the parsed ``adapter_config.json``.
        provenance: the parsed ``provenance.json``, empty for adapters made elsewhere.
        num_bytes: size of the weights file.
    """

    path: Path
    weights: LoraWeights
    config: dict[str, Any]
    provenance: dict[str, Any]
    num_bytes: int

    @property
    def base_model(self) -> str | None:
        """What the adapter says its base model is; ``None`` if it says nothing."""
        name = self.config.get("base_model_name_or_path")
        return name if isinstance(name, str) and name else None

    @property
    def question_system(self) -> str | None:
        """The system message that the adapter's hypernetwork was trained with, ``None`` for the template's own."""
        system = self.provenance.get("question_system")
        return system if isinstance(system, str) else None


def adapter_config(weights: LoraWeights, base_model: str, revision: str | None = None) -> dict[str, Any]:
    """A PEFT configuration that PEFT, vLLM, llama.cpp, Ollama and MLX read alike: uniform r, scaling 1, no patterns.

    Target modules are full names, exactly those of the weights: by last names and block numbers PEFT would also wrap
    modules that the file does not hold, those of a vision tower among them.
    """
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "revision": revision,
        "inference_mode": True,
        "r": weights.r,
        "lora_alpha": weights.r,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "use_dora": False,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "modules_to_save": None,
        "rank_pattern": {},
        "alpha_pattern": {},
        "target_modules": list(weights),
    }


def write_adapter(
    path: Path,
    weights: LoraWeights,
    config: dict[str, Any],
    *,
    card: str,
    provenance: dict[str, Any],
    force: bool = False,
) -> int:
    """Write an adapter directory, whole or not at all, and return the size of its weights in bytes.

    Raises:
        InputError: ``path`` exists and ``force`` is off.
        HyperLoraError: a factor holds a number that is not finite, or the disk cannot be written.
    """
    if not weights.is_finite:
        raise HyperLoraError("the adapter would hold numbers that are not finite", "try --dtype float32")
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with whole_directory(path, force=force, what="adapter") as temporary:
        file = temporary / WEIGHTS_FILE
        try:
            save_file(weights.state_dict(), file, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(str(error)) from error
        (temporary / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (temporary / PROVENANCE_FILE).write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
        (temporary / CARD_FILE).write_text(card, encoding="utf-8")
        return file.stat().st_size


# Of PEFT's options those that say where an adapter is, how it was trained or what it started from. Any other one that
# is set may change what the factors mean, options that are not known yet among them.
_HARMLESS = {
    *("peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    *("inference_mode", "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern", "alpha_pattern"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "init_lora_weights"),
    *("loftq_config", "eva_config", "megatron_config", "megatron_core", "runtime_config", "qalora_group_size"),
    "ensure_weight_tying",  # ties trained embeddings, which modules_to_save would name
}
_VARIANTS = {
    "alora_invocation_tokens": "aLoRA (activated LoRA)",
    "use_dora": "DoRA",
    "use_qalora": "QALoRA",
    "use_bdlora": "BD-LoRA",
    "arrow_config": "Arrow routing",
    "lora_bias": "biases of its own",
    "modules_to_save": "whole trained modules",
    "trainable_token_indices": "trained token embeddings",
    "target_parameters": "LoRA on parameters that are no linear layers",
    "layer_replication": "replicated layers",
    "fan_in_fan_out": "transposed layers",
}
# Starts that leave the base as it is; others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) take their share out of its weights.
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")


def read_adapter(path: Path) -> Adapter:
    """Read an adapter directory, ours or any plain LoRA adapter that PEFT wrote.

    Layers of different ranks get zeros up to the largest one.

    Raises:
        InputError: no adapter there, damaged tensors, or a variant (DoRA, aLoRA, trained biases, ...) that is not plain
            LoRA.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_dir():
        raise InputError(f"adapter {path} does not exist", "make one with hyperlora d2l or t2l, or get one with pull")
    config = read_json(path / CONFIG_FILE, "adapter")
    weights_file = path / WEIGHTS_FILE
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InputError(f"{path} is not a LoRA adapter")
    check_plain(path, config)
    if not weights_file.is_file():
        raise InputError(f"{path} lacks {WEIGHTS_FILE}", "the adapter must be in safetensors format")
    try:
        state: dict[str, Tensor] = load_file(weights_file)
    except SafetensorError as error:
        raise InputError(f"{weights_file} is damaged: {error}", "make or download the adapter again") from None
    strange = [key for key, tensor in state.items() if not tensor.is_floating_point()]
    if strange:
        kind = str(state[strange[0]].dtype).removeprefix("torch.")
        raise InputError(
            f"{weights_file}: {strange[0][:80]} holds {kind} numbers", "factors are floating-point numbers"
        )
    halves = factor_pairs({key: t.float() for key, t in state.items()})
    weights = LoraWeights.padded({name: _scaled(path, config, name, f) for name, f in halves.items()})
    if not weights.is_finite:
        raise InputError(f"{weights_file} holds numbers that are not finite", "make or download the adapter again")
    provenance_file = path / PROVENANCE_FILE
    provenance = read_json(provenance_file, "adapter") if provenance_file.exists() else {}
    return Adapter(path, weights, config, provenance, weights_file.stat().st_size)


def check_plain(path: Path, config: dict[str, Any]) -> None:
    """Refuse a configuration that means more than delta W = scaling * lora_B @ lora_A.

    Raises:
        InputError: what it means besides, by name.
    """
    set_ones = [key for key, value in config.items() if value not in (None, False, 0, "", [], {})]
    odd = [key for key in set_ones if key not in _HARMLESS and not (key == "bias" and config[key] == "none")]
    if odd:
        name = f"{_VARIANTS[odd[0]]} ({odd[0]})" if odd[0] in _VARIANTS else odd[0]
        raise InputError(f"{path} uses {name}, which plain LoRA does not have", "only plain LoRA adapters can be read")
    start = config.get("init_lora_weights", True)
    if start not in _PLAIN_STARTS:
        raise InputError(
            f"{path} starts from {start}, which changes the base model's own weights",
            "convert it to plain LoRA with PEFT (path_initial_model_for_weight_conversion)",
        )


def _scaled(path: Path, config: dict[str, Any], name: str, factors: LoraFactors) -> LoraFactors:
    """A layer's factors with the scaling of the configuration folded in.

    Raises:
        InputError: the configuration states another rank than the tensors have.
    """
    r = factors.lora_A.shape[-2]
    stated = _for_layer(config.get("rank_pattern"), name, config.get("r"))
    if r != stated:
        raise InputError(f"{path}: config says r = {stated}, the tensors of {name} have rank {r}")
    try:
        alpha = float(_for_layer(config.get("alpha_pattern"), name, config.get("lora_alpha", r)))
    except (TypeError, ValueError):
        raise InputError(f"{path}: config says a lora_alpha for {name} that is no number") from None
    scaling = alpha / r**0.5 if config.get("use_rslora") else alpha / r
    return factors if scaling == 1 else LoraFactors(factors.lora_A, factors.lora_B * scaling)


def _for_layer(pattern: Any, name: str, default: Any) -> Any:
    """A layer's entry in PEFT's ``rank_pattern`` or ``alpha_pattern``: keys are expressions for ends of names."""
    for key, value in pattern.items() if isinstance(pattern, dict) else ():
        try:
            if re.match(rf"(?:.*\.)?(?:{key})$", name):
                return value
        except re.error:
            raise InputError(f"the adapter's pattern {key[:80]!r} is no regular expression") from None
    return default
