"""Variants of study: each changes its own part, and leaves the model as it was."""

import pytest
import torch

from benchmarks.ablation import Variant, changed
from d2l.questions import QA
from tests.models import TEXT, make_d2l

PAIRS = (QA("When does the ferry leave?", ("six",)), QA("Who writes totals?", ("The keeper",)))


def deltas(model, variant=None):
    with changed(model, variant or Variant()):
        found = model.generate(model.chunk(TEXT), pairs=PAIRS, refined=None).weights
    return torch.cat([factors.delta().flatten() for factors in found.values()])


@pytest.mark.parametrize(
    "variant",
    [Variant(gain=2.0), Variant(ridge=4.0), Variant(token_rows=False), Variant(null_rows=False)],
    ids=["gain", "ridge", "token rows", "null rows"],
)
def test_a_variant_changes_the_adapter_and_nothing_behind_it(tiny_base, variant):
    model = make_d2l(tiny_base)
    usual = deltas(model)
    assert not torch.allclose(deltas(model, variant), usual, rtol=1e-3, atol=1e-6)
    assert torch.equal(deltas(model), usual)


def test_without_token_rows_the_text_weighs_nothing_in_the_solve(tiny_base):
    model = make_d2l(tiny_base)
    with changed(model, Variant(token_rows=False)):
        assert all(weight == 0 for weight in model.hypernetwork.head.token_weights().values())


def test_gain_two_doubles_what_a_studied_answer_writes(tiny_base):
    model = make_d2l(tiny_base)
    before = model.hypernetwork.head.log_study_gain.exp().clone()
    with changed(model, Variant(gain=2.0)):
        torch.testing.assert_close(model.hypernetwork.head.log_study_gain.exp(), 2 * before)
