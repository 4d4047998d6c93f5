"""Averages of two hypernetworks."""

import dataclasses

import pytest
import torch

from benchmarks.research.average import average
from shared.errors import InputError
from shared.hypernetwork.checkpoint import save_checkpoint
from shared.hypernetwork.copying import CopyConfig
from tests.models import NETWORKS, build_network


def save(path, config, seed, kind="d2l"):
    network = build_network(config, seed=seed)
    described = {"kind": kind, "hypernetwork": config.to_dict()}
    save_checkpoint(path, described, network.state_dict(), card="# card", dtype="float32")
    return network.state_dict()


def test_every_tensor_is_the_weighted_mean(tmp_path):
    one, two = (save(tmp_path / str(seed), NETWORKS["grounded"], seed) for seed in (1, 2))
    for key, value in average(tmp_path / "1", tmp_path / "2", 0.75).items():
        torch.testing.assert_close(value, 0.25 * one[key] + 0.75 * two[key])


def test_a_hypernetwork_without_triggers_writes_none(tmp_path):
    """Half of it and half of its successor: shared weights are means, rows that it lacks are half of the other's."""
    changes = {"copy": CopyConfig(key_size=4, window=1)}
    small = dataclasses.replace(NETWORKS["linear"], **changes)
    large = dataclasses.replace(small, copy=CopyConfig(key_size=4, window=1, pieces=2, trigger_rank=3))
    states = [save(tmp_path / str(seed), config, seed, kind="t2l") for seed, config in enumerate((small, large))]
    result = average(tmp_path / "0", tmp_path / "1", 0.5)
    assert set(result) == set(states[1])
    for key, value in result.items():
        if "trigger_rows" in key:
            expected = 0.5 * states[1][key]
        elif key == "copy_head.form":
            expected = torch.cat([0.5 * (states[0][key] + states[1][key][:2]), states[1][key][2:]])
        else:
            expected = 0.5 * (states[0].get(key, states[1][key]) + states[1][key])
        torch.testing.assert_close(value, expected)


def test_layers_that_only_the_later_one_has_are_its_own(tmp_path):
    large = dataclasses.replace(NETWORKS["recall"], bias_targets=NETWORKS["grounded"].bias_targets)
    later = [t for t in large.targets if t.layer == large.layers[-1]]
    small = dataclasses.replace(NETWORKS["grounded"], targets=tuple(later))
    states = [save(tmp_path / str(seed), config, seed) for seed, config in enumerate((small, large))]
    before, after = states
    result = average(tmp_path / "0", tmp_path / "1", 0.25)

    def mean(key, part=slice(None)):
        return 0.75 * before[key] + 0.25 * after[key][part]

    for key in ("grounded_head.log_gain", "grounded_head.value_in"):
        torch.testing.assert_close(result[key], torch.cat([after[key][:-1], mean(key, slice(-1, None))]))
    chosen = "grounded_head.query.weight"  # weight and strength of a row, which both have, and its salience
    shared = len(before[chosen])
    torch.testing.assert_close(result[chosen], torch.cat([mean(chosen, slice(shared)), after[chosen][shared:]]))
    assert torch.equal(result["grounded_head.mix"], after["grounded_head.mix"])
    for key in after:
        if key.startswith("bias") or "num_latents" in key or key == "perceiver.encoder.latents":
            torch.testing.assert_close(result[key], mean(key) if key in before else after[key])


@pytest.mark.parametrize("name", ["recall", "chosen"])
def test_another_shape_is_refused(tmp_path, name):
    save(tmp_path / "1", NETWORKS["grounded"], 1)
    save(tmp_path / "2", NETWORKS[name], 1)
    with pytest.raises(InputError, match="different shapes"):
        average(tmp_path / "1", tmp_path / "2", 0.5)
