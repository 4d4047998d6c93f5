"""Averages of two hypernetworks."""

import importlib.util
from pathlib import Path

import pytest
import torch

from shared.checkpoint import save_checkpoint
from shared.errors import InputError
from tests.shared.test_hypernetwork import CONFIGS, build

SPEC = importlib.util.spec_from_file_location("average", Path(__file__).parents[2] / "benchmarks" / "average.py")
module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(module)


def save(path, name, seed):
    network = build(CONFIGS[name], seed=seed)
    described = {"kind": "d2l", "hypernetwork": CONFIGS[name].to_dict()}
    save_checkpoint(path, described, network.state_dict(), card="# card", dtype="float32")
    return network.state_dict()


def test_every_tensor_is_the_weighted_mean(tmp_path):
    one, two = (save(tmp_path / str(seed), "grounded", seed) for seed in (1, 2))
    for key, value in module.average(tmp_path / "1", tmp_path / "2", 0.75).items():
        torch.testing.assert_close(value, 0.25 * one[key] + 0.75 * two[key])


def test_another_shape_is_refused(tmp_path):
    save(tmp_path / "1", "grounded", 1)
    save(tmp_path / "2", "recall", 1)
    with pytest.raises(InputError, match="different shapes"):
        module.average(tmp_path / "1", tmp_path / "2", 0.5)
