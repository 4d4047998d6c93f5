"""Packed prompts against padded ones, and gradient steps on an adapter's last blocks."""

import time

import pytest
import torch

from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraFactors, LoraWeights
from shared.training.losses import TopTokens
from shared.training.packed import PackedPrompts, PlainPrompts, Prompt, prompt_class
from shared.training.refine import Anchor, RefineConfig, refine
from tests.models import load, make_base, random_weights

PROMPTS = [Prompt([5, 6, 7, 11], [20, 21]), Prompt([5, 6, 8], [22]), Prompt([5, 6, 9, 12, 13], [23, 24, 25])]


@pytest.mark.parametrize("row_tokens", [256, 9, 1], ids=["one row", "two rows", "a row each"])
@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_packed_prompts_give_the_logits_and_gradients_of_padded_ones(kind, row_tokens, tmp_path, monkeypatch):
    monkeypatch.setattr("shared.training.packed.ROW_TOKENS", row_tokens)
    base = load(make_base(tmp_path / kind, kind=kind))
    depth = len(base.model.base_model.layers)
    weights = random_weights(base, ("down_proj",), 4)
    trained = {n: f for n, f in weights.items() if f"layers.{depth - 1}." in n}
    found = []
    for prepared in (PlainPrompts, PackedPrompts):
        with apply_lora(base.model, weights):
            prompts = prepared(base, PROMPTS, depth - 1)
        assert prompts.wanted.tolist() == [20, 21, 22, 23, 24, 25]
        if prepared is PackedPrompts:
            assert len(prompts.states) == {256: 1, 9: 2, 1: 3}[row_tokens]
        leaves = {n: LoraFactors(f.lora_A.clone().requires_grad_(), f.lora_B) for n, f in trained.items()}
        with apply_lora(base.model, LoraWeights({**weights, **leaves})):
            logits = prompts.logits()
        torch.nn.functional.cross_entropy(logits, prompts.wanted).backward()
        found.append([logits.detach(), *(f.lora_A.grad for f in leaves.values())])
    for plain, packed in zip(*found, strict=True):
        torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-5)
    assert len(base.model.base_model.layers) == depth  # the model is whole again


def test_an_architecture_that_cannot_be_packed_is_asked_plainly(tiny_base, monkeypatch):
    assert prompt_class(tiny_base, PROMPTS, 1) is PackedPrompts
    decoder = tiny_base.model.base_model
    forward = decoder.forward

    def deaf(**options):  # as a model whose layers ignore a mask of pairs
        mask = options.pop("attention_mask", None)
        return forward(**options, attention_mask=mask if mask is not None and mask.dim() == 2 else None)

    monkeypatch.setattr(decoder, "forward", deaf)
    assert prompt_class(tiny_base, PROMPTS, 1) is PlainPrompts

    def refusing(**options):
        if "inputs_embeds" in options:
            raise ValueError("no embeddings here")
        return forward(**options)

    monkeypatch.setattr(decoder, "forward", refusing)
    assert prompt_class(tiny_base, PROMPTS, 1) is PlainPrompts


def make_anchors(base):
    prompts = [Prompt([5, 6, 30, 31], [40, 41]), Prompt([5, 6, 32], [42, 43])]
    with torch.no_grad():
        return [Anchor(p, TopTokens.of(PlainPrompts(base, [p]).logits(), 8)) for p in prompts]


def losses(base, weights, anchors):
    """Answers' loss and anchors' KL of an adapter."""
    with torch.no_grad(), apply_lora(base.model, weights):
        asked = PlainPrompts(base, PROMPTS)
        kl = TopTokens.concat([a.top for a in anchors]).loss(PlainPrompts(base, [a.prompt for a in anchors]).logits())
        return torch.nn.functional.cross_entropy(asked.logits(), asked.wanted).item(), kl.item()


def test_refining_teaches_the_answers_and_anchors_hold_the_rest(tiny_base):
    initial = random_weights(tiny_base, ("down_proj",), 6).scaled(0.1)
    before = {n: (f.lora_A.clone(), f.lora_B.clone()) for n, f in initial.items()}
    anchors = make_anchors(tiny_base)
    config = RefineConfig(least_steps=60, lr=0.05, blocks=1.0, good_enough=0.0)
    alone = refine(tiny_base, initial, PROMPTS, (), config)
    held = refine(tiny_base, initial, PROMPTS, anchors, config)
    assert held.weights.r == 6 and len(held.losses) == 60
    assert all(torch.equal(f.lora_A, before[n][0]) and torch.equal(f.lora_B, before[n][1]) for n, f in initial.items())
    start, free, both = (losses(tiny_base, w, anchors) for w in (initial, alone.weights, held.weights))
    assert free[0] < 0.5 * start[0] and both[0] < 0.7 * start[0]
    assert both[1] < free[1]
    assert alone.losses[0] == pytest.approx(start[0], rel=1e-3)


def test_only_the_last_blocks_change_and_a_bias_lora_stays(tiny_base):
    weights = dict(random_weights(tiny_base, ("down_proj", "q_proj"), 4))
    for name, f in weights.items():
        if "q_proj" in name:  # two of four ranks: a bias LoRA in zeros
            weights[name] = LoraFactors(f.lora_A * torch.tensor([1.0, 1, 0, 0])[:, None], f.lora_B)
    initial = LoraWeights(weights)
    found = refine(tiny_base, initial, PROMPTS, (), RefineConfig(least_steps=2, lr=0.01, blocks=0.5)).weights
    changed = {n for n in found if not torch.allclose(found[n].delta(), initial[n].delta(), atol=1e-6)}
    assert changed == {"model.layers.1.mlp.down_proj"}


def test_a_wider_layer_gets_a_smaller_rate(tiny_base, monkeypatch):
    """Adam's first step moves each number of lora_A by the rate, so the update's length shows it."""
    initial = random_weights(tiny_base, ("down_proj",), 4)
    width = next(iter(initial.values())).lora_A.shape[-1]
    moved = []
    for usual in (2 * width, width, width // 4):
        monkeypatch.setattr("shared.training.refine.USUAL_INPUTS", usual)
        config = RefineConfig(passes=1, least_steps=1, lr=0.01, blocks=1.0)
        found = refine(tiny_base, initial, PROMPTS, (), config).weights
        moved.append([(found[n].delta() - initial[n].delta()).norm().item() for n in found])
    narrower, same, wider = moved
    assert narrower == pytest.approx(same)
    assert [4 * length for length in wider] == pytest.approx(same, rel=1e-2)


def test_refining_stops_when_it_is_good_enough_out_of_time_or_interrupted(tiny_base):
    initial = random_weights(tiny_base, ("down_proj",), 4)
    assert len(refine(tiny_base, initial, PROMPTS, (), RefineConfig(good_enough=1e9)).losses) == 1
    assert len(refine(tiny_base, initial, PROMPTS, (), RefineConfig(), max_seconds=0).losses) == 1

    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    endless, options = RefineConfig(good_enough=0), {"on_progress": interrupt}
    assert len(refine(tiny_base, initial, PROMPTS, (), endless, keep_interrupted=True, **options).losses) == 3
    with pytest.raises(KeyboardInterrupt):
        refine(tiny_base, initial, PROMPTS, (), endless, **options)
    one_each = RefineConfig(good_enough=0, batch_size=1, passes=3, least_steps=4)
    assert len(refine(tiny_base, initial, PROMPTS, (), one_each).losses) == 9
    assert len(refine(tiny_base, initial, PROMPTS, (), one_each.replace(most_steps=2)).losses) == 2


def test_a_check_says_when_to_stop_and_which_state_is_kept(tiny_base, monkeypatch):
    monkeypatch.setattr("shared.training.refine._Best.SHARE", 1e9)  # after each pass, however long one takes
    initial = random_weights(tiny_base, ("down_proj",), 4)
    config = RefineConfig(good_enough=0, batch_size=1, passes=8, lr=0.01)  # three prompts: three steps a pass
    steps = len(PROMPTS)

    def run(scores, **options):
        seen, given = [], iter(scores)

        def check(weights):
            seen.append({name: f.delta().clone() for name, f in weights.items()})
            return next(given)

        return refine(tiny_base, initial, PROMPTS, (), config, check=check, **options), seen

    def is_state(found, state):
        return all(torch.allclose(f.delta(), state[name], atol=1e-6) for name, f in found.weights.items())

    found, seen = run([0.2, 0.6, 0.4, 0.5, 0.3])
    assert found.checks == [0.2, 0.6, 0.4, 0.5, 0.3] and len(found.losses) == 5 * steps  # three worse ones in a row
    assert [is_state(found, state) for state in seen] == [False, True, False, False, False]
    found, seen = run([0.5, 0.5, 1.0])
    assert len(found.losses) == 3 * steps and is_state(found, seen[2])
    found, seen = run([0.5] * 8)
    assert len(found.checks) == 8 and is_state(found, seen[7]) and not is_state(found, seen[6])
    found, seen = run([0.7], max_seconds=0)
    assert len(found.losses) == 1 and is_state(found, seen[0])

    def interrupt(done, total):
        if done == 2 * steps + 1:
            raise KeyboardInterrupt

    found, seen = run([0.4, 0.3], keep_interrupted=True, on_progress=interrupt)
    assert is_state(found, seen[0]) and len(found.losses) == 2 * steps + 1


def test_a_slow_check_is_asked_less_often(tiny_base):
    def check(weights):
        time.sleep(0.2)
        return 0.5

    initial = random_weights(tiny_base, ("down_proj",), 4)
    config = RefineConfig(good_enough=0, batch_size=1, passes=20, lr=0.001)
    found = refine(tiny_base, initial, PROMPTS, (), config, check=check)
    assert len(found.losses) == 20 * len(PROMPTS) and 2 <= len(found.checks) < 20


def test_a_long_prompt_is_no_pack_and_has_a_step_of_its_own(tiny_base, monkeypatch):
    made = []

    class Packed(PackedPrompts):
        def __init__(self, base, prompts, first):
            made.append(sum(map(len, prompts)))
            super().__init__(base, prompts, first)

    monkeypatch.setattr("shared.training.refine.prompt_class", lambda *_: Packed)
    long = Prompt([5, 6] + [9] * 60, [20, 21])
    initial = random_weights(tiny_base, ("down_proj",), 4)
    config = RefineConfig(least_steps=1, passes=1, batch_tokens=20, good_enough=0)
    found = refine(tiny_base, initial, [*PROMPTS, long], (), config)
    assert made and max(made) <= 20 and sum(made) == sum(map(len, PROMPTS))
    assert len(found.losses) == len(made) + 1


def test_blocks_below_the_lowest_trained_factors_run_once(tiny_base, monkeypatch):
    upper = LoraWeights({n: f for n, f in random_weights(tiny_base, ("down_proj",), 4).items() if ".1." in n})
    firsts: list[int] = []

    def seen(base, prompts, first):
        firsts.append(first)
        return prompt_class(base, prompts, first)

    monkeypatch.setattr("shared.training.refine.prompt_class", seen)
    half, whole = (
        refine(tiny_base, upper, PROMPTS, (), RefineConfig(least_steps=3, blocks=share)).weights for share in (0.5, 1.0)
    )
    assert firsts == [1, 1]
    assert all(
        torch.equal(half[n].lora_A, f.lora_A) and not torch.equal(f.lora_A, upper[n].lora_A) for n, f in whole.items()
    )


def test_refining_refuses_an_adapter_without_the_last_blocks(tiny_base):
    lower = LoraWeights({n: f for n, f in random_weights(tiny_base, ("down_proj",), 4).items() if ".0." in n})
    with pytest.raises(InputError, match="changes nothing in blocks 1 to 1"):
        refine(tiny_base, lower, PROMPTS, (), RefineConfig(blocks=0.5))
    with pytest.raises(InputError):
        RefineConfig(passes=0)
