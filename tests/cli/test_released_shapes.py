"""Documents by hypernetworks of the released sizes, with generated weights, on bases of the real widths and one layer.

Run by hand, for it takes gigabytes: HYPERLORA_RELEASED_SHAPES=1 python -m pytest tests/cli/test_released_shapes.py -s
"""

import os
import time

import pytest
import torch

from shared.lora.adapter import read_adapter
from tests.cli.test_import_memory import peak_megabytes
from tests.d2l.importing.checkpoints import edit
from tests.models import make_tokenizer
from tests.reference import needs_reference

LAYERS, BLOCKS, PRE_HEAD, LATENT = 1, 9, 4, 512
TEXT = "The ferry leaves at six. The keeper writes totals in blue ink.\n" * 6


def bases():
    """Base model -> a function that makes its configuration: hidden and intermediate sizes are the real ones."""
    import transformers as tf

    common = {"num_hidden_layers": LAYERS, "vocab_size": 264, "max_position_embeddings": 4096, "pad_token_id": 0,
              "bos_token_id": 2, "eos_token_id": 3, "num_attention_heads": 8, "num_key_value_heads": 4}  # fmt: skip
    return {
        "gemma-2-2b": lambda: tf.Gemma2Config(hidden_size=2304, intermediate_size=9216, head_dim=256, **common),
        "mistral-7b": lambda: tf.MistralConfig(hidden_size=4096, intermediate_size=14336, head_dim=128, **common),
        "qwen3-4b": lambda: tf.Qwen3Config(hidden_size=2560, intermediate_size=9728, head_dim=128, **common),
    }


def resized(entries, hidden, intermediate):
    """The golden Gemma checkpoint's tensors at other sizes: every one of its dimensions says which size it is."""
    sizes = {4: LAYERS, 9: LATENT, 36: 4 * LATENT, 64: hidden, 256: 4 * hidden, 112: intermediate}
    sizes[176] = hidden + intermediate
    result = {}
    for name, tensor in list(entries.items()):
        if not isinstance(tensor, torch.Tensor):
            continue
        del entries[name]
        if ".encoder.layers.1." in name or name.startswith("layers.1."):
            continue
        made = torch.randn([sizes.get(size, size) for size in tensor.shape]) * 0.02
        copies = BLOCKS if ".encoder.layers.0." in name else PRE_HEAD if name.startswith("layers.0.") else 1
        for number in range(copies):
            prefix = ".encoder.layers.0." if ".encoder.layers.0." in name else "layers.0."
            result[name.replace(prefix, prefix.replace("0", str(number)), 1) if copies > 1 else name] = made
    hypernet, aggregator = entries["hypernet_config"], entries["hypernet_config"].aggregator_config
    hypernet.latent_size = aggregator.output_size = LATENT
    hypernet.num_pre_head_layers, hypernet.base_hidden_size = PRE_HEAD, hidden
    hypernet.layer_indices = torch.arange(LAYERS)
    hypernet.feature_sizes = ({"down_proj": intermediate}, {"down_proj": hidden})
    aggregator.num_layers, aggregator.num_blocks, aggregator.feature_size = LAYERS, BLOCKS, hidden
    entries.update(result)


@needs_reference
@pytest.mark.skipif("HYPERLORA_RELEASED_SHAPES" not in os.environ, reason="takes gigabytes: run by hand")
@pytest.mark.parametrize("name", ["gemma-2-2b", "mistral-7b", "qwen3-4b"])
def test_a_document_at_a_released_size(tmp_path, name):
    from transformers import AutoModelForCausalLM

    config = bases()[name]()
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(tmp_path / "base")
    make_tokenizer().save_pretrained(tmp_path / "base")
    file = edit(
        "main_gemma2",
        tmp_path / "pytorch_model.bin",
        lambda e: resized(e, config.hidden_size, config.intermediate_size),
    )
    (tmp_path / "a.txt").write_text(TEXT)
    figures = {"file": file.stat().st_size / 1e6}
    base, hypernet, adapter = ["--base", tmp_path / "base"], tmp_path / "h", tmp_path / "a"
    document = ["d2l", tmp_path / "a.txt", "--hypernet", hypernet, *base, "--dtype", "bf16", "-o", adapter, "-q"]
    for what, command in {
        "import": ["hypernet", "import", file, *base, "-o", hypernet, "-q"],
        "document": document,
    }.items():
        started = time.monotonic()
        figures[f"{what}, peak"] = peak_megabytes(*command)
        figures[f"{what}, seconds"] = time.monotonic() - started
    print(name, {key: round(value) for key, value in figures.items()})
    weights = read_adapter(adapter).weights
    assert weights.layers == [0] and weights.modules == ["down_proj"] and weights.is_finite
    assert figures["import, peak"] < 1.25 * figures["file"] + 900
