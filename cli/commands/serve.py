"""``hyperlora serve``: a folder of adapters behind an OpenAI-compatible endpoint."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.process import Ended
from cli.progress import spinner

ENGINES = ("auto", "llama.cpp", "vllm")


def serve(
    folder: Annotated[
        Path, typer.Argument(metavar="ADAPTERS_DIR", help="Folder of adapter directories.", show_default=False)
    ],
    engine: Annotated[
        str, typer.Option(help="llama.cpp or vllm. auto: vLLM where it is installed, else llama.cpp.")
    ] = "auto",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    gguf: Annotated[
        str | None,
        typer.Option(help="llama.cpp: the base's GGUF file. Default: the embedded base's own.", show_default=False),
    ] = None,
    context_tokens: Annotated[
        int, typer.Option(min=64, max=1 << 24, help="llama.cpp: context, shared by the requests that run at a time.")
    ] = 4096,
    parallel: Annotated[int, typer.Option(min=1, max=1024, help="llama.cpp: requests that run at a time.")] = 2,
    threads: Annotated[int, typer.Option(min=0, max=4096, help="llama.cpp: threads; 0 leaves it to llama.cpp.")] = 0,
    base: options.Base = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Serve adapters to OpenAI clients; the model's name is the adapter's. New ones are loaded as they appear.

    Example: hyperlora serve adapters/
    """
    from importlib.util import find_spec
    from shutil import which

    from shared.errors import InputError

    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}", f"use {', '.join(ENGINES)}")
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder", "name the folder that holds the adapter directories")
    if engine == "auto":
        engine = "vllm" if which("vllm") else "llama.cpp"
    if engine == "vllm" and not which("vllm"):
        raise InputError("vLLM is not installed", "pip install vllm, or --engine llama.cpp")
    if engine == "llama.cpp" and find_spec("xllamacpp") is None:
        raise InputError("serving on llama.cpp needs xllamacpp", "pip install 'hyperlora[llama-cpp]'")
    with spinner("starting"):
        from shared.serving.adapters import bases_of

        name = _base_of(bases_of(folder), base)
    if engine == "vllm":
        _vllm(folder, name, base, host, port)
    else:
        from shared.serving.engine import EngineSettings

        settings = EngineSettings(_gguf_of(name, gguf), (), name, context_tokens, parallel, threads)
        _llama_cpp(folder, name, base, host, port, settings)


def _llama_cpp(folder: Path, name: str, base: str | None, host: str, port: int, settings) -> None:
    from shared.base.model import read_architecture
    from shared.errors import HyperLoraError
    from shared.serving.front import LOOPBACK, AdapterPool, make_server

    with spinner("loading"):
        pool = AdapterPool(folder, read_architecture(base or name), name, settings, output.note)
    try:
        try:
            server = make_server(pool, host, port)
        except OSError as error:
            raise HyperLoraError(
                f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port"
            ) from error
        if host not in LOOPBACK:
            output.warning("anybody who reaches this address can ask the adapters, and so what their documents say")
        url = f"http://{host}:{server.server_address[1]}/v1"
        models = [name, *(adapter.name for adapter in pool.current.adapters)]
        output.result(url, {"url": url, "engine": "llama.cpp", "models": models})
        with server:
            server.serve_forever(poll_interval=0.1)
    except (KeyboardInterrupt, Ended):  # a server's usual end
        output.note("stopped")
    finally:
        pool.close()


def _vllm(folder: Path, name: str, base: str | None, host: str, port: int) -> None:
    import os
    import subprocess

    from shared.errors import HyperLoraError, InputError
    from shared.export.vllm import resolver_environment, serve_command
    from shared.lora.adapter import read_adapter
    from shared.serving.adapters import find_adapters

    paths, ranks = {}, []
    for key, (path, _) in find_adapters(folder).items():
        try:
            adapter = read_adapter(path)
        except InputError as error:
            output.note(f"left out: {error.message}")
            continue
        if adapter.base_model == name:
            paths[key] = str(path.resolve())
            ranks.append(adapter.weights.r)
    command = serve_command(base or name, paths, max(ranks, default=1), host=host, port=port, served_as=name)
    output.note(shlex.join(command))
    process = subprocess.Popen(command, env=os.environ | resolver_environment(folder))
    try:
        code = process.wait()
    except (KeyboardInterrupt, Ended):  # a server's usual end
        process.terminate()
        process.wait()
        output.note("stopped")
        return
    if code:
        raise HyperLoraError(f"vLLM ended with exit code {code}", "its own messages stand above")


def _base_of(bases: dict[str, str | None], given: str | None) -> str:
    """The one base of the adapters; of several, the one that most have."""
    from collections import Counter

    from shared.errors import InputError

    named = Counter(base for base in bases.values() if base is not None)
    if not named:
        raise InputError("the folder holds no adapter", "hyperlora d2l or t2l -o FOLDER/NAME makes one")
    name, _ = named.most_common(1)[0]
    others = sorted(key for key, base in bases.items() if base != name)
    if others:
        output.warning(f"served on {name}; adapters of other bases are left out: {', '.join(others)}")
    return name


def _gguf_of(name: str, given: str | None) -> str:
    from shared.errors import InputError
    from shared.export.export import base_gguf

    found = base_gguf(name, given)
    if found is None:
        raise InputError(f"llama.cpp needs {name} in GGUF", "give the file with --gguf")
    return str(found)
