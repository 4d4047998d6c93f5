"""Gradient steps on an adapter that exists: a few passes over prompts with their answers make it say them.

A generated adapter is close; steps on its own factors, in the upper blocks alone, take it the rest of the way (context
distillation, Snell et al. 2022, arXiv:2209.15189, from a start that already knows the text). Anchors hold everything
else: prompts with the base model's own replies, whose distribution the adapter must leave as it is.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch.nn import functional as F

from shared.base.model import BaseModel
from shared.base.targets import find_decoder
from shared.config import Config
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraFactors, LoraWeights, block_of
from shared.metrics import mean
from shared.threads import each_on_one_thread
from shared.training.losses import TopTokens
from shared.training.packed import PlainPrompts, PreparedPrompts, Prompt, prompt_class

_T = TypeVar("_T")

#: Adam moves every number of lora_A by the rate, so what a layer writes moves by the rate times its inputs: a rate that
#: was found at one width is divided by another (Yang et al. 2022, arXiv:2203.03466).
USUAL_INPUTS = 1536


@dataclass(frozen=True)
class RefineConfig(Config):
    """How an adapter is refined.

    Attributes:
        passes: over all prompts, in batches; but ``least_steps`` Adam steps at least, and ``most_steps`` at most.
        lr: rate at the first step, of layers with up to ``USUAL_INPUTS`` inputs; a wider layer's is smaller in
            proportion. It falls to zero over the steps, or over the time that there is for them.
        batch_size, anchor_batch_size: prompts and anchors of a step, at most.
        batch_tokens: tokens of a step's prompts, at most; one prompt that is longer has a step of its own.
        anchor_weight: weight of the anchors' KL beside the answers' loss, both in nats a token.
        blocks: share of the base model's blocks, from the last one on, whose factors are trained.
        good_enough: mean loss of a pass over all prompts, in nats a token, at which to stop.
    """

    passes: int = 4
    least_steps: int = 8
    most_steps: int = 240
    lr: float = 8e-4
    batch_size: int = 32
    anchor_batch_size: int = 8
    batch_tokens: int = 3072
    anchor_weight: float = 1.0
    blocks: float = 0.7
    good_enough: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        sizes = self.batch_size, self.anchor_batch_size, self.batch_tokens
        if min(self.passes, self.least_steps, self.most_steps, *sizes) < 1 or not 0 < self.blocks <= 1:
            raise InputError("refining needs at least one pass, prompt and anchor, and a share of blocks in (0, 1]")


REFINE = RefineConfig()


@dataclass(frozen=True)
class Anchor:
    """A prompt with the base model's own reply, and what it finds likely at each of the reply's tokens."""

    prompt: Prompt
    top: TopTokens


@dataclass(frozen=True)
class RefinedLora:
    """The refined weights on the CPU.

    Attributes:
        losses: on the answers before each step, in nats a token.
        checks: what the check gave, from the first to the last one.
    """

    weights: LoraWeights
    losses: list[float] = field(default_factory=list)
    checks: list[float] = field(default_factory=list)


def refine(
    base: BaseModel,
    initial: LoraWeights,
    prompts: Sequence[Prompt],
    anchors: Sequence[Anchor] = (),
    config: RefineConfig = REFINE,
    *,
    check: Callable[[LoraWeights], float] | None = None,
    max_seconds: float | None = None,
    keep_interrupted: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> RefinedLora:
    """Train an adapter's factors in the last blocks to give the prompts' answers; its rank stays.

    Args:
        initial: unbatched.
        check: how good an adapter is, from 0 to 1. Asked behind a pass over the prompts, as long as that takes no more
            than a quarter of the time, and at the end: the best state is what comes back, the later one of equal ones.
            The steps end where it gives 1, or several times in a row less than before.
        max_seconds: stop the steps after this time, checks between them included; the last check comes behind it.
        keep_interrupted: return what is reached so far at a ``KeyboardInterrupt``, instead of passing it on.
        on_progress: called with steps done and all of them.

    Raises:
        InputError: the adapter has nothing in these blocks.
    """
    rng = random.Random(config.seed)
    num_blocks = len(find_decoder(base.model).blocks)
    first = num_blocks - max(1, round(config.blocks * num_blocks))
    weights = _trainable(initial.to(device=base.device, dtype=torch.float32, copy=True), first)
    groups = [
        {"params": trained, "start": config.lr * min(1.0, USUAL_INPUTS / f.lora_A.shape[-1])}
        for f in weights.values()
        if (trained := [t for t in (f.lora_A, f.lora_B) if t.requires_grad])
    ]
    if not groups:
        raise InputError(
            f"the adapter changes nothing in blocks {first} to {num_blocks - 1}", "train more of the blocks"
        )
    # What is below the lowest trained factors is computed once.
    first = min(block_of(name) or 0 for name, f in weights.items() if f.lora_A.requires_grad or f.lora_B.requires_grad)
    with apply_lora(base.model, weights.detach().to(base.placement.dtype)):
        usual = prompt_class(base, sorted(prompts, key=len)[:3], first)
        # Of very many prompts, as many as there are steps for.
        parts = _batches(prompts, config, rng)[: config.most_steps]
        # A pack has a mask of all its pairs of tokens: one prompt beyond the bound is no pack.
        fits = [sum(map(len, part)) <= config.batch_tokens for part in parts]
        asked = [(usual if fit else PlainPrompts)(base, part, first) for part, fit in zip(parts, fits, strict=True)]
        steps = min(config.most_steps, max(config.least_steps, config.passes * len(asked)))
        kept = [
            (usual(base, [a.prompt for a in part], first), TopTokens.concat([a.top for a in part]))
            for part in _parts(anchors, config.anchor_batch_size, rng)[:steps]
        ]
    optimizer = torch.optim.Adam(groups, lr=config.lr, betas=(0.9, 0.95))
    losses: list[float] = []
    order: list[int] = []
    best = _Best(check)
    started = time.monotonic()  # what was prepared above is no step
    try:
        for step in range(steps):
            order = order or rng.sample(range(len(asked)), len(asked))
            spent = (time.monotonic() - started) / max_seconds if max_seconds else 0.0
            for group in optimizer.param_groups:
                group["lr"] = group["start"] * (1 - max(step / steps, min(spent, 1.0)))
            with apply_lora(base.model, weights.to(base.placement.dtype)):
                losses.append(_step(asked[order.pop()], *_anchored(kept, step), config.anchor_weight))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if on_progress:
                on_progress(step + 1, steps)
            out_of_time = max_seconds is not None and time.monotonic() - started > max_seconds
            ended = out_of_time or (not order and mean(losses[-len(asked) :]) < config.good_enough)
            if ended or step + 1 == steps or (not order and best.is_due(time.monotonic() - started)):
                best.look(weights.detach().to(base.placement.dtype), weights)
            if ended or best.is_enough:
                break
    except KeyboardInterrupt:
        if not keep_interrupted:
            raise
    return RefinedLora(best.weights or weights.detach().to("cpu"), losses, best.scores)


class _Best:
    """The state that a check found best so far; without a check it never looks."""

    PATIENCE, SHARE = 3, 0.25

    def __init__(self, check: Callable[[LoraWeights], float] | None) -> None:
        self._check, self._seconds, self._worse = check, 0.0, 0
        self.weights: LoraWeights | None = None
        self.scores: list[float] = []

    def is_due(self, elapsed: float) -> bool:
        return self._check is not None and self._seconds <= self.SHARE * elapsed

    def look(self, placed: LoraWeights, weights: LoraWeights) -> None:
        if self._check is None:
            return
        started = time.monotonic()
        score = self._check(placed)
        if not self.scores or score >= max(self.scores):
            self.weights, self._worse = weights.detach().to("cpu", copy=True), 0
        else:
            self._worse += 1
        self.scores.append(score)
        self._seconds += time.monotonic() - started

    @property
    def is_enough(self) -> bool:
        return bool(self.scores) and (self.scores[-1] >= 1 or self._worse >= self.PATIENCE)


def _parts(items: Sequence[_T], size: int, rng: random.Random) -> list[Sequence[_T]]:
    """Random parts of at most ``size`` items, all of nearly the same length."""
    shuffled = rng.sample(items, len(items))
    number = -(-len(items) // size)
    return [shuffled[start::number] for start in range(number)]


def _batches(prompts: Sequence[Prompt], config: RefineConfig, rng: random.Random) -> list[list[Prompt]]:
    """Random parts of the prompts within both bounds of a step, of one prompt at least."""
    batches: list[list[Prompt]] = []
    for part in _parts(prompts, config.batch_size, rng):
        batch: list[Prompt] = []
        for prompt in part:
            if batch and sum(map(len, batch)) + len(prompt) > config.batch_tokens:
                batches.append(batch)
                batch = []
            batch.append(prompt)
        batches.append(batch)
    return batches


def _anchored(kept: list[tuple[PreparedPrompts, TopTokens]], step: int) -> tuple[PreparedPrompts, TopTokens] | tuple:
    return kept[step % len(kept)] if kept else (None, None)


def _step(asked: PreparedPrompts, anchors: PreparedPrompts | None, top: TopTokens | None, weight: float) -> float:
    """Gradients of one step. Returns the loss on the answers."""
    loss = F.cross_entropy(asked.logits(), asked.wanted)
    loss.backward()
    if anchors is not None:
        (weight * top.loss(anchors.logits())).backward()
    return loss.item()


def _trainable(weights: LoraWeights, first: int) -> LoraWeights:
    """The same update, ready to be trained in the blocks from ``first`` on.

    The factors of a layer are turned so that lora_B has orthonormal columns: whatever lengths the rows had, steps on
    lora_A are then steps on the update itself within lora_B's span. Where that span is less than half of the outputs,
    lora_B learns too. Modules that carry less of the rank than others (a bias LoRA beside a document's memory) stay as
    they are.
    """
    ranks = {name: int((f.lora_A.abs().amax(-1) * f.lora_B.abs().amax(-2) > 0).sum()) for name, f in weights.items()}
    chosen = [n for n in weights if (block_of(n) or 0) >= first and ranks[n] == max(ranks.values())]
    device = next(iter(weights.values())).lora_B.device
    turned = each_on_one_thread(lambda name: torch.linalg.qr(weights[name].lora_B), chosen, device)
    result = dict(weights)
    for name, (basis, rest) in zip(chosen, turned, strict=True):
        missing = weights.r - basis.shape[1]  # a rank above the layer's own
        lora_A, lora_B = F.pad(rest @ weights[name].lora_A, (0, 0, 0, missing)), F.pad(basis, (0, missing))
        narrow = 2 * basis.shape[1] < basis.shape[0]
        result[name] = LoraFactors(lora_A.requires_grad_(), lora_B.requires_grad_(narrow))
    return LoraWeights(result)
