"""Push to and pull from the Hugging Face Hub: the only user of ``HfApi``. Every failure is one line and a hint."""

import glob
import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import InputError
from shared.hub_card import CARD_FILE, check_card
from shared.hub_errors import LOGIN, endpoint, explained
from shared.hub_token import find_token
from shared.text import check_text
from shared.transfer import check_digests

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# What a pull downloads unless told otherwise: nothing that a program could unpickle.
SAFE_PATTERNS = ("*.safetensors", "*.json", "*.md", "*.txt")
_REPO_ID = re.compile(r"(?=.{3,96}$)[A-Za-z0-9_][\w.-]*(?<![.-])/[A-Za-z0-9_][\w.-]*(?<![.-])", re.ASCII)
MAIN = "main"
_TIMEOUT = 10  # seconds until an unresponsive Hub counts as unreachable


def is_repo_id(text: str) -> bool:
    """Whether a text has the form ``owner/name`` of a Hub repository and is not a local path."""
    return has_repo_form(text) and not os.path.exists(text)


@dataclass(frozen=True)
class PushedFolder:
    """What was uploaded.

    Attributes:
        private: visibility of the repository, as the Hub states it.
        files: names in the repository.
        revision: the branch.
    """

    url: str
    private: bool
    files: list[str]
    revision: str = "main"


class MissingFile(InputError):
    """A repository lacks the file that says what it is."""


def push_folder(
    path: Path,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    message: str,
    files: Sequence[str] | None = None,
    revision: str | None = None,
) -> PushedFolder:
    """Upload files of a folder to a model repository in one commit.

    The repository is created when it is not there; one that is keeps its visibility, and its other files. Files that
    an upload has brought there before it was cut are not sent again.

    Args:
        private: visibility of a new repository; a public one is refused, so that nothing leaks unasked.
        token: by default ``HF_TOKEN``, or the one that ``hf auth login`` stored.
        message: of the commit.
        files: names in the folder; by default all files below it that are not hidden.
        revision: a branch, created from the newest commit when it is not there; by default ``main``.

    Raises:
        InputError: no folder or an empty one, a link out of it, a bad repository id or branch, a card that the Hub
            would refuse, a public repository against ``private``, no token, an invalid one, or one without the right
            to write there, ``HF_HUB_OFFLINE``.
        HyperLoraError: the Hub cannot be reached or fails.
    """
    check_repo_id(repo_id)
    check_branch(revision)
    found = _files_in(path, files)
    if CARD_FILE in found:
        check_card(found[CARD_FILE])
    if is_offline():
        raise InputError("cannot push: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
    url = f"{endpoint()}/{repo_id}"
    with explained(repo_id):
        from huggingface_hub import CommitOperationAdd
        from huggingface_hub.errors import RepositoryNotFoundError

        token = find_token(token)
        if token is None:
            raise InputError("no Hugging Face token", LOGIN)
        api = client(token)
        try:
            # Before any call of the client that would wait for an unresponsive Hub without end.
            is_private = _is_private(api, repo_id)
        except RepositoryNotFoundError:
            is_private = None
        user = api.whoami()["name"]
    if is_private is False and private:
        raise InputError(
            f"{repo_id} exists and is public, and these weights can reveal what they were made from",
            "push to another repository, or publish with --public",
        )
    with explained(repo_id, user=user), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client's advice on a card's metadata
        if is_private is None:
            api.create_repo(repo_id, private=private, exist_ok=True)
            is_private = _is_private(api, repo_id)
            if private and not is_private:
                raise InputError(
                    f"the Hub has made {repo_id} public although a private one was asked for; nothing was uploaded",
                    "check the repository's settings, or publish with --public",
                )
        branch = revision or MAIN
        if branch != MAIN:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
        # Not upload_folder: where hf_xet is installed, it may split an upload into several commits.
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in found.items()]
        api.create_commit(repo_id, operations, commit_message=message, revision=branch)
    return PushedFolder(url if branch == MAIN else f"{url}/tree/{branch}", is_private, list(found), branch)


def pull_snapshot(
    repo_id: str,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    token: str | None = None,
    allow_patterns: Sequence[str] = SAFE_PATTERNS,
    first: str | None = None,
    check: Callable[[Path], object] | None = None,
) -> Path:
    """Download a model repository into huggingface_hub's cache, and return the local directory.

    When the Hub cannot be reached, or ``HF_HUB_OFFLINE`` is set, a complete copy in the cache is used. The files have
    the digests that the Hub states.

    Args:
        revision: branch, tag or commit; by default the newest commit.
        subfolder: download, and return, only this folder of the repository.
        allow_patterns: names of files, as in a shell; pickles (``*.bin``, ``*.pt``, ``*.pkl``) only if named here.
        first: a file that must be there (``MissingFile``); downloaded before all others, so that a repository of
            another kind costs nothing.
        check: called with the local directory when only that file is there; raises an error to stop.

    Raises:
        InputError: a bad repository id, a repository, revision, subfolder or files that do not exist or are not
            accessible, a damaged file, an invalid token.
        HyperLoraError: the Hub cannot be reached or fails, a transfer stalls, or the disk cannot be written.
    """
    check_repo_id(repo_id)
    check_text([revision, subfolder], "the revision or subfolder")
    folder = "" if subfolder is None else subfolder.strip("/")
    if ".." in folder.split("/"):
        raise InputError(f"{subfolder} is not a folder of {repo_id}", "name a folder inside the repository")
    where = f"{repo_id}/{folder}" if folder else repo_id
    patterns = [f"{glob.escape(folder)}/{pattern}" if folder else pattern for pattern in allow_patterns]
    endpoint()
    from huggingface_hub.utils import filter_repo_objects

    with explained(repo_id, revision=revision):
        api = client(find_token(token))
        if first is not None:
            snapshot = _download_first(api, repo_id, revision, f"{folder}/{first}".lstrip("/"), where)
            if check is not None:
                check(snapshot / folder)
        snapshot = _download(api, repo_id, revision, patterns)
        check_digests(snapshot, repo_id)
    names = [file.relative_to(snapshot).as_posix() for file in snapshot.rglob("*") if file.is_file()]
    if not any(filter_repo_objects(names, allow_patterns=patterns)):
        raise InputError(f"{where} has no {', '.join(allow_patterns)} files", "check the repository's files on the Hub")
    return snapshot / folder


def _download_first(api: "HfApi", repo_id: str, revision: str | None, name: str, where: str) -> Path:
    """Download one file and return the snapshot's folder."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def download(local: bool) -> Path:
        file = Path(api.hf_hub_download(repo_id, name, revision=revision, local_files_only=local))
        return file.parents[name.count("/")]

    try:
        snapshot = _or_cached(api, repo_id, revision, download)
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError:
        raise MissingFile(
            f"{where} has no {name.rpartition('/')[2]}", "check the repository's files on the Hub"
        ) from None
    check_digests(snapshot, repo_id)
    return snapshot


def _download(api: "HfApi", repo_id: str, revision: str | None, patterns: list[str]) -> Path:
    """Download files by name and return the snapshot's folder."""
    options = {"revision": revision, "allow_patterns": patterns}
    return _or_cached(
        api, repo_id, revision, lambda local: Path(api.snapshot_download(repo_id, local_files_only=local, **options))
    )


def _or_cached(api: "HfApi", repo_id: str, revision: str | None, download: Callable[[bool], Path]) -> Path:
    """What ``download`` gives, from the cache alone (``True``) where the Hub is away."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError

    unreachable = None
    if not is_offline():
        try:
            # The client would wait without end, and name neither the revision nor the status that is wrong.
            api.model_info(repo_id, revision=revision, timeout=_TIMEOUT)
            return download(False)
        except HTTPError as error:  # of the HTTP library; answers of the Hub are the subclass HfHubHTTPError
            if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
                raise
            unreachable = error
    try:
        return download(True)
    except LocalEntryNotFoundError:
        if unreachable is not None:
            raise unreachable from None
        raise InputError(f"{repo_id} is not in the cache and HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE") from None


def has_repo_form(repo_id: str) -> bool:
    """Whether a text could be the ``owner/name`` of a Hub repository."""
    return bool(_REPO_ID.fullmatch(repo_id)) and not re.search(r"--|\.\.|\.git$", repo_id)


def check_repo_id(repo_id: str) -> None:
    """Refuse what no repository of the Hub can be called.

    Raises:
        InputError: not ``owner/name``.
    """
    if not has_repo_form(repo_id):
        raise InputError(
            f"{repo_id!r} is not a repository id", "write it as owner/name, with letters, digits and . _ -"
        )


def check_branch(revision: str | None) -> None:
    """Refuse what no branch can be called.

    Raises:
        InputError: a commit's hash, a reference that is no branch, or a name that git does not take.
    """
    if revision is None:
        return
    if re.fullmatch(r"[0-9a-f]{40}", revision) or revision.startswith("refs/"):
        raise InputError(f"{revision} is no branch, and nothing can be pushed to it", "name a branch, such as v2")
    if not re.fullmatch(r"(?!.*(\.\.|//|\.lock$))[\w][\w./-]*(?<![./])", revision, re.ASCII):
        raise InputError(f"no branch can be called {revision!r}", "use letters, digits and . _ - /")


def _files_in(path: Path, names: Sequence[str] | None) -> dict[str, Path]:
    """Name in the repository -> file, for those named or for all that are not hidden.

    Raises:
        InputError: no folder, no files, or one that lies elsewhere.
    """
    if not path.is_dir():
        raise InputError(
            f"{path} is not a folder" if path.exists() else f"{path} does not exist", "name a folder to push"
        )
    if names is None:
        found = (file.relative_to(path) for file in sorted(path.rglob("*")) if file.is_file())
        names = [name.as_posix() for name in found if not any(part.startswith(".") for part in name.parts)]
    if not names:
        raise InputError(f"{path} has no files", "name the folder of an adapter or a hypernetwork")
    files = {name: path / name for name in names}
    for name, file in files.items():
        if not file.resolve().is_relative_to(path.resolve()):
            raise InputError(f"{name} in {path} is a link to a file elsewhere", "put a copy in its place, or remove it")
    return files


def _is_private(api: "HfApi", repo_id: str) -> bool:
    return bool(api.model_info(repo_id, timeout=_TIMEOUT).private)


def client(token: str | None) -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint(), token=token, library_name="hyperlora")


def is_offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES
