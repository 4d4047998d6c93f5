"""Averages of two hypernetworks."""

import pytest
import torch

from benchmarks.research.average import average
from shared.errors import InputError
from shared.hypernetwork.checkpoint import save_checkpoint
from tests.models import NETWORKS, build_network


def save(path, config, seed, kind="d2l"):
    network = build_network(config, seed=seed)
    described = {"kind": kind, "hypernetwork": config.to_dict()}
    save_checkpoint(path, described, network.state_dict(), card="# card", dtype="float32")
    return network.state_dict()


def test_every_tensor_is_the_weighted_mean(tmp_path):
    one, two = (save(tmp_path / str(seed), NETWORKS["memory"], seed) for seed in (1, 2))
    for key, value in average(tmp_path / "1", tmp_path / "2", 0.75).items():
        torch.testing.assert_close(value, 0.25 * one[key] + 0.75 * two[key])


@pytest.mark.parametrize("name", ["recall", "linear"])
def test_another_shape_is_refused(tmp_path, name):
    save(tmp_path / "1", NETWORKS["memory"], 1)
    save(tmp_path / "2", NETWORKS[name], 1)
    with pytest.raises(InputError, match="different shapes"):
        average(tmp_path / "1", tmp_path / "2", 0.5)
