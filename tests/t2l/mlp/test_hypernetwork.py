"""The published MLP hypernetwork in every mode, against the formulas written out in numpy."""

import itertools

import numpy as np
import pytest
import torch

from shared.base.targets import Target
from shared.errors import InputError
from shared.hypernetwork.features import ContextFeatures
from t2l.config import T2LConfig
from t2l.mlp.hypernetwork import MLPHyperNetwork, MLPHyperNetworkConfig

SIZES = {"q_proj": (10, 14), "v_proj": (10, 6)}
LAYERS, R = 3, 4
TARGETS = tuple(
    Target(f"model.layers.{n}.self_attn.{m}", n, m, *SIZES[m]) for n in range(LAYERS) for m in sorted(SIZES)
)
BASIC = MLPHyperNetworkConfig(TARGETS, r=R, feature_size=9, latent_size=16, head_in_size=20, scaling=2.5)


def make(config, seed=0):
    torch.manual_seed(seed)
    network = MLPHyperNetwork(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return network


class Numpy:
    """The same numbers in float64, from the tensors' published names alone."""

    def __init__(self, network):
        self.t = {key: value.double().numpy() for key, value in network.state_dict().items()}

    def linear(self, name, x):
        return x @ self.t[f"{name}.weight"].T + self.t.get(f"{name}.bias", 0)

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return centred / scale * self.t[f"{name}.weight"] + self.t[f"{name}.bias"]

    def silu(self, x):
        return x / (1 + np.exp(-x))

    def two(self, first, second, x):
        return self.silu(self.linear(second, self.silu(self.linear(first, x))))

    def mlp(self, name, x):
        return x + self.two(f"{name}.mlp.1", f"{name}.mlp.4", self.norm(f"{name}.mlp.0", x))

    def head(self, module, x):
        return self.linear(f"heads.{module}", self.two("mlp3.1", "mlp3.4", self.norm("mlp3.0", x)))

    def task(self, kind, x):
        if kind == "linear":
            return self.norm("task_encoder.mlp.1", self.linear("task_encoder.mlp.0", x))
        z = self.linear("task_encoder.mlp.3", self.silu(self.linear("task_encoder.mlp.0", x)))
        if kind == "discrete":
            return np.eye(len(z))[np.argmax(z)]
        codes = self.t["task_encoder.embed"]
        if kind == "vq":
            nearest = np.argmin([((z - code) ** 2).sum() for code in codes.T])
            return self.norm("task_encoder.ln", codes.T[nearest])
        weights = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        return self.norm("task_encoder.ln", sum(w * code for w, code in zip(weights, codes, strict=True)))

    def rope(self, x, k):
        width = len(x)
        angles = np.array([k * 10000 ** (-2 * (i % (width // 2)) / width) for i in range(width)])
        turned = np.concatenate([-x[width // 2 :], x[: width // 2]])
        return x * np.cos(angles) + turned * np.sin(angles)

    def factors(self, config, embedding, layer, module):
        """A (r, in) and B (out, r) of one layer, rank by rank with loops."""
        t, (d_in, d_out) = self.t, SIZES[module]
        row = sorted(SIZES).index(module)
        if config.task_encoder == "discrete":
            depth, kind = np.eye(LAYERS)[layer], np.eye(len(SIZES))[row]
        else:
            depth = self.norm("layer_depth_encoder.1", t["layer_depth_encoder.0.weight"][layer])
            kind = self.norm("layer_type_encoder.1", t["layer_type_encoder.0.weight"][row])
        x = np.concatenate([self.task(config.task_encoder, embedding), depth, kind])
        h = self.mlp("mlp1", self.two("mixer.1", "mixer.4", x))

        def position(k):
            return self.norm("pos_emb.1", t["pos_emb.0.weight"][k])

        if config.shared_head:
            u = {half: self.norm("out_emb_norm", t[f"out_emb.{module}.{half}"]) for half in "AB"}
            outs = {}
            for half, size in (("A", d_in), ("B", d_out)):
                g = self.mlp("mlp2", h + u[half])
                if config.positions == "none":
                    rows = self.head(module, g).reshape(R, -1)
                elif config.positions == "learned":
                    rows = [self.head(module, g + self.mlp("mlp2", position(k))) for k in range(R)]
                else:
                    rows = [self.head(module, self.mlp("mlp2", self.rope(g, k))) for k in range(R)]
                outs[half] = np.array(rows)[:, :size]
            A, B = outs["A"], outs["B"].T
        elif config.positions == "none":
            out = self.head(module, self.mlp("mlp2", h))
            A, B = out[: R * d_in].reshape(R, d_in), out[R * d_in :].reshape(R, d_out).T
        else:
            states = [h + position(k) if config.positions == "learned" else self.rope(h, k) for k in range(R)]
            rows = np.array([self.head(module, self.mlp("mlp2", state)) for state in states])
            A, B = rows[:, :d_in], rows[:, d_in:].T
        A, B = A * config.factor_scale, B * config.factor_scale
        if config.z_score:
            A = A * (t[f"std_recon_target.A.{module}"][layer] + 1e-10) + t[f"mean_recon_target.A.{module}"][layer]
            B = B * (t[f"std_recon_target.B.{module}"][layer] + 1e-10) + t[f"mean_recon_target.B.{module}"][layer]
        if config.offset:
            A, B = A + t[f"AB_offset.A.{module}"][layer], B + t[f"AB_offset.B.{module}"][layer]
        return A, B * config.scaling


@torch.no_grad()
def worst_error(config, network=None):
    network = network or make(config)
    embeddings = torch.randn(2, config.feature_size, generator=torch.Generator().manual_seed(3))
    weights = network(ContextFeatures(embeddings[:, None], torch.ones(2, 1, dtype=torch.bool)))
    reference, worst = Numpy(network), 0.0
    assert weights.batch_size == 2 and weights.r == R and list(weights) == [t.name for t in TARGETS]
    for sample, target in itertools.product(range(2), TARGETS):
        factors = weights[target.name]
        wanted = reference.factors(config, embeddings[sample].double().numpy(), target.layer, target.module)
        for ours, golden in zip((factors.lora_A[sample], factors.lora_B[sample]), wanted, strict=True):
            assert ours.shape == golden.shape
            worst = max(worst, np.linalg.norm(ours.double().numpy() - golden) / np.linalg.norm(golden))
    return worst


@pytest.mark.parametrize("shared_head", [False, True])
@pytest.mark.parametrize("positions", ["none", "learned", "rotary"])
@pytest.mark.parametrize("head_bias", [False, True])
def test_generation_modes(shared_head, positions, head_bias):
    assert worst_error(BASIC.replace(shared_head=shared_head, positions=positions, head_bias=head_bias)) < 2e-6


@pytest.mark.parametrize("encoder", ["discrete", "vq", "softmax"])
@pytest.mark.parametrize("positions", ["none", "rotary"])
def test_task_encoders(encoder, positions):
    config = BASIC.replace(task_encoder=encoder, num_codes=7 if encoder != "discrete" else 5, positions=positions)
    assert worst_error(config) < 2e-6


@pytest.mark.parametrize(
    "options",
    [
        {"offset": True},  # fine-tuned, and factorised reconstruction without z-scores
        {"offset": True, "z_score": True},
        {"factor_scale": 10000**-0.5},
    ],
)
@pytest.mark.parametrize("shared_head", [False, True])
def test_rescaling(options, shared_head):
    assert worst_error(BASIC.replace(shared_head=shared_head, **options)) < 2e-6


@pytest.mark.parametrize(
    "change",
    [
        {"shared_head": True, "positions": "rotary"},
        {"positions": "learned"},
        {"offset": True, "z_score": True},
        {"task_encoder": "softmax", "num_codes": 7},
    ],
)
def test_the_comparison_notices_a_changed_tensor(change):
    """Every tensor of the network moves the result: none is forgotten by both sides."""
    config = BASIC.replace(**change)
    network, inputs = make(config), torch.randn(1, 1, config.feature_size)
    features = ContextFeatures(inputs, torch.ones(1, 1, dtype=torch.bool))
    with torch.no_grad():
        before = network(features)
        for name, parameter in network.named_parameters():
            kept = parameter.clone()
            parameter.add_(torch.randn_like(parameter))
            after = network(features)
            assert any((after[key].delta() - before[key].delta()).norm() > 1e-3 for key in before), name
            parameter.copy_(kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": TARGETS[:-1]}, "same target modules"),
        ({"targets": TARGETS + TARGETS[:1]}, "same target modules"),
        ({"targets": (*TARGETS[:-1], Target("x", 2, "v_proj", 11, 6))}, "same size"),
        ({"num_codes": 3}, "num_codes"),
        ({"task_encoder": "vq"}, "num_codes"),
        ({"r": 0}, "r of at least 1"),
    ],
)
def test_inconsistent_configurations(changes, message):
    with pytest.raises(InputError, match=message):
        BASIC.replace(**changes)


def test_configuration_round_trip_chooses_the_architecture():
    spec = {"name_or_path": "x", "hidden_size": 10, "num_hidden_layers": 3, "fingerprint": ""}
    data = {"base": spec, "text_encoder": "gte", "hypernetwork": BASIC.to_dict(), "features": "pooled"}
    config = T2LConfig.from_dict(data)
    assert config.hypernetwork == BASIC and T2LConfig.from_dict(config.to_dict()) == config
    assert isinstance(config.build_network(), MLPHyperNetwork)
    with pytest.raises(InputError, match="pooled"):
        T2LConfig.from_dict({**data, "features": "tokens"})
    with pytest.raises(InputError, match="no field 'rank'"):
        T2LConfig.from_dict({**data, "hypernetwork": {**BASIC.to_dict(), "rank": 3}})
