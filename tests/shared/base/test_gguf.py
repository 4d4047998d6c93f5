"""GGUF files as base models."""

import pytest
import torch

from shared.base.device import choose_placement
from shared.base.gguf import converted
from shared.base.model import load_base_model, read_architecture
from shared.errors import InputError
from shared.lora.adapter import adapter_config, read_adapter, write_adapter
from shared.lora.layer import apply_lora
from shared.paths import home
from tests.gguf_files import tiny_qwen2, write_gguf
from tests.models import TEXT, make_tokenizer, random_weights


def load(path):
    return load_base_model(str(path), placement=choose_placement("cpu", "float32"))


@torch.no_grad()
def test_a_files_model_is_the_one_it_was_made_of(tmp_path):
    model = tiny_qwen2()
    file = write_gguf(tmp_path / "Tiny.gguf", model)
    base, ids = load(file), torch.tensor([[5, 90, 17, 201]])
    assert torch.equal(base.model(ids).logits, model(ids).logits)
    assert base.spec.name_or_path == str(file)
    assert base.spec.fingerprint == read_architecture(str(file)).spec.fingerprint
    wanted, text = make_tokenizer(TEXT), "<|im_start|>user\nThe ferry leaves at six.<|im_end|>\n"
    assert base.tokenizer(text)["input_ids"] == wanted(text)["input_ids"]
    assert base.tokenizer.decode(wanted(text)["input_ids"]) == text
    assert base.tokenizer.chat_template == wanted.chat_template
    assert base.model.generation_config.eos_token_id == [3]
    weights = random_weights(base, ("down_proj",), 2)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, str(file)), card="", provenance={})
    with apply_lora(base.model, read_adapter(tmp_path / "a").weights):
        changed = base.model(ids).logits
    assert not torch.allclose(changed, model(ids).logits)


@torch.no_grad()
def test_quantised_weights_are_those_of_the_file(tmp_path):
    """Eight bits, kept in half precision: as near to the file's numbers as half precision is."""
    import gguf

    model = tiny_qwen2()
    base = load(write_gguf(tmp_path / "q8.gguf", model, quantised=True))
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in base.model.state_dict().items():
        wanted = model.state_dict()[name].numpy()
        if wanted.ndim == 2:
            wanted = gguf.dequantize(gguf.quantize(wanted, kind), kind)
        torch.testing.assert_close(tensor, torch.tensor(wanted).half().float(), rtol=0, atol=0)


def test_converted_once_by_content(tmp_path, monkeypatch):
    file = write_gguf(tmp_path / "one.gguf", tiny_qwen2())
    path = converted(file)
    monkeypatch.setattr("shared.base.gguf._convert", lambda *_: pytest.fail("converted again"))
    assert converted(file) == path
    copy = tmp_path / "folder" / "one.gguf"
    copy.parent.mkdir()
    copy.write_bytes(file.read_bytes())
    assert converted(copy) == path
    monkeypatch.undo()
    other = write_gguf(tmp_path / "folder" / "one.gguf", tiny_qwen2(seed=1))
    assert other.stat().st_size == file.stat().st_size and converted(other) != path


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"general_type": "mmproj"}, "no language model but a mmproj"),
        ({"split_count": 3}, "one of 3 parts"),
        ({"architecture": "nosuch"}, "architecture nosuch"),
    ],
)
def test_files_that_are_no_whole_model_are_refused(tmp_path, fields, message):
    file = write_gguf(tmp_path / "x.gguf", tiny_qwen2(), **fields)
    with pytest.raises(InputError, match=message):
        load(file)
    assert not list((home() / "base").glob("x-*"))


def test_other_files_are_refused(tmp_path):
    text, cut = tmp_path / "text.gguf", tmp_path / "cut.gguf"
    text.write_text("no model")
    cut.write_bytes(write_gguf(tmp_path / "whole.gguf", tiny_qwen2()).read_bytes()[:2000])
    for file, message in ((text, "not a GGUF"), (cut, "damaged"), (tmp_path / "none.gguf", "does not exist")):
        with pytest.raises(InputError, match=message):
            load(file)
