"""The gain of a document, without that of the bias."""

import importlib
from pathlib import Path

import torch

from tests.shared.test_hypernetwork import CONFIGS, build, features


def test_only_what_the_document_adds_is_scaled(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    with_gain = importlib.import_module("gain").with_gain
    network = build(CONFIGS["grounded"], seed=1)
    bias = network.bias()
    with torch.no_grad():
        weights = network.combine(network(features(CONFIGS["grounded"])), 3).unbind()[0]
        for name, f in with_gain(weights, CONFIGS["grounded"].bias_r, 1.5).items():
            whole, of_bias = weights[name].lora_B @ weights[name].lora_A, bias[name].lora_B @ bias[name].lora_A
            torch.testing.assert_close(f.lora_B @ f.lora_A, of_bias + 1.5 * (whole - of_bias), rtol=1e-4, atol=1e-5)
