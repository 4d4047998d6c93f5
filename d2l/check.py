"""How good an adapter is: questions that it was not studied with, and what it leaves as it was."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from d2l.questions import QA, question_messages
from shared.base.chat import GenerationConfig, chat_ids, generate, generate_behind_a_text
from shared.base.model import BaseModel
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import answer_recall, mean, normalize_answer, spread
from shared.training.packed import PlainPrompts
from shared.training.refine import Anchor

#: Questions of a document's own that are held back from study, and fewer than that are no measure.
HELD_BACK, FEWEST = 16, 4
#: Below this share of right answers an adapter is said to know its document badly.
LOW = 0.3
REPLY_TOKENS = 24
ANCHORS = 48
_BATCH = 16


@dataclass(frozen=True)
class Fidelity:
    """What a check found; shares of questions whose greedy answer contains the right one.

    Attributes:
        questions: how many were asked.
        adapter, base: with the adapter, and without anything.
        text: without the adapter and with the document in the prompt; ``None`` where it was not asked or does not fit.
        kept: share of the tokens of the base model's own replies to unrelated questions that stay the likeliest ones
            with the adapter; ``None`` if unmeasured.
        seconds: that the check took.
    """

    questions: int
    adapter: float | None
    base: float | None
    text: float | None = None
    kept: float | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def is_low(self) -> bool:
        return self.adapter is not None and self.adapter < LOW


def hold_back(pairs: Sequence[QA], number: int = HELD_BACK) -> tuple[list[QA], list[QA]]:
    """Pairs to study, and pairs to check with: evenly spread ones whose answer another pair asks for in other words.

    None are held back where fewer than ``FEWEST`` can be, or where they would be more than an eighth.
    """
    times = Counter(normalize_answer(pair.answer) for pair in pairs)
    candidates: list[QA] = []
    for pair in pairs:
        answer = normalize_answer(pair.answer)
        if times[answer] > 1:
            times[answer] = 0  # one of each answer, so that the others stay
            candidates.append(pair)
    held = spread(candidates, min(number, len(pairs) // 8))
    if len(held) < FEWEST:
        return list(pairs), []
    chosen = {id(pair) for pair in held}
    return [pair for pair in pairs if id(pair) not in chosen], list(held)


def check(
    base: BaseModel,
    lora: LoraWeights,
    questions: Sequence[QA],
    *,
    system: str | None = None,
    text: str | None = None,
    anchors: Sequence[Anchor] = (),
) -> Fidelity:
    """Ask questions with and without an adapter, with the request for a short answer.

    Args:
        lora: unbatched.
        system: message that the adapter's questions are asked with.
        text: the document, for the answers with it in the prompt.
        anchors: unrelated questions with the base model's own replies.
    """

    started = time.monotonic()

    def share(adapter: LoraWeights | None, context: str | None = None) -> float | None:
        return right_share(base, adapter, questions, system=system, context=context)

    placed = lora.to(base.device, base.placement.dtype)
    kept = round(kept_share(base, placed, spread(anchors, ANCHORS)), 4) if anchors else None
    shares = share(placed), share(None), share(None, text) if text else None
    return Fidelity(len(questions), *shares, kept, round(time.monotonic() - started, 1))


@torch.no_grad()
def right_share(
    base: BaseModel,
    lora: LoraWeights | None,
    questions: Sequence[QA],
    *,
    system: str | None = None,
    context: str | None = None,
) -> float | None:
    """Share of questions whose greedy answer contains the right one; ``None`` without any, or where one does not fit.

    Args:
        lora: on the base's device; ``None`` for the base alone.
        context: a text to put before each question.
    """
    prompts = [
        chat_ids(base, question_messages(qa.question, context=context, system=system, short=True)) for qa in questions
    ]
    if not prompts or max(map(len, prompts)) + REPLY_TOKENS > base.context_window:
        return None
    config, replies = GenerationConfig(REPLY_TOKENS), []
    with apply_lora(base.model, lora):
        if context is not None:
            replies = generate_behind_a_text(base, prompts, config)
        for start in range(0, 0 if replies else len(prompts), _BATCH):
            replies += generate(base, prompts[start : start + _BATCH], config)
    return round(mean([answer_recall(reply, qa.answers) for reply, qa in zip(replies, questions, strict=True)]), 4)


@torch.no_grad()
def kept_share(base: BaseModel, lora: LoraWeights, anchors: Sequence[Anchor]) -> float:
    """Share of the tokens of the base model's own replies that are still the likeliest with the adapter in place."""
    kept = total = 0
    with apply_lora(base.model, lora):
        for start in range(0, len(anchors), _BATCH):
            part = anchors[start : start + _BATCH]
            same = PlainPrompts(base, [a.prompt for a in part]).logits().argmax(-1).cpu()
            own = torch.cat([anchor.top.index[:, 0] for anchor in part])
            kept, total = kept + int((same == own).sum()), total + len(own)
    return kept / max(1, total)
