"""The product's shape: imports run one way, heavy libraries stay out of --help, no file grows without bound."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("shared", "t2l", "d2l", "cli")
MAY_IMPORT = {
    "shared": {"shared"},
    "t2l": {"t2l", "shared"},
    "d2l": {"d2l", "shared"},
    "cli": {"cli", "t2l", "d2l", "shared"},
}


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package):
    for path in sources(package):
        names = set(imported(path))
        assert names & set(PACKAGES) <= MAY_IMPORT[package], path
        assert "click" not in names, path
        if package == "shared":
            assert not names & {"typer", "rich"}, path
        if path.name != "hub.py":
            assert "HfApi" not in path.read_text(), path


def test_packaging_lists_every_package():
    text = (ROOT / "pyproject.toml").read_text()
    for package in PACKAGES:
        for init in (ROOT / package).rglob("__init__.py"):
            assert f'"{".".join(init.parent.relative_to(ROOT).parts)}"' in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["d2l", "--help"],
        ["t2l", "--help"],
        ["eval", "docqa", "--help"],
        ["d2l", "no-such-file.pdf"],
        ["t2l", " "],
    ],
)
def test_help_and_input_errors_leave_heavy_libraries_out(arguments, tmp_path):
    code = (
        "import sys\nfrom cli.app import app\ntry:\n    app(sys.argv[1:])\nexcept SystemExit as e:\n    code = e.code\n"
        "heavy = {'torch', 'transformers', 'peft', 'sentence_transformers', 'kreuzberg', 'accelerate'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_no_pickle_and_no_remote_code_by_default():
    for package in PACKAGES:
        for path in sources(package):
            text = path.read_text()
            assert "torch.load(" not in text and "pickle.load" not in text, path
            assert "trust_remote_code=True" not in text, path
