"""Reads and writes PEFT adapter directories."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from shared.config import read_json
from shared.errors import HyperLoraError, InputError
from shared.lora.weights import LoraWeights
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
    def base_model(self) -> str:
        return self.config["base_model_name_or_path"]

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


def read_adapter(path: Path) -> Adapter:
    """Read an adapter directory, ours or any plain LoRA adapter that PEFT wrote.

    Raises:
        InputError: no adapter there, damaged tensors, or a variant (DoRA, trained biases, ...) that is not plain LoRA.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_dir():
        raise InputError(f"adapter {path} does not exist", "make one with hyperlora d2l or t2l, or get one with pull")
    config = read_json(path / CONFIG_FILE, "adapter")
    weights_file = path / WEIGHTS_FILE
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InputError(f"{path} is not a LoRA adapter")
    odd = [name for name in ("use_dora", "modules_to_save", "fan_in_fan_out") if config.get(name)]
    if config.get("bias", "none") != "none":
        odd.append("bias")
    if odd:
        raise InputError(f"{path} uses {odd[0]}, which plain LoRA does not have")
    if not weights_file.is_file():
        raise InputError(f"{path} lacks {WEIGHTS_FILE}", "the adapter must be in safetensors format")
    if not isinstance(config.get("base_model_name_or_path"), str):
        raise InputError(f"{path} names no base model")
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
    weights = LoraWeights.from_state_dict({key: t.float() for key, t in state.items()})
    if not weights.is_finite:
        raise InputError(f"{weights_file} holds numbers that are not finite", "make or download the adapter again")
    patterns = config.get("rank_pattern") or config.get("alpha_pattern")
    if patterns:
        raise InputError(f"{path} has per-layer ranks or alphas, which are not supported")
    if weights.r != config.get("r"):
        raise InputError(f"{path}: config says r = {config.get('r')}, the tensors have rank {weights.r}")
    alpha, r = float(config.get("lora_alpha", weights.r)), weights.r
    scaling = alpha / r**0.5 if config.get("use_rslora") else alpha / r
    provenance_file = path / PROVENANCE_FILE
    provenance = read_json(provenance_file, "adapter") if provenance_file.exists() else {}
    return Adapter(
        path, weights if scaling == 1 else weights.scaled(scaling), config, provenance, weights_file.stat().st_size
    )
