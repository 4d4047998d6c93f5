"""Context distillation and the comparison of approaches, on a tiny base model."""

import pytest
import torch

from d2l.evaluation.compare import APPROACHES, compare
from d2l.evaluation.distill import REPEAT, DistillConfig, distill
from d2l.questions import QA, question_messages
from shared.base.chat import answer_ids, chat_ids
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.training.losses import logits_at, next_token_loss
from shared.training.plain_lora import empty_lora
from shared.training.refine import RefineConfig
from tests.models import make_d2l

PASSAGES = ["The ferry leaves at six.", "The keeper writes totals in blue ink."]


@pytest.fixture
def model(tiny_base):
    return make_d2l(tiny_base)


def text_loss(base, weights, passage):
    prompt, answer = chat_ids(base, question_messages(REPEAT)), answer_ids(base.tokenizer, passage)
    ids = torch.tensor([prompt + answer])
    targets = torch.zeros_like(ids, dtype=torch.bool)
    targets[:, len(prompt) :] = True
    with torch.no_grad(), apply_lora(base.model, weights):
        return next_token_loss(logits_at(base, ids, torch.ones_like(targets), targets), ids[targets]).item()


def test_distillation_learns_the_text_and_leaves_the_base_alone(model, tiny_base):
    start = empty_lora(model.config.hypernetwork.targets, 4)
    before = {name: value.clone() for name, value in tiny_base.model.state_dict().items()}
    plain = text_loss(tiny_base, start, PASSAGES[0])
    done = distill(
        tiny_base, PASSAGES, start, DistillConfig(steps=30, lr=0.02, text_share=1.0, questions_per_passage=0)
    )
    assert done.steps == 30 and done.questions == 0
    assert text_loss(tiny_base, done.weights, PASSAGES[0]) < 0.8 * plain
    assert all(torch.equal(before[name], value) for name, value in tiny_base.model.state_dict().items())
    assert all((f.lora_B == 0).all() for f in start.values())  # the start is not changed in place


def test_distillation_pulls_towards_the_model_with_the_document(model, tiny_base):
    start = empty_lora(model.config.hypernetwork.targets, 4)
    done = distill(tiny_base, PASSAGES, start, DistillConfig(steps=40, lr=0.02, text_share=0.0, max_answer_tokens=6))
    assert done.questions > 0
    assert sum(done.losses[-5:]) < 0.8 * sum(done.losses[:5])


def test_distillation_is_reproducible_and_stops_in_time(model, tiny_base):
    start = empty_lora(model.config.hypernetwork.targets, 2)
    one, two = (distill(tiny_base, PASSAGES, start, DistillConfig(steps=3, max_answer_tokens=4)) for _ in range(2))
    assert one.losses == two.losses
    assert (
        distill(tiny_base, PASSAGES, start, DistillConfig(steps=50, max_seconds=0, questions_per_passage=0)).steps == 1
    )
    with pytest.raises(InputError):
        DistillConfig(text_share=2.0)


def test_every_approach_answers_the_same_questions(model):
    questions = [QA("When does the ferry leave?", ("six",)), QA("What does the keeper write?", ("totals",))]

    def embed(texts):
        vectors = torch.tensor([[text.count("ferry"), text.count("keeper")] for text in texts], dtype=torch.float)
        return torch.nn.functional.normalize(vectors, dim=-1)

    text = " ".join(PASSAGES)
    quick = DistillConfig(steps=2, max_answer_tokens=4)
    options = {"retrieved": 1, "max_new_tokens": 2, "distillation": quick, "refined": RefineConfig(least_steps=2)}
    result = compare(model, text, questions, embed=embed, study=lambda: questions, **options)
    rows = {row.name: row for row in result.approaches}
    assert tuple(rows) == APPROACHES and result.questions == 2
    assert rows["d2l"].prompt_tokens == rows["none"].prompt_tokens == rows["distillation"].prompt_tokens
    assert rows["context"].prompt_tokens > rows["none"].prompt_tokens
    assert rows["none"].update_seconds == rows["context"].update_seconds == 0 < rows["d2l"].update_seconds
    assert "2 steps" in rows["distillation"].note and "2 questions" in rows["d2l+refine"].note
    long = compare(model, text * 40, questions, embed=embed, approaches=["context", "d2l"], max_new_tokens=2)
    assert "window" in long.approaches[0].note and long.approaches[0].f1 is None
    assert long.approaches[1].f1 is not None


def test_distillation_trains_the_shape_of_the_adapter(model, monkeypatch):
    from d2l.evaluation import compare as module

    starts = []

    def record(base, passages, start, config):
        starts.append(start)
        return distill(base, passages, start, config)

    monkeypatch.setattr(module, "distill", record)
    text, quick = " ".join(PASSAGES), DistillConfig(steps=1, questions_per_passage=0)
    asked = [QA("?", ("six",))]
    compare(model, text, asked, embed=None, approaches=["distillation"], distillation=quick, max_new_tokens=1)
    adapter = model.generate(model.chunk(text)).weights
    assert {n: f.lora_A.shape for n, f in starts[0].items()} == {n: f.lora_A.shape for n, f in adapter.items()}
    assert all((f.delta() == 0).all() for f in starts[0].values())


def test_retrieval_puts_the_best_passages_into_the_prompt(model, monkeypatch):
    from d2l.evaluation import compare as module

    seen = []
    monkeypatch.setattr(module, "generate", lambda base, rows, config: seen.append(rows[0]) or ["six"])
    questions = [QA("ferry?", ("six",)), QA("keeper?", ("totals",))]

    def embed(texts):
        return torch.tensor([[float("ferry" in text), float("keeper" in text)] for text in texts])

    padding = " Nothing else was said that day." * 4
    text = PASSAGES[0] + padding + "\n\n" + PASSAGES[1] + padding
    result = compare(model, text, questions, embed=embed, approaches=["retrieval"], retrieved=1)
    decoded = [model.base.tokenizer.decode(ids) for ids in seen]
    assert "leaves at six" in decoded[0] and "blue ink" not in decoded[0]
    assert "blue ink" in decoded[1] and "leaves at six" not in decoded[1]
    assert result.approaches[0].exact_match == 0.5
