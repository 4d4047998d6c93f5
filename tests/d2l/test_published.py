"""Published D2L checkpoints: the golden cases of the reference implementation, and files that must be refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from d2l.chunking import TemplatePieces, chunk_tokens_equally, template_pieces
from d2l.encoder import encode_chunks
from d2l.model import D2LModel
from d2l.published import import_d2l
from shared.checkpoint import save_checkpoint
from shared.errors import InputError
from shared.lora_layer import apply_lora
from shared.published import read_architecture
from tests.conftest import load, make_base, make_tokenizer

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
CASES = [path.name for path in sorted((REFERENCE / "d2l").glob("*"))] or ["absent"]
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the golden data is not beside the checkout")


def error(ours, golden):
    return ((ours - golden).norm() / golden.norm()).item()


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    """case.json, its folder, and the model: imported, saved, loaded."""
    path = REFERENCE / "d2l" / request.param
    facts = json.loads((path / "case.json").read_text())
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
        generated = model.hypernetwork(encode_chunks(model.base, model.config, chunks).features)
        combined = model.generate(chunks).weights
        for module in config.modules:
            names = [t.name for t in config.targets if t.module == module]
            lora_A = torch.stack([generated[n].lora_A for n in names], dim=1)
            lora_B = torch.stack([generated[n].lora_B.mT for n in names], dim=1) / config.scaling
            assert error(lora_A, golden[f"{name}.{module}.A"]) < 2e-5
            assert error(lora_B, golden[f"{name}.{module}.B"]) < 2e-5
            label = "short_combined" if name == "short" else "combined"
            for half, tensor in (("A", "lora_A"), ("B", "lora_B")):
                wanted = golden[f"{label}.{module}.{half}"][0]
                ours = torch.stack([getattr(combined[n], tensor) for n in names])
                ours = ours if half == "A" else ours.mT / config.scaling
                # Without a bias the reference leaves zero ranks at the end.
                ours = torch.cat([ours, ours.new_zeros(len(names), wanted.shape[1] - ours.shape[1], ours.shape[2])], 1)
                assert error(ours, wanted) < 2e-5


@torch.no_grad()
def test_logits_live_and_reloaded_with_peft(case, tmp_path):
    from peft import PeftModel

    from shared.adapter import adapter_config, write_adapter

    facts, path, model = case
    golden = load_file(path / "logits.safetensors")
    ids = torch.tensor([facts["prompt"]["ids"]])
    short, long = contexts(facts, model)
    for name, chunks in (("with_short", short), ("with_combined", long)):
        weights = model.generate(chunks).weights
        with apply_lora(model.base.model, weights):
            assert error(model.base.model(ids).logits, golden[name]) < 2e-5
        write_adapter(tmp_path / name, weights, adapter_config(weights, "base", None), card="", provenance={})
        reloaded = PeftModel.from_pretrained(load(str(REFERENCE / facts["base_model"])).model, tmp_path / name)
        assert error(reloaded(ids).logits, golden[name]) < 2e-5


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


# The system message's handling in the chat templates of the three released bases.
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{{ '<start_of_turn>' + m['role'] + '\n' + m['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ ' [INST] ' + m['content'] + ' [/INST]' }}{% endfor %}"
)
QWEN = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "prefix", "suffix"),
    [
        (GEMMA, "<|im_start|><start_of_turn>user\n\n\n", "<end_of_turn>\n<start_of_turn>model\n"),
        (MISTRAL, "<|im_start|> [INST] \n\n", " [/INST]"),
        (
            QWEN,
            "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n",
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
    ],
)
def test_template_pieces_of_the_released_families(template, prefix, suffix):
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    pieces = template_pieces(tokenizer)
    assert tokenizer.decode(pieces.prefix) == prefix and tokenizer.decode(pieces.suffix) == suffix
    chunks = chunk_tokens_equally(tokenizer, " one two three four five six seven eight \n", 20)
    assert all(c.ids[: c.start] == pieces.prefix and c.ids[c.stop :] == pieces.suffix for c in chunks[1:-1])
    content = [i for c in chunks for i in c.ids[c.start : c.stop]]
    assert "two three four" in tokenizer.decode(content)
