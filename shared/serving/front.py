"""The door before llama.cpp's server: model names become LoRA numbers, and a changed folder a new engine.

llama.cpp serves one model and takes its adapters by number, given at its start; nothing is computed here.
"""

import http.client
import json
import threading
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.base.model import BaseArchitecture
from shared.errors import HyperLoraError
from shared.serving.adapters import Served, find_adapters, prepare, prune_served
from shared.serving.engine import Engine, EngineSettings

PATHS = ("/v1/chat/completions", "/v1/completions")
MAX_BODY = 64_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class _Generation:
    """An engine with the adapters it was started with."""

    engine: Engine
    adapters: list[Served]
    state: dict[str, Any]
    requests: int = 0
    retired: bool = False


class AdapterPool:
    """The engine for the adapters that a folder holds now.

    Args:
        folder: of adapter directories; one more there is served from the next request on.
        base: the base's outline, for names and sizes.
        base_model: its name.
        settings: of the engine, without LoRAs.
        on_note: called with a line on what was loaded or left out.
    """

    def __init__(
        self,
        folder: Path,
        base: BaseArchitecture,
        base_model: str,
        settings: EngineSettings,
        on_note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.folder, self.base, self.base_model, self.settings, self.on_note = (
            folder,
            base,
            base_model,
            settings,
            on_note,
        )
        self.lock = threading.Lock()
        prune_served()
        self.current = self._start(find_adapters(folder))

    def _start(self, found: dict[str, Any]) -> _Generation:
        served = []
        for name, (path, _) in found.items():
            try:
                served.append(prepare(name, path, self.base, self.base_model, Path(self.settings.model)))
            except HyperLoraError as error:
                self.on_note(f"left out: {error.message}")
        loras = tuple(str(adapter.gguf) for adapter in served)
        engine = Engine(EngineSettings(**vars(self.settings) | {"loras": loras}))
        self.on_note(f"loaded: {', '.join(adapter.name for adapter in served) or 'no adapter'}")
        return _Generation(engine, served, found)

    @contextmanager
    def generation(self):
        """The engine of the folder as it is now, kept alive for the block."""
        with self.lock:
            found = find_adapters(self.folder)
            if found != self.current.state:
                try:
                    fresh = self._start(found)
                except HyperLoraError as error:
                    self.on_note(f"kept the former adapters: {error.message}")
                    self.current.state = found
                else:
                    self._retire(self.current)
                    self.current = fresh
            chosen = self.current
            chosen.requests += 1
        try:
            yield chosen
        finally:
            with self.lock:
                chosen.requests -= 1
                if chosen.retired and not chosen.requests:
                    chosen.engine.close()

    def _retire(self, old: _Generation) -> None:
        old.retired = True
        if not old.requests:
            old.engine.close()

    def close(self) -> None:
        self.current.engine.close()


def make_server(pool: AdapterPool, host: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server for a pool; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """

    class Handler(_Handler):
        pass

    Handler.pool, Handler.only_loopback = pool, host in LOOPBACK
    ThreadingHTTPServer.daemon_threads = True
    return ThreadingHTTPServer((host, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    pool: AdapterPool
    only_loopback: bool
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: they hold what users ask."""

    def do_GET(self) -> None:
        if not self._is_local():
            return
        if self.path in ("/health", "/v1/health"):
            self._send(200, {"status": "ok"})
        elif self.path == "/v1/models":
            with self.pool.generation() as chosen:
                names = [self.pool.base_model, *(adapter.name for adapter in chosen.adapters)]
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "hyperlora"} for name in names]
            self._send(200, {"object": "list", "data": models})
        else:
            self._refuse(404, f"no {self.path} here", "not_found")

    def do_POST(self) -> None:
        if not self._is_local():
            return
        length = self.headers.get("Content-Length") or ""
        if not (length.isascii() and length.isdigit() and 0 < int(length[:12]) <= MAX_BODY):
            self.close_connection = True
            return self._refuse(400, "the request needs a JSON body", "invalid_request")
        body = self.rfile.read(int(length))
        if self.path not in PATHS:
            return self._refuse(404, f"no {self.path} here", "not_found")
        # Web pages can post anything but this without asking first, and are not answered when they ask.
        if not (self.headers.get("Content-Type") or "").startswith("application/json"):
            return self._refuse(415, "the content type must be application/json", "invalid_request")
        try:
            request = json.loads(body)
            name = request["model"]
        except (ValueError, KeyError, TypeError, RecursionError):
            request, name = None, None
        if not isinstance(name, str):
            return self._refuse(400, "the request must be JSON with a model", "invalid_request")
        with self.pool.generation() as chosen:
            numbers = {adapter.name: number for number, adapter in enumerate(chosen.adapters)}
            if name != self.pool.base_model and name not in numbers:
                return self._refuse(404, f"the model {name!r} does not exist", "model_not_found")
            # All of them, also those that are off: with a shorter list llama.cpp takes over the states that another
            # adapter left for the same prompt.
            request["lora"] = [{"id": number, "scale": float(other == name)} for other, number in numbers.items()]
            if name in numbers:
                _with_system(request, chosen.adapters[numbers[name]].system)
            self._forward(chosen.engine, request, name)

    def _forward(self, engine: Engine, request: dict[str, Any], name: str) -> None:
        connection = http.client.HTTPConnection(engine.host, engine.port)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {engine.key}"}
        try:
            connection.request("POST", self.path, json.dumps(request), headers)
            answer = connection.getresponse()
            if "text/event-stream" not in (answer.headers.get("Content-Type") or ""):
                return self._send(answer.status, _renamed(json.loads(answer.read()), name))
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            return self._refuse(502, f"the engine does not answer: {error}", "engine_error")
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        # A client that has gone, or an engine that ends: there is nobody, or nothing more, to tell.
        with suppress(OSError, http.client.HTTPException, ValueError), closing(connection):
            for line in answer:
                if line.startswith(b"data: {"):
                    event = _renamed(json.loads(line.removeprefix(b"data: ")), name)
                    line = b"data: " + json.dumps(event).encode() + b"\n"
                self.wfile.write(line)

    def _is_local(self) -> bool:
        """Refuse other host names on loopback: a web page whose name was bent to it must not read answers."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if not self.only_loopback or host in LOOPBACK:
            return True
        self.close_connection = True
        self._refuse(403, "this endpoint is for this machine", "forbidden")
        return False

    def _refuse(self, status: int, message: str, code: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error", "code": code}})

    def _send(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _with_system(request: dict[str, Any], system: str | None) -> None:
    """The system message that the adapter was trained with, unless the request has one of its own."""
    messages = request.get("messages")
    if system is None or not isinstance(messages, list):
        return
    if not any(isinstance(message, dict) and message.get("role") in ("system", "developer") for message in messages):
        request["messages"] = [{"role": "system", "content": system}, *messages]


def _renamed(answer: Any, name: str) -> Any:
    return answer | {"model": name} if isinstance(answer, dict) and "model" in answer else answer
