"""Reads and writes PEFT adapter directories."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from shared.config import read_json, written_json
from shared.errors import HyperLoraError, InputError
from shared.hub import pull_snapshot
from shared.lora.plain import check_plain, scaled_factors
from shared.lora.weights import LoraFactors, LoraWeights, factor_pairs
from shared.paths import ADAPTER_FILES, PART_FILES, check_utf8, whole_directory
from shared.work_folder import remove_left_overs

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
CARD_FILE, PROVENANCE_FILE = "README.md", "provenance.json"
MAX_NAME = 500  # of a layer


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
    def name(self) -> str:
        """What people call it: the directory's name, or of one in the Hub's cache that of its repository."""
        path = self.path.resolve()
        for folder in (path, *path.parents):
            if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
                inner = path.relative_to(folder).parts
                return inner[-1] if inner else folder.parent.parent.name.rpartition("--")[2]
        return path.name

    @property
    def base_model(self) -> str | None:
        """What the adapter says its base model is; ``None`` if it says nothing."""
        name = self.config.get("base_model_name_or_path")
        return name if isinstance(name, str) and name.strip() and name.isprintable() else None

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
        raise HyperLoraError(
            "the adapter would hold numbers that are not finite",
            "try --dtype float32, --save-dtype bfloat16 or a smaller scale",
        )
    from safetensors.torch import save_file

    with whole_directory(path, force=force, what="adapter") as temporary:
        file = temporary / WEIGHTS_FILE
        save_file(weights.state_dict(), file, metadata={"format": "pt"})
        (temporary / CONFIG_FILE).write_text(written_json(config), encoding="utf-8")
        (temporary / PROVENANCE_FILE).write_text(written_json(provenance), encoding="utf-8")
        (temporary / CARD_FILE).write_text(card, encoding="utf-8", errors="replace")  # names of files may be no text
        return file.stat().st_size


def read_adapter(path: Path) -> Adapter:
    """Read an adapter directory, ours or any plain LoRA adapter that PEFT wrote.

    Layers of different ranks get zeros up to the largest one.

    Raises:
        InputError: no adapter there, damaged tensors, or a variant (DoRA, aLoRA, trained biases, ...) that is not plain
            LoRA.
    """
    if not path.is_dir():
        remove_left_overs(path.parent)  # a run that was killed while it replaced this adapter: put the old one back
    if not path.is_dir():
        raise InputError(f"adapter {path} does not exist", "make one with hyperlora d2l or t2l, or get one with pull")
    check_utf8(path.absolute(), "rename its folder")
    config, weights_file = read_adapter_config(path), path / WEIGHTS_FILE
    if not weights_file.is_file():
        raise InputError(f"{path} lacks {WEIGHTS_FILE}", "the adapter must be in safetensors format")
    factors = read_factors(weights_file)
    weights = LoraWeights.padded({name: scaled_factors(path, config, name, f) for name, f in factors.items()})
    if not weights.is_finite:
        raise InputError(f"{path}: lora_alpha is too large", "make or download the adapter again")
    provenance_file = path / PROVENANCE_FILE
    provenance = read_json(provenance_file, "adapter") if provenance_file.exists() else {}
    if not isinstance(provenance, dict):
        raise InputError(f"{provenance_file} holds no mapping", "delete it, or make the adapter again")
    return Adapter(path, weights, config, provenance, weights_file.stat().st_size)


def read_adapter_config(path: Path) -> dict[str, Any]:
    """The parsed ``adapter_config.json`` of an adapter directory.

    Raises:
        InputError: none there, or one of something else than plain LoRA.
    """
    config = read_json(path / CONFIG_FILE, "adapter")
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InputError(f"{path} is not a LoRA adapter")
    check_plain(path, config)
    return config


def pull_adapter(
    repo_id: str,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    token: str | None = None,
    with_parts: bool = False,
) -> Path:
    """Download an adapter's own files from the Hub, its configuration first; returns the local directory.

    Args:
        with_parts: also the parts that a combined adapter keeps to be taken out again.

    Raises:
        InputError, HyperLoraError: as ``pull_snapshot``, or no adapter there.
    """
    patterns = (*ADAPTER_FILES, *(PART_FILES if with_parts else ()))
    files = {"first": CONFIG_FILE, "check": read_adapter_config, "allow_patterns": patterns}
    return pull_snapshot(repo_id, revision=revision, subfolder=subfolder, token=token, **files)


def read_factors(file: Path) -> dict[str, LoraFactors]:
    """LoRA factors of a safetensors file under PEFT's names, float32, without the scaling that a config may state.

    Raises:
        InputError: damaged, no plain LoRA, of rank 0, or numbers that are not finite or no floating-point numbers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(file)
    except SafetensorError as error:
        raise InputError(f"{file} is damaged: {error}", "make or download the adapter again") from None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}", "check its permissions") from None
    if any(len(key) > MAX_NAME for key in state):
        raise InputError(f"{file} names a layer with more than {MAX_NAME} characters", "it is no adapter")
    strange = [key for key, tensor in state.items() if not tensor.is_floating_point()]
    if strange:
        kind = str(state[strange[0]].dtype).removeprefix("torch.")
        raise InputError(f"{file}: {strange[0][:80]} holds {kind} numbers", "factors are floating-point numbers")
    factors = factor_pairs({key: t.float() for key, t in state.items()})
    tensors = [tensor for pair in factors.values() for tensor in (pair.lora_A, pair.lora_B)]
    if not tensors or any(0 in tensor.shape or tensor.dim() != 2 for tensor in tensors):
        raise InputError(f"{file}: the factors are no matrices of rank 1 or more", "make or download the adapter again")
    if not all(tensor.isfinite().all() for tensor in tensors):
        raise InputError(f"{file} holds numbers that are not finite", "make or download the adapter again")
    return factors


def is_zero(weights: LoraWeights) -> bool:
    """Whether the update is nothing: every layer has a factor of zeros."""
    return all(not f.lora_A.any() or not f.lora_B.any() for f in weights.values())
