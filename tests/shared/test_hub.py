"""Push and pull through the real Hub client, against a Hub that runs in this process."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared import hub
from shared.errors import HyperLoraError, InputError
from shared.hub import is_repo_id, pull_snapshot, push_folder

if TYPE_CHECKING:
    from tests.hub_server import HubServer

pytest_plugins = ("tests.hub_server",)

FILES = {
    "README.md": b"---\nlicense: apache-2.0\n---\n# Card\n",
    "adapter_config.json": b"{}\n",
    "adapter_model.safetensors": bytes(range(256)) * 300,
    "chunks/index.json": b'{"a": 1}',
    "empty.txt": b"",
}
PICKLES = {"pytorch_model.bin": b"pickle", "old/model.pt": b"pickle", "x.pkl": b"pickle"}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refusal(call: Callable[[], object], kind: type[HyperLoraError] = InputError) -> HyperLoraError:
    with pytest.raises(HyperLoraError) as caught:
        call()
    error = caught.value
    assert type(error) is kind, error.message
    assert error.hint and "\n" not in error.message + error.hint
    return error


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "adapter", FILES)


def test_pull_gives_the_bytes_that_were_pushed(hub_server: HubServer, folder: Path, hub_home: Path) -> None:
    pushed = push_folder(folder, "ann/adapter", message="first")
    assert (pushed.url, pushed.private) == (f"{hub_server.url}/ann/adapter", True)
    assert sorted(pushed.files) == sorted(FILES)
    pulled = pull_snapshot("ann/adapter")
    assert read(pulled) == FILES
    assert hub_home in pulled.parents
    assert list(hub_server.lfs.values()) == [FILES["adapter_model.safetensors"]]


def test_a_push_is_one_commit_and_leaves_out_hidden_files(hub_server: HubServer, folder: Path) -> None:
    write(folder, {".env": b"secret", ".cache/x.json": b"{}", ".git/config": b""})
    push_folder(folder, "ann/adapter", message="first")
    push_folder(folder, "ann/adapter", message="nothing changed")
    write(folder, {"adapter_config.json": b'{"r": 8}\n'})
    (folder / "empty.txt").unlink()
    push_folder(folder, "ann/adapter", message="second")
    first, second = hub_server.repos["ann/adapter"].commits[1:]
    assert (first.message, second.message) == ("first", "second")
    assert set(first.files) == {*FILES, ".gitattributes"}
    assert second.files == {**first.files, "adapter_config.json": b'{"r": 8}\n'}
    assert read(pull_snapshot("ann/adapter"))["adapter_config.json"] == b'{"r": 8}\n'
    assert read(pull_snapshot("ann/adapter", revision=first.oid))["adapter_config.json"] == b"{}\n"


@pytest.mark.parametrize(("arguments", "visibility"), [({}, "private"), ({"private": False}, "public")])
def test_new_repositories_are_private_unless_asked(
    arguments: dict[str, bool], visibility: str, hub_server: HubServer, folder: Path
) -> None:
    push_folder(folder, "ann/adapter", message="first", **arguments)
    [request] = hub_server.seen("/repos/create")
    assert request.json == {"name": "adapter", "organization": "ann", "visibility": visibility}
    assert hub_server.repos["ann/adapter"].private == (visibility == "private")


@pytest.mark.parametrize("private", [True, False])
def test_an_existing_repository_keeps_its_visibility(private: bool, hub_server: HubServer, folder: Path) -> None:
    repo = hub_server.add("ann/adapter", {"kept.txt": b"kept"}, private=private)
    pushed = push_folder(folder, "ann/adapter", private=False, message="first")
    assert hub_server.repos["ann/adapter"] is repo
    assert repo.private == pushed.private == private
    assert repo.commits[-1].files.keys() >= {"kept.txt", *FILES}
    assert not hub_server.seen("/repos/create") and not hub_server.seen("settings")


def test_an_existing_public_repository_is_no_private_place(hub_server: HubServer, folder: Path) -> None:
    hub_server.add("ann/adapter", {"kept.txt": b"kept"}, private=False)
    error = refusal(lambda: push_folder(folder, "ann/adapter", message="first"))
    assert "is public" in error.message and "--public" in error.hint
    assert not hub_server.seen("/commit/") and not hub_server.seen("/preupload")


def test_pickles_are_not_pulled_unless_asked(hub_server: HubServer) -> None:
    hub_server.add("bob/base", {**FILES, **PICKLES})
    assert read(pull_snapshot("bob/base")) == FILES
    assert not any(hub_server.seen(name) for name in PICKLES)
    asked = read(pull_snapshot("bob/base", allow_patterns=["*.bin", "old/*"]))
    assert asked.keys() >= {"pytorch_model.bin", "old/model.pt"}
    assert not hub_server.seen("x.pkl")
    hub_server.add("bob/pickles", PICKLES)
    assert "has no *.safetensors" in refusal(lambda: pull_snapshot("bob/pickles")).message


def test_subfolder_and_tag(hub_server: HubServer) -> None:
    repo = hub_server.add("bob/many", {"a[1]/config.json": b"1", "a1/config.json": b"2", "config.json": b"3"})
    repo.tags["v1"] = repo.commits[-1]
    repo.commit({"a[1]/config.json": b"4"}, "newer")
    assert read(pull_snapshot("bob/many", subfolder="a[1]")) == {"config.json": b"4"}
    assert read(pull_snapshot("bob/many", subfolder="a[1]", revision="v1")) == {"config.json": b"1"}
    assert not hub_server.seen("a1/config.json")
    assert refusal(lambda: pull_snapshot("bob/many", subfolder="none")).message.startswith("bob/many/none has no")
    assert "not a folder of bob/many" in refusal(lambda: pull_snapshot("bob/many", subfolder="a/../..")).message


def test_the_token_goes_to_the_hub_but_not_to_its_file_storage(hub_server: HubServer, folder: Path) -> None:
    hub_server.users["hf_other"] = "ann"
    hub_server.add("ann/adapter", {}, private=True)
    with pytest.raises(InputError):
        push_folder(folder, "ann/adapter", token="hf_other", message="first")  # may read, not write
    assert {request.token for request in hub_server.requests} == {"hf_other"}
    hub_server.requests.clear()
    push_folder(folder, "ann/adapter", message="first")
    assert {request.token for request in hub_server.seen("/lfs/upload/")} == {None}


def test_no_token_and_a_stored_one(
    hub_server: HubServer, folder: Path, hub_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    error = refusal(lambda: push_folder(folder, "ann/adapter", message="first"))
    assert (error.message, error.hint) == ("no Hugging Face token", "hf auth login, or set HF_TOKEN")
    assert hub_server.requests == []
    hub_server.add("ann/public", FILES)
    hub_server.add("ann/private", FILES, private=True)
    assert read(pull_snapshot("ann/public")) == FILES
    error = refusal(lambda: pull_snapshot("ann/private"))
    assert error.message == "ann/private does not exist on the Hub, or is private"
    assert "hf auth login" in error.hint
    write(hub_home, {"token": hub_server.write_token.encode()})
    push_folder(folder, "ann/private", message="by the token that hf auth login stored")
    assert read(pull_snapshot("ann/private")) == FILES


def test_bad_token(hub_server: HubServer, folder: Path) -> None:
    hub_server.add("ann/public", FILES)
    for call in (
        lambda: push_folder(folder, "ann/adapter", token="hf_bad", message="first"),
        lambda: pull_snapshot("ann/public", token="hf_bad"),
    ):
        assert refusal(call).message == "the Hugging Face token is not valid"
    assert "ann/adapter" not in hub_server.repos


def test_no_permission(hub_server: HubServer, folder: Path) -> None:
    hub_server.add("bob/public", FILES)
    hub_server.add("ann/mine", FILES)
    read = hub_server.read_token
    for repo_id, token in (("bob/new", None), ("bob/public", None), ("ann/new", read), ("ann/mine", read)):
        error = refusal(lambda r=repo_id, t=token: push_folder(folder, r, private=False, token=t, message="first"))
        assert error.message == f"no permission for {repo_id} as ann"
    assert hub_server.repos.keys() == {"bob/public", "ann/mine"}
    assert len(hub_server.repos["bob/public"].commits) == 2
    hub_server.failures["/api/models/bob/public"] = 403
    assert refusal(lambda: pull_snapshot("bob/public")).message == "no permission for bob/public"


def test_missing_repository_and_revision(hub_server: HubServer) -> None:
    hub_server.add("bob/there", FILES)
    error = refusal(lambda: pull_snapshot("bob/none"))
    assert error.message == "bob/none does not exist on the Hub, or is private"
    assert refusal(lambda: pull_snapshot("bob/there", revision="v9")).message == "bob/there has no revision v9"


@pytest.mark.parametrize("repo_id", ["adapter", "a/b/c", "a/b--c", "a/..", "a/b.git", "a b/c", "/a", "a/", "ä/b", ""])
def test_bad_repository_id(repo_id: str, hub_server: HubServer, folder: Path) -> None:
    for call in (lambda: push_folder(folder, repo_id, message="first"), lambda: pull_snapshot(repo_id)):
        assert refusal(call).message == f"{repo_id!r} is not a repository id"
    assert hub_server.requests == []
    assert not is_repo_id(repo_id)


def test_is_repo_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_repo_id("HuggingFaceTB/SmolLM2-135M_x.1")
    assert is_repo_id("adapters/mine")
    write(tmp_path, {"adapters/mine/x": b""})
    assert not is_repo_id("adapters/mine")
    assert not any(map(is_repo_id, ("./adapters", "../x", "~/x", str(tmp_path), "C:\\x/y", "a/b\n")))


def test_bad_folders(hub_server: HubServer, tmp_path: Path) -> None:
    (tmp_path / "empty" / ".git").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name, message in (("none", "does not exist"), ("file", "is not a folder"), ("empty", "has no files")):
        path = tmp_path / name
        assert refusal(lambda path=path: push_folder(path, "ann/x", message="m")).message == f"{path} {message}"
    assert hub_server.requests == []


def test_a_card_the_hub_refuses_and_one_it_only_warns_of(hub_server: HubServer, folder: Path) -> None:
    write(folder, {"README.md": b"---\nlicense: nonsense\n---\n"})
    assert '"license" must be one of' in refusal(lambda: push_folder(folder, "ann/x", message="m")).message
    write(folder, {"README.md": b"# no metadata\n"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        push_folder(folder, "ann/x", message="m")


@pytest.mark.parametrize("part", ["/whoami-v2", "/repos/create", "/validate-yaml", "/commit/main"])
def test_server_errors_on_push(part: str, hub_server: HubServer, folder: Path) -> None:
    hub_server.failures[part] = 503
    error = refusal(lambda: push_folder(folder, "ann/x", message="m"), HyperLoraError)
    assert error.message == "the Hub failed with status 503"


@pytest.mark.parametrize(("status", "message"), [(500, "the Hub failed with status 500"), (429, "too many requests")])
def test_server_errors_on_pull(status: int, message: str, hub_server: HubServer) -> None:
    hub_server.failures["/api/models"] = status
    assert refusal(lambda: pull_snapshot("bob/there"), HyperLoraError).message.startswith(message)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "silent"])
def test_unreachable_hub(endpoint: str, hub_home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_TIMEOUT", 0.3)
    start = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        if endpoint == "silent":
            endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        for call in (lambda: push_folder(folder, "ann/x", token="t", message="m"), lambda: pull_snapshot("ann/x")):
            assert refusal(call, HyperLoraError).message == f"cannot reach the Hub at {endpoint}"
    assert time.monotonic() - start < 5


def test_something_else_than_a_hub(hub_server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_server, "answer", lambda request: (b"<html>log in to this network</html>", {}))
    assert "does not answer like the Hub" in refusal(lambda: pull_snapshot("ann/x"), HyperLoraError).message


def test_a_pulled_copy_is_used_when_the_hub_is_away(
    hub_server: HubServer, hub_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.add("bob/there", FILES)
    pull_snapshot("bob/there", allow_patterns=["*.json"])
    hub_server.failures["/"] = 502
    assert "adapter_config.json" in read(pull_snapshot("bob/there", allow_patterns=["*.json"]))
    assert "502" in refusal(lambda: pull_snapshot("bob/there"), HyperLoraError).message  # the copy is not complete
    hub_server.failures.clear()
    pull_snapshot("bob/there")
    hub_server.close()
    assert read(pull_snapshot("bob/there")) == FILES
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert read(pull_snapshot("bob/there")) == FILES


@pytest.mark.parametrize("by_environment", [True, False])
def test_offline(by_environment: bool, hub_server: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    if by_environment:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for call in (lambda: push_folder(folder, "ann/x", message="m"), lambda: pull_snapshot("ann/x")):
        error = refusal(call)
        assert "HF_HUB_OFFLINE is set" in error.message
        assert error.hint == "unset HF_HUB_OFFLINE"
    assert hub_server.requests == []


def test_the_cache_cannot_be_written(hub_server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    hub_server.add("bob/there", FILES)
    write(tmp_path, {"file": b""})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    error = refusal(lambda: pull_snapshot("bob/there"), HyperLoraError)
    assert error.message.startswith("Not a directory")
    assert "HF_HOME" in error.hint


def test_a_failure_of_the_xet_transfer(hub_server: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our server has no Xet storage: with hf_xet switched on, its own error type comes out of the client."""
    pytest.importorskip("hf_xet")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    error = refusal(lambda: push_folder(folder, "ann/x", message="m"), HyperLoraError)
    assert error.message.startswith("the transfer failed")
    assert "HF_HUB_DISABLE_XET=1" in error.hint
