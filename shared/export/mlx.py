"""LoRA adapters for MLX-LM: ``adapters.safetensors`` and its ``adapter_config.json``.

Layout as ``mlx_lm.tuner`` reads it (https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/tuner/utils.py,
``load_adapters``): the module's name and ``lora_a`` (in_features, r) or ``lora_b`` (r, out_features), both transposed
against PEFT's; the update is ``scale * (x @ lora_a) @ lora_b``, with ``scale`` taken as it is and not divided by r.
"""

from pathlib import Path
from typing import Any

from shared.base.model import BaseArchitecture
from shared.base.targets import find_decoder
from shared.config import written_json
from shared.errors import InputError
from shared.export.manifest import write_manifest
from shared.lora.weights import LoraWeights
from shared.paths import whole_directory

WEIGHTS_FILE, CONFIG_FILE = "adapters.safetensors", "adapter_config.json"
#: Where MLX-LM keeps the blocks that transformers calls so.
_BLOCKS = {"model.layers": "model.layers", "model.language_model.layers": "language_model.model.layers"}


def write_mlx(
    path: Path, weights: LoraWeights, base: BaseArchitecture, facts: dict[str, Any], *, force: bool = False
) -> int:
    """Write an adapter directory for ``mlx_lm.generate --adapter-path``; returns the bytes of its weights.

    Args:
        facts: what goes into ``export.json``.

    Raises:
        InputError: MLX-LM names the base's blocks in a way that is not known; or ``path`` exists and ``force`` is off.
        HyperLoraError: the disk is full or may not be written.
    """
    from safetensors.torch import save_file

    stack = find_decoder(base.model)
    if stack.name not in _BLOCKS:
        raise InputError(f"MLX export does not know models whose blocks are {stack.name}")
    state, keys = {}, set()
    for name, pair in weights.items():
        if not name.startswith(f"{stack.name}."):
            raise InputError(f"MLX-LM adapts decoder blocks only, the adapter has {name}")
        inside = name.removeprefix(f"{stack.name}.")
        keys.add(inside.partition(".")[2])
        state[f"{_BLOCKS[stack.name]}.{inside}.lora_a"] = pair.lora_A.mT.contiguous()
        state[f"{_BLOCKS[stack.name]}.{inside}.lora_b"] = pair.lora_B.mT.contiguous()
    config = {
        "fine_tune_type": "lora",
        "model": base.spec.name_or_path,
        # MLX-LM counts blocks from the last one; those that the file does not name start without an update.
        "num_layers": len(stack.blocks),
        "lora_parameters": {"rank": weights.r, "scale": 1.0, "dropout": 0.0, "keys": sorted(keys)},
    }
    with whole_directory(path, force=force, what="MLX adapter") as temporary:
        save_file(state, temporary / WEIGHTS_FILE, metadata={"format": "mlx"})
        (temporary / CONFIG_FILE).write_text(written_json(config), encoding="utf-8")
        write_manifest(temporary, facts)
        return (temporary / WEIGHTS_FILE).stat().st_size
