"""``d2l.load`` and ``t2l.load``: the same adapters as the commands write."""

import contextlib
import io
import re
from pathlib import Path

import torch

import d2l
import t2l
from shared.base.chat import GenerationConfig
from shared.lora.adapter import read_adapter
from tests.cli.conftest import d2l_hypernet, document, hyperlora, t2l_hypernet  # noqa: F401  fixtures


def assert_equal(one, two):
    assert set(one) == set(two)
    for name in one:
        assert torch.equal(one[name].lora_A, two[name].lora_A) and torch.equal(one[name].lora_B, two[name].lora_B)


def test_a_document_read_is_what_the_command_writes(hyperlora, d2l_hypernet, document, tmp_path):  # noqa: F811
    adapter = d2l.load(str(d2l_hypernet)).read(document)
    written = adapter.save(tmp_path / "library")
    assert hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "command").exit_code == 0
    assert_equal(read_adapter(tmp_path / "library").weights, read_adapter(tmp_path / "command").weights)
    assert written.rank == adapter.weights.r and written.characters == len(document.read_text().strip())
    answer = adapter.ask("Where is the ferry?", GenerationConfig(4))
    asked = hyperlora("ask", "command", "Where is the ferry?", "--max-new-tokens", 4)
    assert asked.exit_code == 0 and isinstance(answer, str)


def test_a_description_written_is_what_the_command_writes(hyperlora, t2l_hypernet, tmp_path):  # noqa: F811
    adapter = t2l.load(str(t2l_hypernet)).write("Sort the words")
    adapter.save(tmp_path / "library")
    assert hyperlora("t2l", "Sort the words", "--hypernet", t2l_hypernet, "-o", "command").exit_code == 0
    assert_equal(read_adapter(tmp_path / "library").weights, read_adapter(tmp_path / "command").weights)
    assert adapter.lora.tokens > 3 and isinstance(adapter.ask("b a", GenerationConfig(4)), str)


def test_the_snippet_of_the_readme_runs(d2l_hypernet, document, tmp_path, monkeypatch):  # noqa: F811
    """With the tiny hypernetwork in place of the shipped one."""
    text = (Path(__file__).parent.parent / "README.md").read_text()
    (code,) = re.findall(r"```python\n(from d2l import load\n.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    load = d2l.load
    monkeypatch.setattr(d2l, "load", lambda: load(str(d2l_hypernet)))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.replace("brief.pdf", document.name), {})
    assert printed.getvalue().strip()
    assert read_adapter(tmp_path / "brief").weights.r > 0
