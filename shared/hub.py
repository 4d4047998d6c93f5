"""Push to and pull from the Hugging Face Hub: the only user of ``HfApi``. Every failure is one line and a hint."""

import errno
import glob
import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import HyperLoraError, InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# What a pull downloads unless told otherwise: nothing that a program could unpickle.
SAFE_PATTERNS = ("*.safetensors", "*.json", "*.md", "*.txt")
_REPO_ID = re.compile(r"(?=.{3,96}$)[A-Za-z0-9_][\w.-]*(?<![.-])/[A-Za-z0-9_][\w.-]*(?<![.-])", re.ASCII)
_LOGIN = "hf auth login, or set HF_TOKEN"
_TIMEOUT = 10  # seconds until an unresponsive Hub counts as unreachable


def is_repo_id(text: str) -> bool:
    """Whether a text has the form ``owner/name`` of a Hub repository and is not a local path."""
    return _is_valid(text) and not os.path.exists(text)


def push_folder(path: Path, repo_id: str, *, private: bool = True, token: str | None = None, message: str) -> str:
    """Upload a folder to a model repository in one commit, and return the repository's URL.

    The repository is created when it is not there; one that is keeps its visibility, and its other files. Hidden
    files are not uploaded.

    Args:
        private: visibility of a new repository; an existing public one is refused, so that nothing leaks unasked.
        token: by default ``HF_TOKEN``, or the one that ``hf auth login`` stored.
        message: of the commit.

    Raises:
        InputError: no folder or an empty one, a bad repository id, a public repository against ``private``, no token,
            an invalid one, or one without the right to write there, ``HF_HUB_OFFLINE``.
        HyperLoraError: the Hub cannot be reached or fails.
    """
    _check_repo_id(repo_id)
    files = _files_in(path)
    if _is_offline():
        raise InputError("cannot push: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
    with _explained(repo_id):
        from huggingface_hub import CommitOperationAdd, get_token
        from huggingface_hub.errors import RepositoryNotFoundError

        token = token or get_token()
        if token is None:
            raise InputError("no Hugging Face token", _LOGIN)
        api = _api(token)
        try:
            # Before any call of the client that would wait for an unresponsive Hub without end.
            public = not api.model_info(repo_id, timeout=_TIMEOUT).private
            exists = True
        except RepositoryNotFoundError:
            public = exists = False
        user = api.whoami()["name"]
    if public and private:
        raise InputError(
            f"{repo_id} exists and is public, and these weights can reveal what they were made from",
            "push to another repository, or publish with --public",
        )
    with _explained(repo_id, user=user), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client's advice on a card's metadata
        if not exists:
            api.create_repo(repo_id, private=private, exist_ok=True)
        # Not upload_folder: where hf_xet is installed, it may split an upload into several commits.
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in files.items()]
        api.create_commit(repo_id, operations, commit_message=message)
    return f"{_endpoint()}/{repo_id}"


def pull_snapshot(
    repo_id: str,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    token: str | None = None,
    allow_patterns: Sequence[str] = SAFE_PATTERNS,
) -> Path:
    """Download a model repository into huggingface_hub's cache, and return the local directory.

    When the Hub cannot be reached, or ``HF_HUB_OFFLINE`` is set, a complete copy in the cache is used.

    Args:
        revision: branch, tag or commit; by default the newest commit.
        subfolder: download, and return, only this folder of the repository.
        allow_patterns: names of files, as in a shell; pickles (``*.bin``, ``*.pt``, ``*.pkl``) only if named here.

    Raises:
        InputError: a bad repository id, a repository, revision, subfolder or files that do not exist or are not
            accessible, an invalid token.
        HyperLoraError: the Hub cannot be reached or fails, or the disk cannot be written.
    """
    _check_repo_id(repo_id)
    folder = "" if subfolder is None else subfolder.strip("/")
    if ".." in folder.split("/"):
        raise InputError(f"{subfolder} is not a folder of {repo_id}", "name a folder inside the repository")
    patterns = [f"{glob.escape(folder)}/{pattern}" if folder else pattern for pattern in allow_patterns]
    from huggingface_hub.utils import filter_repo_objects

    with _explained(repo_id, revision=revision):
        snapshot = _download(_api(token), repo_id, revision, patterns)
    names = [file.relative_to(snapshot).as_posix() for file in snapshot.rglob("*") if file.is_file()]
    if not any(filter_repo_objects(names, allow_patterns=patterns)):
        where = f"{repo_id}/{folder}" if folder else repo_id
        raise InputError(f"{where} has no {', '.join(allow_patterns)} files", "check the repository's files on the Hub")
    return snapshot / folder


def _download(api: "HfApi", repo_id: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError

    unreachable = None
    if not _is_offline():
        try:
            # snapshot_download would wait without end, and name neither the revision nor the status that is wrong.
            api.model_info(repo_id, revision=revision, timeout=_TIMEOUT)
            return Path(api.snapshot_download(repo_id, revision=revision, allow_patterns=patterns))
        except HTTPError as error:  # of the HTTP library; answers of the Hub are the subclass HfHubHTTPError
            if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
                raise
            unreachable = error
    try:
        cached = api.snapshot_download(repo_id, revision=revision, allow_patterns=patterns, local_files_only=True)
        return Path(cached)
    except LocalEntryNotFoundError:
        if unreachable is not None:
            raise unreachable from None
        raise InputError(f"{repo_id} is not in the cache and HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE") from None


def _is_valid(repo_id: str) -> bool:
    return bool(_REPO_ID.fullmatch(repo_id)) and not re.search(r"--|\.\.|\.git$", repo_id)


def _check_repo_id(repo_id: str) -> None:
    if not _is_valid(repo_id):
        raise InputError(
            f"{repo_id!r} is not a repository id", "write it as owner/name, with letters, digits and . _ -"
        )


def _files_in(path: Path) -> dict[str, Path]:
    """Name in the repository -> file, for all files that are not hidden."""
    if not path.is_dir():
        raise InputError(
            f"{path} is not a folder" if path.exists() else f"{path} does not exist", "name a folder to push"
        )
    names = {file.relative_to(path): file for file in sorted(path.rglob("*")) if file.is_file()}
    files = {name.as_posix(): file for name, file in names.items() if not any(p.startswith(".") for p in name.parts)}
    if not files:
        raise InputError(f"{path} has no files", "name the folder of an adapter or a hypernetwork")
    return files


def _endpoint() -> str:
    from huggingface_hub import constants

    # The client reads the variable once, when it is imported.
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def _api(token: str | None) -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(endpoint=_endpoint(), token=token, library_name="hyperlora")


def _is_offline() -> bool:
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES


@contextmanager
def _explained(repo_id: str, *, revision: str | None = None, user: str | None = None) -> Iterator[None]:
    try:
        yield
    except HyperLoraError:
        raise
    except Exception as error:  # of huggingface_hub, its HTTP library, hf_xet, or the disk
        cause: BaseException | None = error
        while cause is not None:
            explanation = _explain(cause, repo_id, revision, user)
            if explanation is not None:
                raise explanation from error
            cause = cause.__cause__ or cause.__context__
        first_line = str(error).strip().partition("\n")[0] or type(error).__name__
        raise HyperLoraError(
            f"the Hugging Face Hub client failed: {first_line}", "HYPERLORA_DEBUG=1 shows where"
        ) from error


def _explain(error: BaseException, repo_id: str, revision: str | None, user: str | None) -> HyperLoraError | None:
    """The user's view of one exception, None if the exception it was raised from tells more."""
    from huggingface_hub import errors

    host = _endpoint()
    match error:
        case errors.OfflineModeIsEnabled():
            return InputError("HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
        case errors.GatedRepoError():
            return InputError(f"{repo_id} is gated", f"ask for access at {host}/{repo_id}, then {_LOGIN}")
        case errors.RevisionNotFoundError():
            return InputError(f"{repo_id} has no revision {revision or 'main'}", "check the branch, tag or commit")
        case errors.RepositoryNotFoundError():
            return _not_found(repo_id)
        case errors.HfHubHTTPError():
            if error.response.status_code == 401 and "authorization" not in error.response.request.headers:
                # To someone who is not logged in, the Hub does not tell a missing repository from a private one.
                return _not_found(repo_id)
            return _explain_status(error.response.status_code, error.server_message or "", repo_id, user)
        case errors.HTTPError():
            return HyperLoraError(f"cannot reach the Hub at {host}", "check the network connection and HF_ENDPOINT")
        case json.JSONDecodeError():
            return HyperLoraError(
                f"{host} does not answer like the Hub", "check the network connection and HF_ENDPOINT"
            )
        case errors.LocalEntryNotFoundError():
            return None
        case ConnectionError():  # of hf_xet
            reason = str(error).partition("\n")[0]
            return HyperLoraError(f"the transfer failed: {reason}", "try again; HF_HUB_DISABLE_XET=1 uses plain HTTP")
        case OSError(errno=int()):
            name = f" ({error.filename})" if error.filename else ""
            hint = "check the disk's free space and permissions; HF_HOME sets where downloads are kept"
            return HyperLoraError(f"{error.strerror or errno.errorcode.get(error.errno)}{name}", hint)
    return None


def _not_found(repo_id: str) -> InputError:
    return InputError(
        f"{repo_id} does not exist on the Hub, or is private", f"check the name; if it is private, {_LOGIN}"
    )


def _explain_status(status: int, server_message: str, repo_id: str, user: str | None) -> HyperLoraError:
    if status == 401:
        return InputError("the Hugging Face token is not valid", _LOGIN)
    if status == 403:
        who, need = (f" as {user}", "may write there") if user else ("", "has access to it")
        hint = f"use a token that {need}: https://huggingface.co/settings/tokens"
        return InputError(f"no permission for {repo_id}{who}", hint)
    if status == 429:
        return HyperLoraError("too many requests to the Hub", "wait some minutes and try again")
    if status >= 500:
        return HyperLoraError(f"the Hub failed with status {status}", "try again later")
    reason = " ".join(server_message.split()) or f"status {status}"
    return InputError(f"the Hub refused the request for {repo_id}: {reason}", "change what it names and try again")
