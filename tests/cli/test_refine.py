"""``hyperlora refine``: a better adapter, or the old one."""

import json

import pytest
import torch

from d2l.questions import QA
from shared.lora.adapter import read_adapter

FAQ = [{"question": "When does the ferry leave?", "answer": "six"}]


@pytest.fixture
def refine(hyperlora, adapter, d2l_hypernet, tmp_path):
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, FAQ)))
    return lambda *more: hyperlora("refine", "adapter", "--hypernet", d2l_hypernet, *more)


def test_own_questions_change_the_adapter_and_its_card(refine, tmp_path):
    done = refine("--questions", "faq.jsonl", "-o", "better", "--passes", "3", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["adapter"] == "better" and report["before"] is None
    assert report["losses"][-1] < report["losses"][0]
    old, new = read_adapter(tmp_path / "adapter"), read_adapter(tmp_path / "better")
    assert new.weights.r == old.weights.r and set(new.weights) == set(old.weights)
    assert any(not torch.allclose(new.weights[n].delta(), old.weights[n].delta(), atol=1e-4) for n in old.weights)
    steps = len(report["losses"])
    assert new.provenance["source"]["gradient_steps"] == steps
    assert new.provenance["source"]["files"] == old.provenance["source"]["files"]
    assert f"written with {steps} gradient steps" in (tmp_path / "better" / "README.md").read_text()
    again = refine("--questions", "faq.jsonl", "-o", "better", "--passes", "3")
    assert again.exit_code == 2 and "exists" in again.stderr
    assert refine("--questions", "faq.jsonl", "--passes", "3").exit_code == 0
    assert (tmp_path / "adapter-refined" / "adapter_config.json").exists()


def test_the_document_s_questions_are_checked_before_and_after(refine, tmp_path, document, monkeypatch):
    written = [QA(f"{ask} {n}?", (f"Answer {n}",)) for n in range(20) for ask in ("What is the value of", "Say number")]
    monkeypatch.setattr("d2l.study.document.write_pairs", lambda *_arguments, **_options: written)
    done = refine("--context", document, "--study", "8", "-o", "better", "--passes", "1", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["before"]["questions"] == report["after"]["questions"] == 5
    assert read_adapter(tmp_path / "better").provenance["source"]["refined_with"] == 35


def test_steps_that_made_it_worse_are_not_kept(refine, tmp_path, document, monkeypatch):
    from d2l.check import Fidelity

    written = [QA(f"{ask} {n}?", (f"Answer {n}",)) for n in range(20) for ask in ("What is the value of", "Say number")]
    monkeypatch.setattr("d2l.study.document.write_pairs", lambda *_arguments, **_options: written)
    found = iter([Fidelity(5, 0.6, 0.0), Fidelity(5, 0.4, 0.0)])
    monkeypatch.setattr("d2l.refine.check", lambda *_arguments, **_options: next(found))
    done = refine("--context", document, "--study", "8", "-o", "same", "--passes", "1")
    assert done.exit_code == 0 and "worse" in done.stderr
    old, new = read_adapter(tmp_path / "adapter").weights, read_adapter(tmp_path / "same").weights
    assert all(torch.equal(new[n].lora_A, old[n].lora_A) and torch.equal(new[n].lora_B, old[n].lora_B) for n in old)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to refine with"),
        (["--questions", "none.jsonl"], "does not exist"),
        (["--questions", "faq.jsonl", "-o", "adapter"], "exists"),
    ],
)
def test_what_cannot_be_refined_is_refused_in_one_line(refine, arguments, message):
    done = refine(*arguments)
    assert done.exit_code == 2 and message in done.stderr
