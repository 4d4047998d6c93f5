"""Documents for base models that no hypernetwork was trained for."""

import pytest
import torch

from d2l import untrained
from d2l.generate import InternalizeOptions, internalize
from d2l.model import D2LModel
from d2l.questions import QA
from d2l.reader import DocumentText
from d2l.study import writer as writer_module
from d2l.study.pairs import prompt_text
from d2l.study.windows import Window
from d2l.study.writer import QuestionWriter
from d2l.untrained import load_untrained, untrained_config
from shared.base.cache import can_share_prefix
from shared.base.chat import GenerationConfig
from shared.base.targets import find_decoder
from shared.errors import InputError
from shared.lora.adapter import read_adapter
from shared.lora.layer import apply_lora
from tests.architectures import NAMES, OTHERS, build
from tests.models import TEXT, load, make_base, make_tokenizer

PAIRS = (QA("When does the ferry leave?", ("at six",)), QA("What does the ferry carry?", ("salted herring",)))
DOCUMENT = DocumentText("a.txt", TEXT, "0" * 64, None, len(TEXT))
EXAMPLE = "Text: Anna Holm took over in March.\nA: March Q: When did Anna Holm take over?\n\n"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """One example for the writer, a few null rows and pieces of general text: a byte is a token here."""
    monkeypatch.setattr(writer_module, "FEW_SHOT", EXAMPLE)
    monkeypatch.setattr("d2l.study.anchors.NUMBER", 3)
    monkeypatch.setattr(untrained, "general_text", lambda: [TEXT[:150], TEXT[90:240]])


@pytest.fixture
def base_of(tmp_path):
    def make(name):
        build(name).save_pretrained(tmp_path / name)
        make_tokenizer().save_pretrained(tmp_path / name)
        return load(tmp_path / name)

    return make


@torch.no_grad()
@pytest.mark.parametrize("name", ["llama", "gemma4", "qwen3_5_text", "qwen3_vl", "mamba", "opt"])
def test_questions_are_written_with_the_examples_read_once(name, base_of, monkeypatch):
    """Token by token with a cache, examples shared and windows of other lengths beside: what one pass over all says."""
    base = base_of(name)
    writer, seen = QuestionWriter(base), []
    step = writer._step
    monkeypatch.setattr(writer, "_step", lambda ids, mask, cache: seen.append(step(ids, mask, cache)) or seen[-1])
    monkeypatch.setattr(writer_module, "_TOKENS_PER_PAIR", 4)
    windows = [Window("The ferry leaves at six."), Window("The keeper writes totals.", "Log")]
    replies = [reply for (reply,) in writer.replies(windows, max_pairs=1)]
    assert all(reply.startswith("A:") for reply in replies)
    assert [len(logits) for logits in seen[:2]] == ([1, 2] if can_share_prefix(base.model) else [2, 2])
    third = [logits for logits in seen if len(logits) == 2][3]
    for row, window in enumerate(windows):
        read = base.tokenizer(EXAMPLE + prompt_text(window) + replies[row][:3])["input_ids"]
        logits = base.model(torch.tensor([[base.tokenizer.bos_token_id, *read]])).logits[0, -1]
        torch.testing.assert_close(third[row], logits, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES + OTHERS)
def test_a_document_is_studied_on_any_architecture(name, base_of, tmp_path):
    base = base_of(name)
    model = load_untrained(base)
    made = internalize(model, [DOCUMENT], InternalizeOptions(study=0, questions=PAIRS))
    assert not any("vision" in layer or "visual" in layer for layer in made.weights)
    written = made.save(tmp_path / "a")
    assert not written.trained and written.hypernetwork == "training-free" and written.pairs == 2
    weights = read_adapter(tmp_path / "a").weights
    ids = torch.tensor([model.chunk(TEXT)[0].ids])
    with torch.no_grad():
        plain = base.model(ids).logits
        with apply_lora(base.model, weights):
            assert not torch.allclose(base.model(ids).logits, plain, atol=1e-3)
    made.ask("When does the ferry leave?", GenerationConfig(2))


def test_without_training_a_document_is_studied_by_default(tiny_base):
    asked = []

    class Writer(QuestionWriter):
        def write(self, windows, **_):
            asked.extend(windows)
            return [list(PAIRS) if not number else [] for number in range(len(windows))]

    model = load_untrained(tiny_base)
    model.__dict__["writer"] = Writer(tiny_base)
    made = internalize(model, [DOCUMENT])
    assert asked and made.pairs == list(PAIRS) and made.pairs_answered is not None
    assert not internalize(model, [DOCUMENT], InternalizeOptions(study=0)).pairs


def test_it_recites_and_answers_what_it_studied(tmp_path):
    """With layers wide enough for the rows, ridge regression brings back every studied answer, token for token."""
    base = load(make_base(tmp_path / "wide", hidden_size=128, layers=6))
    made = internalize(load_untrained(base), [DOCUMENT], InternalizeOptions(study=0, questions=PAIRS))
    assert made.pairs_answered == 1
    assert [made.ask(f"{qa.question}\nAnswer in a few words.") for qa in PAIRS] == ["at six", "salted herring"]
    untouched = internalize(load_untrained(base), [DOCUMENT], InternalizeOptions(study=0))
    assert untouched.ask(PAIRS[0].question) != "at six"


def test_a_base_is_calibrated_once(tiny_base, monkeypatch):
    first = load_untrained(tiny_base)
    monkeypatch.setattr(untrained, "calibrate", lambda *_: pytest.fail("calibrated again"))
    again = load_untrained(tiny_base)
    assert first.cache_key() == again.cache_key()
    assert all(
        torch.equal(a, b) for a, b in zip(first.hypernetwork.buffers(), again.hypernetwork.buffers(), strict=True)
    )
    assert first.hypernetwork.head.whitening("down_proj").abs().sum() > 0


def test_another_bases_calibration_is_its_own(tiny_base, tmp_path):
    other = load(make_base(tmp_path / "other", seed=1))
    assert other.spec.fingerprint == tiny_base.spec.fingerprint
    scales = [load_untrained(base).hypernetwork.head.value_scale for base in (tiny_base, other)]
    assert not torch.equal(*scales)


def test_a_home_that_cannot_be_written_only_costs_time(tiny_base, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    assert isinstance(load_untrained(tiny_base, root=tmp_path / "file"), D2LModel)


@pytest.mark.parametrize(
    ("name", "module"),
    [("llama", "down_proj"), ("gpt_neox", "dense_4h_to_h"), ("opt", "fc2"), ("phi", "fc2"), ("qwen3_moe", "o_proj")],
)
def test_memories_are_where_the_last_blocks_write(name, module, base_of):
    base = base_of(name)
    targets = untrained_config(base).hypernetwork.targets
    assert {t.module for t in targets} == {module} and [t.layer for t in targets] == [3]
    assert all(t.out_features == 32 for t in targets)


def test_blocks_without_the_module_or_with_one_of_another_size_are_left_out(tmp_path):
    from torch import nn

    base = load(make_base(tmp_path / "deep", layers=12))
    blocks = find_decoder(base.model).blocks
    del blocks[10].mlp.down_proj
    blocks[9].mlp.down_proj = nn.Linear(200, 32)
    assert [t.layer for t in untrained_config(base).hypernetwork.targets] == [8, 11]


def test_transposed_layers_are_refused(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=3, n_head=4, vocab_size=264)).save_pretrained(tmp_path / "gpt2")
    make_tokenizer().save_pretrained(tmp_path / "gpt2")
    with pytest.raises(InputError, match="Conv1D"):
        load_untrained(load(tmp_path / "gpt2"))
