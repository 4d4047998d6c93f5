"""Tiny GGUF files, written with llama.cpp's own library."""

import json
from pathlib import Path

import torch

from tests.gguf_base import close, gguf_name, write_shape
from tests.models import TEXT, make_tokenizer


def tiny_qwen2(seed: int = 0):
    """A Qwen2 model: its weights stand in a GGUF file as they are, in no other order."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            hidden_size=32,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=len(make_tokenizer(TEXT)),
            max_position_embeddings=512,
            bos_token_id=2,
            eos_token_id=3,
            pad_token_id=0,
            initializer_range=0.2,
        )
    ).eval()


def write_gguf(file: Path, model, *, quantised: bool = False, architecture: str = "qwen2", **fields) -> Path:
    """A model as a GGUF file: float32, or its linear layers in 8 bits.

    Args:
        fields: further ones of type integer or text, with ``_`` for the dots of their names.
    """
    import gguf

    config, tokenizer = model.config, make_tokenizer(TEXT)
    writer = gguf.GGUFWriter(file, architecture)
    write_shape(writer, config)
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(words)
    control = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control[0] if number < 4 else control[1] for number in range(len(words))])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_chat_template(tokenizer.chat_template)
    for name, value in fields.items():
        (writer.add_string if isinstance(value, str) else writer.add_uint16)(name.replace("_", "."), value)
    for name, tensor in model.state_dict().items():
        data = tensor.float().numpy()
        if quantised and data.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(gguf_name(name), gguf.quantize(data, kind), raw_dtype=kind)
        else:
            writer.add_tensor(gguf_name(name), data)
    close(writer)
    return file
