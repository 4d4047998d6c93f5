"""README's commands run, and the generated reference is current."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.hub_server import hub_home, hub_server  # noqa: F401  fixtures

ROOT = Path(__file__).parent.parent


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_cli_reference_is_current():
    pytest.importorskip("typer")
    assert (ROOT / "docs" / "cli.md").read_text() == load(ROOT / "docs" / "make_cli_reference.py").reference(), (
        "run make docs"
    )


def readme_commands():
    """The hyperlora commands of README's ``bash`` blocks behind the mark ``<!-- tested -->``."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"<!-- tested -->\n```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("hyperlora ")]


def test_readme_commands_run(hub_server, tmp_path, monkeypatch):  # noqa: F811
    """With the shipped hypernetworks on the embedded models, as a user would."""
    from cli.app import app

    monkeypatch.chdir(tmp_path)
    load(ROOT / "examples" / "make_brief.py").write_brief(tmp_path / "brief.pdf", pages=3)
    commands = readme_commands()
    assert len(commands) >= 6
    for command in commands:
        arguments = shlex.split(command, comments=True)[1:]
        if arguments[0] == "push":
            arguments[2] = "ann/weekly-brief"
        if arguments[0] == "pull":
            arguments[1] = "ann/weekly-brief"
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{command}\n{done.output}{done.stderr}"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_training_configurations_are_valid(path):
    """Each file, and each variant of a file of learning curves."""
    import yaml

    from d2l.training.train import D2LTrainConfig
    from d2l.training.writer import WriterTrainConfig
    from t2l.training.train import T2LTrainConfig

    data = yaml.safe_load(path.read_text())
    configs = [data]
    if "variants" in data:
        with_changes = load(ROOT / "benchmarks" / "curves.py").with_changes
        configs = [with_changes(data["base"], changes) for changes in data["variants"].values()]
    for config in configs:
        kind = {"d2l": D2LTrainConfig, "t2l": T2LTrainConfig, "writer": WriterTrainConfig}[config["kind"]]
        parsed = kind.from_dict(config)
        assert kind.from_dict(parsed.to_dict()) == parsed
