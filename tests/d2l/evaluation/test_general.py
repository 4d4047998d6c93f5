"""General questions with and without a document loaded."""

from d2l.evaluation import general
from d2l.evaluation.general import GENERAL, evaluate_general
from d2l.study.unrelated import UNRELATED
from tests.models import TEXT, make_d2l


def test_no_question_was_trained_on():
    assert not {question for question, _ in GENERAL} & set(UNRELATED)


def test_shares_and_the_relative_loss(tiny_base, monkeypatch):
    """The base knows all, the first document's adapter half and the second's a quarter; the bias nothing."""
    model = make_d2l(tiny_base)
    right = [answers[0] for _, answers in GENERAL]
    known = iter([1.0, 0.5, 0.25, 0.0])  # the base, two documents, the bias LoRA
    shares = []

    def replies(_model, lora, _tokens):
        shares.append((next(known), lora))
        count = round(shares[-1][0] * len(right))
        return [f"It is {answer}!" if i < count else "No idea." for i, answer in enumerate(right)]

    monkeypatch.setattr(general, "_replies", replies)
    result = evaluate_general(model, [TEXT[:60], TEXT[60:120]])
    assert (result.base, result.bias, result.by_document) == (1.0, 0.0, [0.5, 0.25])
    assert result.adapter == 0.375 and result.relative_loss == 0.625 and result.unchanged == 0.375
    assert shares[0][1] is None and shares[1][1].r > shares[3][1].r


def test_questions_are_asked_plainly(tiny_base, monkeypatch):
    model = make_d2l(tiny_base)
    prompts = []
    monkeypatch.setattr(general, "generate", lambda base, rows, config: prompts.extend(rows) or [""] * len(rows))
    evaluate_general(model, [TEXT])
    assert len(prompts) == 3 * len(GENERAL)
    assert all("ferry" not in tiny_base.tokenizer.decode(prompt) for prompt in prompts)
