"""Bounds on what the Hub's client transfers, and a check of what came.

The client waits again and again for a server that sends a byte now and then, reads as many pages of a file list as it
is told of, and takes a file of the right size for the right file.
"""

import hashlib
import importlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import HyperLoraError, InputError

# A transfer that is slower than this many bytes a second for so many seconds has stalled.
MIN_SPEED, PATIENCE = 1000, 30
# A repository with more pages of files than this is none that can be used.
MAX_PAGES = 200
# Of an answer to read into memory, and of a file whose size the server does not state.
MAX_ANSWER, MAX_UNSTATED = 100_000_000, 1_000_000_000
# Seconds until one read or write that nothing else bounds is given up.
TIMEOUT = 30


@dataclass
class _Watch:
    """What has been transferred since ``watch_transfers``."""

    waited: float = 0.0
    received: int = 0
    pages: int = 0

    def check_speed(self) -> None:
        if self.waited > PATIENCE and self.received < MIN_SPEED * self.waited:
            raise HyperLoraError(
                f"the transfer has stalled: {self.received:,} bytes in {self.waited:.0f} s",
                "check the network connection and try again",
            )


_watch = _Watch()
_bounded = False


def watch_transfers() -> None:
    """Start to count anew, and bound everything that the Hub's client transfers in this process from now on."""
    global _watch, _bounded
    _watch = _Watch()
    if _bounded:
        return
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def make_client() -> Any:
        client = default_client_factory()
        hooks = client.event_hooks
        client.event_hooks = {
            "request": [*hooks.get("request", []), _bound_waiting],
            "response": [*hooks.get("response", []), _bound],
        }
        return client

    set_client_factory(make_client)
    _bounded = True


def _bound_waiting(request: Any) -> None:
    """A hook of the client: some of its requests would wait for ever."""
    _watch.check_speed()
    stated = request.extensions.get("timeout", {})
    waits = {name: stated.get(name) for name in ("connect", "read", "write", "pool")}
    request.extensions["timeout"] = {name: TIMEOUT if wait is None else wait for name, wait in waits.items()}


def _bound(response: Any) -> None:
    """A hook of the client: called with every response before its body is read."""
    watch, path = _watch, response.request.url.path
    watch.check_speed()
    if "/tree/" in path:
        watch.pages += 1
        if watch.pages > MAX_PAGES:
            raise HyperLoraError("the Hub's list of files does not end", "check HF_ENDPOINT and the repository")
    limit = MAX_ANSWER if path.startswith("/api/") else None if "content-length" in response.headers else MAX_UNSTATED
    response.stream = _bounded_stream(response, limit, watch)


def _bounded_stream(response: Any, limit: int | None, watch: _Watch) -> Any:
    """The response's stream; it ends with an error where it stalls or goes on for more than ``limit`` bytes."""
    stream = response.stream
    # The HTTP library of the Hub's client has had more than one name.
    library = importlib.import_module(type(response).__module__.partition(".")[0])

    class Bounded(library.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            pieces, received = iter(stream), 0
            while True:
                started = time.monotonic()
                try:
                    piece = next(pieces, None)
                finally:
                    watch.waited += time.monotonic() - started
                if piece is None:
                    return
                received += len(piece)
                watch.received += len(piece)
                watch.check_speed()
                if limit is not None and received > limit:
                    raise HyperLoraError(f"the Hub sends more than {limit:,} bytes", "check the repository")
                yield piece

        def close(self) -> None:
            stream.close()

    return Bounded()


def check_digests(snapshot: Path, repo_id: str) -> None:
    """Compare the files of a snapshot in the Hub's cache with the digests that the Hub stated for them.

    The cache keeps a file under that digest: sha256 of large files, git's sha1 of others. A damaged file is removed
    from the cache.

    Raises:
        InputError: a file has another digest.
    """
    for link in snapshot.rglob("*"):
        blob = link.resolve()
        if not link.is_symlink() or not blob.is_file():
            continue
        digest = _digest(blob.name)
        if digest is not None and digest(blob) != blob.name:
            blob.unlink()
            link.unlink()
            name = link.relative_to(snapshot).as_posix()
            raise InputError(
                f"{name} of {repo_id} is damaged: its {'sha256' if len(blob.name) == 64 else 'hash'} is not the one "
                "that the Hub states",
                "try again; if it stays so, tell the repository's owner",
            )


def _digest(stated: str) -> Callable[[Path], str] | None:
    if re.fullmatch(r"[0-9a-f]{64}", stated):
        return lambda file: _hash(file, hashlib.sha256())
    if re.fullmatch(r"[0-9a-f]{40}", stated):
        return lambda file: _hash(file, hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False))
    return None


def _hash(file: Path, digest: Any) -> str:
    with file.open("rb") as opened:
        while piece := opened.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
