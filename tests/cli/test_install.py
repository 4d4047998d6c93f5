"""Released hypernetworks by name, from a Hub of our own."""

import json

import pytest
import torch

from shared.hypernetwork import published as published_module
from shared.hypernetwork.published import PUBLISHED, PublishedHypernetwork
from shared.lora.adapter import read_adapter
from tests.reference import REFERENCE, needs_reference, read_case

NAME, FOLDER = "tiny-d2l-llama", "tiny_d2l/checkpoint-20"


@pytest.fixture
def released(hub_server, monkeypatch):
    """A golden checkpoint as if it had been released."""
    folder, facts = read_case("d2l", "main_llama")
    data = (folder / "pytorch_model.bin").read_bytes()
    hub_server.add("lab/doc-to-lora", {f"{FOLDER}/pytorch_model.bin": data, "other/pytorch_model.bin": b"x" * 100})
    entry = PublishedHypernetwork(NAME, "d2l", facts["base_model"], "lab/doc-to-lora", FOLDER, 1, "MIT")
    monkeypatch.setattr(published_module, "PUBLISHED", (*PUBLISHED, entry))
    return REFERENCE / facts["base_model"]


def test_the_six_released_ones_are_listed(hyperlora):
    done = hyperlora("hypernet", "list", "--available", "--json")
    rows = json.loads(done.stdout)["hypernetworks"]
    assert len(rows) == 6 and not any(row["installed"] for row in rows)
    assert {row["base_model"] for row in rows} == {
        "google/gemma-2-2b-it",
        "meta-llama/Llama-3.1-8B-Instruct",
        "mistralai/Mistral-7B-Instruct-v0.2",
        "Qwen/Qwen3-4B-Instruct-2507",
    }
    text = hyperlora("hypernet", "list", "--available").stdout
    assert all(row["name"] in text and row["licence"] in text for row in rows)


@needs_reference
def test_one_command_from_nothing_to_an_adapter(hyperlora, released, hub_server, tmp_path):
    (tmp_path / "a.txt").write_text("The ferry leaves at six.")
    options = ["--hypernet", NAME, "--base", released, "--dtype", "float32"]
    done = hyperlora("d2l", "a.txt", *options, "-o", "by-name")
    assert done.exit_code == 0, done.stderr
    assert "lab/doc-to-lora" in done.stderr and not hub_server.seen("other/")
    downloads = len(hub_server.seen("/resolve/"))
    done = hyperlora("d2l", "a.txt", *options, "-o", "again")
    assert done.exit_code == 0 and len(hub_server.seen("/resolve/")) == downloads
    folder, _ = read_case("d2l", "main_llama")
    assert hyperlora("hypernet", "import", folder, "-o", "h").exit_code == 0
    done = hyperlora("d2l", "a.txt", "--hypernet", "h", *options[2:], "-o", "by-hand")
    assert done.exit_code == 0, done.stderr
    ours, by_hand = (read_adapter(tmp_path / name) for name in ("by-name", "by-hand"))
    assert ours.provenance["hypernetwork"] == NAME
    for name, factors in by_hand.weights.items():
        assert torch.equal(ours.weights[name].delta(), factors.delta())
    assert NAME in hyperlora("hypernet", "list").stdout
    card = hyperlora("hypernet", "info", NAME).stdout
    assert "lab/doc-to-lora" in card and "sha256" in card


@needs_reference
def test_a_cut_download_goes_on_where_it_stopped(hyperlora, released, hub_server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 14)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    size = len(hub_server.repos["lab/doc-to-lora"].commits[-1].files[f"{FOLDER}/pytorch_model.bin"])
    hub_server.cuts["/resolve/"] = [size // 2, 0]
    done = hyperlora("hypernet", "install", NAME)
    assert done.exit_code == 1 and done.stderr.count("error:") == 1
    assert NAME not in hyperlora("hypernet", "list").stdout
    hub_server.cuts.clear()
    hub_server.requests.clear()
    done = hyperlora("hypernet", "install", NAME)
    assert done.exit_code == 0, done.stderr
    ranges = [request.range for request in hub_server.seen("/resolve/") if request.range]
    assert len(ranges) == 1 and int(ranges[0].removeprefix("bytes=").removesuffix("-")) > size // 3
    done = hyperlora("hypernet", "install", NAME)
    assert done.exit_code == 2 and "--force" in done.stderr
    assert hyperlora("hypernet", "install", NAME, "--force").exit_code == 0


def test_names_that_cannot_be_installed(hyperlora, document, hub_server):
    done = hyperlora("hypernet", "install", "nosuch")
    assert done.exit_code == 2 and "--available" in done.stderr
    done = hyperlora("hypernet", "info", "sakana-d2l-gemma-2-2b")
    assert done.exit_code == 2 and "hyperlora hypernet install sakana-d2l-gemma-2-2b" in done.stderr
    done = hyperlora("d2l", document, "--hypernet", "sakana-t2l-gemma-2-2b")
    assert done.exit_code == 2 and "t2l hypernetwork" in done.stderr
    assert not hub_server.requests


@pytest.mark.parametrize("source", ["farpluto/doc-to-lora-niah", "folder", "folder/hypernet.pt"])
def test_another_familys_checkpoint_is_refused_by_name(hyperlora, hub_server, tmp_path, source):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "hypernet.pt").write_bytes(b"anything")
    done = hyperlora("hypernet", "import", source, "-o", "h")
    assert done.exit_code == 2 and "another implementation of Doc-to-LoRA" in done.stderr
    assert "Qwen/Qwen3-1.7B" in done.stderr and not hub_server.requests
