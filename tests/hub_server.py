"""A Hugging Face Hub of our own on this machine, so that push and pull are tested through the real client, offline.

It speaks the part of the Hub's API that creating, committing to and downloading a model repository takes: inline
files, LFS objects, ETags and commit headers, branches, collections, and the Hub's own error codes. A test module takes
the fixtures with ``pytest_plugins = ("tests.hub_server",)``. ``hub_home`` alone keeps cache, token and settings inside
``tmp_path``.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.hub_collections import Collection, Collections
from tests.hub_repo import ENDPOINTS, LFS, HubError, Repo, Request, endpoint, oid_of

_NOBODY = "http://127.0.0.1:9"  # refuses connections: a request without our endpoint fails, the real Hub is not reached
_REPO, _OID = r"(?P<repo_id>[\w.-]+/[\w.-]+)", r"(?P<oid>[0-9a-f]{64})"


class HubServer(Collections):
    """The server and its state.

    ``failures`` maps a part of a path to the error status that such requests get. What else it does wrong: it sends
    other bytes than the digests are of (``other_bytes`` by path), sends a part of a body and no more (``stalls``, parts
    of paths), lists pages of files for ever, makes every new repository public, and repeats the token in its errors.
    ``cuts`` maps parts of paths to numbers of bytes behind which the connection breaks: the first of the first such
    transfer, the last of all that are left.
    """

    write_token, read_token = "hf_write", "hf_read"

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.users = {self.write_token: "ann", self.read_token: "ann"}
        self.repos: dict[str, Repo] = {}
        self.collections: dict[str, Collection] = {}
        self.lfs: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.failures: dict[str, int] = {}
        self.other_bytes: dict[str, bytes] = {}
        self.stalls: set[str] = set()
        self.lists_for_ever = self.makes_all_public = self.repeats_token = False
        self.cuts: dict[str, list[int]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, repo_id: str, files: dict[str, bytes], *, private: bool = False) -> Repo:
        """A repository that is there already."""
        repo = self.repos[repo_id] = Repo(private)
        repo.commit(files, "add files")
        return repo

    def seen(self, part: str) -> list[Request]:
        """The requests so far whose path contains ``part``."""
        return [request for request in self.requests if part in request.path]

    def answer(self, request: Request) -> Any:
        """JSON data, or the bytes and headers of a file."""
        for part, status in self.failures.items():
            if part in request.path:
                raise HubError(status, f"told to fail {request.token if self.repeats_token else ''}")
        if request.token is not None and request.token not in self.users:
            raise HubError(401, "Invalid credentials in Authorization header")
        for method, pattern, function in ENDPOINTS:
            match = pattern.fullmatch(request.path)
            if match and method == request.method.replace("HEAD", "GET"):
                parts: dict[str, Any] = {name: unquote(value) for name, value in match.groupdict().items() if value}
                if "repo_id" in parts:
                    parts["repo"] = self._open(parts["repo_id"], request.token, write=method == "POST")
                return function(self, request, **parts)
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def _open(self, repo_id: str, token: str | None, *, write: bool) -> Repo:
        repo = self.repos.get(repo_id)
        mine = self.users.get(token or "") == repo_id.split("/")[0]
        if repo is None or (repo.private and not mine):
            # To someone who is not logged in, the Hub does not tell a missing repository from a private one.
            raise HubError(404, "Repository not found", "RepoNotFound") if token else HubError(401, "Invalid username")
        if write and not (mine and token == self.write_token):
            raise HubError(403, "You don't have the required permissions to write")
        return repo

    @endpoint("GET", "/api/whoami-v2")
    def whoami(self, request: Request) -> Any:
        return {"type": "user", "name": self.users[request.token], "orgs": []}

    @endpoint("POST", "/api/repos/create")
    def create(self, request: Request) -> Any:
        owner, name = request.json["organization"], request.json["name"]
        if request.token != self.write_token or self.users[request.token] != owner:
            raise HubError(403, "You don't have the rights to create a model under this namespace")
        self.repos[f"{owner}/{name}"] = Repo(
            private=request.json["visibility"] == "private" and not self.makes_all_public
        )
        return {"url": f"{self.url}/{owner}/{name}"}

    @endpoint("POST", "/api/validate-yaml")
    def validate(self, request: Request) -> Any:
        if "license: nonsense" in request.json["content"]:
            raise HubError(400, '"license" must be one of [apache-2.0]')
        missing = not request.json["content"].startswith("---")
        return {"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}] if missing else []}

    @endpoint("POST", f"/api/models/{_REPO}/preupload/(?P<revision>[^/]+)")
    def preupload(self, request: Request, repo: Repo, repo_id: str, revision: str) -> Any:
        files, answers = repo.find(revision).files, []
        for path in (item["path"] for item in request.json["files"]):
            oid = oid_of(path, files[path]) if path in files else None
            mode = "lfs" if path.endswith(LFS) else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": answers}

    @endpoint("POST", rf"/{_REPO}\.git/info/lfs/objects/batch")
    def lfs_batch(self, request: Request, repo: Repo, repo_id: str) -> Any:
        objects = []
        for item in request.json["objects"]:
            actions = {name: {"href": f"{self.url}/lfs/{name}/{item['oid']}"} for name in ("upload", "verify")}
            objects.append(item if item["oid"] in self.lfs else {**item, "actions": actions})
        return {"transfer": "basic", "objects": objects}

    @endpoint("PUT", f"/lfs/upload/{_OID}")
    def lfs_upload(self, request: Request, oid: str) -> Any:
        if hashlib.sha256(request.body).hexdigest() != oid:
            raise HubError(400, "wrong sha256")
        self.lfs[oid] = request.body
        return {}

    @endpoint("POST", f"/lfs/verify/{_OID}")
    def lfs_verify(self, request: Request, oid: str) -> Any:
        if len(self.lfs.get(oid, b"")) != request.json["size"]:
            raise HubError(404, "object not uploaded")
        return {}

    @endpoint("POST", f"/api/models/{_REPO}/commit/(?P<revision>[^/]+)")
    def commit(self, request: Request, repo: Repo, repo_id: str, revision: str) -> Any:
        message, files = "", {}
        for key, value in (json.loads(line).values() for line in request.body.splitlines()):
            if key == "header":
                message = value["summary"]
            else:
                content = self.lfs[value["oid"]] if key == "lfsFile" else base64.b64decode(value["content"])
                files[value["path"]] = content
        oid = repo.commit(files, message, revision).oid
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{repo_id}/commit/{oid}"}

    @endpoint("POST", f"/api/models/{_REPO}/branch/(?P<branch>[^/]+)")
    def branch(self, request: Request, repo: Repo, repo_id: str, branch: str) -> Any:
        if branch == "main" or branch in repo.branches:
            raise HubError(409, "Reference already exists")
        repo.branches[branch] = [repo.find(request.json.get("startingPoint", "main"))]
        return {}

    @endpoint("GET", f"/api/models/{_REPO}(/revision/(?P<revision>[^/]+))?")
    def info(self, request: Request, repo: Repo, repo_id: str, revision: str = "main") -> Any:
        return {"id": repo_id, "modelId": repo_id, "sha": repo.find(revision).oid, "private": repo.private}

    @endpoint("GET", f"/api/models/{_REPO}/tree/(?P<revision>[^/]+)")
    def tree(self, request: Request, repo: Repo, repo_id: str, revision: str) -> Any:
        entries = []
        for path, data in repo.find(revision).files.items():
            lfs = (
                {"lfs": {"oid": oid_of(path, data), "size": len(data), "pointerSize": 134}}
                if path.endswith(LFS)
                else {}
            )
            entries.append({"type": "file", "path": path, "size": len(data), "oid": oid_of("", data), **lfs})
        if self.lists_for_ever:
            return json.dumps(entries).encode(), {
                "Content-Type": "application/json",
                "Link": f'<{self.url}{request.path}?more>; rel="next"',
            }
        return entries

    @endpoint("GET", f"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, request: Request, repo: Repo, repo_id: str, revision: str, path: str) -> Any:
        commit = repo.find(revision)
        if path not in commit.files:
            raise HubError(404, "Entry not found", "EntryNotFound")
        data, sent = commit.files[path], self.other_bytes.get(path, commit.files[path])
        headers = {"ETag": f'"{oid_of(path, data)}"', "X-Repo-Commit": commit.oid}
        if path.endswith(LFS):
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(data))}
        return sent, headers


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: a second one would wait for the first one's acknowledgement

    def _answer(self) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, urlsplit(self.path).path, token, body, self.headers.get("Range"))
        self.hub.requests.append(request)
        status, headers = 200, {"Content-Type": "application/json"}
        try:
            answer = self.hub.answer(request)
            data, headers = answer if isinstance(answer, tuple) else (json.dumps(answer).encode(), headers)
        except HubError as error:
            status, data = error.status, json.dumps({"errors": [{"message": str(error)}], **error.data}).encode()
            headers |= {"X-Error-Message": str(error)} | ({"X-Error-Code": error.code} if error.code else {})
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if start and status == 200:
            headers |= {"Content-Range": f"bytes {start[1]}-{len(data) - 1}/{len(data)}"}
            status, data = 206, data[int(start[1]) :]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if any(part in request.path for part in self.hub.stalls):
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.hub.closing.wait(60)
            self.close_connection = True
            return
        cuts = next((cuts for part, cuts in self.hub.cuts.items() if part in request.path), [len(data)])
        cut = cuts.pop(0) if len(cuts) > 1 else cuts[0]
        self.wfile.write(data[:cut])
        self.close_connection = self.close_connection or cut < len(data)

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings and files of huggingface_hub and hyperlora inside ``tmp_path``, no token, and no Hub."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    home = tmp_path / "hf"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    flags = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS")
    folders = {"HF_HOME": str(home), "HYPERLORA_HOME": str(tmp_path / "hyperlora")}
    for name, value in {**dict.fromkeys(flags, "1"), **folders, "HF_ENDPOINT": _NOBODY, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    # The variables are for subprocesses: in this process, huggingface_hub read them when it was imported.
    paths = {"HF_HUB_CACHE": "hub", "HF_TOKEN_PATH": "token", "HF_STORED_TOKENS_PATH": "stored_tokens", "HF_HOME": ""}
    values = {**dict.fromkeys(flags, True), "HF_HUB_OFFLINE": False, "ENDPOINT": _NOBODY}
    values |= {"HUGGINGFACE_CO_URL_TEMPLATE": _NOBODY + "/{repo_id}/resolve/{revision}/{filename}"}
    for name, value in {**values, **{name: str(home / path) for name, path in paths.items()}}.items():
        monkeypatch.setattr(constants, name, value)
    close_session()
    yield home
    close_session()


@pytest.fixture
def hub_server(hub_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running Hub; ``HF_ENDPOINT`` names it and ``HF_TOKEN`` may write to the repositories of the user ann."""
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", server.write_token)
    yield server
    server.close()
