"""Adapters by hypernetworks of the released sizes, with generated weights, on bases of the real widths and one layer.

Run by hand, for it takes gigabytes: HYPERLORA_RELEASED_SHAPES=1 python -m pytest tests/cli/test_released_shapes.py -s
"""

import os
import shutil
import time

import pytest
import torch

from shared.lora.adapter import read_adapter
from tests.cli.test_import_memory import peak_megabytes
from tests.d2l.importing.checkpoints import edit
from tests.models import make_tokenizer
from tests.reference import REFERENCE, needs_reference

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
    base, hypernet, adapter = ["--base", tmp_path / "base"], tmp_path / "h", tmp_path / "a"
    made = ["d2l", tmp_path / "a.txt", "--hypernet", hypernet, *base, "--dtype", "bf16", "-o", adapter, "-q"]
    figures = measured(name, file, ["hypernet", "import", file, *base, "-o", hypernet, "-q"], made)
    weights = read_adapter(adapter).weights
    assert weights.layers == [0] and weights.modules == ["down_proj"] and weights.is_finite
    assert figures["import, peak"] < 1.25 * figures["file"] + 900


def measured(name, file, importing, making):
    """Megabytes of the file, and peak megabytes and seconds of importing it and of making an adapter."""
    figures = {"file": file.stat().st_size / 1e6}
    for what, command in {"import": importing, "adapter": making}.items():
        started = time.monotonic()
        figures[f"{what}, peak"] = peak_megabytes(*command)
        figures[f"{what}, seconds"] = time.monotonic() - started
    print(name, {key: round(value) for key, value in figures.items()})
    return figures


def t2l_bases():
    import transformers as tf

    common = {"num_hidden_layers": LAYERS, "vocab_size": 264, "max_position_embeddings": 4096, "pad_token_id": 0,
              "bos_token_id": 2, "eos_token_id": 3}  # fmt: skip
    eight_billion = {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "head_dim": 128}
    eight_billion |= {"num_key_value_heads": 8, **common}
    small = {"hidden_size": 2304, "intermediate_size": 9216, "num_attention_heads": 8, "head_dim": 256}
    return {
        "gemma-2-2b": lambda: tf.Gemma2Config(num_key_value_heads=4, **small, **common),
        "llama-3.1-8b": lambda: tf.LlamaConfig(**eight_billion),
        "mistral-7b": lambda: tf.MistralConfig(**eight_billion),
    }


def resized_t2l(entries, config, latent=128, head_in=512):
    """The golden checkpoint's tensors at the sizes of the published recipe; the sentence encoder stays a small one."""
    q, v = (n * config.head_dim for n in (config.num_attention_heads, config.num_key_value_heads))
    hidden, r = config.hidden_size, 8
    usual = {32: latent, 128: 4 * latent, 40: head_in, 1280: (hidden + q) * r, 896: (hidden + v) * r}
    factors = {4: LAYERS, 64: hidden, 96: q, 48: v}
    for name, tensor in entries.items():
        sizes = usual
        if name.split(".")[0] in ("AB_offset", "mean_recon_target", "std_recon_target"):
            sizes = factors
        elif name.startswith("layer_"):
            sizes = {4: LAYERS, 8: latent // 4}
        elif name.startswith("task_encoder"):
            sizes = {16: latent // 2}
        entries[name] = torch.randn([sizes.get(size, size) for size in tensor.shape]) * 0.02
    return entries


@needs_reference
@pytest.mark.skipif("HYPERLORA_RELEASED_SHAPES" not in os.environ, reason="takes gigabytes: run by hand")
@pytest.mark.parametrize("name", ["gemma-2-2b", "llama-3.1-8b", "mistral-7b"])
def test_a_description_at_a_released_size(tmp_path, name):
    from transformers import AutoModelForCausalLM

    config, case, released = t2l_bases()[name](), REFERENCE / "t2l" / "gemma_sft", tmp_path / "released"
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(tmp_path / "base")
    make_tokenizer().save_pretrained(tmp_path / "base")
    released.mkdir()
    torch.save(resized_t2l(torch.load(case / "hypermod.pt", weights_only=True), config), released / "hypermod.pt")
    arguments = (case / "args.yaml").read_text().replace("hypernet_latent_size: 32", "hypernet_latent_size: 128")
    (released / "args.yaml").write_text(arguments.replace("head_in_size: 40", "head_in_size: 512"))
    shutil.copy(case / "adapter_config.json", released)
    file, hypernet, adapter = released / "hypermod.pt", tmp_path / "h", tmp_path / "a"
    base = ["--base", tmp_path / "base"]
    encoder = ["--text-encoder", REFERENCE / "base_models" / "tiny-gte-a"]
    made = ["t2l", "Sort the words.", "--hypernet", hypernet, *encoder, "-o", adapter, "-q"]
    figures = measured(name, file, ["hypernet", "import", file, *base, "-o", hypernet, "-q"], made)
    weights = read_adapter(adapter).weights
    assert weights.layers == [0] and weights.modules == ["q_proj", "v_proj"] and weights.is_finite
    assert figures["import, peak"] < 1.25 * figures["file"] + 900
