"""Every failure of the Hub, of its client or of the network as one line and a hint."""

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from shared.errors import HyperLoraError, InputError
from shared.hub_token import masked
from shared.transfer import watch_transfers

LOGIN = "hf auth login, or set HF_TOKEN"


def endpoint() -> str:
    """Address of the Hub, without a slash at its end.

    Raises:
        InputError: ``HF_ENDPOINT`` is none.
    """
    check_endpoint()
    from huggingface_hub import constants

    # The client reads the variable once, when it is imported.
    given = os.environ.get("HF_ENDPOINT")
    if given is not None and not given.strip():
        raise InputError("HF_ENDPOINT is set to nothing", "unset it, or set it to https://huggingface.co")
    url = (given or constants.ENDPOINT).strip().rstrip("/")
    if not re.fullmatch(r"https?://[^/\s]\S*", url):
        host = re.sub(r"^\w*:?//+", "", url) or "huggingface.co"
        raise InputError(
            masked(f"HF_ENDPOINT is {url!r}, which is no address of a Hub"),
            masked(f"write it with its scheme: HF_ENDPOINT=https://{host}"),
        )
    return url


def check_endpoint() -> None:
    """Refuse an address with which the Hub's client cannot even be imported, and so nothing that stands on it.

    Raises:
        InputError: ``HF_ENDPOINT`` has brackets or a port that no address has.
    """
    given = os.environ.get("HF_ENDPOINT", "")
    try:
        parts = urlsplit(given)
        _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(
            masked(f"HF_ENDPOINT is {given!r}, which is no address of a Hub: {error}"),
            "unset it, or set it to https://huggingface.co",
        ) from None


@contextmanager
def explained(repo_id: str, *, revision: str | None = None, user: str | None = None) -> Iterator[None]:
    """In the block, transfers are bounded, and every failure of the Hub becomes an error of ours, without tokens.

    Args:
        user: who the token belongs to, where that is known.

    Raises:
        InputError: a repository, revision, token or right that does not exist.
        HyperLoraError: the Hub, its client, the network or the disk fails.
    """
    watch_transfers()
    try:
        yield
    except HyperLoraError:
        raise
    except Exception as error:  # of huggingface_hub, its HTTP library, hf_xet, or the disk
        explanation = _explain_chain(error, repo_id, revision, user)
        raise type(explanation)(masked(explanation.message), masked(explanation.hint)) from error


def _explain_chain(error: BaseException, repo_id: str, revision: str | None, user: str | None) -> HyperLoraError:
    cause: BaseException | None = error
    while cause is not None:
        explanation = _explain(cause, repo_id, revision, user)
        if explanation is not None:
            return explanation
        cause = cause.__cause__ or cause.__context__
    first_line = str(error).strip().partition("\n")[0] or type(error).__name__
    return HyperLoraError(f"the Hugging Face Hub client failed: {first_line}", "HYPERLORA_DEBUG=1 shows where")


def _explain(error: BaseException, repo_id: str, revision: str | None, user: str | None) -> HyperLoraError | None:
    """The user's view of one exception, None if the exception it was raised from tells more."""
    from huggingface_hub import errors

    host = endpoint()
    match error:
        case errors.OfflineModeIsEnabled():
            return InputError("HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
        case errors.GatedRepoError():
            return InputError(f"{repo_id} is gated", f"ask for access at {host}/{repo_id}, then {LOGIN}")
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
        f"{repo_id} does not exist on the Hub, or is private", f"check the name; if it is private, {LOGIN}"
    )


def _explain_status(status: int, server_message: str, repo_id: str, user: str | None) -> HyperLoraError:
    if status == 401:
        return InputError("the Hugging Face token is not valid", LOGIN)
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
