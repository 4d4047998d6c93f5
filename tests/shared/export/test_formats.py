"""Merged models, MLX's layout, Modelfiles and vLLM's rules."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from shared.base.model import read_architecture
from shared.errors import InputError
from shared.export.merged import write_merged
from shared.export.mlx import write_mlx
from shared.export.ollama import modelfile
from shared.export.vllm import check_vllm, max_lora_rank, serve_command
from shared.lora.adapter import adapter_config, write_adapter
from shared.lora.layer import apply_lora
from tests.models import load, random_weights

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_a_merged_model_has_the_adapters_logits_in_plain_transformers(kind, tiny_base, tiny_gemma, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = tiny_base if kind == "llama" else tiny_gemma
    weights = random_weights(base, MODULES, 5)
    ids = torch.randint(4, 200, (2, 12))
    with torch.no_grad(), apply_lora(base.model, weights):
        wanted = base.model(ids).logits
    write_merged(tmp_path / "m", weights, load(base.spec.name_or_path), {"format": "merged"})
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, wanted, rtol=1e-4, atol=1e-4)
    assert AutoTokenizer.from_pretrained(tmp_path / "m")("ferry").input_ids == base.tokenizer("ferry").input_ids
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"]


def test_a_merge_into_another_base_is_refused_and_leaves_nothing(tiny_base, tiny_gemma, tmp_path):
    with pytest.raises(InputError, match="in the base model"):
        write_merged(tmp_path / "m", random_weights(tiny_base, ("v_proj",), 2), load(tiny_gemma.spec.name_or_path), {})
    assert not list(tmp_path.iterdir())


def test_mlx_layout_gives_the_update_by_mlxs_own_formula(tiny_base, tmp_path):
    """``mlx_lm.tuner.lora.LoRALinear``: y + scale * ((x @ lora_a) @ lora_b)."""
    weights = random_weights(tiny_base, ("q_proj", "down_proj"), 3)
    write_mlx(tmp_path / "m", weights, read_architecture(tiny_base.spec.name_or_path), {"format": "mlx"})
    state = load_file(tmp_path / "m" / "adapters.safetensors")
    config = json.loads((tmp_path / "m" / "adapter_config.json").read_text())
    assert config["fine_tune_type"] == "lora" and config["num_layers"] == 2
    parameters = config["lora_parameters"]
    assert parameters["keys"] == ["mlp.down_proj", "self_attn.q_proj"] and parameters["rank"] == 3
    assert len(state) == 2 * len(weights)
    for name, factors in weights.items():
        assert any(name.endswith(f".{key}") for key in parameters["keys"])
        x = np.random.default_rng(0).normal(size=(4, factors.lora_A.shape[1])).astype(np.float32)
        update = parameters["scale"] * ((x @ state[f"{name}.lora_a"]) @ state[f"{name}.lora_b"])
        np.testing.assert_allclose(update, (torch.tensor(x) @ factors.delta().mT).numpy(), rtol=1e-4, atol=1e-5)


def test_modelfiles():
    assert modelfile("smollm2:135m") == "FROM smollm2:135m\nADAPTER ./adapter.gguf\nPARAMETER temperature 0\n"
    assert modelfile("b.gguf", "Be\nbrief").endswith('SYSTEM """Be\nbrief"""\n')
    for bad in (("a\nRUN x", None), ("a", 'x"""y')):
        with pytest.raises(InputError):
            modelfile(*bad)


@pytest.mark.parametrize(("rank", "allowed"), [(1, 1), (2, 8), (8, 8), (9, 16), (65, 128), (257, 320), (321, 512)])
def test_the_smallest_rank_that_vllm_takes(rank, allowed):
    command = serve_command("base/model", {"brief": "dir/brief"}, rank, port=80)
    assert command[:6] == ["vllm", "serve", "base/model", "--enable-lora", "--port", "80"]
    assert command[command.index("--max-lora-rank") + 1] == str(allowed) == str(max_lora_rank([1, rank]))
    assert command[-2:] == ["--lora-modules", "brief=dir/brief"]


def test_vllm_takes_our_directories_and_no_others(tiny_base, tmp_path):
    linear = set(MODULES)

    def write(weights=None, **changes):
        weights = weights or random_weights(tiny_base, ("q_proj", "down_proj"), 4)
        config = adapter_config(weights, "tiny") | changes
        write_adapter(tmp_path / "a", weights, config, card="", provenance={}, force=True)
        return tmp_path / "a"

    assert check_vllm(write(), linear) == 4
    for feature in ("use_dora", "modules_to_save", "lora_bias", "use_qalora"):
        with pytest.raises(InputError, match=feature):
            check_vllm(write(**{feature: ["lm_head"]}), linear)
    for field, value in (("bias", "all"), ("init_lora_weights", "pissa")):
        with pytest.raises(InputError, match=field):
            check_vllm(write(**{field: value}), linear)
    with pytest.raises(InputError, match="lora_A of .* is not of rank 8"):
        check_vllm(write(r=8), linear)
    with pytest.raises(InputError, match="no rank above 512"):
        check_vllm(write(random_weights(tiny_base, ("q_proj",), 513)), linear)
    with pytest.raises(InputError, match="no linear layer"):
        check_vllm(write(), {"q_proj"})
    path = write()
    save_file({"base_model.model.lm_head.lora_embedding_A": torch.zeros(4, 8)}, path / "adapter_model.safetensors")
    with pytest.raises(InputError, match="not the name of a LoRA factor"):
        check_vllm(path, linear)
