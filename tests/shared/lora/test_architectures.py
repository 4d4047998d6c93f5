"""Adapters of many architectures load in plain PEFT and in transformers without a word, and change what ours change."""

import warnings

import pytest
import torch

from d2l.training.batches import D2LData
from d2l.training.train import D2LObjective, D2LTrainingModule
from shared.base.model import _auto_class
from shared.base.targets import find_targets
from shared.lora.adapter import adapter_config, write_adapter
from shared.lora.layer import apply_lora
from tests.models import TEXT as TEXT_READ
from tests.models import d2l_data, factors_of, load, make_d2l, make_tokenizer

TEXT = {
    "vocab_size": 264,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "max_position_embeddings": 512,
}
# As deep as the language model, with the same names for its linear layers.
VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": 16,
    "patch_size": 8,
}
QWEN_VISION = {"depth": 4, "hidden_size": 32, "intermediate_size": 48, "num_heads": 4, "out_hidden_size": 32}
ROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True, "rope_theta": 10000.0}


def configs():
    """name -> a function that makes a configuration of transformers."""
    import transformers as tf

    def gemma3(text):
        return tf.Gemma3Config(text_config=text, vision_config=VISION, mm_tokens_per_image=4)

    hybrid = {"layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"]}
    linear = {f"linear_{kind}": value for kind, value in
              {"num_key_heads": 2, "num_value_heads": 2, "key_head_dim": 8, "value_head_dim": 8}.items()}  # fmt: skip
    return {
        "llama": lambda: tf.LlamaConfig(**TEXT),
        "mistral": lambda: tf.MistralConfig(**TEXT),
        "phi3": lambda: tf.Phi3Config(**TEXT),
        "qwen3": lambda: tf.Qwen3Config(**TEXT),
        "gemma3_text": lambda: tf.Gemma3TextConfig(**TEXT, query_pre_attn_scalar=8),
        "gemma3": lambda: gemma3({**TEXT, "query_pre_attn_scalar": 8}),
        "gemma4_text": lambda: tf.Gemma4TextConfig(**TEXT, **GEMMA4),
        "gemma4": lambda: tf.Gemma4Config(text_config={**TEXT, **GEMMA4}, vision_config=VISION),
        "gemma4_k_is_v": lambda: tf.Gemma4TextConfig(**TEXT, **GEMMA4, attention_k_eq_v=True),
        "qwen3_5_text": lambda: tf.Qwen3_5TextConfig(**TEXT, **hybrid, **linear),
        "qwen3_vl": lambda: tf.Qwen3VLConfig(
            text_config={**TEXT, "rope_parameters": ROPE},
            vision_config={**QWEN_VISION, "deepstack_visual_indexes": [0]},
        ),
        "llava": lambda: tf.LlavaConfig(
            text_config={**TEXT, "model_type": "llama"}, vision_config={**VISION, "model_type": "clip_vision_model"}
        ),
    }


GEMMA4 = {"hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0, "global_head_dim": 8,
          "vocab_size_per_layer_input": 264}  # fmt: skip


NAMES = (
    *("llama", "mistral", "phi3", "qwen3", "gemma3_text", "gemma3", "gemma4_text", "gemma4", "gemma4_k_is_v"),
    *("qwen3_5_text", "qwen3_vl", "llava"),
)


def build(name):
    config = configs()[name]()
    torch.manual_seed(0)
    return _auto_class(config).from_config(config).eval()


@pytest.fixture(params=NAMES)
def path(request, tmp_path):
    """A model of the architecture on disk, with a tokenizer."""
    build(request.param).save_pretrained(tmp_path / "base")
    make_tokenizer().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def test_a_documents_adapter_loads_everywhere(path, tmp_path, caplog, capsys):
    """Trained for a step, generated, written, and loaded by PEFT and by transformers: no warning, the same logits."""
    base = load(path)
    attention = {"qkv_proj", "q_proj", "in_proj_qkv"}
    present = {n.rpartition(".")[2] for n, _ in base.model.named_modules()} & attention
    model = make_d2l(base, bias_modules=sorted(present & {"q_proj", "qkv_proj"}), layers=[1, 2, 3])
    module = D2LTrainingModule(model.config, model.hypernetwork, base, D2LObjective())
    module(D2LData(d2l_data(chunks_per_step=2, max_chunks=1), base, 300).batch(0))["loss"].backward()
    assert model.hypernetwork.head.log_gain.grad.abs().sum() > 0
    model.hypernetwork.zero_grad()
    weights = model.generate(model.chunk(TEXT_READ)).weights
    assert not any("vision" in name or "visual" in name for name in weights)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x"), card="", provenance={})
    assert_loads_everywhere(base.model, lambda: load(path).model, weights, tmp_path / "a", caplog, capsys)


@pytest.mark.parametrize("name", NAMES)
def test_adapters_of_several_modules_load_everywhere(name, tmp_path, caplog, capsys):
    model = build(name)
    modules = ("down_proj",) if name in ("phi3", "qwen3_5_text") else ("q_proj", "down_proj")
    weights = factors_of(find_targets(model, modules), 3)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x"), card="", provenance={})
    assert_loads_everywhere(model, lambda: build(name), weights, tmp_path / "a", caplog, capsys)


@torch.no_grad()
def assert_loads_everywhere(model, fresh, weights, path, caplog, capsys):
    from peft import PeftModel

    ids = torch.randint(5, 250, (2, 9), generator=torch.Generator().manual_seed(0))
    plain = model(ids).logits
    with apply_lora(model, weights):
        live = model(ids).logits
    assert not torch.allclose(plain, live, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        reloaded = PeftModel.from_pretrained(fresh(), path)
    assert len([n for n, _ in reloaded.named_modules() if n.endswith("lora_A.default")]) == len(weights)
    torch.testing.assert_close(reloaded(ids).logits, live, rtol=1e-4, atol=1e-5)
    other = fresh()
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        other.load_adapter(str(path))
    torch.testing.assert_close(other(ids).logits, live, rtol=1e-4, atol=1e-5)
    printed = capsys.readouterr()
    for word in ("MISSING", "UNEXPECTED"):
        assert word not in printed.out + printed.err + caplog.text
