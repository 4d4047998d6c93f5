"""A base without a trained writer: examples in its prompt, and what it copies from them is left out."""

import pytest

from d2l.questions import QA
from d2l.study.pairs import prompt_text
from d2l.study.windows import Window
from d2l.study.writer import QuestionWriter, copied
from tests.models import random_weights

WINDOW = Window("The ferry leaves at six.", "Harbour")


@pytest.fixture
def writer(tiny_base):
    return QuestionWriter(tiny_base, random_weights(tiny_base, ("q_proj", "down_proj"), 2))


def test_its_examples_are_in_the_prompt(tiny_base, writer, monkeypatch):
    few_shot = QuestionWriter(tiny_base)
    seen = []
    monkeypatch.setattr(few_shot, "_decode", lambda prompts, *_: seen.extend(prompts) or [""] * len(prompts))
    few_shot.replies([WINDOW])
    text = tiny_base.tokenizer.decode(seen[0])
    assert "Marie Curie" in text and text.endswith(prompt_text(WINDOW))
    assert len({few_shot.identity, writer.identity, QuestionWriter(tiny_base).identity}) == 2


@pytest.mark.parametrize(
    ("question", "answer", "is_copied"),
    [
        ("Who was the analyst of resin sample E25?", "Boris Ferrari", False),
        ("Which sample did Boris Ferrari analyse?", "resin sample E25", False),
        ("What was Boris Ferrari's name?", "Boris Ferrari", True),
        ("Which Nobel Prize did the analyst win?", "Boris Ferrari", True),
        ("What did tomato soup cost?", "E25", True),
    ],
)
def test_what_is_copied_from_the_examples_or_given_away(question, answer, is_copied):
    window = Window("Against resin sample E25 we noted Boris Ferrari as the analyst.")
    assert copied(QA(question, (answer,)), window) == is_copied


def test_a_text_about_the_same_as_an_example_is_asked_about_it():
    window = Window("Irene Joliot shared the Nobel Prize in Chemistry in 1935.")
    assert not copied(QA("In what year did Irene Joliot share the Nobel Prize?", ("1935",)), window)


def test_only_a_base_without_a_writer_has_its_copies_left_out(tiny_base, writer, monkeypatch):
    line = "A: six Q: When does the ferry with the Nobel Prize leave?\n"
    for one, kept in ((writer, 1), (QuestionWriter(tiny_base), 0)):
        monkeypatch.setattr(one, "_decode", lambda prompts, rows, _: [line] * len(rows))
        assert len(one.write([WINDOW], samples=1)[0]) == kept
