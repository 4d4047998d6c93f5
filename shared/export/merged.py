"""An adapter merged into its base: a directory that any runtime of transformers models loads without PEFT."""

import json
from pathlib import Path

import torch

from shared.base.model import BaseModel, local_source
from shared.errors import InputError
from shared.export.manifest import write_manifest
from shared.lora.weights import LoraWeights
from shared.paths import whole_directory


@torch.no_grad()
def write_merged(path: Path, weights: LoraWeights, base: BaseModel, facts: dict, *, force: bool = False) -> int:
    """Add an adapter's update to its base and write the model with its tokenizer; returns its bytes.

    The base in memory is changed. Updates are summed in float64 and rounded once, to the base's dtype.

    Args:
        facts: what goes into ``export.json``.

    Raises:
        InputError: the base lacks a layer, has another size, or is quantised; or ``path`` exists and ``force`` is off.
        HyperLoraError: the disk is full or may not be written.
    """
    for name, pair in weights.items():
        try:
            weight = base.model.get_submodule(name).weight
        except AttributeError:
            raise InputError(
                f"the base model has no layer {name}", "this adapter was made for another base model"
            ) from None
        shape = (pair.lora_B.shape[0], pair.lora_A.shape[1])
        if tuple(weight.shape) != shape or not weight.is_floating_point():
            raise InputError(
                f"{name} is {tuple(weight.shape)} in the base model, the adapter's update is {shape}",
                "merge into the adapter's own base, not a quantised one",
            )
        update = pair.lora_B.double() @ pair.lora_A.double()
        weight.copy_(weight.double() + update.to(weight.device))
    with whole_directory(path, force=force, what="merged model") as temporary:
        base.model.save_pretrained(temporary)
        base.tokenizer.save_pretrained(temporary)
        _name_rope_theta(temporary / "config.json")
        write_manifest(temporary, facts)
        return sum(file.stat().st_size for file in temporary.iterdir())


def _name_rope_theta(file: Path) -> None:
    """Write the rotation's base where readers of older configurations look for it: MLX-LM would take its default."""
    config = json.loads(file.read_text(encoding="utf-8"))
    for part in (config, config.get("text_config", {})):
        theta = (part.get("rope_parameters") or {}).get("rope_theta")
        if theta is not None:
            part.setdefault("rope_theta", theta)
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def checkpoint_dtype(name_or_path: str) -> str:
    """The dtype that a base model's checkpoint is in, float32 where it does not say."""
    from transformers import AutoConfig

    dtype = AutoConfig.from_pretrained(local_source(name_or_path), trust_remote_code=False).get_text_config().dtype
    return str(dtype or "float32").removeprefix("torch.")
