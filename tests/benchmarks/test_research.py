"""Scripts that measured something once still load: what they call moves."""

import importlib
from pathlib import Path

import pytest

SCRIPTS = sorted(path.stem for path in (Path(__file__).parents[2] / "benchmarks/research").glob("[!_]*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_loads(name):
    assert callable(importlib.import_module(f"benchmarks.research.{name}").main)
