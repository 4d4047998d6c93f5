"""``hyperlora serve`` with the real openai client: two adapters side by side, streaming, a new one, a clean end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx2 as httpx
import openai
import pytest

from shared.base.chat import GenerationConfig, answer
from shared.lora.adapter import adapter_config, read_adapter, write_adapter
from shared.lora.layer import apply_lora
from tests.gguf_base import write_base
from tests.models import random_weights

ROOT = Path(__file__).parents[2]
QUESTION = [{"role": "user", "content": "When does the ferry leave?"}]


def write(folder, name, base, seed, **provenance):
    weights = random_weights(base, ("down_proj", "q_proj"), 3, seed=seed)
    config = adapter_config(weights, base.spec.name_or_path)
    write_adapter(folder / name, weights, config, card="", provenance=provenance)


@pytest.fixture(scope="module")
def folder(tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    write(folder, "one", tiny_base, 1)
    write(folder, "two", tiny_base, 2, question_system="You are a keeper.")
    (folder / "notes").mkdir()
    return folder


@pytest.fixture(scope="module")
def process(tiny_base, folder, tmp_path_factory):
    """The running command; its first line on stdout is the URL."""
    home = tmp_path_factory.mktemp("home")
    model = write_base(home / "base.gguf", tiny_base)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HYPERLORA_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cli.app", "serve", folder, "--gguf", model, "--port", "0", "--threads", "1"]
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        process.url = process.stdout.readline().strip()
        yield process
        process.kill()


@pytest.fixture
def client(process):
    assert process.url.startswith("http://127.0.0.1:"), process.stderr.read()
    return openai.OpenAI(base_url=process.url, api_key="none", max_retries=0)


def expected(base, folder, name, messages=QUESTION):
    weights = read_adapter(folder / name).weights if name else None
    with apply_lora(base.model, weights):
        return text(answer(base, messages, GenerationConfig(12)))


def text(reply):
    """Without the halves of characters that a random model ends in, which llama.cpp leaves out."""
    return reply.replace("\ufffd", "").strip()


def ask(client, name, messages=QUESTION, **options):
    return client.chat.completions.create(model=name, messages=messages, max_tokens=12, temperature=0, **options)


def test_model_names_are_the_adapters_and_each_answers_as_in_transformers(client, tiny_base, folder):
    base = tiny_base.spec.name_or_path
    assert [model.id for model in client.models.list()] == [base, "one", "two"]
    replies = {}
    threads = [
        threading.Thread(target=lambda name=name: replies.update({name: ask(client, name)}))
        for name in (base, "one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keeper = [{"role": "system", "content": "You are a keeper."}, *QUESTION]
    wanted = {
        base: expected(tiny_base, folder, None),
        "one": expected(tiny_base, folder, "one"),
        "two": expected(tiny_base, folder, "two", keeper),
    }
    assert len(set(wanted.values())) == 3
    for name, reply in replies.items():
        assert text(reply.choices[0].message.content) == wanted[name] and reply.model == name
    for name in (base, "one", base, "one"):  # states of one adapter's prompt must not serve another
        assert text(ask(client, name).choices[0].message.content) == wanted[name]
    own = [{"role": "system", "content": "Be brief."}, *QUESTION]
    assert text(ask(client, "two", own).choices[0].message.content) == expected(tiny_base, folder, "two", own)


def test_streams_are_the_same_text_in_pieces(client):
    whole = ask(client, "one").choices[0].message.content
    pieces = list(ask(client, "one", stream=True))
    assert len(pieces) > 3 and {piece.model for piece in pieces} == {"one"}
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == whole
    next(iter(ask(client, "one", stream=True)))  # a client that goes away early
    assert ask(client, "one").choices[0].message.content == whole


def test_a_new_adapter_is_there_at_once_and_a_removed_one_gone(client, tiny_base, folder):
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        ask(client, "three")
    write(folder, "three", tiny_base, 3)
    assert text(ask(client, "three").choices[0].message.content) == expected(tiny_base, folder, "three")
    shutil.rmtree(folder / "three")
    assert [model.id for model in client.models.list()][1:] == ["one", "two"]
    (folder / "broken").mkdir()
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / "broken" / file).write_text("{}")
    assert [model.id for model in client.models.list()][1:] == ["one", "two"]


def test_what_is_no_request_of_an_openai_client_is_refused(process):
    url = process.url.removesuffix("/v1")
    ask = {"model": "one", "messages": QUESTION}
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}
    assert httpx.get(f"{url}/v1/models", headers={"Host": "evil.example:80"}).status_code == 403
    assert httpx.post(f"{url}/v1/chat/completions", content=json.dumps(ask)).status_code == 415
    for strange in ([1], {"model": {}}, {"model": ["one"]}, {"messages": []}):
        assert httpx.post(f"{url}/v1/chat/completions", json=strange).status_code == 400
    assert httpx.post(f"{url}/lora-adapters", json=[]).status_code == 404
    assert httpx.get(f"{url}/props").status_code == 404
    bad = httpx.post(f"{url}/v1/chat/completions", json=ask | {"messages": "no list"})
    assert bad.status_code == 400 and "error" in bad.json()


def test_it_ends_cleanly(process):
    """The last of this module: SIGTERM ends the command and its engine."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    assert children
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0  # a busy machine takes its time
    assert "stopped" in process.stderr.read()
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_vllm_is_started_where_it_is_installed(folder, tiny_base, tmp_path, monkeypatch, hyperlora):
    """A program of that name that writes down how it was called."""
    program = tmp_path / "vllm"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\njson.dump([sys.argv, dict(os.environ)], open('called', 'w'))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = hyperlora("serve", folder, "--port", 8123)
    assert done.exit_code == 0, done.stderr
    arguments, environment = json.loads((tmp_path / "called").read_text())
    assert arguments[1:3] == ["serve", tiny_base.spec.name_or_path] and "--enable-lora" in arguments
    assert arguments[arguments.index("--max-lora-rank") + 1] == "8"
    assert {f"{name}={(folder / name).resolve()}" for name in ("one", "two")} <= set(arguments)
    assert environment["VLLM_LORA_RESOLVER_CACHE_DIR"] == str(folder.resolve())
    assert environment["VLLM_PLUGINS"] == "lora_filesystem_resolver"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "is no folder"),
        (["empty"], "holds no adapter"),
        (["empty", "--engine", "other"], "unknown engine"),
        (["empty", "--engine", "vllm"], "not installed"),
    ],
)
def test_wrong_folders_and_engines(hyperlora, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    done = hyperlora("serve", *arguments)
    assert done.exit_code == 2 and message in done.stderr


def test_a_base_without_a_gguf_file_needs_one(hyperlora, folder, tmp_path):
    done = hyperlora("serve", folder, "--engine", "llama.cpp")
    assert done.exit_code == 2 and "--gguf" in done.stderr
    (tmp_path / "no.gguf").write_text("no model")
    done = hyperlora("serve", folder, "--engine", "llama.cpp", "--gguf", "no.gguf")
    assert done.exit_code == 1 and "cannot serve no.gguf" in done.stderr, done.stderr
