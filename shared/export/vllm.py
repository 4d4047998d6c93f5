"""What vLLM's LoRA loader takes, and the command that serves an adapter there.

The rules are those of vLLM 0.33: ``vllm/lora/peft_helper.py`` (which configurations), ``vllm/lora/utils.py``
(``parse_fine_tuned_lora_name``: names of tensors), ``vllm/lora/lora_model.py`` (which modules) and
``vllm/config/lora.py`` (``MaxLoRARanks``), https://github.com/vllm-project/vllm.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.config import read_json
from shared.errors import InputError
from shared.lora.adapter import CONFIG_FILE, WEIGHTS_FILE
from shared.lora.card import VLLM_RANKS

_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_[AB]\.weight")
#: Features of PEFT that change what the weights mean and that vLLM does not have.
_ABSENT = (
    "modules_to_save",
    "use_dora",
    "lora_bias",
    "alora_invocation_tokens",
    "layer_replication",
    "use_bdlora",
    "use_qalora",
)


def max_lora_rank(ranks: Sequence[int]) -> int:
    """The smallest ``--max-lora-rank`` that takes adapters of these ranks.

    Raises:
        InputError: a rank above 512.
    """
    largest = max(ranks)
    for allowed in VLLM_RANKS:
        if allowed >= largest:
            return allowed
    raise InputError(f"vLLM takes no rank above {VLLM_RANKS[-1]}, the adapter has {largest}", "cut it with --max-rank")


def check_vllm(path: Path, linear_modules: set[str]) -> int:
    """Whether vLLM loads an adapter directory; returns its rank.

    Args:
        linear_modules: last names of the base's linear layers, all of which vLLM can adapt.

    Raises:
        InputError: the rule that it breaks.
    """
    from safetensors import safe_open

    config = read_json(path / CONFIG_FILE, "adapter")
    for field in ("r", "lora_alpha", "target_modules"):
        if field not in config:
            raise InputError(f"vLLM refuses {path}: adapter_config.json lacks {field}")
    odd = [name for name in _ABSENT if config.get(name)]
    if config.get("bias", "none") != "none":
        odd.append("bias")
    if isinstance(config.get("init_lora_weights", True), str):
        odd.append("init_lora_weights")
    if odd:
        raise InputError(f"vLLM refuses {path}: it does not have {odd[0]}")
    max_lora_rank([config["r"]])
    with safe_open(path / WEIGHTS_FILE, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  not a mapping
            match = _TENSOR.fullmatch(name)
            if match is None:
                raise InputError(f"vLLM refuses {path}: {name[:80]} is not the name of a LoRA factor")
            if match.group(1).rpartition(".")[2] not in linear_modules:
                raise InputError(f"vLLM refuses {path}: the base has no linear layer {match.group(1)}")
            half, rank = (0, "lora_A") if ".lora_A." in name else (1, "lora_B")
            if file.get_slice(name).get_shape()[half] != config["r"]:
                raise InputError(f"vLLM refuses {path}: {rank} of {match.group(1)} is not of rank {config['r']}")
    return int(config["r"])


def serve_command(
    base: str,
    adapters: Mapping[str, str],
    rank: int,
    *,
    host: str | None = None,
    port: int | None = None,
    served_as: str | None = None,
) -> list[str]:
    """The command that serves a base with adapters, name -> directory or Hub id.

    Args:
        rank: the adapters' largest.
        served_as: the base's name for clients, if it is not where it lies.
    """
    options: dict[str, Any] = {
        "--served-model-name": served_as if served_as != base else None,
        "--host": host,
        "--port": port,
        "--max-lora-rank": max_lora_rank([rank]),
    }
    given = [str(word) for name, value in options.items() if value is not None for word in (name, value)]
    modules = [f"{name}={path}" for name, path in adapters.items()]
    return ["vllm", "serve", base, "--enable-lora", *given, *(["--lora-modules", *modules] if modules else [])]


def resolver_environment(folder: Path) -> dict[str, str]:
    """What makes vLLM look an unknown model's name up in a folder of adapters, and load it at the first request.

    https://docs.vllm.ai/en/latest/design/lora_resolver_plugins/
    """
    return {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true",
        "VLLM_PLUGINS": "lora_filesystem_resolver",
        "VLLM_LORA_RESOLVER_CACHE_DIR": str(folder.resolve()),
    }
