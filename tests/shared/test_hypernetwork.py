"""The hypernetwork core: masks, batches, both heads, checkpoints."""

import dataclasses
import json

import pytest
import torch

from shared.checkpoint import grow_from, load_weights, save_checkpoint
from shared.errors import InputError
from shared.grounded import GroundedConfig, GroundedSource
from shared.hypernetwork import ContextFeatures, HyperNetwork, HyperNetworkConfig, TargetConfig
from shared.lora import LoraWeights
from shared.perceiver import PerceiverConfig

PERCEIVER = PerceiverConfig(
    latent_size=24,
    num_latents=5,
    num_blocks=2,
    num_self_attn_per_block=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
)


def targets(modules=("down_proj",), layers=2, sizes=None):
    sizes = sizes or {}
    return tuple(
        TargetConfig(f"model.layers.{layer}.x.{m}", layer, m, *sizes.get((layer, m), (48, 32)))
        for layer in range(layers)
        for m in sorted(modules)
    )


CONFIGS = {
    "linear": HyperNetworkConfig(targets(), r=3, feature_size=16, perceiver=PERCEIVER, scaling=2.0),
    "t2l": HyperNetworkConfig(targets(("q_proj", "v_proj")), r=2, feature_size=16, perceiver=PERCEIVER, bias_r=0),
    "layer_to_layer": HyperNetworkConfig(
        targets(), r=3, feature_size=16, perceiver=PERCEIVER, per_layer_features=True, num_pre_head_layers=2
    ),
    "shared_pre_head": HyperNetworkConfig(
        targets(), r=3, feature_size=16, perceiver=PERCEIVER, num_pre_head_layers=1, per_layer_processing=False
    ),
    "grounded": HyperNetworkConfig(
        targets(),
        r=3,
        feature_size=16,
        perceiver=PERCEIVER,
        head="grounded",
        grounded=GroundedConfig(whitening_rank=4, initial_gain=0.5),
        bias_targets=(TargetConfig("model.layers.0.q_proj", 0, "q_proj", 16, 16),),
    ),
    "recall": HyperNetworkConfig(
        targets(),
        r=3,
        feature_size=16,
        perceiver=PERCEIVER,
        head="grounded",
        grounded=GroundedConfig(whitening_rank=4, initial_gain=0.5, horizon=3, recall_layers=1),
    ),
    "chosen": HyperNetworkConfig(
        targets(),
        r=3,
        feature_size=16,
        perceiver=PERCEIVER,
        head="grounded",
        grounded=GroundedConfig(slots="chosen", whitening_rank=4, initial_gain=0.5),
    ),
    "uneven": HyperNetworkConfig(
        targets(("a", "b"), sizes={(0, "a"): (10, 7), (1, "a"): (12, 5), (1, "b"): (3, 9)}),
        r=2,
        feature_size=16,
        perceiver=PERCEIVER,
    ),
}


def build(config, seed=0):
    """A network in which every parameter is random, so that a forgotten one shows up."""
    torch.manual_seed(seed)
    network = HyperNetwork(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for name, buffer in network.named_buffers():
            if "whitening" in name:
                buffer.copy_(torch.linalg.qr(torch.randn(*buffer.shape))[0] * 0.9)
    return network


def features(config, batch=3, length=7, pad=0, seed=1):
    generator = torch.Generator().manual_seed(seed)
    lead = (batch, len(config.layers)) if config.per_layer_features else (batch,)
    hidden = torch.randn(*lead, length, config.feature_size, generator=generator)
    mask = torch.ones(batch, length, dtype=torch.bool)
    keys = torch.randn(batch, len(config.layers), length, 48, generator=generator)
    values = torch.randn(batch, length, 32, generator=generator)
    pooled = mask.clone()
    pooled[:, 0] = False
    if pad:
        junk = 1e3
        hidden = torch.nn.functional.pad(hidden, (0, 0, 0, pad), value=junk)
        keys = torch.nn.functional.pad(keys, (0, 0, 0, pad), value=junk)
        values = torch.nn.functional.pad(values, (0, 0, 0, pad), value=junk)
        mask, pooled = (torch.nn.functional.pad(m, (0, pad)) for m in (mask, pooled))
    return ContextFeatures(hidden, mask, GroundedSource({"down_proj": keys}, values, pooled))


def assert_same(one, two, **tolerance):
    assert list(one) == list(two)
    for name in one:
        torch.testing.assert_close(one[name].lora_A, two[name].lora_A, **tolerance)
        torch.testing.assert_close(one[name].lora_B, two[name].lora_B, **tolerance)


@pytest.mark.parametrize("name", CONFIGS)
def test_padding_changes_nothing(name):
    network = build(CONFIGS[name])
    assert_same(network(features(CONFIGS[name])), network(features(CONFIGS[name], pad=4)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_batch_equals_one_by_one(name):
    config, network = CONFIGS[name], build(CONFIGS[name])
    whole = features(config)
    together = network(whole)
    for row in range(3):
        part = slice(row, row + 1)
        source = whole.grounded
        single = ContextFeatures(
            whole.hidden_states[part],
            whole.attention_mask[part],
            GroundedSource({"down_proj": source.keys["down_proj"][part]}, source.values[part], source.mask[part]),
        )
        assert_same(network(single), together.index_select(torch.tensor([row])), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_follow_the_targets(name):
    config = CONFIGS[name]
    weights = build(config)(features(config))
    assert [(n, f.lora_A.shape, f.lora_B.shape) for n, f in weights.items()] == [
        (t.name, (3, config.r, t.in_features), (3, t.out_features, config.r)) for t in config.targets
    ]


def test_the_published_head_starts_without_effect():
    torch.manual_seed(0)
    network = HyperNetwork(CONFIGS["linear"])
    combined = network.combine(network(features(CONFIGS["linear"])), 3)
    assert all(f.delta().abs().max() == 0 for f in combined.values())
    assert all(f.lora_A.abs().max() > 0 for f in combined.values())


def test_combine_is_the_sum_of_chunks_and_the_bias_once():
    config = CONFIGS["linear"]
    network = build(config)
    chunks = network(features(config, batch=6))
    combined, bias = network.combine(chunks, 2), network.bias()
    assert combined.r == 3 * config.r + config.bias_r
    for layer in chunks:
        expected = chunks[layer].delta().view(2, 3, 32, 48).sum(1) + bias[layer].delta()
        torch.testing.assert_close(combined[layer].delta(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("shard", ["5GB", "20KB"])
def test_checkpoint_round_trip(name, shard, tmp_path):
    network = build(CONFIGS[name])
    config = {"kind": "x", "hypernetwork": CONFIGS[name].to_dict()}
    save_checkpoint(tmp_path / "h", config, network.state_dict(), card="card", max_shard_size=shard)
    read = json.loads((tmp_path / "h" / "config.json").read_text())
    reloaded = HyperNetwork(HyperNetworkConfig.from_dict(read["hypernetwork"]))
    assert reloaded.config == CONFIGS[name]
    load_weights(tmp_path / "h", reloaded)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, reloaded.state_dict()[key])


def test_checkpoints_load_strictly(tmp_path):
    network = build(CONFIGS["linear"])
    state = network.state_dict()
    key = "scaler_B.down_proj"
    for number, broken in enumerate(
        (
            {k: v for k, v in state.items() if k != key},
            state | {"extra": torch.zeros(1)},
            state | {key: torch.zeros(1)},
        )
    ):
        save_checkpoint(tmp_path / str(number), {"kind": "x"}, broken, card="")
        with pytest.raises(InputError, match="scaler_B|extra"):
            load_weights(tmp_path / str(number), HyperNetwork(CONFIGS["linear"]))
    file = tmp_path / "0" / "model.safetensors"
    file.write_bytes(b"not a safetensors file")
    with pytest.raises(InputError, match="damaged"):
        load_weights(tmp_path / "0", HyperNetwork(CONFIGS["linear"]))


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"r": "8"},
        {"r": 0},
        {"head": "other"},
        {"targets": []},
        {"r": True},
        {"perceiver": {"latent": 3}},
    ],
)
def test_configs_are_strict(change):
    with pytest.raises(InputError):
        HyperNetworkConfig.from_dict(CONFIGS["linear"].to_dict() | change)


def test_a_grown_hypernetwork_starts_as_the_smaller_one(tmp_path):
    """A layer more in front and a longer horizon: the old layers write what they wrote."""
    later = tuple(dataclasses.replace(t, layer=t.layer + 1, name=t.name.replace("1", "2")) for t in targets())
    config = dataclasses.replace(CONFIGS["grounded"], targets=later)
    small = build(config, seed=1)
    described = {"kind": "d2l", "hypernetwork": config.to_dict()}
    save_checkpoint(tmp_path / "small", described, small.state_dict(), card="", dtype="float32")
    first = TargetConfig("model.layers.first", 0, "down_proj", 48, 32)
    longer = dataclasses.replace(config.grounded, horizon=4)
    grown = HyperNetwork(dataclasses.replace(config, targets=(first, *later), grounded=longer)).eval()
    new = {key: value.clone() for key, value in grown.state_dict().items()}
    grow_from(tmp_path / "small", grown)
    # Factors of the old layers from the same keys; the salience of a horizon that starts at one token cancels.
    source = features(grown.config)
    keys = {"down_proj": source.grounded.keys["down_proj"][:, 1:]}
    old = small(dataclasses.replace(source, grounded=dataclasses.replace(source.grounded, keys=keys)))
    written = grown(source)
    assert_same(old, LoraWeights({name: written[name] for name in old}), rtol=1e-4, atol=1e-5)
    bias, grown_bias = small.bias(), grown.bias()
    assert_same(bias, LoraWeights({name: grown_bias[name] for name in bias}))
    for key in ("grounded_head.log_gain", "perceiver.decoder.latents", "grounded_head.whitening_down_proj"):
        assert torch.equal(grown.state_dict()[key][0], new[key][0])
    same = HyperNetwork(config)
    grow_from(tmp_path / "small", same)
    assert all(torch.equal(value, small.state_dict()[key]) for key, value in same.state_dict().items())


def test_growing_keeps_a_calibration_of_another_rank_and_refuses_other_modules(tmp_path):
    config = CONFIGS["grounded"]
    described = {"kind": "d2l", "hypernetwork": config.to_dict()}
    save_checkpoint(tmp_path / "small", described, build(config, seed=1).state_dict(), card="", dtype="float32")
    wider = build(dataclasses.replace(config, grounded=dataclasses.replace(config.grounded, whitening_rank=6)))
    own = wider.grounded_head.whitening_down_proj.clone()
    grow_from(tmp_path / "small", wider)
    assert torch.equal(wider.grounded_head.whitening_down_proj, own)
    for other in (CONFIGS["linear"], dataclasses.replace(config, targets=targets(("up_proj",)))):
        with pytest.raises(InputError, match="cannot start this run"):
            grow_from(tmp_path / "small", HyperNetwork(other))
