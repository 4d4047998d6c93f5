"""Published D2L checkpoints: the golden cases of the reference implementation, and files that must be refused."""

import pytest
import torch
from safetensors.torch import load_file

from d2l.chunking import TemplatePieces, template_pieces
from d2l.encoder import encode_chunks
from d2l.importing import import_d2l
from d2l.model import D2LModel
from shared.base.model import read_architecture
from shared.errors import InputError
from shared.hypernetwork.checkpoint import save_checkpoint
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraFactors, LoraWeights
from tests.models import load, make_base
from tests.reference import REFERENCE, TOLERANCE, cases, error, needs_reference, read_case

pytestmark = needs_reference


@pytest.fixture(scope="module", params=cases("d2l"))
def case(request, tmp_path_factory):
    """case.json, its folder, and the model: imported, saved, loaded."""
    path, facts = read_case("d2l", request.param)
    base_path = str(REFERENCE / facts["base_model"])
    imported = import_d2l(path / "pytorch_model.bin", read_architecture(base_path))
    directory = tmp_path_factory.mktemp("imported") / request.param
    save_checkpoint(directory, imported.config.to_dict(), imported.state, card="", dtype="float32")
    return facts, path, D2LModel.from_pretrained(directory, load(base_path))


def contexts(facts, model):
    context = facts["context"]
    return model.chunk(context["short"]["text"]), model.chunk(context["long"]["text"], context["long"]["max_chunk_len"])


def test_chunks_are_the_released_ones(case):
    facts, _, model = case
    short, long = contexts(facts, model)
    assert [c.ids for c in short] == [facts["context"]["short"]["ids"]]
    assert [c.ids for c in long] == facts["context"]["long"]["chunks"]
    expected = facts["context"]["long"]
    pieces = TemplatePieces(expected["affix_prefix"], expected["affix_suffix"])
    assert template_pieces(model.base.tokenizer) == pieces


@torch.no_grad()
def test_generated_and_combined_factors(case):
    facts, path, model = case
    golden, config = load_file(path / "lora.safetensors"), model.config.hypernetwork
    short, long = contexts(facts, model)
    for name, chunks in (("short", short), ("chunks", long)):
        generated = model.hypernetwork(encode_chunks(model.base, model.config, chunks))
        combined = model.generate(chunks).weights
        for module in config.grid.modules:
            names = [t.name for t in config.targets if t.module == module]
            lora_A = torch.stack([generated[n].keys for n in names], dim=1)
            lora_B = torch.stack([generated[n].values.mT for n in names], dim=1) / config.scaling
            assert error(lora_A, golden[f"{name}.{module}.A"]) < TOLERANCE
            assert error(lora_B, golden[f"{name}.{module}.B"]) < TOLERANCE
            label = "short_combined" if name == "short" else "combined"
            for half, tensor in (("A", "lora_A"), ("B", "lora_B")):
                wanted = golden[f"{label}.{module}.{half}"][0]
                ours = torch.stack([getattr(combined[n], tensor) for n in names])
                ours = ours if half == "A" else ours.mT / config.scaling
                # Without a bias the reference leaves zero ranks at the end.
                ours = torch.cat([ours, ours.new_zeros(len(names), wanted.shape[1] - ours.shape[1], ours.shape[2])], 1)
                assert error(ours, wanted) < TOLERANCE


@torch.no_grad()
def test_logits_live_and_reloaded_with_peft(case, tmp_path):
    from peft import PeftModel

    from shared.lora.adapter import adapter_config, write_adapter

    facts, path, model = case
    golden = load_file(path / "logits.safetensors")
    ids = torch.tensor([facts["prompt"]["ids"]])
    short, long = contexts(facts, model)
    for name, chunks in (("with_short", short), ("with_combined", long)):
        weights = model.generate(chunks).weights
        with apply_lora(model.base.model, weights):
            assert error(model.base.model(ids).logits, golden[name]) < TOLERANCE
        write_adapter(tmp_path / name, weights, adapter_config(weights, "base", None), card="", provenance={})
        reloaded = PeftModel.from_pretrained(load(str(REFERENCE / facts["base_model"])).model, tmp_path / name)
        assert error(reloaded(ids).logits, golden[name]) < TOLERANCE


@torch.no_grad()
def test_strengths_of_chunks_and_bias(case):
    """``scaled`` on each part: a chunk's strength acts on A alone, the bias's on both of its factors."""
    facts, path, model = case
    recipe = facts["combine"].get("combined_scaled")
    if recipe is None:
        pytest.skip("the case has no strengths")
    golden, config = load_file(path / "lora.safetensors"), model.config.hypernetwork
    _, long = contexts(facts, model)
    encoded = model.hypernetwork(encode_chunks(model.base, model.config, long)).unbind()
    chunks = [LoraWeights({name: LoraFactors(f.keys, f.values) for name, f in chunk.items()}) for chunk in encoded]
    parts = [chunk.scaled(s) for chunk, s in zip(chunks, recipe["scalers"], strict=True)]
    if model.hypernetwork.bias() is not None:
        parts.append(model.hypernetwork.bias().scaled(recipe["bias_scaler"] ** 2))
    weights = LoraWeights.concat(parts)
    for target in config.targets:
        lora_A, lora_B = (golden[f"combined_scaled.{target.module}.{half}"][0, target.layer] for half in "AB")
        assert error(weights[target.name].delta(), config.scaling * lora_B.T @ lora_A) < TOLERANCE
    logits = load_file(path / "logits.safetensors")["with_combined_scaled"]
    with apply_lora(model.base.model, weights):
        assert error(model.base.model(torch.tensor([facts["prompt"]["ids"]])).logits, logits) < TOLERANCE


@torch.no_grad()
def test_contexts_of_different_length_in_one_batch(case):
    """The reference pads the shorter context's ranks with zeros; a context alone gives the same update."""
    facts, path, model = case
    if "combined_groups" not in facts["combine"]:
        pytest.skip("the case has no groups")
    golden, config = load_file(path / "lora.safetensors"), model.config.hypernetwork
    logits = load_file(path / "logits.safetensors")["with_groups"]
    ids = torch.tensor([facts["prompt"]["ids"]])
    for index, (chunks, rows) in enumerate(zip(contexts(facts, model), ([0], [1, 2]), strict=True)):
        weights = model.generate(chunks).weights
        for target in config.targets:
            wanted_A, wanted_B = (golden[f"combined_groups.{target.module}.{h}"][index, target.layer] for h in "AB")
            assert error(weights[target.name].lora_A, wanted_A[: weights.r]) < TOLERANCE
            assert error(weights[target.name].lora_B.mT / config.scaling, wanted_B[: weights.r]) < TOLERANCE
            assert not wanted_A[weights.r :].any() and not wanted_B[weights.r :].any()
        with apply_lora(model.base.model, weights):
            for row in rows:
                assert error(model.base.model(ids).logits[0], logits[row]) < TOLERANCE


def test_a_base_that_does_not_match_is_refused(tmp_path):
    other = read_architecture(str(make_base(tmp_path / "other")))
    with pytest.raises(InputError):
        import_d2l(REFERENCE / "d2l" / "main_llama" / "pytorch_model.bin", other)
    gemma = read_architecture(str(REFERENCE / "base_models" / "tiny-gemma2-a"))
    with pytest.raises(InputError, match="down_proj is"):
        import_d2l(REFERENCE / "d2l" / "main_llama" / "pytorch_model.bin", gemma)


def test_the_architecture_alone_has_the_loaded_models_fingerprint():
    for name in ("tiny-llama-a", "tiny-gemma2-a"):
        path = str(REFERENCE / "base_models" / name)
        assert read_architecture(path).spec == load(path).spec


def test_import_without_a_base_names_the_same_layers():
    file = REFERENCE / "d2l" / "multi_llama" / "pytorch_model.bin"
    alone = import_d2l(file).config.hypernetwork
    assert set(alone.targets) == set(
        import_d2l(file, read_architecture(str(REFERENCE / "base_models" / "tiny-llama-a"))).config.hypernetwork.targets
    )
