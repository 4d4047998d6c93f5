"""What a LoRA configuration may say, and the scaling that it gives each layer."""

import math
import re
from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.lora.weights import LoraFactors

# Patterns come from strangers: more repeats in one could take for ever.
_LONGEST_PATTERN, _MOST_REPEATS = 500, 3
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


def scaled_factors(path: Path, config: dict[str, Any], name: str, factors: LoraFactors) -> LoraFactors:
    """A layer's factors with the scaling of the configuration folded in.

    Raises:
        InputError: the configuration states another rank than the tensors have.
    """
    r = factors.lora_A.shape[-2]
    stated = _for_layer(config.get("rank_pattern"), name, config.get("r"))
    if r != stated:
        raise InputError(f"{path}: config says r = {str(stated)[:40]}, the tensors of {name} have rank {r}")
    alpha = _finite(_for_layer(config.get("alpha_pattern"), name, config.get("lora_alpha", r)), f"{path}: lora_alpha")
    scaling = alpha / r**0.5 if config.get("use_rslora") else alpha / r
    return factors if scaling == 1 else LoraFactors(factors.lora_A, factors.lora_B * scaling)


def _for_layer(pattern: Any, name: str, default: Any) -> Any:
    """A layer's entry in PEFT's ``rank_pattern`` or ``alpha_pattern``: keys are expressions for ends of names."""
    for key, value in pattern.items() if isinstance(pattern, dict) else ():
        if len(key) > _LONGEST_PATTERN or len(re.findall(r"[*+{]", key)) > _MOST_REPEATS:
            raise InputError(f"the adapter's pattern {key[:80]!r} is too long", "name the layers plainly")
        try:
            if re.match(rf"(?:.*\.)?(?:{key})$", name):
                return value
        except re.error:
            raise InputError(f"the adapter's pattern {key[:80]!r} is no regular expression") from None
    return default


def _finite(value: Any, what: str) -> float:
    """A number of a configuration.

    Raises:
        InputError: something else, or not finite as a float.
    """
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{what} is {str(value)[:40]}, which is no finite number", "make the adapter again")
    return number
