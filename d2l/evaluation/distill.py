"""Context distillation: gradient steps on one document's LoRA, the slow way that a hypernetwork replaces.

The student answers without the document and is pulled towards the frozen model that has it in its prompt (Snell et al.
2022, arXiv:2209.15189; the baseline of Doc-to-LoRA). Questions are the model's own, since a new document has none.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from d2l.questions import question_messages
from shared.base.chat import GenerationConfig, answer_ids, chat_ids, generate, pad_answers
from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.training.losses import distillation_loss, logits_at, next_token_loss
from shared.training.plain_lora import train_lora

ASK = "Write one short question that this text answers."
REPEAT = "What does the document say?"


@dataclass(frozen=True)
class DistillConfig(Config):
    """How a document is distilled.

    Attributes:
        steps, lr, batch_size: AdamW steps on rows (a question, or a passage of the text).
        questions_per_passage: questions that the base model writes for each passage and answers with it in its prompt.
        text_share: share of the rows that are passages of the text itself (next-token loss).
        top_k: tokens of the teacher's distribution that are kept.
        max_seconds: stop after this time.
    """

    steps: int = 100
    lr: float = 2e-3
    batch_size: int = 4
    questions_per_passage: int = 2
    text_share: float = 0.5
    top_k: int = 16
    max_answer_tokens: int = 24
    max_seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1 or not 0 <= self.text_share <= 1:
            raise InputError("distillation needs at least one step and row, and a text_share of 0 to 1")


@dataclass(frozen=True)
class DistilledLora:
    """The trained factors, and what they took."""

    weights: LoraWeights
    steps: int
    questions: int
    losses: list[float]


@dataclass(frozen=True)
class _Row:
    """A prompt with its answer for the student; ``teacher`` is the prompt with the passage, ``None`` for plain text."""

    prompt: list[int]
    answer: list[int]
    teacher: list[int] | None


def distill(
    base: BaseModel,
    passages: list[str],
    initial: LoraWeights,
    config: DistillConfig,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> DistilledLora:
    """Train LoRA factors on a document's passages.

    Args:
        passages: pieces of the document that fit the model's window beside a question.
        initial: unbatched factors to start from: ``empty_lora`` of ``shared.training.plain_lora``, or a generated
            adapter to refine.
    """
    started = time.monotonic()
    rng = random.Random(config.seed)
    questions = _question_rows(base, passages, config)
    texts = [_text_row(base, passage) for passage in passages]

    def loss(weights: LoraWeights) -> torch.Tensor:
        rows = [
            rng.choice(texts if not questions or rng.random() < config.text_share else questions)
            for _ in range(config.batch_size)
        ]
        return _loss(base, weights, rows, config.top_k)

    max_seconds = None if config.max_seconds is None else config.max_seconds - (time.monotonic() - started)
    weights, losses = train_lora(
        base, initial, loss, steps=config.steps, lr=config.lr, max_seconds=max_seconds, on_progress=on_progress
    )
    return DistilledLora(weights, len(losses), len(questions), losses)


def _question_rows(base: BaseModel, passages: list[str], config: DistillConfig) -> list[_Row]:
    """Questions that the base model writes on each passage, with its own answer given the passage."""
    torch.manual_seed(config.seed)
    rows: list[_Row] = []
    for passage in passages:
        ask = chat_ids(base, [{"role": "user", "content": f"{passage}\n\n{ASK}"}])
        sampling = GenerationConfig(32, temperature=0.8, top_p=0.95)
        written = generate(base, [ask] * config.questions_per_passage, sampling) if config.questions_per_passage else []
        asked = sorted({text.split("\n")[0].strip() for text in written} - {""})
        if not asked:
            continue
        prompts = [chat_ids(base, question_messages(q, short=True)) for q in asked]
        teachers = [chat_ids(base, question_messages(q, context=passage, short=True)) for q in asked]
        answers = generate(base, teachers, GenerationConfig(config.max_answer_tokens))
        rows += [
            _Row(prompt, answer_ids(base.tokenizer, answer), teacher)
            for prompt, answer, teacher in zip(prompts, answers, teachers, strict=True)
        ]
    return rows


def _text_row(base: BaseModel, passage: str) -> _Row:
    return _Row(chat_ids(base, question_messages(REPEAT)), answer_ids(base.tokenizer, passage), None)


def _loss(base: BaseModel, weights: LoraWeights, rows: list[_Row], top_k: int) -> torch.Tensor:
    """KL to the teacher on question rows, next-token loss on text rows; mean over the two kinds' tokens."""
    losses = []
    for part in ([r for r in rows if r.teacher is not None], [r for r in rows if r.teacher is None]):
        if not part:
            continue
        ids, mask, targets = _batch(base, [(r.prompt, r.answer) for r in part])
        with apply_lora(base.model, weights):
            student = logits_at(base, ids, mask, targets)
        if part[0].teacher is None:
            loss = next_token_loss(student, ids[targets])
        else:
            with torch.no_grad():
                teacher = logits_at(base, *_batch(base, [(r.teacher, r.answer) for r in part]))
            loss = distillation_loss(student, teacher, top_k)
        losses.append((loss, int(targets.sum())))
    total = sum(count for _, count in losses)
    return sum(loss * (count / total) for loss, count in losses)


def _batch(base: BaseModel, rows: list[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and the answers' positions of (prompt, answer) pairs."""
    prompts, answers = map(list, zip(*rows, strict=True))
    return pad_answers(prompts, answers, base.tokenizer.pad_token_id, base.device)
