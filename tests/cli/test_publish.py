"""``hyperlora push`` and ``pull``: branches, folders of adapters with a collection, hypernetworks, folders inside."""

import json
import os

import pytest
import torch

from shared.lora.adapter import adapter_config, read_adapter, write_adapter
from tests.models import factors_of, make_targets


def write(path, seed=0, base="owner/base", **provenance):
    weights = factors_of(make_targets(), 2, seed=seed)
    write_adapter(path, weights, adapter_config(weights, base), card="# card\n", provenance=provenance)
    return path


@pytest.fixture
def folder(tmp_path):
    """Adapters as ``t2l --batch`` writes them, and what is none."""
    for seed, name in enumerate(("refunds", "billing", "urgent")):
        write(tmp_path / "adapters" / name, seed)
    (tmp_path / "adapters" / "adapters.json").write_text('{"adapters": []}')
    (tmp_path / "adapters" / "notes").mkdir()
    return tmp_path / "adapters"


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_folder_becomes_repositories_and_a_collection(hub_server, folder, hyperlora, tmp_path):
    done = hyperlora("push", "adapters", "ann/tickets", "--collection", "Ticket tasks", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    names = ["ann/tickets-billing", "ann/tickets-refunds", "ann/tickets-urgent"]
    assert [entry["repo_id"] for entry in report["repositories"]] == names == sorted(hub_server.repos)
    assert "left out: notes" in done.stderr
    [collection] = hub_server.collections.values()
    assert collection.items == names == report["collection"]["added"] and collection.private
    assert all(repo.private for repo in hub_server.repos.values())
    for name in names:
        assert hyperlora("pull", name).exit_code == 0
        assert contents(tmp_path / name.partition("/")[2]) == contents(folder / name.rpartition("-")[2])


@pytest.mark.parametrize("part", ["ann/tickets-refunds/commit", "/items"])
def test_the_same_command_goes_on_where_it_was_cut(hub_server, folder, hyperlora, part):
    command = ("push", "adapters", "ann/tickets", "--collection", "Ticket tasks")
    hub_server.failures[part] = 500
    assert hyperlora(*command).exit_code == 1
    hub_server.failures.clear()
    for round_ in range(2):
        hub_server.requests.clear()
        done = hyperlora(*command, "--json")
        assert done.exit_code == 0, done.stderr
        assert len(json.loads(done.stdout)["collection"]["items"]) == 3
        assert bool(hub_server.seen("/commit/")) == (round_ == 0)  # the second time there is nothing left to send
    [collection] = hub_server.collections.values()
    assert len(collection.items) == 3 and {len(repo.commits) for repo in hub_server.repos.values()} == {2}
    assert not hub_server.seen("/lfs/upload/") and not hub_server.seen("/items")


def test_one_adapter_can_join_a_collection_and_a_new_one_a_folder(hub_server, folder, hyperlora):
    assert hyperlora("push", "adapters", "ann/tickets", "--collection", "Ticket tasks").exit_code == 0
    one = hyperlora("push", "adapters/urgent", "ann/alone", "--collection", "Ticket tasks")
    assert one.exit_code == 0 and "1 of 4 new" in one.stderr
    write(folder / "later", 9)
    done = hyperlora("push", "adapters", "ann/tickets", "--collection", "Ticket tasks", "--json")
    assert json.loads(done.stdout)["collection"]["added"] == ["ann/tickets-later"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "urgent" / "adapter_model.safetensors").write_bytes(b"x"), "damaged"),
        (lambda folder: (folder / "urgent" / "adapter_model.safetensors").unlink(), "lacks"),
        (lambda folder: (folder / "urgent").rename(folder / "so urgent"), "'ann/tickets-so urgent' is not"),
        (lambda folder: (folder / "urgent" / "README.md").write_text("---\nlicense: [\n---\n"), "cannot be read"),
    ],
)
def test_nothing_goes_if_one_of_a_folder_cannot(hub_server, folder, hyperlora, spoil, message):
    spoil(folder)
    done = hyperlora("push", "adapters", "ann/tickets", "--collection", "Ticket tasks")
    assert done.exit_code == 2 and message in done.stderr
    assert hub_server.requests == []


def test_a_branch(hub_server, folder, hyperlora, tmp_path):
    assert hyperlora("push", "adapters/urgent", "ann/x").exit_code == 0
    done = hyperlora("push", "adapters/billing", "ann/x", "--revision", "v2", "--message", "better", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["revision"] == "v2"
    assert hub_server.repos["ann/x"].branches["v2"][-1].message == "better"
    assert hyperlora("pull", "ann/x").exit_code == hyperlora("pull", "ann/x", "--revision", "v2", "-o", "v2").exit_code
    assert contents(tmp_path / "x") == contents(folder / "urgent")
    assert contents(tmp_path / "v2") == contents(folder / "billing")
    refused = hyperlora("push", "adapters/urgent", "ann/x", "--revision", "refs/pr/1")
    assert refused.exit_code == 2 and "no branch" in refused.stderr


def test_a_folder_of_a_repository(hub_server, folder, hyperlora, tmp_path):
    files = {
        f"many/{name}/{file}": data
        for name in os.listdir(folder)
        if (folder / name / "README.md").exists()
        for file, data in contents(folder / name).items()
    }
    hub_server.add("bob/all", files)
    assert hyperlora("pull", "bob/all", "--subfolder", "many/urgent/").exit_code == 0
    assert contents(tmp_path / "urgent") == contents(folder / "urgent")
    assert not hub_server.seen("resolve/main/many/billing")
    for wrong, message in (("many", "bob/all/many has no adapter_config.json"), ("../x", "is not a folder")):
        done = hyperlora("pull", "bob/all", "--subfolder", wrong, "-o", "no")
        assert done.exit_code == 2 and message in done.stderr and not (tmp_path / "no").exists()


def test_a_hypernetwork_goes_and_comes_back_whole(hub_server, d2l_hypernet, document, hyperlora, tmp_path):
    assert hyperlora("push", d2l_hypernet, "ann/net", "--collection", "Networks").exit_code == 0
    done = hyperlora("pull", "ann/net", "-o", "net", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {"hypernetwork": "net", "kind": "d2l", "repo_id": "ann/net"}
    assert contents(tmp_path / "net") == contents(d2l_hypernet)
    written = {}
    for name, hypernet in {"here": d2l_hypernet, "pulled": "net", "hub": "ann/net"}.items():
        run = hyperlora("d2l", document, "--hypernet", hypernet, "--no-study", "-o", name)
        assert run.exit_code == 0, run.stderr
        written[name] = read_adapter(tmp_path / name).weights
    for name, factors in written["here"].items():
        assert torch.equal(factors.delta(), written["pulled"][name].delta())
        assert torch.equal(factors.delta(), written["hub"][name].delta())
    weights = (d2l_hypernet / "model.safetensors").read_bytes()
    hub_server.add("bob/net", contents(d2l_hypernet) | {"model.safetensors": weights + b"later"})
    hub_server.other_bytes["model.safetensors"] = weights + b"Later"
    damaged = hyperlora("pull", "bob/net", "-o", "spoilt")
    assert damaged.exit_code == 2 and "damaged" in damaged.stderr and not (tmp_path / "spoilt").exists()


def test_adapters_of_the_hub_are_called_by_their_repository(hub_server, adapter, t2l_hypernet, hyperlora, tmp_path):
    hyperlora("t2l", "Sort the words", "--hypernet", t2l_hypernet, "-o", "task")
    for name in ("adapter", "task"):
        assert hyperlora("push", name, f"ann/my-{name}").exit_code == 0
    done = hyperlora("combine", "ann/my-adapter", "ann/my-task", "-o", "both", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["parts"] == ["my-adapter", "my-task"], done.stderr
    assert hyperlora("scale", "ann/my-task", "0.5", "-o", "soft").exit_code == 0
    assert read_adapter(tmp_path / "soft").provenance["source"]["from"] == "my-task"


def test_a_cut_combination_keeps_its_parts_on_the_hub_and_under_force(
    hub_server, adapter, d2l_hypernet, t2l_hypernet, hyperlora, tmp_path
):
    hyperlora("t2l", "Sort the words", "--hypernet", t2l_hypernet, "-o", "task")
    combine = ("combine", "adapter", "task", "-o", "both", "--max-rank", "3")
    assert hyperlora(*combine).exit_code == 0
    done = hyperlora(*combine, "--force")
    assert done.exit_code == 0, done.stderr
    pushed = hyperlora("push", "both", "ann/both", "--json")
    assert {"parts/adapter.safetensors", "parts/task.safetensors"} <= set(json.loads(pushed.stdout)["files"])
    assert "not pushed" not in pushed.stderr
    assert hyperlora("pull", "ann/both", "-o", "copy").exit_code == 0
    left = hyperlora("combine", "copy", "--remove", "adapter", "-o", "left")
    assert left.exit_code == 0, left.stderr
    one, other = (read_adapter(tmp_path / name).weights for name in ("left", "task"))
    assert all(torch.equal(one[name].delta(), other[name].delta()) for name in other)
    (tmp_path / "both" / "parts" / "mine.txt").write_text("mine")
    kept = hyperlora(*combine, "--force")
    assert kept.exit_code == 2 and "parts/mine.txt" in kept.stderr
