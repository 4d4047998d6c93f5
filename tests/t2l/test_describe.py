"""Descriptions that the base model proposes."""

import pytest

import t2l.describe
from shared.errors import HyperLoraError
from t2l.describe import MAX_EXAMPLES, describe_examples, describe_messages, one_line
from t2l.tasks import Example


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Sort the words.", "Sort the words."),
        ('Task: "Sort the words."', "Sort the words."),
        ('"Instruction: Sort the words"', "Sort the words"),
        ("Sure! Here is a one-line description:\n\n**Sort the words.** It is easy.", "Sort the words."),
        ("The task description: sort  the\twords\nThis is because ...", "sort the words"),
        ("1. Sort the words.\n2. Count them.", "Sort the words."),
        ("\n\n- Task:\n- Give the sum, e.g. 3 for 1 + 2. Then stop.", "Give the sum, e.g. 3 for 1 + 2."),
        ("Answer the question: use one word.", "Answer the question: use one word."),
        ("\u201cTranslate into French.\u201d Done.", "Translate into French."),
        ("Here's the instruction: Answer yes or no! Be brief.", "Answer yes or no!"),
        ("Task:", ""),
        ("", ""),
    ],
)
def test_a_reply_becomes_one_line(reply, expected):
    assert one_line(reply) == expected


def test_long_replies_are_cut_at_a_word():
    text = one_line("classify the message " * 50)
    assert len(text) <= 200 and text.endswith(("classify...", "the...", "message..."))
    assert len(one_line("x" * 500)) <= 200


def test_the_prompt_holds_the_examples(tiny_base, monkeypatch):
    seen = []

    def spy(base, prompts, config):
        seen.append((base.tokenizer.decode(prompts[0]), len(prompts), config.temperature))
        return [f"Task: say {len(seen)}"] * len(prompts)

    monkeypatch.setattr(t2l.describe, "generate", spy)
    monkeypatch.setattr(type(tiny_base), "context_window", 4096)
    examples = [Example(f"input {i}", (f"output {i}",)) for i in range(10)]
    assert describe_examples(tiny_base, examples, n=3) == ["say 1", "say 2"]
    assert [(count, temperature > 0) for _, count, temperature in seen] == [(1, False), (2, True)]
    prompt = seen[0][0]
    assert all(f"input {i}" in prompt and f"output {i}" in prompt for i in range(MAX_EXAMPLES))
    assert f"input {MAX_EXAMPLES}" not in prompt
    monkeypatch.setattr(type(tiny_base), "context_window", 470)
    describe_examples(tiny_base, examples)
    assert "input 0" in seen[-1][0] and "input 7" not in seen[-1][0]


def test_long_examples_are_cut():
    content = describe_messages([Example("word " * 500, ("y " * 500,))])[0]["content"]
    assert 50 < content.count("word ") <= 60 and len(content) < 1000


def test_proposals_copied_from_an_example_are_dropped(tiny_base, monkeypatch):
    copied, other = "The ferry leaves  the harbour at six.", "Name the harbour."
    examples = [Example(f"News: {copied}\nIt is late.", (other,)), Example("x", ("word " * 100,))]
    replies = []
    monkeypatch.setattr(t2l.describe, "generate", lambda base, prompts, config: [replies.pop(0) for _ in prompts])
    replies[:] = ["the ferry leaves the HARBOUR at six.", "Find the place.", "Word " * 90]
    assert describe_examples(tiny_base, examples, n=3) == ["Find the place."]
    replies[:] = ["the ferry leaves the harbour", "Word " * 90]
    assert describe_examples(tiny_base, examples, n=2) == ["the ferry leaves the harbour"]
    replies[:] = ["name the harbour."]  # too short to be sure
    assert describe_examples(tiny_base, examples) == ["name the harbour."]


def test_no_usable_proposal(tiny_base, monkeypatch):
    monkeypatch.setattr(t2l.describe, "generate", lambda base, prompts, config: [" \n"] * len(prompts))
    with pytest.raises(HyperLoraError, match="no description"):
        describe_examples(tiny_base, [Example("a", ("b",))], n=2)
