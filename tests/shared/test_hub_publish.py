"""Branches, collections and uploads that are cut, through the real Hub client against a Hub in this process."""

import pytest

from shared.errors import HyperLoraError, InputError
from shared.hub import check_branch, pull_snapshot, push_folder
from shared.hub_card import check_card
from shared.hub_collection import find_or_make_collection

pytest_plugins = ("tests.hub_server",)

FILES = {"README.md": b"# card\n", "a.safetensors": b"a" * 1000, "b.safetensors": b"b" * 1000}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "adapter"
    path.mkdir()
    for name, data in FILES.items():
        (path / name).write_bytes(data)
    return path


def test_a_branch_is_made_and_used_again_and_main_stays(hub_server, folder):
    push_folder(folder, "ann/x", message="first")
    (folder / "README.md").write_bytes(b"# second\n")
    for branch in ("v2", "feature/two", "v2"):
        pushed = push_folder(folder, "ann/x", message="second", revision=branch)
        assert (pushed.revision, pushed.url) == (branch, f"{hub_server.url}/ann/x/tree/{branch}")
    repo = hub_server.repos["ann/x"]
    assert [commit.message for commit in repo.commits] == ["initial commit", "first"]
    assert {name: len(commits) for name, commits in repo.branches.items()} == {"v2": 2, "feature/two": 2}
    assert (pull_snapshot("ann/x", revision="v2") / "README.md").read_bytes() == b"# second\n"
    assert (pull_snapshot("ann/x") / "README.md").read_bytes() == FILES["README.md"]


def test_a_new_repository_can_start_with_a_branch(hub_server, folder):
    push_folder(folder, "ann/x", message="first", revision="v1")
    repo = hub_server.repos["ann/x"]
    assert set(repo.find("v1").files) == {*FILES, ".gitattributes"} and set(repo.find("main").files) == {
        ".gitattributes"
    }


@pytest.mark.parametrize("name", ["refs/pr/1", "a b", "-x", "a..b", "x.lock", "x/", ".x", "", "a//b", "f" * 40])
def test_names_that_are_no_branch(hub_server, folder, name):
    with pytest.raises(InputError):
        push_folder(folder, "ann/x", message="m", revision=name)
    assert hub_server.requests == []
    for fine in ("main", "v1.2", "feature/two", None):
        check_branch(fine)


@pytest.mark.parametrize("part", ["/commit/main", "/lfs/verify"])
def test_a_cut_upload_goes_on(hub_server, folder, part):
    hub_server.failures[part] = 500
    with pytest.raises(HyperLoraError):
        push_folder(folder, "ann/x", message="m")
    assert len(hub_server.repos["ann/x"].commits) == 1  # nothing half there
    arrived = dict(hub_server.lfs)
    assert arrived
    hub_server.failures.clear()
    hub_server.requests.clear()
    push_folder(folder, "ann/x", message="m")
    assert not {request.path.rpartition("/")[2] for request in hub_server.seen("/lfs/upload/")} & set(arrived)
    assert set(hub_server.repos["ann/x"].find("main").files) >= set(FILES)


def test_visibility_is_read_before_anything_is_sent(hub_server, folder):
    push_folder(folder, "ann/x", message="m")
    paths = [request.path for request in hub_server.requests]
    created = paths.index("/api/repos/create")
    assert "/api/models/ann/x" in paths[created:]
    first = min(n for n, path in enumerate(paths) if "preupload" in path or "/lfs/" in path)
    assert created < paths.index("/api/models/ann/x", created) < first


def test_a_collection_is_made_once_and_takes_nothing_twice(hub_server, folder):
    for name in ("one", "two"):
        push_folder(folder, f"ann/{name}", message="m")
    made = find_or_make_collection("ann", "Ticket  tasks ")
    made.add("ann/one")
    again = find_or_make_collection("ann", "Ticket tasks")
    assert (again.slug, again.private, again.items, again.added) == (made.slug, True, ["ann/one"], [])
    again.add("ann/one")
    again.add("ann/two")
    made.add("ann/two")  # another run was faster
    assert again.added == ["ann/two"] and len(hub_server.collections) == 1
    assert hub_server.collections[made.slug].items == ["ann/one", "ann/two"]
    with pytest.raises(InputError, match="ann/none does not exist"):
        again.add("ann/none")


def test_a_public_collection_is_no_private_place(hub_server):
    assert not find_or_make_collection("ann", "Open", private=False).private
    with pytest.raises(InputError, match="is public"):
        find_or_make_collection("ann", "Open")
    hub_server.makes_all_public = True
    with pytest.raises(InputError, match="is public"):
        find_or_make_collection("ann", "Closed")


def test_collections_of_others_and_without_a_title(hub_server, monkeypatch):
    with pytest.raises(InputError, match="no permission for the collection 'x' of bob"):
        find_or_make_collection("bob", "x")
    with pytest.raises(InputError, match="has no title"):
        find_or_make_collection("ann", "  ")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="no Hugging Face token"):
        find_or_make_collection("ann", "x")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("base_model: /home/ann/base", "base_model is '/home/ann/base', which is no id"),
        ("base_model:\n- owner/base\n- my base", "'my base', which is no id"),
        ("license: [", "cannot be read"),
        ("license: 3", "license is 3, which is no text"),
        ("tags: [lora, 7]", "tags holds 7"),
        ("- a\n- b", "cannot be read"),
    ],
)
def test_cards_that_no_hub_takes_are_refused_without_it(hub_server, folder, head, message):
    (folder / "README.md").write_text(f"---\n{head}\n---\n# Card\n")
    with pytest.raises(InputError) as caught:
        push_folder(folder, "ann/x", message="m")
    assert message in caught.value.message and hub_server.requests == []


def test_cards_that_are_fine(tmp_path):
    for text in ("# Card\n", "---\nbase_model: owner/base\nlicense: mit\ntags:\n- lora\n---\n# Card\n", ""):
        (tmp_path / "README.md").write_text(text)
        check_card(tmp_path / "README.md")
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        check_card(tmp_path / "README.md")
