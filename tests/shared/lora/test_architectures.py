"""Adapters of many architectures load in plain PEFT and in transformers without a word, and change what ours change."""

import warnings

import pytest
import torch

from d2l.training.batches import D2LData
from d2l.training.train import D2LObjective, D2LTrainingModule
from shared.base.targets import find_targets
from shared.lora.adapter import adapter_config, write_adapter
from shared.lora.layer import apply_lora
from tests.architectures import NAMES, build
from tests.models import TEXT, d2l_data, factors_of, load, make_d2l, make_tokenizer


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
    weights = model.generate(model.chunk(TEXT)).weights
    assert not any("vision" in name or "visual" in name for name in weights)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x"), card="", provenance={})
    assert_loads_everywhere(base.model, lambda: load(path).model, weights, tmp_path / "a", caplog, capsys)


@pytest.mark.parametrize("name", NAMES)
def test_adapters_of_several_modules_load_everywhere(name, tmp_path, caplog, capsys):
    model = build(name)
    modules = ("down_proj",) if name in ("phi3", "qwen3_5_text", "qwen3_5") else ("q_proj", "down_proj")
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
