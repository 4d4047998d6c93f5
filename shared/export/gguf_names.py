"""How llama.cpp names and orders a base model's linear layers, by the tables of the ``gguf`` package.

What those tables do not hold is which architectures have their query and key rows reordered: llama.cpp rotates
neighbouring pairs of them where transformers rotates the two halves of a head
(https://github.com/ggml-org/llama.cpp/tree/master/conversion, ``permute``).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.base.model import BaseArchitecture
from shared.base.targets import find_decoder
from shared.errors import InputError
from shared.lora.weights import LoraFactors, LoraWeights

# transformers' model type -> (llama.cpp's architecture, whether query and key rows are reordered).
ARCHITECTURES = {
    "arcee": ("arcee", True),
    "cohere": ("command-r", False),
    "cohere2": ("cohere2", False),
    "exaone4": ("exaone4", False),
    "gemma": ("gemma", False),
    "gemma2": ("gemma2", False),
    "gemma3": ("gemma3", False),
    "gemma3_text": ("gemma3", False),
    "granite": ("granite", True),
    "llama": ("llama", True),
    "mistral": ("llama", True),
    "olmo": ("olmo", True),
    "olmo2": ("olmo2", False),
    "olmo3": ("olmo2", False),
    "phi3": ("phi3", False),
    "qwen2": ("qwen2", False),
    "qwen3": ("qwen3", False),
    "seed_oss": ("seed_oss", False),
    "smollm3": ("smollm3", True),
    "starcoder2": ("starcoder2", False),
}


@dataclass(frozen=True)
class GgufAdapter:
    """LoRA factors as llama.cpp wants them.

    Attributes:
        architecture: llama.cpp's name of the base's architecture.
        factors: by the base's tensor, such as ``blk.3.ffn_down.weight``; float32, PEFT's orientation, scaling 1.
    """

    architecture: str
    factors: dict[str, LoraFactors]


def gguf_adapter(weights: LoraWeights, base: BaseArchitecture) -> GgufAdapter:
    """Rename and reorder an adapter's factors for llama.cpp.

    Raises:
        InputError: an architecture that is not in the table, or a layer that has no name there.
    """
    import gguf

    config = base.model.config.get_text_config()
    if config.model_type not in ARCHITECTURES:
        raise InputError(
            f"GGUF export does not know the architecture {config.model_type}",
            "use --to merged, and llama.cpp's own convert_hf_to_gguf.py on the result",
        )
    architecture, reordered = ARCHITECTURES[config.model_type]
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    blocks = f"{find_decoder(base.model).name}."
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    factors = {}
    for name, pair in weights.items():
        tensor = names.get_name(f"model.layers.{name.removeprefix(blocks)}") if name.startswith(blocks) else None
        if tensor is None:
            raise InputError(f"llama.cpp has no tensor for {name} of {base.spec.name_or_path}")
        lora_B = pair.lora_B.float()
        leaf = name.rpartition(".")[2]
        if reordered and leaf in heads:
            lora_B = neighbouring_pairs(lora_B, heads[leaf])
        factors[f"{tensor}.weight"] = LoraFactors(pair.lora_A.float(), lora_B)
    return GgufAdapter(architecture, factors)


def neighbouring_pairs(rows: Tensor, num_heads: int) -> Tensor:
    """Reorder the output rows of a query or key projection: a head's halves become neighbouring pairs.

    Args:
        rows: (num_heads * head_dim, any).
    """
    halves = rows.unflatten(0, (num_heads, 2, -1))
    return halves.transpose(1, 2).flatten(0, 2).contiguous()


def delta(pair: LoraFactors) -> Tensor:
    """The update of a tensor, (out, in) float32, summed in float64."""
    return (pair.lora_B.double() @ pair.lora_A.double()).to(torch.float32)
