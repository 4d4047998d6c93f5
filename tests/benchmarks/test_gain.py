"""The gain of a document, without that of the bias."""

import torch

from benchmarks.research.gain import with_gain
from tests.models import NETWORKS, build_network, combine, make_features


def test_only_what_the_document_adds_is_scaled():
    network = build_network(NETWORKS["memory"], seed=1)
    bias = network.bias()
    with torch.no_grad():
        weights = combine(network, network(make_features(NETWORKS["memory"])), 3).unbind()[0]
        # At the layers' own rank the document and the bias can no longer be told apart by their columns.
        for update in (weights, weights.truncate(weights.full_rank).weights):
            for name, f in with_gain(update, bias, 1.5).items():
                torch.testing.assert_close(
                    f.delta(),
                    bias[name].delta() + 1.5 * (weights[name].delta() - bias[name].delta()),
                    rtol=1e-4,
                    atol=1e-5,
                )
            for name, f in with_gain(update, None, 1.5).items():
                torch.testing.assert_close(f.delta(), 1.5 * update[name].delta())
