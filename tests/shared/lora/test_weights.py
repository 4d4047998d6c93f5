"""LoRA algebra, live application, and equality with PEFT."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from shared.base.targets import find_targets
from shared.errors import HyperLoraError, InputError
from shared.lora.adapter import adapter_config, read_adapter, write_adapter
from shared.lora.layer import LoraLinear, apply_lora
from shared.lora.weights import LoraFactors, LoraWeights, mean_weights
from tests.models import load, random_weights


def logits(base, ids):
    with torch.no_grad():
        return base.model(ids).logits


def ids(batch=2, length=9, seed=1):
    return torch.randint(4, 250, (batch, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["tiny_base", "tiny_gemma"])
@pytest.mark.parametrize(
    ("modules", "r", "layers", "dtype"),
    [
        (("down_proj",), 8, None, torch.float32),
        (("q_proj", "v_proj"), 1, None, torch.float32),
        (("down_proj", "o_proj", "gate_proj"), 40, (1,), torch.float32),
        (("q_proj",), 3, (0,), torch.bfloat16),
        (("down_proj",), 5, None, torch.float16),
    ],
)
def test_live_logits_equal_peft_reloaded(request, kind, modules, r, layers, dtype, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = request.getfixturevalue(kind)
    weights = random_weights(base, modules, r, layers=layers, dtype=dtype)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, base.spec.name_or_path), card="", provenance={})
    with apply_lora(base.model, read_adapter(tmp_path / "a").weights):
        live = logits(base, ids())
    fresh = AutoModelForCausalLM.from_pretrained(base.spec.name_or_path, dtype=torch.float32)
    peft = PeftModel.from_pretrained(fresh, tmp_path / "a").eval()
    reloaded = peft(ids()).logits
    assert torch.equal(live, reloaded)
    assert (live - logits(base, ids())).abs().max() > 1e-2  # wrong keys would load as silent zeros


def test_apply_restores_the_model_even_after_an_error(tiny_base):
    before, modules = logits(tiny_base, ids()), dict(tiny_base.model.named_modules())
    with pytest.raises(RuntimeError), apply_lora(tiny_base.model, random_weights(tiny_base, ("down_proj",), 4)):
        raise RuntimeError
    assert dict(tiny_base.model.named_modules()) == modules
    assert torch.equal(before, logits(tiny_base, ids()))


def test_ranks_of_zeros_cost_nothing_and_change_nothing(tiny_base):
    short, x = random_weights(tiny_base, ("q_proj",), 3), ids()
    padded = LoraWeights(
        {n: LoraFactors(F.pad(f.lora_A, (0, 0, 0, 40)), F.pad(f.lora_B, (0, 40))) for n, f in short.items()}
    )
    nothing = LoraWeights({n: LoraFactors(f.lora_A, f.lora_B * 0) for n, f in short.items()})
    with apply_lora(tiny_base.model, short):
        wanted = logits(tiny_base, x)
    with apply_lora(tiny_base.model, padded):
        assert torch.equal(logits(tiny_base, x), wanted)
        assert {m.lora_A.shape[0] for m in tiny_base.model.modules() if isinstance(m, LoraLinear)} == {3}
    with apply_lora(tiny_base.model, nothing):
        silent = logits(tiny_base, x)
    assert torch.equal(silent, logits(tiny_base, x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_folded_weights_answer_as_the_three_products_do(tiny_base, dtype):
    """In half precision the sum of weight and update would be rounded: there nothing is folded."""
    # Another copy: rotary frequencies that were rounded once do not come back.
    base, weights, x = load(tiny_base.spec.name_or_path), random_weights(tiny_base, ("down_proj", "q_proj"), 4), ids()
    model, modules = base.model.to(dtype), dict(base.model.named_modules())
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with apply_lora(model, weights.to(dtype)):
        apart = logits(base, x)
    with apply_lora(model, weights.to(dtype), fold=True):
        folded = logits(base, x)
        kept = any(isinstance(module, LoraLinear) for module in model.modules())
    assert kept == (dtype == torch.bfloat16)
    torch.testing.assert_close(folded, apart, rtol=1e-4, atol=1e-5)
    assert (apart - logits(base, x)).abs().max() > 1e-2
    assert dict(model.named_modules()) == modules
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_batched_weights_apply_sample_by_sample(tiny_base):
    weights = random_weights(tiny_base, ("down_proj", "v_proj"), 4, batch=3)
    x = ids(3)
    with apply_lora(tiny_base.model, weights):
        together = logits(tiny_base, x)
    for row, single in enumerate(weights.unbind()):
        with apply_lora(tiny_base.model, single):
            torch.testing.assert_close(
                together[row : row + 1], logits(tiny_base, x[row : row + 1]), rtol=1e-5, atol=1e-5
            )


def test_weights_for_several_rows_are_those_of_every_row(tiny_base):
    """Also where a pair of factors has no row at all, and in their gradients."""
    x, counts = ids(5), [2, 0, 3]
    results = []
    for shared_rows in (True, False):
        weights = random_weights(tiny_base, ("down_proj", "v_proj"), 4, batch=3)
        leaves = [f.requires_grad_() for pair in weights.values() for f in (pair.lora_A, pair.lora_B)]
        used = weights if shared_rows else weights.index_select(torch.tensor([0, 0, 2, 2, 2]))
        with apply_lora(tiny_base.model, used, counts if shared_rows else None):
            out = tiny_base.model(x).logits
        out.square().mean().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for ours, wanted in zip(*results, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)


def test_concat_is_the_sum_of_deltas(tiny_base):
    parts = [random_weights(tiny_base, ("down_proj",), r, seed=r) for r in (2, 5, 1)]
    joined = LoraWeights.concat(parts)
    assert joined.r == 8
    for name, factors in joined.items():
        torch.testing.assert_close(factors.delta(), sum(part[name].delta() for part in parts))
    for name, factors in mean_weights(parts).items():
        torch.testing.assert_close(factors.delta(), sum(part[name].delta() for part in parts) / 3)


def test_truncation_equals_the_svd_of_the_dense_delta(tiny_base):
    weights = random_weights(tiny_base, ("down_proj", "q_proj"), 12)
    truncated = weights.truncate(5)
    kept = total = 0.0
    for name, factors in weights.items():
        u, s, vt = torch.linalg.svd(factors.delta().double())
        best = (u[:, :5] * s[:5]) @ vt[:5]
        torch.testing.assert_close(truncated.weights[name].delta().double(), best, rtol=1e-4, atol=1e-5)
        kept, total = kept + s[:5].square().sum(), total + s.square().sum()
    assert truncated.energy_kept == pytest.approx((kept / total).item())


def test_truncation_at_full_rank_is_the_identity(tiny_base):
    weights = random_weights(tiny_base, ("down_proj",), 6)
    assert weights.truncate(6).weights is weights
    # A rank above the layers' own: the product is still exact, and no larger than the widest layer needs.
    wide = random_weights(tiny_base, ("down_proj", "k_proj"), 60)
    truncated = wide.truncate(50)
    assert truncated.weights.r == wide.full_rank == 32
    assert truncated.energy_kept == pytest.approx(1.0)
    for name in wide:
        torch.testing.assert_close(truncated.weights[name].delta(), wide[name].delta(), rtol=1e-5, atol=1e-5)


def test_norm_is_the_dense_norm(tiny_base):
    for factors in random_weights(tiny_base, ("down_proj",), 6).values():
        assert factors.norm() == pytest.approx(factors.delta().norm().item(), rel=1e-5)


def test_reading_folds_the_scaling_in(tiny_base, tmp_path):
    weights = random_weights(tiny_base, ("q_proj",), 4)
    config = adapter_config(weights, tiny_base.spec.name_or_path)
    for alpha, rslora, scaling in ((8, False, 2.0), (8, True, 4.0)):
        path = tmp_path / f"{rslora}"
        write_adapter(path, weights, config | {"lora_alpha": alpha, "use_rslora": rslora}, card="", provenance={})
        for name, factors in read_adapter(path).weights.items():
            torch.testing.assert_close(factors.delta(), weights[name].delta() * scaling)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "IA3"}, "not a LoRA adapter"),
        ({"use_dora": True}, "use_dora"),
        ({"alora_invocation_tokens": [1, 2]}, "aLoRA"),
        ({"a_variant_of_next_year": {"on": True}}, "a_variant_of_next_year"),
        ({"lora_bias": True}, "lora_bias"),
        ({"bias": "all"}, "bias"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
        ({"r": 3}, "config says r = 3"),
        ({"rank_pattern": {"q_proj": 2}}, "config says r = 2"),
        ({"alpha_pattern": {"q_(proj": 2}}, "no regular expression"),
    ],
)
def test_adapters_that_are_not_plain_lora_are_refused(tiny_base, tmp_path, change, message):
    weights = random_weights(tiny_base, ("q_proj",), 4)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x") | change, card="", provenance={})
    with pytest.raises(InputError, match=message):
        read_adapter(tmp_path / "a")


def test_every_option_of_peft_is_known_to_be_plain_or_refused(tiny_base, tmp_path):
    """The configuration as this PEFT writes it is read, with whatever options it has by default."""
    from peft import LoraConfig

    weights = random_weights(tiny_base, ("q_proj",), 4)
    theirs = {k: v for k, v in LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"]).to_dict().items()}
    theirs["target_modules"] = ["q_proj"]
    write_adapter(tmp_path / "a", weights, theirs, card="", provenance={})
    adapter = read_adapter(tmp_path / "a")
    assert adapter.base_model is None
    for name, factors in adapter.weights.items():
        torch.testing.assert_close(factors.delta(), weights[name].delta() * 2)


@pytest.mark.parametrize("rslora", [False, True])
@torch.no_grad()
def test_ranks_and_alphas_by_layer_are_those_of_peft(tiny_base_path, tmp_path, rslora):
    from peft import LoraConfig, PeftModel, get_peft_model

    model = load(tiny_base_path).model
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        use_rslora=rslora,
        target_modules=["q_proj", "down_proj"],
        rank_pattern={"q_proj": 2, r"layers\.1\.mlp\.down_proj": 7},
        alpha_pattern={"model.layers.0.mlp.down_proj": 3, "q_proj": 5},
        init_lora_weights=False,
    )
    torch.manual_seed(0)
    get_peft_model(model, config).save_pretrained(tmp_path / "a")
    base, ids = load(tiny_base_path), torch.tensor([[5, 90, 17, 201]])
    weights = read_adapter(tmp_path / "a").weights
    assert weights.r == 7
    with apply_lora(base.model, weights):
        ours = base.model(ids).logits
    theirs = PeftModel.from_pretrained(load(tiny_base_path).model, tmp_path / "a")
    torch.testing.assert_close(ours, theirs(ids).logits, rtol=1e-4, atol=1e-5)


def test_damaged_adapter_tensors_are_refused(tiny_base, tmp_path):
    weights = random_weights(tiny_base, ("q_proj",), 4)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x"), card="", provenance={})
    file = tmp_path / "a" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        read_adapter(tmp_path / "a")


def test_adapter_for_another_model_is_refused(tiny_base, tiny_gemma):
    weights = LoraWeights({"model.layers.9.mlp.down_proj": LoraFactors(torch.zeros(2, 96), torch.zeros(32, 2))})
    with pytest.raises(InputError, match="no layer"), apply_lora(tiny_base.model, weights):
        pass
    weights = random_weights(tiny_gemma, ("q_proj",), 2)
    with pytest.raises(InputError, match="another base model|48"), apply_lora(tiny_base.model, weights):
        pass


def test_config_is_what_every_runtime_reads(tiny_base):
    weights = random_weights(tiny_base, ("down_proj",), 8, layers=(1,))
    config = json.loads(json.dumps(adapter_config(weights, "org/base")))
    assert config["lora_alpha"] == config["r"] == 8 and isinstance(config["lora_alpha"], int)
    assert not config["use_rslora"] and config["rank_pattern"] == config["alpha_pattern"] == {}
    assert config["target_modules"] == list(weights) and "layers_to_transform" not in config


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_neither_written_nor_read(tiny_base, tmp_path, value):
    weights = random_weights(tiny_base, ("down_proj",), 2)
    with pytest.raises(InputError, match="finite"):
        weights.scaled(value)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x"), card="", provenance={})
    next(iter(weights.values())).lora_B[0, 0] = value
    with pytest.raises(HyperLoraError, match="not finite"):
        write_adapter(tmp_path / "b", weights, adapter_config(weights, "x"), card="", provenance={})
    assert not (tmp_path / "b").exists()
    save_file(weights.state_dict(), tmp_path / "a" / "adapter_model.safetensors")
    with pytest.raises(InputError, match="not finite"):
        read_adapter(tmp_path / "a")


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.complex64])
def test_factors_that_are_no_real_numbers_are_refused(tiny_base, tmp_path, dtype):
    weights = random_weights(tiny_base, ("down_proj",), 2)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x"), card="", provenance={})
    state = {key: tensor.to(dtype) for key, tensor in weights.state_dict().items()}
    save_file(state, tmp_path / "a" / "adapter_model.safetensors")
    with pytest.raises(InputError, match="holds (int32|bool|complex64) numbers"):
        read_adapter(tmp_path / "a")


@pytest.mark.parametrize("modules", [("nope",), ("self_attn",)])
def test_targets_that_do_not_exist_are_refused(tiny_base, modules):
    with pytest.raises(InputError):
        find_targets(tiny_base.model, modules)
