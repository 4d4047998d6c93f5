"""A task from labelled examples: gradient steps from where the description led."""

import pytest
import torch

from shared.errors import InputError
from t2l.learn import LEARN, learn_examples
from t2l.pick import example_losses
from t2l.tasks import Example
from tests.models import make_t2l

EXAMPLES = [Example("The pump leaks.", ("repair",)), Example("I want my money.", ("refund",))]


def test_examples_are_learned_from_the_descriptions_adapter(tiny_base, encoder):
    model = make_t2l(tiny_base, encoder)
    lora = model.generate(["Sort the ticket."])[0]
    before = {name: f.delta().clone() for name, f in lora.weights.items()}
    config = LEARN.replace(least_steps=80, lr=0.03, blocks=1.0)
    learned = learn_examples(model, tiny_base, lora, EXAMPLES, config)
    start, end = (sum(example_losses(tiny_base, EXAMPLES, one.weights)) for one in (lora, learned))
    assert end < 0.3 * start
    assert learned.weights.r == lora.weights.r and learned.description == "Sort the ticket."
    assert learned.examples == 2 and 1 <= learned.gradient_steps <= 80
    assert all(torch.equal(f.delta(), before[name]) for name, f in lora.weights.items())
    again = learn_examples(model, tiny_base, lora, EXAMPLES, config)
    assert all(torch.equal(again.weights[n].lora_A, f.lora_A) for n, f in learned.weights.items())


def test_examples_alone_make_an_adapter_of_the_same_shape(tiny_base, encoder):
    model = make_t2l(tiny_base, encoder)
    learned = learn_examples(model, tiny_base, None, EXAMPLES, LEARN.replace(least_steps=80, lr=0.03, blocks=1.0))
    lora = model.generate(["Sort the ticket."])[0]
    assert set(learned.weights) == set(lora.weights) and learned.weights.r == lora.weights.r
    assert sum(example_losses(tiny_base, EXAMPLES, learned.weights)) < 0.5 * sum(
        example_losses(tiny_base, EXAMPLES, None)
    )


def test_an_example_beyond_the_window_is_refused(tiny_base, encoder):
    with pytest.raises(InputError, match="window"):
        learn_examples(make_t2l(tiny_base, encoder), tiny_base, None, [Example("long " * 600, ("x",))])
