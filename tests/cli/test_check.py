"""``hyperlora check``, and the check at the end of ``d2l``."""

import json

import pytest

from d2l.questions import QA
from tests.models import FLOAT32

FAQ = [{"question": "When does the ferry leave?", "answer": "six"}, {"question": "What is it?", "answer": "a ferry"}]


@pytest.fixture
def adapter(hyperlora, d2l_hypernet, document, tmp_path):
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, FAQ)))
    assert hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "out").exit_code == 0
    return "out"


def test_own_questions_give_a_fidelity(hyperlora, adapter, tiny_base_path):
    done = hyperlora("check", adapter, "--questions", "faq.jsonl", "--base", tiny_base_path, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["questions"] == 2 and found["text"] is None
    assert all(0 <= found[name] <= 1 for name in ("adapter", "base", "kept"))
    told = hyperlora("check", adapter, "--questions", "faq.jsonl", "--base", tiny_base_path)
    assert (
        told.stdout.startswith("fidelity ")
        and "2 questions" in told.stdout
        and "unrelated questions stay" in told.stdout
    )


def test_a_script_can_ask_for_a_least_fidelity(hyperlora, adapter, tiny_base_path):
    arguments = ("check", adapter, "--questions", "faq.jsonl", "--base", tiny_base_path)
    assert hyperlora(*arguments, "--min-fidelity", "0").exit_code == 0
    failed = hyperlora(*arguments, "--min-fidelity", "1")
    assert failed.exit_code == 1 and failed.stdout.startswith("fidelity ")
    assert "is below --min-fidelity 100%" in failed.stderr
    refused = hyperlora("check", adapter, "--min-fidelity", "0.5", "--base", tiny_base_path)
    assert refused.exit_code == 2 and "needs questions" in refused.stderr


def test_without_questions_it_says_what_stays(hyperlora, adapter, tiny_base_path):
    done = hyperlora("check", adapter, "--base", tiny_base_path)
    assert done.exit_code == 0 and "fidelity" not in done.stdout and "unrelated questions stay" in done.stdout


def test_d2l_asks_what_it_held_back(hyperlora, d2l_hypernet, document, tmp_path, monkeypatch):
    written = [QA(f"{ask} {n}?", (f"Answer {n}",)) for n in range(20) for ask in ("What is the value of", "Say number")]
    monkeypatch.setattr("d2l.study.document.write_pairs", lambda *_arguments, **_options: written)
    run = ("d2l", document, "--hypernet", d2l_hypernet, "--study", "8", "--refine", "1", "--json")
    done = hyperlora(*run, "-o", "checked", "--show-questions", "asked.jsonl")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["pairs"] == 35 and report["fidelity"]["questions"] == 5
    source = json.loads((tmp_path / "checked" / "provenance.json").read_text())["source"]
    assert source["fidelity"] == report["fidelity"] and report["fidelity"]["text"] is not None
    card = (tmp_path / "checked" / "README.md").read_text()
    assert f"Fidelity {report['fidelity']['adapter']:.0%}: the share of 5 questions" in card and "words" in card
    assert hyperlora("scale", "checked", "0.5", "-o", "soft").exit_code == 0
    assert "Fidelity" not in (tmp_path / "soft" / "README.md").read_text()  # measured of another adapter
    assert len((tmp_path / "asked.jsonl").read_text().splitlines()) == 40
    unchecked = json.loads(hyperlora(*run, "-o", "unchecked", "--no-check").stdout)
    assert unchecked["pairs"] == 40 and unchecked["fidelity"] is None


def test_an_adapter_of_two_documents_is_asked_what_was_held_back_of_both(
    hyperlora, d2l_hypernet, document, tmp_path, monkeypatch
):
    (tmp_path / "other.txt").write_text("The keeper is called Maud and keeps two goats.\n" * 4)

    def write_pairs(_writer, text, *_arguments, **_options):
        word = "ferry" if "ferry" in text else "goat"
        return [QA(f"{ask} {word} {n}?", (f"{word} {n}",)) for n in range(15) for ask in ("Which is", "Say the")]

    monkeypatch.setattr("d2l.study.document.write_pairs", write_pairs)
    files = (document, "other.txt")
    done = hyperlora("d2l", *files, "--hypernet", d2l_hypernet, "--study", "8", "-o", "both", "--json", *FLOAT32)
    assert done.exit_code == 0, done.stderr
    made = json.loads(done.stdout)["fidelity"]
    check = ("check", "both", "--hypernet", d2l_hypernet, "--study", "8", "--json", "--dtype", "float32", "--context")
    both = hyperlora(*check, document, "--context", "other.txt")
    assert both.exit_code == 0 and "was made of" not in both.stderr, both.stderr
    again = json.loads(both.stdout)
    assert {k: again[k] for k in ("questions", "adapter", "base", "text")} == {
        k: made[k] for k in ("questions", "adapter", "base", "text")
    }
    one = hyperlora(*check, document)
    assert one.exit_code == 0 and "was made of harbour.txt, other.txt" in one.stderr
    assert json.loads(one.stdout)["questions"] != again["questions"]
