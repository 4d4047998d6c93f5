"""A Hugging Face Hub of our own on this machine, so that push and pull are tested through the real client, offline.

It speaks the part of the Hub's API that creating, committing to and downloading a model repository takes: inline
files, LFS objects, ETags and commit headers, and the Hub's own error codes. A test module takes the fixtures with
``pytest_plugins = ("tests.hub_server",)``. ``hub_home`` alone keeps cache, token and settings inside ``tmp_path``.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

WRITE_TOKEN, READ_TOKEN = "hf_write", "hf_read"
_LFS = (".safetensors", ".bin", ".pt", ".pkl")
_ROUTES: list[tuple[str, re.Pattern[str], Callable]] = []
_ID = r"(?P<repo>[\w.-]+/[\w.-]+)"


@dataclass
class Repo:
    """A repository: its visibility and, from first to last, the files after each commit on ``main``."""

    private: bool
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{".gitattributes": b"*.bin filter=lfs\n"}])
    messages: list[str] = field(default_factory=lambda: ["initial commit"])
    tags: dict[str, int] = field(default_factory=dict)

    def oid(self, index: int) -> str:
        return hashlib.sha1(repr((index, self.messages[index])).encode()).hexdigest()

    def find(self, revision: str) -> int | None:
        """The index of a commit by branch, tag or commit hash."""
        names = {"main": len(self.commits) - 1, **self.tags, **{self.oid(i): i for i in range(len(self.commits))}}
        return names.get(revision)

    def commit(self, files: dict[str, bytes], message: str) -> None:
        self.commits.append({**self.commits[-1], **files})
        self.messages.append(message)


@dataclass(frozen=True)
class Request:
    """A request the server has answered."""

    method: str
    path: str
    token: str | None
    body: bytes
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HubError(Exception):
    """An error answer in the Hub's terms."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def _route(method: str, pattern: str) -> Callable[[Callable], Callable]:
    def register(endpoint: Callable) -> Callable:
        _ROUTES.append((method, re.compile(pattern), endpoint))
        return endpoint

    return register


class HubServer:
    """The server and its state. ``failures`` maps a part of a path to the error status that such requests get."""

    def __init__(self) -> None:
        self.users = {WRITE_TOKEN: "ann", READ_TOKEN: "ann"}
        self.repos: dict[str, Repo] = {}
        self.lfs: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.failures: dict[str, int] = {}
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, repo_id: str, files: dict[str, bytes], *, private: bool = False) -> Repo:
        """A repository that is there already."""
        repo = self.repos[repo_id] = Repo(private)
        repo.commit(files, "add files")
        return repo

    def seen(self, part: str) -> list[Request]:
        """The requests so far whose path contains ``part``."""
        return [request for request in self.requests if part in request.path]

    def repo(self, token: str | None, repo_id: str, *, write: bool = False) -> Repo:
        repo = self.repos.get(repo_id)
        mine = self.users.get(token or "") == repo_id.split("/")[0]
        if repo is None or (repo.private and not mine):
            # To someone who is not logged in, the Hub does not tell a missing repository from a private one.
            raise HubError(
                *((404, "Repository not found", "RepoNotFound") if token else (401, "Invalid username or password."))
            )
        if write and not (mine and token == WRITE_TOKEN):
            raise HubError(403, "You don't have the required permissions to write")
        return repo

    # One method per endpoint, which returns JSON data, or the bytes and headers of a file.

    @_route("GET", r"/api/whoami-v2")
    def whoami(self, request: Request) -> Any:
        if request.token is None:
            raise HubError(401, "Invalid username or password.")
        return {"type": "user", "name": self.users[request.token], "orgs": []}

    @_route("POST", r"/api/repos/create")
    def create(self, request: Request) -> Any:
        repo_id = f"{request.json['organization']}/{request.json['name']}"
        url = f"{self.url}/{repo_id}"
        if request.token != WRITE_TOKEN or self.users[request.token] != request.json["organization"]:
            raise HubError(403, "You don't have the rights to create a model under this namespace")
        if repo_id in self.repos:
            raise HubError(409, "You already created this model repo")
        self.repos[repo_id] = Repo(private=request.json["visibility"] == "private")
        return {"url": url, "name": repo_id, "id": "1"}

    @_route("POST", r"/api/validate-yaml")
    def validate(self, request: Request) -> Any:
        if "license: nonsense" in request.json["content"]:
            raise HubError(400, '"license" must be one of [apache-2.0]')
        missing = not request.json["content"].startswith("---")
        return {"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}] if missing else []}

    @_route("POST", rf"/api/models/{_ID}/preupload/main")
    def preupload(self, request: Request) -> Any:
        files = self.repo(request.token, request.parts["repo"], write=True).commits[-1]
        answers = []
        for item in request.json["files"]:
            path, lfs = item["path"], item["path"].endswith(_LFS)
            oid = _oid(path, files[path]) if path in files else None
            answers.append({"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid})
        return {"files": answers}

    @_route("POST", rf"/{_ID}\.git/info/lfs/objects/batch")
    def lfs_batch(self, request: Request) -> Any:
        self.repo(request.token, request.parts["repo"], write=True)
        objects = []
        for item in request.json["objects"]:
            actions = {name: {"href": f"{self.url}/lfs/{name}/{item['oid']}"} for name in ("upload", "verify")}
            objects.append(item if item["oid"] in self.lfs else {**item, "actions": actions})
        return {"transfer": "basic", "objects": objects}

    @_route("PUT", r"/lfs/upload/(?P<oid>[0-9a-f]{64})")
    def lfs_upload(self, request: Request) -> Any:
        if hashlib.sha256(request.body).hexdigest() != request.parts["oid"]:
            raise HubError(400, "wrong sha256")
        self.lfs[request.parts["oid"]] = request.body
        return {}

    @_route("POST", r"/lfs/verify/(?P<oid>[0-9a-f]{64})")
    def lfs_verify(self, request: Request) -> Any:
        if len(self.lfs.get(request.parts["oid"], b"")) != request.json["size"]:
            raise HubError(404, "object not uploaded")
        return {}

    @_route("POST", rf"/api/models/{_ID}/commit/main")
    def commit_files(self, request: Request) -> Any:
        repo = self.repo(request.token, request.parts["repo"], write=True)
        message, files = "", {}
        for line in request.body.splitlines():
            value = json.loads(line)["value"]
            match json.loads(line)["key"]:
                case "header":
                    message = value["summary"]
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.lfs[value["oid"]]
        repo.commit(files, message)
        oid = repo.oid(-1)
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{request.parts['repo']}/commit/{oid}"}

    @_route("GET", rf"/api/models/{_ID}(/revision/(?P<revision>[^/]+))?")
    def info(self, request: Request) -> Any:
        repo = self.repo(request.token, request.parts["repo"])
        sha = repo.oid(_find(repo, request.parts.get("revision", "main")))
        return {
            "_id": "1",
            "id": request.parts["repo"],
            "modelId": request.parts["repo"],
            "sha": sha,
            "private": repo.private,
        }

    @_route("GET", rf"/api/models/{_ID}/tree/(?P<revision>[^/]+)")
    def tree(self, request: Request) -> Any:
        repo = self.repo(request.token, request.parts["repo"])
        entries = []
        for path, data in repo.commits[_find(repo, request.parts["revision"])].items():
            entry = {"type": "file", "path": path, "size": len(data), "oid": _git_oid(data)}
            if path.endswith(_LFS):
                entry["lfs"] = {"oid": _oid(path, data), "size": len(data), "pointerSize": 134}
            entries.append(entry)
        return entries

    @_route("GET", rf"/{_ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, request: Request) -> Any:
        repo = self.repo(request.token, request.parts["repo"])
        index = _find(repo, request.parts["revision"])
        data = repo.commits[index].get(request.parts["path"])
        if data is None:
            raise HubError(404, "Entry not found", "EntryNotFound")
        headers = {"ETag": f'"{_oid(request.parts["path"], data)}"', "X-Repo-Commit": repo.oid(index)}
        if request.parts["path"].endswith(_LFS):
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(data))}
        return data, headers


def _find(repo: Repo, revision: str) -> int:
    index = repo.find(unquote(revision))
    if index is None:
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return index


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _oid(path: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if path.endswith(_LFS) else _git_oid(data)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        request = Request(self.command, unquote(urlsplit(self.path).path), token, self._body())
        self.hub.requests.append(request)
        headers: dict[str, str] = {"Content-Type": "application/json"}
        status = 200
        try:
            answer = self._route(request)
            data, headers = answer if isinstance(answer, tuple) else (json.dumps(answer).encode(), headers)
        except HubError as error:
            status, data = error.status, json.dumps({"errors": [{"message": str(error)}]}).encode()
            headers |= {"X-Error-Message": str(error)} | ({"X-Error-Code": error.code} if error.code else {})
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def _route(self, request: Request) -> Any:
        for part, status in self.hub.failures.items():
            if part in request.path:
                raise HubError(status, "told to fail")
        if request.token is not None and request.token not in self.hub.users:
            raise HubError(401, "Invalid credentials in Authorization header")
        for method, pattern, endpoint in _ROUTES:
            match = pattern.fullmatch(urlsplit(self.path).path)
            if match and method == request.method.replace("HEAD", "GET"):
                parts = {name: unquote(value) for name, value in match.groupdict().items() if value}
                return endpoint(self.hub, replace(request, parts=parts))
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Cache, token and settings of huggingface_hub and hyperlora inside ``tmp_path``; no token; nobody is reached."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    home = tmp_path / "hf"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    # Port 9 (discard) refuses: a test that forgets its server fails at once instead of reaching the real Hub.
    settings = {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(home),
        "HYPERLORA_HOME": str(tmp_path / "hyperlora"),
    }
    flags = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS")
    for name, value in {**settings, **dict.fromkeys(flags, "1"), "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    # The variables above are for subprocesses: in this process, huggingface_hub read them when it was imported.
    for name in flags:
        monkeypatch.setattr(constants, name, True)
    places = {"HF_HOME": "", "HF_HUB_CACHE": "hub", "HF_TOKEN_PATH": "token", "HF_STORED_TOKENS_PATH": "stored_tokens"}
    for name, place in places.items():
        monkeypatch.setattr(constants, name, str(home / place))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", settings["HF_ENDPOINT"])
    close_session()
    yield home
    close_session()


@pytest.fixture
def hub_server(hub_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running Hub; ``HF_ENDPOINT`` names it and ``HF_TOKEN`` may write to the repositories of the user ann."""
    from huggingface_hub import constants

    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", WRITE_TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    yield server
    server.close()
