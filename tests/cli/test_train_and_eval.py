"""``hyperlora train`` and ``hyperlora eval``, and what was trained in use."""

import json

import pytest

D2L_YAML = """
kind: d2l
model: {perceiver: {latent_size: 16, num_latents: 4, num_blocks: 1, num_attention_heads: 2,
                     num_key_value_heads: 1, head_dim: 8},
        encoder: {layer_idx: 1}, r: 2, bias_r: 2, chunk_tokens: 300, head: {kind: memory, whitening_rank: 4}}
data: {chunks_per_step: 4, max_chunks: 2, real: 0}
training: {max_steps: 2, log_every: 1}
"""


def test_train_d2l_then_use_it(hyperlora, tiny_base_path, document, tmp_path):
    (tmp_path / "d2l.yaml").write_text(D2L_YAML)
    command = ["train", "d2l.yaml", "-o", "run", "--base", tiny_base_path, "--dtype", "float32"]
    done = hyperlora(*command, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["finished"] and report["step"] == 2
    used = hyperlora("d2l", document, "--hypernet", "run/hypernet", "-o", "a", "--json")
    assert used.exit_code == 0, used.stderr
    assert "hyperlora train CONFIG" in (tmp_path / "run" / "hypernet" / "README.md").read_text()


def test_train_t2l_then_use_it(hyperlora, tiny_base_path, tmp_path, tasks_dir):
    config = {
        "kind": "t2l",
        "model": {
            "perceiver": {
                "latent_size": 16,
                "num_blocks": 1,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
            }
        },
        "data": {"tasks": str(tasks_dir), "procedural": 0, "tasks_per_step": 2},
        "training": {"max_steps": 1, "log_every": 1},
    }
    (tmp_path / "t2l.json").write_text(json.dumps(config))
    done = hyperlora("train", "t2l.json", "-o", "run", "--base", tiny_base_path, "--dtype", "float32")
    assert done.exit_code == 0, done.stderr
    used = hyperlora("t2l", "upper the text", "--hypernet", "run/hypernet", "-o", "a", "--json")
    assert used.exit_code == 0, used.stderr
    assert 0 <= json.loads(used.stdout)["distance"] < 1e-3 < json.loads(used.stdout)["distance_threshold"]


def test_eval_docqa(hyperlora, d2l_hypernet, tmp_path):
    rows = [
        {"context": "The ferry leaves at six.", "question": "When does it leave?", "answer": "six"},
        {"context": "The ferry leaves at six.", "question": "What leaves?", "answer": "the ferry"},
        {"context": "The cat is called Tom. " * 4, "question": "Who is the cat?", "answer": "Tom"},
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = hyperlora("eval", "docqa", "--data", "q.jsonl", "--hypernet", d2l_hypernet, "--dtype", "float32", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["contexts"] == 2 and report["questions"] == 3
    nll = {mode: scores["nll"] for mode, scores in report["modes"].items()}
    assert set(nll) == {"none", "bias", "adapter", "other", "context", "context+bias"}
    assert len({round(value, 6) for value in nll.values()}) == 6  # six different settings, six different figures
    if nll["context+bias"] < nll["other"]:
        expected = (nll["other"] - nll["adapter"]) / (nll["other"] - nll["context+bias"])
        assert report["gap_closed"] == pytest.approx(expected)
    else:
        assert report["gap_closed"] is None
    assert "command" in report["provenance"]
    assert (
        "NLL/token"
        in hyperlora(
            "eval", "docqa", "--data", "q.jsonl", "--hypernet", d2l_hypernet, "--limit", 1, "--nll-only"
        ).stdout
    )


def test_eval_docqa_reports_no_score_it_did_not_measure(hyperlora, d2l_hypernet, tmp_path):
    row = {"context": "The ferry leaves at six.", "question": "When does it leave?", "answer": "six"}
    (tmp_path / "q.jsonl").write_text(json.dumps(row))
    done = hyperlora("eval", "docqa", "--data", "q.jsonl", "--hypernet", d2l_hypernet, "--nll-only", "--json")
    report = json.loads(done.stdout)
    assert report["adapter_over_context"] is None
    for scores in report["modes"].values():
        assert scores["nll"] > 0 and scores["f1"] is scores["exact_match"] is scores["recall"] is None


def test_train_a_multitask_lora_then_use_it(hyperlora, tiny_base_path, tmp_path, tasks_dir):
    config = {
        "kind": "t2l",
        "data": {"tasks": str(tasks_dir), "procedural": 0, "tasks_per_step": 2},
        "objective": {"mode": "multitask"},
        "training": {"max_steps": 1, "log_every": 1},
    }
    (tmp_path / "t2l.json").write_text(json.dumps(config))
    command = ["train", "t2l.json", "-o", "run", "--base", tiny_base_path, "--dtype", "float32"]
    done = hyperlora(*command, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["adapter"] == "run/adapter" and not (tmp_path / "run" / "hypernet").exists()
    card = (tmp_path / "run" / "adapter" / "README.md").read_text()
    assert "trained with" in card and "without gradient" not in card
    assert hyperlora("ask", "run/adapter", "word 1", "--max-new-tokens", 2).exit_code == 0


def test_eval_tasks(hyperlora, t2l_hypernet, adapter, tasks_dir, tmp_path):
    command = ["eval", "tasks", "--data", tasks_dir, "--hypernet", t2l_hypernet, "--limit", 2]
    done = hyperlora(*command, "--multitask", adapter, "--oracle", 1, "--oracle-steps", 2, "--plot", "p.png", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report["tasks"]) == {"upper", "double"} and report["examples"] == 4
    always = {"base", "base+description", "base+3 examples", "adapter", "other", "random", "multitask"}
    assert set(report["modes"]) == always | {"oracle"}
    pairs = {f"adapter - {m}" for m in always - {"base", "adapter"}} | {"oracle - adapter", "random - multitask"}
    assert set(report["differences"]) == pairs
    assert sum("oracle" in modes for modes in report["tasks"].values()) == 1
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    table = hyperlora(*command, "--split", "held_out", "--descriptions", 1)
    assert table.exit_code == 2 and "second task" in table.stderr
    assert "adapter - other" in hyperlora(*command, "--max-tasks", 1).stdout


def test_eval_of_procedural_tasks_needs_no_data(hyperlora, t2l_hypernet):
    options = ["--hypernet", t2l_hypernet, "--max-tasks", 1, "--limit", 1, "--max-input-tokens", 100]
    done = hyperlora("eval", "tasks", "--split", "procedural_held_out", *options, "--json")
    assert done.exit_code == 0, done.stderr
    assert next(iter(json.loads(done.stdout)["tasks"])).startswith("procedural-")
    labelled = json.loads(hyperlora("eval", "tasks", "--split", "procedural_labels", *options, "--json").stdout)
    assert "-words" in next(iter(labelled["tasks"]))
    assert hyperlora("eval", "tasks", "--split", "train", *options).exit_code == 2
