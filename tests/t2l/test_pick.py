"""Candidates and the choice among them."""

import pytest
import torch

from shared.errors import InputError
from shared.lora.layer import apply_lora
from t2l.pick import PickConfig, candidate_rows, example_losses, pick_adapter
from t2l.tasks import Example
from tests.models import make_t2l

EXAMPLES = [Example("one", ("eno",)), Example("a longer input", ("tupni regnol a",)), Example("bc", ("cb",))]


def plain_loss(base, weights):
    """Token by token from the full logits of one example at a time."""
    losses = []
    for example in EXAMPLES:
        text = f"<|im_start|>user\n{example.input}<|im_end|>\n<|im_start|>assistant\n"
        prompt, answer = (base.tokenizer(t, add_special_tokens=False)["input_ids"] for t in (text, example.output))
        answer = [*answer, base.tokenizer.eos_token_id]
        with torch.no_grad(), apply_lora(base.model, weights):
            logits = base.model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        tokens = [-logits[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)]
        losses.append(sum(tokens) / len(tokens))
    return sum(losses) / len(losses)


def test_the_candidate_with_the_smallest_loss_is_chosen(encoder, tiny_base):
    model, texts, config = (
        make_t2l(tiny_base, encoder),
        ["Reverse it", "Write it backwards"],
        PickConfig(n=3, noise=0.5),
    )
    picked = pick_adapter(model, tiny_base, texts, EXAMPLES, config, scale=0.5)
    losses = []
    for index, row in enumerate(model.encode(texts)):
        for features in candidate_rows(row, config, index):
            lora = model.generate([texts[index]], [features])[0]
            losses.append(plain_loss(tiny_base, lora.weights.scaled(0.5)))
    assert [c.loss for c in picked.candidates] == pytest.approx(losses, rel=1e-4)
    assert picked.chosen == losses.index(min(losses)) and len(set(losses)) == 6
    assert plain_loss(tiny_base, picked.lora.weights.scaled(0.5)) == pytest.approx(picked.best.loss, rel=1e-4)
    assert picked.base_loss == pytest.approx(plain_loss(tiny_base, picked.lora.weights.scaled(0)), rel=1e-4)
    assert [(c.description, c.noise) for c in picked.candidates] == [
        (text, noise) for text in texts for noise in (0.0, 0.5, 0.5)
    ]
    plain = model.generate(texts[:1])[0].weights
    name = next(iter(plain))
    alone = pick_adapter(model, tiny_base, texts[:1], EXAMPLES, PickConfig(n=1))
    assert alone.chosen == 0 and torch.equal(alone.lora.weights[name].lora_B, plain[name].lora_B)


def test_noise_is_seeded_and_relative():
    row = 3 * torch.randn(5, 384, generator=torch.Generator().manual_seed(0))
    one, two = candidate_rows(row, PickConfig(n=3)), candidate_rows(row, PickConfig(n=4))
    assert torch.equal(one[0], row) and all(map(torch.equal, one, two)) and not torch.equal(two[2], two[3])
    noise = (one[1] - row).square().mean().sqrt() / row.square().mean().sqrt()
    assert noise.item() == pytest.approx(0.1, rel=0.05)
    assert not torch.equal(candidate_rows(row, PickConfig(n=2, seed=1))[1], one[1])
    assert not torch.equal(candidate_rows(row, PickConfig(n=2), index=1)[1], one[1])


def test_losses_are_in_the_order_of_the_examples_whatever_the_batches(tiny_gemma):
    together, alone = (example_losses(tiny_gemma, EXAMPLES, None, batch_size=size) for size in (16, 1))
    assert together == pytest.approx(alone, rel=1e-4)
    assert example_losses(tiny_gemma, EXAMPLES[::-1], None)[::-1] == pytest.approx(together, rel=1e-4)


def test_examples_beyond_the_window_are_refused(tiny_base):
    with pytest.raises(InputError, match="example 2 has"):
        example_losses(tiny_base, [EXAMPLES[0], Example("x" * 600, ("y",))], None)
