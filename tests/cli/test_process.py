"""Signals, streams and what is printed: the program as the system sees it."""

import io
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli import output
from shared.lora.adapter import adapter_config, write_adapter
from tests.models import factors_of, make_d2l, make_t2l, make_targets, write_model

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def as_on_a_terminal():
    """Whoever runs tests in the background has these signals ignored, and children inherit that."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_starts(number, tmp_path):
    code = (
        "import sys; from cli.process import end_at_once; end_at_once(); print('ready', flush=True)\n"
        "from cli.app import app; app(['t2l', 'Say yes', '-o', 'out'])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    _, errors = child.communicate()
    assert child.returncode == 128 + number
    assert errors == f"error: {'interrupted' if number == signal.SIGINT else 'terminated'}\n"
    assert os.listdir(tmp_path) == []


def in_child(work):
    """Exit code and stderr of a forked child that runs ``work`` as a program of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        os.dup2(writer, 2)
        code = 99
        try:
            import torch

            import cli.process

            torch.set_num_threads(1)  # the threads of the parent are not there
            cli.process._process = os.getpid()
            code = work()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as opened:
        errors = opened.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("force", [False, True])
def test_a_signal_in_the_midst_of_writing_leaves_nothing(hyperlora, hub_server, tmp_path, monkeypatch, number, force):
    import shutil

    weights = factors_of(make_targets(), 2)
    write_adapter(tmp_path / "made", weights, adapter_config(weights, "owner/base"), card="", provenance={})
    hub_server.add("bob/a", {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()})
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    command = ["pull", "bob/a"] + ["--force"] * force
    before = set()
    if force:
        assert hyperlora(*command).exit_code == 0
        before = {(file.name, file.read_bytes()) for file in Path("a").iterdir()}

    def interrupted(_source, target):
        Path(target).write_bytes(b"half")
        os.kill(os.getpid(), number)

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    code, _ = in_child(lambda: hyperlora(*command).exit_code)
    assert code == 128 + number
    assert os.listdir() == ["a"] * force
    assert not force or {(file.name, file.read_bytes()) for file in Path("a").iterdir()} == before


def test_a_second_signal_ends_the_program_at_once(hyperlora, monkeypatch):
    def stubborn(*_):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            os.kill(os.getpid(), signal.SIGINT)
        return []

    monkeypatch.setattr("shared.hypernetwork.registry.shipped_hypernetworks", stubborn)
    assert in_child(lambda: hyperlora("hypernet", "list").exit_code) == (130, "error: interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ("hypernet list >&-", 0, ""),
        ("hypernet list >&- 2>&-", 0, ""),
        ("hypernet list > /dev/full", 1, "cannot write the result"),
        ("hypernet list | true", 0, ""),
        ("--version > /dev/full", 1, "cannot write the result"),
        ("--version | true", 0, ""),
    ],
)
def test_a_stdout_that_is_closed_full_or_gone(tmp_path, arguments, code, word):
    command = f"set -o pipefail; {shlex.quote(sys.executable)} -m cli {arguments}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == code and word in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.fixture
def stdout(monkeypatch):
    def make(encoding):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        return stream.buffer

    return make


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii", "latin-1", "cp437"])
def test_every_code_page_takes_every_result(stdout, encoding):
    text = "Übung ☃ 漢字 " + os.fsdecode(b"caf\xe9")
    written = stdout(encoding)
    output.configure(json_output=True)
    output.result(text, {"text": text})
    assert json.loads(written.getvalue().decode(encoding)) == {"text": text}
    written = stdout(encoding)
    output.configure()
    output.result(text)
    assert written.getvalue().endswith(b"caf\xe9\n")
    assert "Übung" in written.getvalue().decode(encoding, "replace") or encoding == "ascii"


@pytest.mark.parametrize("name", ["out; rm -rf x", "it's", "-o", "a b", "$(x)", "ä"])
def test_the_next_command_is_quoted_for_a_shell(capsys, name):
    output.configure()
    output.next_step("hyperlora", "ask", Path(name), "YOUR QUESTION")
    line = capsys.readouterr().err.strip().removeprefix("next: ")
    *_, path, question = shlex.split(line)
    assert Path(path) == Path(name) and question == "YOUR QUESTION" and not path.startswith("-")


def test_an_adapter_that_changes_nothing_warns(hyperlora, adapter, d2l_hypernet, t2l_hypernet, document):
    from safetensors.torch import load_file, save_file

    assert (
        "changes nothing"
        in hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "z", "--scale", "0", "--no-study").stderr
    )
    assert "changes nothing" in hyperlora("t2l", "Say yes", "--hypernet", t2l_hypernet, "-o", "y", "--scale", 0).stderr
    assert "changes nothing" not in hyperlora("inspect", adapter).stderr
    file = adapter / "adapter_model.safetensors"
    save_file({key: tensor * 0 for key, tensor in load_file(file).items()}, file)
    for command in (("inspect", adapter), ("ask", adapter, "Q?", "--max-new-tokens", 2)):
        assert "changes nothing" in hyperlora(*command).stderr


def test_half_characters_are_refused(hyperlora, adapter, t2l_hypernet, tmp_path):
    half = os.fsdecode(b"caf\xe9")
    (tmp_path / "b.jsonl").write_text('{"description": "a \\ud83d b"}')
    for command in (
        ("ask", adapter, half),
        ("ask", adapter, "Q?", "--system", half),
        ("t2l", half, "--hypernet", t2l_hypernet),
        ("t2l", "--batch", "b.jsonl", "-o", "out", "--hypernet", t2l_hypernet),
    ):
        done = hyperlora(*command)
        assert done.exit_code == 2 and "half a character" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--temperature", "1e-300"),
        ("--temperature", "nan"),
        ("--temperature", "inf"),
        ("--repetition-penalty", "1e300"),
        ("--top-p", "nan"),
        ("--scale", "1e39"),
        ("--scale", "nan"),
        ("--scale", "inf"),
    ],
)
def test_numbers_that_no_sampler_can_use(hyperlora, adapter, options):
    done = hyperlora("ask", adapter, "Q?", *options)
    assert done.exit_code == 2 and done.stdout == ""


@pytest.mark.parametrize(
    "provenance",
    [
        "[]",
        "3",
        '"x"',
        "null",
        "{",
        '{"source": 3}',
        '{"source": {"files": 3}}',
        '{"source": {"files": [3, {}]}, "versions": [], "kind": {"a": {}}}',
    ],
)
def test_odd_provenance(hyperlora, adapter, provenance):
    (adapter / "provenance.json").write_text(provenance)
    done = hyperlora("inspect", adapter)
    assert done.exit_code == (0 if provenance.startswith('{"') else 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"lora_alpha": None},
        {"lora_alpha": 10**400},
        {"lora_alpha": "x"},
        {"lora_alpha": float("nan")},
        {"r": 10**30},
        {"r": None},
        {"r": 0},
        {"lora_alpha": 1e300},
    ],
)
def test_odd_adapter_configs(hyperlora, adapter, changes):
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    assert hyperlora("inspect", adapter).exit_code == 2


@pytest.mark.parametrize("name", [None, ""])
def test_an_adapter_without_a_base_can_be_looked_at(hyperlora, adapter, name):
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": name}))
    assert hyperlora("inspect", adapter).exit_code == 0
    asked = hyperlora("ask", adapter, "When?")
    assert asked.exit_code == 2 and "--base" in asked.stderr


def test_a_network_is_laid_out_before_memory_is_taken(tiny_base, tmp_path, monkeypatch, hyperlora, document):
    """config.json claims gigabytes, the weights file is small: nothing of that size is allocated."""
    import resource

    import torch

    d2l = write_model(make_d2l(tiny_base), tmp_path / "d")
    t2l = write_model(make_t2l(tiny_base), tmp_path / "t")
    for path, command in ((d2l, ("d2l", document)), (t2l, ("t2l", "Say yes"))):
        text = (path / "config.json").read_text()
        claims = {"latent_size": 1 << 15, "feature_size": 1 << 16, "num_blocks": 10**9}
        for name, value in claims.items() if path == d2l else (claims | {"r": 10**12}).items():
            config = json.loads(text)
            network = config["hypernetwork"]
            (network["perceiver"] if name in network["perceiver"] else network)[name] = value
            (path / "config.json").write_text(json.dumps(config))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            done = hyperlora(*command, "--hypernet", path, "-o", "out")
            assert done.exit_code == 2, done.stderr
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
    assert torch.get_default_device().type == "cpu"


@pytest.mark.parametrize(("own", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(own, policy):
    """Set before torch is imported: OpenMP reads it once. Its own report of what it has read goes to stderr."""
    start = "import sys; from cli.__main__ import main; sys.argv = ['', '--version']"
    program = f"{start}\ntry: main()\nfinally: import torch"
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "OMP_WAIT_POLICY"} | own | {"OMP_DISPLAY_ENV": "true"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert f"OMP_WAIT_POLICY = '{policy.upper()}'" in done.stderr
