"""``hyperlora refine``: a better adapter, or the old one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from d2l.questions import QA
from shared.lora.adapter import read_adapter

ROOT = Path(__file__).parents[2]
FAQ = [{"question": "When does the ferry leave?", "answer": "six"}]


@pytest.fixture
def refine(hyperlora, adapter, d2l_hypernet, tmp_path):
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, FAQ)))
    return lambda *more, of="adapter": hyperlora("refine", of, "--hypernet", d2l_hypernet, *more)


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
    source = read_adapter(tmp_path / "better").provenance["source"]
    assert source["refined_with"] == 35 and source["fidelity"] == report["after"]
    assert f"Fidelity {report['after']['adapter']:.0%}" in (tmp_path / "better" / "README.md").read_text()


def test_steps_that_made_it_worse_are_not_kept(refine, tmp_path, document, monkeypatch):
    from d2l.check import Fidelity

    written = [QA(f"{ask} {n}?", (f"Answer {n}",)) for n in range(20) for ask in ("What is the value of", "Say number")]
    monkeypatch.setattr("d2l.study.document.write_pairs", lambda *_arguments, **_options: written)
    monkeypatch.setattr("d2l.refine.check", lambda *_arguments, **_options: Fidelity(5, 0.6, 0.0))
    monkeypatch.setattr("d2l.refine.right_share", lambda *_arguments, **_options: 0.4)
    done = refine("--context", document, "--study", "8", "-o", "same", "--passes", "1")
    assert done.exit_code == 0 and "worse" in done.stderr
    old, new = read_adapter(tmp_path / "adapter").weights, read_adapter(tmp_path / "same").weights
    assert all(torch.equal(new[n].lora_A, old[n].lora_A) and torch.equal(new[n].lora_B, old[n].lora_B) for n in old)


@pytest.fixture
def written(monkeypatch):
    pairs = [QA(f"{ask} {n}?", (f"Answer {n}",)) for n in range(20) for ask in ("What is the value of", "Say number")]
    monkeypatch.setattr("d2l.study.document.write_pairs", lambda *_arguments, **_options: pairs)


def test_the_check_stops_the_steps_and_the_best_state_is_written(refine, document, written, monkeypatch, tmp_path):
    from d2l.check import Fidelity

    monkeypatch.setattr("shared.training.refine._Best.SHARE", 1e9)
    scores, asked = iter([0.2, 0.8, 0.4, 0.6, 0.0]), []

    def share(base, weights, questions, **_):
        asked.append({name: factors.delta() for name, factors in weights.items()})
        return next(scores)

    monkeypatch.setattr("d2l.refine.check", lambda *_arguments, **_options: Fidelity(5, 0.2, 0.0))
    monkeypatch.setattr("d2l.refine.right_share", share)
    done = refine("--context", document, "--study", "8", "-o", "best", "--passes", "50", "--json", "--dtype", "float32")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["checks"] == [0.2, 0.8, 0.4, 0.6, 0.0] and report["after"]["adapter"] == 0.8
    steps = len(report["losses"]) // 5
    assert len(report["losses"]) == 5 * steps < 50 * steps
    best = read_adapter(tmp_path / "best").weights
    away = [sum((best[name].delta() - d).abs().sum().item() for name, d in state.items()) for state in asked]
    assert away.index(min(away)) == 1


def test_ctrl_c_keeps_the_best_and_the_same_command_goes_on(refine, document, written, monkeypatch, tmp_path):
    import shared.training.refine as library

    step, calls = library._step, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(library, "_step", interrupted)
    first = refine("--context", document, "--study", "8", "-o", "first", "--json")
    assert first.exit_code == 0, first.stderr
    assert len(json.loads(first.stdout)["losses"]) == 4
    assert read_adapter(tmp_path / "first").provenance["source"]["gradient_steps"] == 4
    second = refine("--context", document, "--study", "8", "-o", "second", "--passes", "1", "--json", of="first")
    assert second.exit_code == 0, second.stderr
    losses = json.loads(second.stdout)["losses"]
    assert losses[0] < json.loads(first.stdout)["losses"][0]
    assert read_adapter(tmp_path / "second").provenance["source"]["gradient_steps"] == 4 + len(losses)


SLOW = """
import os, signal, sys
import shared.training.refine as library

step, calls = library._step, []

def interrupting(*arguments):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return step(*arguments)

library._step = interrupting
from cli.__main__ import main
main()
"""


def test_a_real_ctrl_c_ends_the_steps_and_the_adapter_is_written(refine, d2l_hypernet, tmp_path):
    command = ["refine", "adapter", "--questions", "faq.jsonl", "--hypernet", str(d2l_hypernet), "-o", "kept", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SLOW, *command, "--passes", "100"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["losses"]) == 2
    assert read_adapter(tmp_path / "kept").provenance["source"]["gradient_steps"] == 2


def test_a_ctrl_c_in_the_last_check_loses_nothing(refine, document, written, monkeypatch, tmp_path):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("d2l.refine._after", interrupted)
    done = refine("--context", document, "--study", "8", "-o", "better", "--passes", "1")
    assert done.exit_code == 0 and "not measured, interrupted" in done.stderr
    assert read_adapter(tmp_path / "better").provenance["source"]["gradient_steps"] > 0


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
