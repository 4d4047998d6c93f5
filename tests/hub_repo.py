"""Repositories of the test Hub, and what is asked of it."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LFS = (".safetensors", ".bin", ".pt", ".pkl")


class Commit(NamedTuple):
    """A commit: its hash, its message, and all files after it."""

    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repo:
    """A repository: its visibility, its commits on ``main`` from first to last, and tags of them."""

    private: bool
    commits: list[Commit] = field(
        default_factory=lambda: [Commit("0" * 40, "initial commit", {".gitattributes": b"#"})]
    )
    tags: dict[str, Commit] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], message: str) -> Commit:
        oid = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()
        self.commits.append(Commit(oid, message, {**self.commits[-1].files, **files}))
        return self.commits[-1]

    def find(self, revision: str) -> Commit:
        commit = {"main": self.commits[-1], **self.tags, **{c.oid: c for c in self.commits}}.get(revision)
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

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HubError(Exception):
    """An error answer in the Hub's terms."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def oid_of(path: str, data: bytes) -> str:
    """The SHA-256 of an LFS file, git's blob hash of any other."""
    digest = hashlib.sha256(data) if path.endswith(LFS) else hashlib.sha1(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()
