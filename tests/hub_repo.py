"""Repositories of the test Hub, and what is asked of it."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ENDPOINTS: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = []
LFS = (".safetensors", ".bin", ".pt", ".pkl")


def endpoint(method: str, pattern: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks a method that answers requests to paths of a pattern, whose groups are its arguments."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        ENDPOINTS.append((method, re.compile(pattern), function))
        return function

    return register


class Commit(NamedTuple):
    """A commit: its hash, its message, and all files after it."""

    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repo:
    """A repository: its visibility, its commits on ``main`` from first to last, tags of them, and other branches."""

    private: bool
    commits: list[Commit] = field(
        default_factory=lambda: [Commit("0" * 40, "initial commit", {".gitattributes": b"#"})]
    )
    tags: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, list[Commit]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], message: str, branch: str = "main") -> Commit:
        commits = self.commits if branch == "main" else self.branches[branch]
        oid = hashlib.sha1(f"{branch} {len(commits)} {message}".encode()).hexdigest()
        commits.append(Commit(oid, message, {**commits[-1].files, **files}))
        return commits[-1]

    def find(self, revision: str) -> Commit:
        heads = {"main": self.commits[-1], **{name: commits[-1] for name, commits in self.branches.items()}}
        known = [commit for commits in (self.commits, *self.branches.values()) for commit in commits]
        commit = {**heads, **self.tags, **{c.oid: c for c in known}}.get(revision)
        if commit is None:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit


@dataclass(frozen=True)
class Request:
    """A request the server has answered."""

    method: str
    path: str
    token: str | None
    body: bytes
    range: str | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HubError(Exception):
    """An error answer in the Hub's terms."""

    def __init__(self, status: int, message: str, code: str | None = None, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.data = status, code, data or {}


def oid_of(path: str, data: bytes) -> str:
    """The SHA-256 of an LFS file, git's blob hash of any other."""
    digest = hashlib.sha256(data) if path.endswith(LFS) else hashlib.sha1(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()
