"""The hypernetwork core: masks, batches, both heads, checkpoints."""

import dataclasses
import json

import pytest
import torch

from shared.base.targets import Target
from shared.errors import InputError
from shared.hypernetwork.checkpoint import load_weights, save_checkpoint
from shared.hypernetwork.features import ContextFeatures, MemorySource
from shared.hypernetwork.head import ChunkFactors
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig
from shared.lora.weights import LoraWeights
from shared.training.loop import TrainingConfig, _parameter_groups
from tests.models import NETWORKS, build_network, combine, make_features, make_targets


def assert_same(one, two, **tolerance):
    assert list(one) == list(two)
    for name in one:
        for half in vars(one[name]):
            torch.testing.assert_close(getattr(one[name], half), getattr(two[name], half), **tolerance)


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_nothing(name):
    network = build_network(NETWORKS[name])
    assert_same(
        network(make_features(NETWORKS[name])), network(make_features(NETWORKS[name], pad=4)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_equals_one_by_one(name):
    config, network = NETWORKS[name], build_network(NETWORKS[name])
    whole = make_features(config)
    together = network(whole)
    for row in range(3):
        part = slice(row, row + 1)
        source = whole.states
        single = ContextFeatures(
            whole.hidden_states[part],
            whole.attention_mask[part],
            MemorySource({"down_proj": source.keys["down_proj"][part]}, source.values[part], source.mask[part]),
        )
        assert_same(network(single), together.select(slice(row, row + 1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_follow_the_targets(name):
    config = NETWORKS[name]
    weights = build_network(config)(make_features(config))
    assert [(n, f.keys.shape, f.values.shape) for n, f in weights.items()] == [
        (t.name, (3, config.r, t.in_features), (3, t.out_features, config.r)) for t in config.targets
    ]


def test_the_published_head_starts_without_effect():
    torch.manual_seed(0)
    network = HyperNetwork(NETWORKS["linear"])
    combined = combine(network, network(make_features(NETWORKS["linear"])), 3)
    assert all(f.delta().abs().max() == 0 for f in combined.values())
    assert all(f.lora_A.abs().max() > 0 for f in combined.values())


def test_combine_is_the_sum_of_chunks_and_the_bias_once():
    config = NETWORKS["linear"]
    network = build_network(config)
    chunks = network(make_features(config, batch=6))
    combined, bias = combine(network, chunks, 2), network.bias()
    assert combined.r == 3 * config.r + config.bias_r
    for layer in chunks:
        expected = (chunks[layer].values @ chunks[layer].keys).view(2, 3, 32, 48).sum(1) + bias[layer].delta()
        torch.testing.assert_close(combined[layer].delta(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_checkpoint_round_trip(name, shard, tmp_path):
    network = build_network(NETWORKS[name])
    config = {"kind": "x", "hypernetwork": NETWORKS[name].to_dict()}
    save_checkpoint(tmp_path / "h", config, network.state_dict(), card="card", max_shard_size=shard)
    read = json.loads((tmp_path / "h" / "config.json").read_text())
    reloaded = HyperNetwork(HyperNetworkConfig.from_dict(read["hypernetwork"]))
    assert reloaded.config == NETWORKS[name]
    load_weights(tmp_path / "h", reloaded)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, reloaded.state_dict()[key])


def test_checkpoints_load_strictly(tmp_path):
    network = build_network(NETWORKS["linear"])
    state = network.state_dict()
    key = "head.scaler_B.down_proj"
    for number, broken in enumerate(
        (
            {k: v for k, v in state.items() if k != key},
            state | {"extra": torch.zeros(1)},
            state | {key: torch.zeros(1)},
        )
    ):
        save_checkpoint(tmp_path / str(number), {"kind": "x"}, broken, card="")
        with pytest.raises(InputError, match="scaler_B|extra"):
            load_weights(tmp_path / str(number), HyperNetwork(NETWORKS["linear"]))
    file = tmp_path / "0" / "model.safetensors"
    file.write_bytes(b"not a safetensors file")
    with pytest.raises(InputError, match="damaged"):
        load_weights(tmp_path / "0", HyperNetwork(NETWORKS["linear"]))


def test_a_hypernetwork_with_a_number_that_is_not_finite_is_refused(tmp_path):
    network = build_network(NETWORKS["memory"])
    with torch.no_grad():
        network.head.log_gain[0, 0, 0] = torch.nan
    save_checkpoint(tmp_path / "h", {"kind": "x"}, network.state_dict(), card="")
    with pytest.raises(InputError, match=r"head\.log_gain that are not finite"):
        load_weights(tmp_path / "h", HyperNetwork(NETWORKS["memory"]))


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"r": "8"},
        {"r": 0},
        {"head": {"kind": "other"}},
        {"head": "grounded"},
        {"grounded": {}},
        {"copy": None},
        {"targets": []},
        {"r": True},
        {"perceiver": {"latent": 3}},
    ],
)
def test_configs_are_strict(change):
    with pytest.raises(InputError):
        HyperNetworkConfig.from_dict(NETWORKS["linear"].to_dict() | change)


def test_keys_of_an_earlier_release_say_what_to_do():
    for key, hint in (("grounded", "kind: memory"), ("copy", "kind: linear")):
        with pytest.raises(InputError, match=f"no longer has the field '{key}'") as caught:
            HyperNetworkConfig.from_dict(NETWORKS["linear"].to_dict() | {key: None})
        assert hint in caught.value.hint


def test_a_grown_hypernetwork_starts_as_the_smaller_one():
    """A layer more in front and a longer horizon: the old layers write what they wrote."""
    later = tuple(dataclasses.replace(t, layer=t.layer + 1, name=t.name.replace("1", "2")) for t in make_targets())
    config = dataclasses.replace(NETWORKS["memory"], targets=later)
    small = build_network(config, seed=1)
    first = Target("model.layers.first", 0, "down_proj", 48, 32)
    longer = dataclasses.replace(config.head, horizon=4)
    grown = HyperNetwork(dataclasses.replace(config, targets=(first, *later), head=longer)).eval()
    new = {key: value.clone() for key, value in grown.state_dict().items()}
    grown.grow_from(small)
    # Factors of the old layers from the same keys; the salience of a horizon that starts at one token cancels.
    source = make_features(grown.config)
    keys = {"down_proj": source.states.keys["down_proj"][:, 1:]}
    old = small(dataclasses.replace(source, states=dataclasses.replace(source.states, keys=keys)))
    written = grown(source)
    assert_same(old, ChunkFactors({name: written[name] for name in old}), rtol=1e-4, atol=1e-5)
    bias, grown_bias = small.bias(), grown.bias()
    assert_same(bias, LoraWeights({name: grown_bias[name] for name in bias}))
    for key in ("head.log_gain", "perceiver.decoder.latents", "head.whitening_down_proj"):
        assert torch.equal(grown.state_dict()[key][0], new[key][0])
    same = HyperNetwork(config)
    same.grow_from(small)
    assert all(torch.equal(value, small.state_dict()[key]) for key, value in same.state_dict().items())


def test_growing_keeps_a_calibration_of_another_rank_and_refuses_other_modules():
    config = NETWORKS["memory"]
    small = build_network(config, seed=1)
    wider = build_network(dataclasses.replace(config, head=dataclasses.replace(config.head, whitening_rank=6)))
    own = wider.head.whitening_down_proj.clone()
    wider.grow_from(small)
    assert torch.equal(wider.head.whitening_down_proj, own)
    for other in (NETWORKS["linear"], dataclasses.replace(config, targets=make_targets(("up_proj",)))):
        with pytest.raises(InputError, match="to start from has other"):
            HyperNetwork(other).grow_from(small)


def test_gains_learn_at_a_rate_of_their_own():
    network = HyperNetwork(NETWORKS["recall"])
    named = {id(p): name for name, p in network.named_parameters()}
    expected = {"head.log_gain", "head.log_ridge", "head.mix"}
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {f"head.log_{name}" for name in ("study_weight", "study_gain", "null_weight", "token_weight")}
    assert {named[id(p)] for p in network.gain_parameters()} == expected | frozen
    groups = _parameter_groups(network, TrainingConfig(lr=0.1, gain_lr_factor=3.0))
    gains = next(group for group in groups if group["lr"] == pytest.approx(0.3))
    assert {named[id(p)] for p in gains["params"]} == expected
    assert gains["weight_decay"] == 0
    for parameter in network.head.study_parameters():  # as a run does that solves study rows
        parameter.requires_grad_()
    groups = _parameter_groups(network, TrainingConfig(lr=0.1, gain_lr_factor=3.0))
    gains = next(group for group in groups if group["lr"] == pytest.approx(0.3))
    assert {named[id(p)] for p in gains["params"]} == expected | frozen
