"""``hyperlora check``, and the check at the end of ``d2l``."""

import json

import pytest

from d2l.questions import QA

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
