"""What arguments and the environment may say: names, addresses and numbers that nothing can use."""

import json
import os
import subprocess
import sys

import pytest

from shared.lora.adapter import read_adapter
from tests.cli.test_process import ENVIRONMENT
from tests.models import FLOAT32


def test_names_that_are_not_utf8(hyperlora, d2l_hypernet, document, tmp_path):
    """A document's stands in provenance; an output's once made an adapter that nothing could read."""
    named = tmp_path / "caf\udce9.txt"
    document.rename(named)
    run = ["d2l", named, "--hypernet", d2l_hypernet, *FLOAT32]
    done = hyperlora(*run, "-o", "adapter")
    assert done.exit_code == 0, done.stderr
    adapter = read_adapter(tmp_path / "adapter")
    assert adapter.provenance["source"]["files"][0]["name"] == "caf?.txt"
    again = hyperlora(*run, "-o", "adapter", "--force", "--json")
    assert json.loads(again.stdout)["changes"] == {"added": [], "replaced": [], "removed": []}
    done = hyperlora(*run, "-o", "\udce9-adapter")
    assert done.exit_code == 2 and "is not UTF-8" in done.stderr
    adapter.path.rename(tmp_path / "\udce9")
    done = hyperlora("inspect", tmp_path / "\udce9")
    assert done.exit_code == 2 and "is not UTF-8" in done.stderr and "damaged" not in done.stderr
    assert sorted(file.name for file in tmp_path.iterdir() if "work" in file.name) == []


@pytest.mark.parametrize("address", ["http://[", "https://huggingface.co:99999"])
def test_an_address_with_which_the_hubs_client_cannot_be_imported(address, tmp_path):
    command = [sys.executable, "-m", "cli", "hypernet", "list"]
    environment = ENVIRONMENT | {"HF_ENDPOINT": address}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2 and "no address of a Hub" in done.stderr


def test_seeds_that_no_generator_takes(hyperlora, adapter):
    for seed in (2**64, -(2**63) - 1, 10**30):
        done = hyperlora("ask", adapter, "Who?", "--temperature", "1", f"--seed={seed}")
        assert done.exit_code == 2 and "a seed has at most 64 bits" in done.stderr


@pytest.mark.parametrize("name", ["notes.txt", "link", "pipe", "folder"])
def test_force_replaces_no_file_of_another_kind_by_questions(hyperlora, d2l_hypernet, document, tmp_path, name):
    """As root, a device in its place would be gone for the whole machine."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "link").symlink_to("notes.txt")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    run = ["d2l", document, "--hypernet", d2l_hypernet, "-o", "adapter", "--force", "--show-questions"]
    done = hyperlora(*run, name, *FLOAT32)
    assert done.exit_code == 2 and len(done.stderr.splitlines()) == 2 and not (tmp_path / "adapter").exists()
    assert (tmp_path / "link").is_symlink() and (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "faq.jsonl").write_text(json.dumps({"question": "When?", "answer": "at six"}))
    for _ in range(2):  # its own file it replaces
        done = hyperlora(*run, "asked.jsonl", "--questions", "faq.jsonl", "--refine", "0", *FLOAT32)
        assert done.exit_code == 0, done.stderr
    assert json.loads((tmp_path / "asked.jsonl").read_text())["question"] == "When?"


def test_a_revision_that_is_no_text(hyperlora):
    done = hyperlora("pull", "ann/a", "--revision", "x\udce9")
    assert done.exit_code == 2 and "half a character" in done.stderr
