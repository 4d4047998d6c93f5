"""Where the golden data is, and how closely numbers must agree with it."""

import json
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the golden data is not beside the checkout")
TOLERANCE = 2e-5


def cases(family):
    """Names of the golden cases of ``d2l`` or ``t2l``; one that is skipped where there are none."""
    return [path.name for path in sorted((REFERENCE / family).glob("*"))] or ["absent"]


def read_case(family, name):
    """Folder and parsed case.json."""
    folder = REFERENCE / family / name
    return folder, json.loads((folder / "case.json").read_text())


def error(ours, golden):
    """Relative Frobenius error."""
    assert ours.shape == golden.shape
    return ((ours - golden).norm() / golden.norm()).item()
