"""llama.cpp's own server in a process of its own: it can be replaced while requests run, and ends with its parent.

Run as ``python -m shared.serving.engine``: one JSON line of settings on stdin, one with the address on stdout, then it
serves until stdin closes.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.errors import HyperLoraError


@dataclass(frozen=True)
class EngineSettings:
    """How llama.cpp's server runs.

    Attributes:
        model: the base's GGUF file.
        loras: LoRA files; requests name them by their place here.
        context: tokens of context, shared by the requests that run at a time.
        parallel: how many requests run at a time.
        threads: 0: as many as llama.cpp takes.
    """

    model: str
    loras: tuple[str, ...] = ()
    alias: str = "base"
    context: int = 4096
    parallel: int = 2
    threads: int = 0


class Engine:
    """A running server process.

    Attributes:
        host, port: where it listens, on loopback only.
        key: what requests must send as bearer token.

    Raises:
        HyperLoraError: llama.cpp cannot load the files.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.key = secrets.token_urlsafe(24)
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self.errors = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115  lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shared.serving.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C goes to the parent, which closes stdin when its requests are done
        )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(asdict(settings) | {"key": self.key}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["no reason given"])[-1]
            raise HyperLoraError(f"llama.cpp cannot serve {Path(settings.model).name}", last[:300])
        address = json.loads(line)["address"].removeprefix("http://")
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)

    def close(self) -> None:
        """End the process; requests that still run are cut off."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.errors.close()


def _main(lines: Sequence[str]) -> None:
    import xllamacpp

    settings = json.loads(lines[0])
    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["alias"]}
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in settings["loras"]]
    params.lora_init_without_apply = True  # each request says which of them it wants
    params.n_ctx, params.n_parallel, params.kv_unified = settings["context"], settings["parallel"], True
    if settings["threads"]:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.api_keys = [settings["key"]]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.cache_ram_mib = 0  # its states of former prompts do not know which adapter they are of
    params.ui, params.warmup, params.verbosity = False, False, -1
    server = xllamacpp.Server(params)
    print(json.dumps({"address": server.listening_address}), flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    _main([sys.stdin.readline()])
