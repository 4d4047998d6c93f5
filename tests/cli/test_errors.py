"""Every error path: one line, what to do next, the right exit code, nothing half-written."""

import json
import os
import shutil

import pytest

from shared.lora.adapter import write_adapter
from tests.models import make_base, random_weights


def check(result, code, *words):
    assert result.exit_code == code, result.output + result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines[0].startswith("error: ") and lines[-1].startswith(("hint: ", "error: ")) and len(lines) <= 2, (
        result.stderr
    )
    for word in words:
        assert word in result.stderr
    assert result.stdout == ""


def test_unusable_documents(hyperlora, d2l_hypernet, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing else")
    (tmp_path / "folder").mkdir()
    for name, word in (
        ("missing.pdf", "does not exist"),
        ("empty.txt", "empty"),
        ("broken.pdf", "broken.pdf"),
        ("folder", "folder"),
    ):
        check(hyperlora("d2l", name, "--hypernet", d2l_hypernet, "-o", "out"), 2, word)
    check(hyperlora("d2l", "-", "--hypernet", d2l_hypernet, "-o", "out", input=""), 2, "empty")
    assert not (tmp_path / "out").exists()


def test_encrypted_document(hyperlora, d2l_hypernet):
    from pathlib import Path

    file = Path(__file__).parent.parent / "data" / "documents" / "encrypted.pdf"
    check(hyperlora("d2l", file, "--hypernet", d2l_hypernet, "-o", "out"), 2, "encrypted")


def test_existing_output(hyperlora, adapter, d2l_hypernet, document, tmp_path):
    before = {f.name: f.stat().st_mtime_ns for f in adapter.iterdir()}
    check(hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", adapter), 2, "already exists", "--force")
    assert before == {f.name: f.stat().st_mtime_ns for f in adapter.iterdir()}
    assert hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", adapter, "--force").exit_code == 0
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("x")
    check(hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "precious", "--force"), 2, "will not be deleted")
    assert (tmp_path / "precious" / "thesis.txt").exists()


def test_wrong_base(hyperlora, d2l_hypernet, document, adapter, tmp_path):
    other = make_base(tmp_path / "wide", hidden_size=48)
    check(hyperlora("d2l", document, "--hypernet", d2l_hypernet, "--base", other, "-o", "out"), 2, "hidden size")
    check(hyperlora("ask", adapter, "Q?", "--base", other), 2, "another base model")
    check(hyperlora("ask", adapter, "Q?", "--base", tmp_path / "none"), 2, "does not exist")
    (tmp_path / "junk").mkdir()
    check(hyperlora("ask", adapter, "Q?", "--base", tmp_path / "junk"), 2, "not a causal language model")
    assert not (tmp_path / "out").exists()


def test_bad_hypernetworks(hyperlora, d2l_hypernet, t2l_hypernet, document, tmp_path):
    check(hyperlora("d2l", document, "--hypernet", "no such thing"), 2, "does not exist")
    check(hyperlora("d2l", document, "--hypernet", t2l_hypernet), 2, "t2l hypernetwork")
    copy = tmp_path / "copy"
    shutil.copytree(d2l_hypernet, copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    check(hyperlora("d2l", document, "--hypernet", copy), 2, "damaged")
    weights.unlink()
    check(hyperlora("d2l", document, "--hypernet", copy), 2, "lacks")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"surprise": 1}))
    check(hyperlora("d2l", document, "--hypernet", copy), 2, "surprise")
    (copy / "config.json").write_text("{")
    check(hyperlora("hypernet", "info", copy), 2, "not valid JSON")


def test_bad_adapters(hyperlora, adapter, tmp_path):
    check(hyperlora("inspect", "nowhere"), 2, "does not exist")
    check(hyperlora("ask", adapter, "  "), 2, "empty")
    check(hyperlora("ask", adapter, "Q?", "--context", "x.txt"), 2, "--compare")
    check(hyperlora("ask", adapter, "Q?", "--top-p", 0), 2, "top-p")
    check(hyperlora("ask", adapter, "Q?" * 400), 2, "window")
    (adapter / "adapter_model.safetensors").write_bytes(b"x" * 100)
    check(hyperlora("inspect", adapter), 2, "damaged")


def test_bad_options(hyperlora, document, d2l_hypernet, t2l_hypernet):
    assert hyperlora("d2l", document, "--no-such-option").exit_code == 2
    assert hyperlora("no-such-command").exit_code == 2
    assert hyperlora("d2l", document, "--max-rank", 0).exit_code == 2
    check(hyperlora("d2l", document, "--hypernet", d2l_hypernet, "--device", "toaster"), 2, "toaster")
    check(hyperlora("d2l", document, "--hypernet", d2l_hypernet, "--dtype", "int3"), 2, "int3")
    check(hyperlora("d2l", document, "--hypernet", d2l_hypernet, "--device", "cuda"), 2, "not available")
    check(hyperlora("t2l", " "), 2, "empty")
    check(hyperlora("t2l", "x", "--hypernet", t2l_hypernet, "--text-encoder", "/none"), 2, "does not exist")
    check(hyperlora("eval", "tasks", "--data", ".", "--split", "x"), 2, "split")
    check(hyperlora("eval", "docqa", "--data", "none.jsonl"), 2, "does not exist")


def test_bad_training_configs(hyperlora, tiny_base_path, tmp_path):
    for text, word in (
        ("a: [", "YAML"),
        ("- x", "mapping"),
        ("kind: d2l\nmodel: {depth: 3}", "depth"),
        ("kind: t2l\ntraining: {max_steps: 0}", "max_steps"),
    ):
        (tmp_path / "c.yaml").write_text(text)
        check(hyperlora("train", "c.yaml", "-o", "run", "--base", tiny_base_path), 2, word)
    check(hyperlora("train", "none.yaml", "-o", "run"), 2, "does not exist")
    (tmp_path / "c.yaml").write_text("kind: xyz")
    check(hyperlora("train", "c.yaml", "-o", "run"), 2, "no kind", "kind: d2l")
    (tmp_path / "c.yaml").write_text("kind: d2l\nmodel: {target_modules: [nope]}")
    check(hyperlora("train", "c.yaml", "-o", "run", "--base", tiny_base_path), 2, "nope", "down_proj")


def test_hub_errors(hyperlora, adapter, hub_server, tmp_path, monkeypatch):
    check(hyperlora("push", adapter, "ann/x", "--token", "wrong"), 2, "token is not valid")
    check(hyperlora("push", adapter, "bob/x"), 2, "no permission")
    check(hyperlora("push", tmp_path / "none", "ann/x"), 2, "does not exist")
    check(hyperlora("pull", "ann/none"), 2, "ann/none")
    check(hyperlora("pull", "not an id"), 2, "owner/name")
    assert "ann/x" not in hub_server.repos
    monkeypatch.delenv("HF_TOKEN")
    check(hyperlora("push", adapter, "ann/x"), 2, "no Hugging Face token")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    check(hyperlora("push", adapter, "ann/x", "--token", "t"), 1, "reach")
    check(hyperlora("pull", "ann/x"), 1, "reach")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_interrupted_write_leaves_nothing(hyperlora, d2l_hypernet, document, tmp_path, monkeypatch, error):
    import safetensors.torch

    def fail(_state, file, **_kwargs):
        file.write_bytes(b"half")
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    result = hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "out")
    check(
        result, 130 if isinstance(error, KeyboardInterrupt) else 1, "interrupted" if not str(error) else "No space left"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["harbour.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_output(hyperlora, d2l_hypernet, document, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    check(hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "locked/out"), 1, "cannot write")


def test_debug_shows_the_traceback(hyperlora, monkeypatch, tmp_path, tiny_base):
    from shared.lora.adapter import adapter_config

    weights = random_weights(tiny_base, ("q_proj",), 2)
    write_adapter(tmp_path / "a", weights, adapter_config(weights, "x") | {"r": 9}, card="", provenance={})
    monkeypatch.setenv("HYPERLORA_DEBUG", "1")
    from typer.testing import CliRunner

    from cli.app import app

    assert "Traceback" in CliRunner().invoke(app, ["inspect", "a"]).stderr
