"""The user's own base models from the command line: no hypernetwork trained for them, GGUF files, thinking."""

import json

import pytest

from d2l.questions import QA
from d2l.study.pairs import KIND
from tests.gguf_files import tiny_qwen2, write_gguf
from tests.models import CHAT_TEMPLATE, edited, make_base


@pytest.fixture
def questions(tmp_path, monkeypatch):
    """Two questions of the user's, and few of the rows that keep an adapter silent elsewhere."""
    monkeypatch.setattr("d2l.study.anchors.NUMBER", 3)
    monkeypatch.setattr("d2l.untrained.general_text", lambda: ["The keeper writes totals in blue ink. " * 3])
    path = tmp_path / "questions.jsonl"
    pairs = {"When does the ferry leave?": "at six", "What does it carry?": "salted herring"}
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in pairs.items()))
    return ["--questions", path, "--study", 0]


@pytest.mark.parametrize("kind", ["gguf", "folder"])
def test_a_document_for_any_base(hyperlora, document, questions, tmp_path, kind):
    made = {"gguf": lambda path: write_gguf(path, tiny_qwen2()), "folder": lambda path: make_base(path, seed=3)}
    base = made[kind](tmp_path / f"mine.{kind}")
    done = hyperlora("d2l", document, "--base", base, *questions, "--dtype", "float32", "-o", "a", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("training-free") == 2 and "it answers" in done.stderr
    facts = json.loads(done.stdout)
    assert facts["hypernetwork"] == "training-free" and facts["trained"] is False
    assert facts["pairs"] == 2 and facts["pairs_answered"] is not None
    done = hyperlora("ask", "a", "When does the ferry leave?", "--max-new-tokens", "2", "--json")
    assert done.exit_code == 0, done.stderr


def test_of_a_very_long_document_a_sample_is_asked_about(hyperlora, document, questions, tiny_base_path, monkeypatch):
    """And the report says so; --study N asks about all of it."""
    pairs = [QA("When does the ferry leave?", ("at six",), KIND)]
    monkeypatch.setattr("d2l.study.document.write_pairs", lambda *_arguments, **_options: pairs)
    monkeypatch.setattr("d2l.study.document.LONGEST_STUDY", 8)
    own, command = questions[:2], ["d2l", document, "--base", tiny_base_path, "--hypernet", "training-free"]
    sampled = json.loads(hyperlora(*command, *own, "--dtype", "float32", "-o", "a", "--json").stdout)
    assert sampled["asked_about"] == pytest.approx(1 / sampled["chunks"], abs=1e-4) and sampled["chunks"] > 1
    whole = hyperlora(*command, *own, "--study", 3, "--dtype", "float32", "-o", "b")
    assert whole.exit_code == 0 and "asked about" not in whole.stderr
    again = hyperlora(*command, *own, "--dtype", "float32", "-o", "c")
    assert f"{sampled['asked_about']:.0%} of the text was asked about" in again.stderr


def test_the_mode_can_be_asked_for(hyperlora, document, questions, tiny_base_path, d2l_hypernet):
    options = ["--base", tiny_base_path, *questions, "--dtype", "float32", "--json"]
    done = hyperlora("d2l", document, "--hypernet", "training-free", *options, "-o", "a")
    assert done.exit_code == 0 and json.loads(done.stdout)["trained"] is False, done.stderr
    done = hyperlora("d2l", document, "--hypernet", d2l_hypernet, *options, "-o", "b")
    assert json.loads(done.stdout)["trained"] is True and "training-free" not in done.stderr


def test_a_trained_hypernetwork_that_was_named_still_refuses_another_base(hyperlora, document, tmp_path, d2l_hypernet):
    other = make_base(tmp_path / "wider", hidden_size=64)
    done = hyperlora("d2l", document, "--hypernet", d2l_hypernet, "--base", other, "-o", "a")
    assert done.exit_code == 2 and "hidden size" in done.stderr


def test_an_adapter_that_names_no_base_takes_one(hyperlora, adapter, tiny_base_path):
    edited(adapter, "adapter_config.json", {"base_model_name_or_path": None})
    done = hyperlora("ask", "adapter", "six?", "--max-new-tokens", "2")
    assert done.exit_code == 2 and "names no base model" in done.stderr and "--base" in done.stderr
    done = hyperlora("ask", "adapter", "six?", "--max-new-tokens", "2", "--base", tiny_base_path)
    assert done.exit_code == 0, done.stderr
    assert hyperlora("inspect", "adapter").exit_code == 0


def test_thinking_and_arguments_of_the_template(hyperlora, adapter, tmp_path, monkeypatch):
    base = make_base(tmp_path / "thinker")
    (base / "chat_template.jinja").write_text(
        CHAT_TEMPLATE + "{% if not enable_thinking %}</think>{% endif %}{{ level }}"
    )
    prompts = []
    ask = ["ask", "adapter", "six?", "--base", base]

    def spy(loaded, messages, *_):
        from shared.base.chat import chat_ids

        prompts.append(loaded.tokenizer.decode(chat_ids(loaded, messages)))
        return ""

    monkeypatch.setattr("shared.base.chat.answer", spy)
    for options in ([], ["--think"], ["--template-option", "level=3"]):
        done = hyperlora(*ask, *options)
        assert done.exit_code == 0, done.stderr
    plain, thinking, level = prompts
    assert plain == f"{thinking}</think>" and level == f"{plain}3"
    done = hyperlora(*ask, "--template-option", "nosuch=1")
    assert done.exit_code == 2 and "it takes: enable_thinking, level" in done.stderr
