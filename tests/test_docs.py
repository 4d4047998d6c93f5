"""README's commands run, the generated pages are current, the recipes are valid."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.hub_server import hub_home, hub_server  # noqa: F401  fixtures
from tests.models import make_base
from tests.test_architecture import PACKAGES

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
    """The hyperlora commands of README's blocks behind the mark ``<!-- tested -->``; output may stand between them."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"<!-- tested -->\n```(?:bash|console)\n(.*?)```", text, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("hyperlora ")]


def test_readme_commands_run(hub_server, tmp_path, monkeypatch):  # noqa: F811
    """With the shipped hypernetworks on the embedded models, as a user would."""
    from cli.app import app

    monkeypatch.chdir(tmp_path)
    load(ROOT / "examples" / "make_brief.py").write_brief(tmp_path / "brief.pdf", pages=3)
    commands = readme_commands()
    assert len(commands) >= 8
    for command in commands:
        arguments = shlex.split(command, comments=True)[1:]
        if arguments[0] == "d2l":
            arguments += ["--study", "1", "--refine", "1"]  # minutes otherwise
        if arguments[0] == "ask":
            arguments += ["--max-new-tokens", "8"]
        if arguments[0] == "push":
            arguments[2] = "ann/weekly-brief"
        if arguments[0] == "pull":
            arguments[1] = "ann/weekly-brief"
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{command}\n{done.output}{done.stderr}"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_are_valid_and_offline(path):
    """They need no file that a clone does not have."""
    import yaml

    from d2l.training.train import D2LTrainConfig
    from d2l.training.writer import WriterTrainConfig
    from t2l.training.train import T2LTrainConfig

    data = yaml.safe_load(path.read_text())
    kind = {"d2l": D2LTrainConfig, "t2l": T2LTrainConfig, "writer": WriterTrainConfig}[data["kind"]]
    parsed = kind.from_dict(data)
    assert kind.from_dict(parsed.to_dict()) == parsed
    assert getattr(parsed, "initial", None) is None and not {"docqa", "tasks"} & set(data.get("data", {}))
    assert len(path.read_text().splitlines()) <= 12


@pytest.mark.parametrize(
    ("recipe", "smaller"),
    [
        # The tiny tokenizer works on bytes: a document does not fit 128 of them.
        ("train-d2l", {"model": {"chunk_tokens": 400}}),
        ("train-writer", {"data": {"rows_per_step": 2}}),
        ("train-t2l", {"data": {"procedural": 6, "relabelled": 4, "max_input_tokens": 400}}),
    ],
)
def test_recipes_run_two_steps_on_a_tiny_base(recipe, smaller, tmp_path, monkeypatch):
    import yaml

    from cli.app import app

    data = yaml.safe_load((ROOT / "examples" / f"{recipe}.yaml").read_text())
    for part, changes in smaller.items():
        data.setdefault(part, {}).update(changes)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    base = make_base(tmp_path / "base", layers=30, max_positions=1024)
    arguments = ["train", tmp_path / "recipe.yaml", "-o", tmp_path / "run", "--base", base, "--max-steps", 2]
    done = CliRunner().invoke(app, [*map(str, arguments), "--dtype", "float32"])
    assert done.exit_code == 0, done.output + done.stderr
    made = "writer.safetensors" if recipe == "train-writer" else "hypernet/model.safetensors"
    assert (tmp_path / "run" / made).exists()


def test_files_of_the_architecture_exist():
    block = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    names = re.findall(r"[a-z0-9_]+(?:\.py|/)", block)
    assert len(names) > 60
    present = {path.name for package in (*PACKAGES, "tests", "benchmarks") for path in (ROOT / package).rglob("*")}
    present |= {path.name for path in ROOT.iterdir()}
    assert {name for name in names if name.rstrip("/") not in present} == set()
