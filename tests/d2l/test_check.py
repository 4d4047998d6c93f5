"""Fidelity: which questions are held back, and how answers are counted."""

import torch

from d2l.check import Fidelity, check, hold_back, kept_share
from d2l.questions import QA
from shared.training.losses import TopTokens
from shared.training.packed import PlainPrompts, Prompt
from shared.training.refine import Anchor, RefineConfig, refine
from tests.models import random_weights


def pairs(number, wordings):
    return [QA(f"wording {w} of question {n}?", (f"Answer {n}",)) for n in range(number) for w in range(wordings)]


def test_other_wordings_of_studied_answers_are_held_back():
    written = pairs(20, 2)
    studied, held = hold_back(written)
    assert len(held) == 5 and len(studied) == 35  # an eighth
    assert sorted(map(id, (*studied, *held))) == sorted(map(id, written))
    assert {qa.answer for qa in held} <= {qa.answer for qa in studied}
    assert len({qa.answer for qa in held}) == len(held)
    assert hold_back(written, 4) == (hold_back(written, 4)[0], hold_back(written, 4)[1])  # the same each time
    assert hold_back(pairs(100, 3))[1].__len__() == 16


def test_nothing_is_held_back_where_it_would_be_lost():
    assert hold_back(pairs(40, 1)) == (pairs(40, 1), [])  # each answer has one wording
    assert hold_back(pairs(5, 2)) == (pairs(5, 2), [])  # too few
    assert hold_back([]) == ([], [])


def anchored(base):
    prompts = [Prompt([5, 6, 30, 31], [40, 41]), Prompt([5, 6, 32], [42, 43])]
    found = []
    for prompt in prompts:
        with torch.no_grad():  # the base model's own reply, token by token
            reply: list[int] = []
            while len(reply) < 2:
                logits = PlainPrompts(base, [Prompt(prompt.question + reply, [1])]).logits()
                reply.append(int(logits[0].argmax()))
            own = Prompt(prompt.question, reply)
            found.append(Anchor(own, TopTokens.of(PlainPrompts(base, [own]).logits(), 4)))
    return found


def test_kept_is_one_for_an_adapter_without_effect(tiny_base):
    weights = random_weights(tiny_base, ("down_proj",), 4)
    anchors = anchored(tiny_base)
    assert kept_share(tiny_base, weights.scaled(0), anchors) == 1
    assert kept_share(tiny_base, weights.scaled(30), anchors) < 1


def test_an_adapter_that_was_taught_an_answer_gives_it(tiny_base):
    from d2l.study.rows import study_prompts

    asked = [QA("When does the ferry leave?", ("six",))]
    initial = random_weights(tiny_base, ("down_proj",), 8).scaled(0.1)
    prompts = [*study_prompts(tiny_base, asked, 0), *study_prompts(tiny_base, asked, 1)]
    taught = refine(tiny_base, initial, prompts, (), RefineConfig(least_steps=120, lr=0.05, blocks=1.0)).weights
    found = check(tiny_base, taught, asked, text="The ferry leaves at six.", anchors=anchored(tiny_base))
    assert (found.questions, found.adapter, found.base) == (1, 1.0, 0.0)
    assert not found.is_low and 0 <= found.kept <= 1 and found.text is not None
    assert check(tiny_base, taught, asked, text="word " * 600).text is None  # beyond the window
    nothing = check(tiny_base, taught, [])
    assert nothing == Fidelity(0, None, None) and not nothing.is_low
