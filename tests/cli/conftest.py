"""Hypernetworks for the tiny base model, and a runner."""

import pytest
from typer.testing import CliRunner

from tests.hub_server import hub_home, hub_server  # noqa: F401  fixtures
from tests.models import FLOAT32, make_d2l, make_t2l, write_model

TEXT = "The ferry leaves at six. The keeper writes totals in blue ink. It carries salted herring.\n" * 4


@pytest.fixture(scope="session")
def d2l_hypernet(tiny_base, tmp_path_factory):
    path = tmp_path_factory.mktemp("hypernets") / "tiny-d2l"
    write_model(make_d2l(tiny_base), path, card="# tiny card")
    return path


@pytest.fixture(scope="session")
def t2l_hypernet(tiny_base, tmp_path_factory):
    path = tmp_path_factory.mktemp("hypernets") / "tiny-t2l"
    write_model(make_t2l(tiny_base), path, card="# tiny card")
    return path


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "harbour.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def hyperlora(tmp_path, monkeypatch):
    """Run a command in tmp_path; returns typer's result with stdout, stderr and exit_code."""
    from cli.app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments, input=None):
        result = CliRunner().invoke(app, [str(a) for a in arguments], input=input)
        assert "Traceback" not in result.output + result.stderr
        return result

    return run


@pytest.fixture
def adapter(hyperlora, d2l_hypernet, document):
    done = hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "adapter", *FLOAT32)
    assert done.exit_code == 0, done.stderr
    return document.parent / "adapter"
