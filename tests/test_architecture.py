"""The product's shape: imports run one way and in no circle, heavy libraries stay out of --help, files stay short."""

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


def imports(path):
    """Dotted names of all that a file imports, inside functions and for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path):
    return {name.split(".")[0] for name in imports(path)}


def modules():
    """Every module of the packages, by dotted name."""
    paths = {path.relative_to(ROOT).with_suffix(""): path for package in PACKAGES for path in sources(package)}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}


def arrows():
    """module -> the modules it imports."""
    known = modules()

    def resolved(name):
        while name and name not in known:
            name = name.rpartition(".")[0]
        return name

    return {module: {resolved(name) for name in imports(path)} - {"", module} for module, path in known.items()}


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


def test_no_import_circles():
    graph = arrows()
    done = set()

    def visit(module, trail):
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, [*trail, module])
            done.add(module)

    for module in graph:
        visit(module, [])


# Each room of shared may use those before it.
FLOORS = ("", "base", "lora", "export", "serving", "training", "hypernetwork", "importing")


def test_the_rooms_of_shared_stand_on_those_below():
    for module, others in arrows().items():
        parts = module.split(".")
        if parts[0] != "shared":
            continue
        floor = FLOORS.index(parts[1] if len(parts) > 2 or (len(parts) == 2 and parts[1] in FLOORS) else "")
        for other in others:
            below = other.split(".")
            height = FLOORS.index(below[1] if len(below) > 2 else "")
            assert height <= floor or (floor == 0 and module == "shared.provenance"), f"{module} imports {other}"


def test_the_main_job_needs_neither_training_nor_evaluation():
    for package in ("d2l", "t2l"):
        for module, others in arrows().items():
            if module.startswith(f"{package}.") and module.count(".") == 1:
                doors = {o for o in others if o.startswith((f"{package}.training", f"{package}.evaluation"))}
                assert not doors, f"{module} imports {doors}"


MAX_LINES = 310
LONGER = {
    "examples/make_brief.py": "the text of the demo's brief",
    "tests/models.py": "every tiny model in one place",
}


def test_results_leave_by_one_door():
    """A plain print fails at the interpreter's end where the reader has gone; ``cli.output`` knows what to do then."""
    for path in (*sources("cli/commands"), ROOT / "cli" / "app.py"):
        called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert "print" not in [function.id for function in called if isinstance(function, ast.Name)], path


def test_no_file_grows_without_bound():
    for folder in (*PACKAGES, "tests", "examples", "benchmarks", "docs"):
        for path in sources(folder):
            lines = len(path.read_text().splitlines())
            assert lines <= MAX_LINES or str(path.relative_to(ROOT)) in LONGER, f"{path} has {lines} lines"


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
