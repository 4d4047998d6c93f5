"""Variants of published D2L checkpoints that no golden case has: golden checkpoints, changed."""

import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from d2l.encoder import encode_chunks
from d2l.importing import import_d2l
from d2l.model import D2LModel
from shared.errors import InputError
from shared.hypernetwork.checkpoint import save_checkpoint
from tests.d2l.importing.checkpoints import edit
from tests.models import load
from tests.reference import REFERENCE, TOLERANCE, error, needs_reference, read_case

pytestmark = needs_reference


def same(one, two):
    assert set(one.state) == set(two.state)
    return one.config == two.config and all(torch.equal(one.state[k], two.state[k]) for k in one.state)


def golden(case):
    return import_d2l(REFERENCE / "d2l" / case / "pytorch_model.bin")


def test_prefix_of_compiled_modules(tmp_path):
    def prefixed(entries):
        return {f"_orig_mod.{k}" if torch.is_tensor(v) else k: v for k, v in entries.items()}

    assert same(import_d2l(edit("multi_llama", tmp_path / "x.bin", prefixed)), golden("multi_llama"))


def test_old_module_path(tmp_path):
    file = edit("multi_llama", tmp_path / "x.bin", lambda entries: None, old_module=True)
    with zipfile.ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        assert b"ctx_to_lora.modeling_utils" in archive.read(name)
    assert same(import_d2l(file), golden("multi_llama"))


def test_tensors_that_were_saved_on_a_gpu(tmp_path):
    source = REFERENCE / "d2l" / "main_llama" / "pytorch_model.bin"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "x.bin", "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert b"X\x03\x00\x00\x00cpu" in data
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            new.writestr(entry.filename, data)
    assert same(import_d2l(tmp_path / "x.bin"), golden("main_llama"))


def test_missing_use_bias_means_a_bias(tmp_path):
    file = edit("main_llama", tmp_path / "x.bin", lambda entries: entries["hypernet_config"].__dict__.pop("use_bias"))
    assert same(import_d2l(file), golden("main_llama")) and import_d2l(file).config.hypernetwork.bias_r == 8


def test_missing_num_pre_head_layers_means_four(tmp_path):
    def four_blocks(entries):
        for key in [key for key in entries if key.startswith("layers.0.")]:
            for block in (1, 2, 3):
                entries[key.replace("layers.0.", f"layers.{block}.", 1)] = entries[key] + block
        entries["hypernet_config"].num_pre_head_layers = 4

    def forget(entries):
        four_blocks(entries)
        del entries["hypernet_config"].num_pre_head_layers

    stated = import_d2l(edit("main_llama", tmp_path / "stated.bin", four_blocks))
    missing = import_d2l(edit("main_llama", tmp_path / "missing.bin", forget))
    assert missing.config.hypernetwork.num_pre_head_layers == 4 and same(missing, stated)
    one = edit("main_llama", tmp_path / "x.bin", lambda e: e["hypernet_config"].__dict__.pop("num_pre_head_layers"))
    with pytest.raises(InputError, match="num_pre_head_layers 4, its tensors say 1"):
        import_d2l(one)


@pytest.mark.parametrize("one_storage", [True, False])
def test_shared_weights(tmp_path, one_storage):
    """Blocks 1 and 2 hold one set of tensors: as one storage in the file, or as copies."""

    def share(entries):
        entries["hypernet_config"].aggregator_config.shared_weights = True
        for key in [key for key in entries if ".encoder.layers.2." in key]:
            value = entries[key.replace(".layers.2.", ".layers.1.")]
            entries[key] = value if one_storage else value.clone()

    imported = import_d2l(edit("main_llama", tmp_path / "x.bin", share))
    second = {k: t for k, t in imported.state.items() if ".encoder.layers.2." in k}
    assert second and all(torch.equal(t, imported.state[k.replace(".2.", ".1.", 1)]) for k, t in second.items())
    save_checkpoint(tmp_path / "h", imported.config.to_dict(), imported.state, card="", dtype="float32")
    stored = load_file(tmp_path / "h" / "model.safetensors")
    assert all(torch.equal(stored[key], imported.state[key]) for key in imported.state)


class NumpyPerceiver:
    """The reference's formulas in float64 for published tensor names."""

    def __init__(self, tensors):
        self.t = {k.removeprefix("aggregator.perceiver."): v.double().numpy() for k, v in tensors.items()}

    def norm(self, name, x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * self.t[f"{name}.weight"]

    def mlp(self, name, x):
        gate, up, down = (self.t[f"{name}.{part}_proj.weight"] for part in ("gate", "up", "down"))
        z = x @ gate.T
        return (z / (1 + np.exp(-z)) * (x @ up.T)) @ down.T

    def layer(self, name, latents, context):
        x = self.norm(f"{name}.input_latents_layernorm", latents)
        cross = f"{name}.input_context_layernorm.weight" in self.t
        source = self.norm(f"{name}.input_context_layernorm", context) if cross else x
        attention = next(k for k in self.t if k.startswith(name) and k.endswith("q_proj.weight")).removesuffix(
            ".q_proj.weight"
        )
        q, k, v = (
            (s @ self.t[f"{attention}.{p}_proj.weight"].T).reshape(len(s), -1, 128)
            for p, s in (("q", x), ("k", source), ("v", source))
        )
        heads = []
        for head in range(16):
            scores = q[:, head] @ k[:, head // 4].T / np.sqrt(128)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(weights / weights.sum(-1, keepdims=True) @ v[:, head // 4])
        attended = np.concatenate(heads, -1) @ self.t[f"{attention}.o_proj.weight"].T
        latents = latents + self.norm(f"{name}.post_attention_layernorm", attended)
        update = self.mlp(f"{name}.mlp", self.norm(f"{name}.pre_ff_layernorm", latents))
        return latents + self.norm(f"{name}.post_ff_layernorm", update)

    def __call__(self, features):
        context, stages = self.mlp("modality_projection", features), {}
        for stage in ("encoder", "decoder"):
            latents, number = self.t[f"{stage}.latents_q"], 0
            while f"{stage}.layers.{number}.pre_ff_layernorm.weight" in self.t:
                latents = self.layer(f"{stage}.layers.{number}", latents, stages.get("encoder", context))
                number += 1
            stages[stage] = self.norm(f"{stage}.layernorm", latents)
        return stages["decoder"]


def test_two_self_attention_layers_per_block(tmp_path):
    """Cross, self, self, cross, self, self: in the file's order, and computed as the reference does."""
    published = {}

    def two(entries):
        prefix, torch_layers = "aggregator.perceiver.encoder.layers.", {}
        entries["hypernet_config"].aggregator_config.num_self_attn_per_block = 2
        for key in [key for key in entries if key.startswith(prefix)]:
            torch_layers[key.removeprefix(prefix)] = entries.pop(key)
        for new, old in enumerate((0, 1, 1, 2, 3, 3)):
            for key, value in torch_layers.items():
                if key.startswith(f"{old}."):
                    entries[f"{prefix}{new}.{key.split('.', 1)[1]}"] = value + 0.1 * torch.randn_like(value)
        published.update({k: v for k, v in entries.items() if k.startswith("aggregator.perceiver.")})

    torch.manual_seed(0)
    imported = import_d2l(edit("multi_llama", tmp_path / "x.bin", two))
    assert imported.config.hypernetwork.perceiver.num_self_attn_per_block == 2
    from shared.hypernetwork.network import HyperNetwork

    network = HyperNetwork(imported.config.hypernetwork).eval()
    network.load_state_dict(imported.state)
    features = load_file(REFERENCE / "d2l" / "multi_llama" / "features.safetensors")["short"]
    with torch.no_grad():
        ours = network.perceiver(features, torch.ones(features.shape[:2], dtype=torch.bool)).queries
    wanted = np.stack([NumpyPerceiver(published)(layer.double().numpy()) for layer in features])
    assert error(ours.double(), torch.from_numpy(wanted)) < TOLERANCE


def test_embed_only(tmp_path):
    """The features are the states that enter block 0, for Gemma with its scale."""
    path, facts = read_case("d2l", "niah_llama")

    def embed_only(entries):
        entries["ctx_encoder_args"].ctx_encoder_type = "embed_only"

    imported = import_d2l(edit("niah_llama", tmp_path / "x.bin", embed_only))
    for name in (facts["base_model"], "base_models/tiny-gemma2-a"):
        base = load(str(REFERENCE / name))
        chunk = D2LModel(imported.config.replace(base=base.spec), None, base).chunk("The ferry arrived.")
        with torch.no_grad():
            states = base.model(torch.tensor([chunk[0].ids]), output_hidden_states=True).hidden_states
        features = encode_chunks(base, imported.config, chunk)
        assert torch.equal(features.hidden_states, states[0])
