"""Needle in a haystack: documents, scores and the plot."""

import pytest
import torch

from d2l.evaluation import needles
from d2l.evaluation.needles import evaluate_needles
from d2l.questions import QA
from d2l.synthetic import noise, prose_needle_document
from shared.errors import InputError
from tests.models import make_d2l

PROSE = "The harbour was quiet that year. Nobody asked for the keys! Was it cold? It rained for weeks. " * 3


def test_prose_needles_stand_at_their_depth_and_have_one_answer():
    for depth, third in ((0.0, 0), (1.0, 2)):
        document = prose_needle_document(3, PROSE, seed=1, num_words=300, depth=depth)
        (asked,) = document.questions
        assert document.context.count(asked.answer) == 1
        position = document.context.index(asked.answer) / len(document.context)
        assert third / 3 <= position <= (third + 1) / 3
    again = prose_needle_document(3, PROSE, seed=1, num_words=300, depth=1.0)
    assert again == document and again != prose_needle_document(4, PROSE, seed=1, num_words=300, depth=1.0)
    assert 300 <= len(document.context.split()) <= 300 + 3 * 14 + 8
    with pytest.raises(ValueError):
        prose_needle_document(0, " ", seed=0, num_words=10, depth=0.5)


@pytest.mark.parametrize("haystack", [None, PROSE], ids=["noise", "prose"])
def test_accuracy_counts_answers_with_the_number(tiny_base, haystack, monkeypatch):
    """With the adapter every second answer is right, in the prompt all are; lengths are met up to a few sentences."""
    model = make_d2l(tiny_base)
    asked = []

    def answer(_model, document, lora):
        asked.append((document, lora))
        return 1.0 if lora is None else float(len([a for a in asked if a[1] is not None]) % 2)

    monkeypatch.setattr(needles, "_ask", answer)
    result = evaluate_needles(model, [300, 600], num_depths=4, haystack=haystack, chunk_tokens=100)
    assert result.lengths[300]["adapter"] == result.lengths[600]["adapter"] == 0.5
    assert result.lengths[300]["context"] == 1.0 and result.lengths[600]["context"] is None  # a window of 512
    assert [cell.depth for cell in result.cells[:4]] == [0.0, 0.333, 0.667, 1.0]
    for cell in result.cells:
        assert abs(cell.tokens - cell.length) < 160  # bytes: a sentence more or less
    assert result.lengths[600]["rank"] > result.lengths[300]["rank"] > 2


def test_the_adapter_is_asked_without_the_text(tiny_base, monkeypatch):
    model = make_d2l(tiny_base)
    prompts = []

    def record(base, rows, config):
        prompts.append((base.tokenizer.decode(rows[0]), base.model.get_submodule("model.layers.0.mlp.down_proj")))
        return ["the number 1234"]

    monkeypatch.setattr(needles, "generate", record)
    evaluate_needles(model, [200], num_depths=1, max_rank=3)
    (adapter, live), (context, plain) = prompts
    assert "grass" not in adapter and "grass" in context
    assert live.lora_A.shape[-2] == 3 and isinstance(plain, torch.nn.Linear)


def test_bad_lengths_and_haystacks_are_refused(tiny_base):
    with pytest.raises(InputError, match="32"):
        evaluate_needles(make_d2l(tiny_base), [8])
    with pytest.raises(InputError, match="no text"):
        evaluate_needles(make_d2l(tiny_base), [100], haystack="  ")


def test_noise_starts_anywhere_in_its_cycle():
    assert noise(6).startswith("The grass is green.") and noise(6, start=3).startswith("Here we go.")


def test_a_studied_document_has_its_pairs_in_the_adapter(tiny_base, monkeypatch):
    model = make_d2l(tiny_base)
    pair = QA("Which number is hidden?", ("1234",))
    studied, adapters = [], []

    def study(text):
        studied.append(text)
        return [pair]

    monkeypatch.setattr(needles, "_ask", lambda _model, _document, lora: adapters.append(lora) or 1.0)
    for pairs in (None, study):
        evaluate_needles(model, [200], num_depths=1, with_context=False, study=pairs)
    one_pass, after_study = adapters
    (text,) = studied
    wanted = model.generate(model.chunk(text), pairs=[pair]).weights
    assert set(after_study) == set(wanted)
    for name in wanted:
        torch.testing.assert_close(after_study[name].lora_A, wanted[name].lora_A)
    assert any(not torch.equal(one_pass[name].delta(), after_study[name].delta()) for name in wanted)
