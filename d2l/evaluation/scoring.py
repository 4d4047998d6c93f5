"""Questions with known answers: the gold answer's likelihood, and how a generated answer compares with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from d2l.questions import QA, question_messages
from shared.base.chat import GenerationConfig, answer_ids, chat_ids, generate, pad_answers
from shared.base.model import BaseModel
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import answer_recall, exact_match, token_f1
from shared.training.losses import logits_at


@dataclass(frozen=True)
class AnswerScore:
    """One question asked: the gold answer's negative log likelihood in nats (a sum) and number of tokens, and how the
    generated answer compares (0 if none was generated)."""

    nll: float
    tokens: int
    f1: float
    exact_match: float
    recall: float


@torch.no_grad()
def score_questions(
    base: BaseModel,
    questions: Sequence[QA],
    lora: LoraWeights | None = None,
    *,
    system: str | None = None,
    text: str | None = None,
    generate_answers: bool = True,
    max_new_tokens: int = 24,
    short: bool = True,
) -> list[AnswerScore]:
    """Ask questions with known answers, with a LoRA or without.

    Args:
        system, short: as in ``d2l.questions.question_messages``.
        text: put before every question.
    """
    prompts = [
        chat_ids(
            base,
            question_messages(qa.question, context=text, system=system, short=short),
        )
        for qa in questions
    ]
    golds = [answer_ids(base.tokenizer, qa.answer) for qa in questions]
    result: list[AnswerScore] = []
    # Long prompts one by one, short ones together.
    size = 1 if text is not None and len(text) > 2000 else 8
    with apply_lora(base.model, lora and lora.to(base.device)):
        for start in range(0, len(questions), size):
            part = slice(start, start + size)
            ids, mask, targets = pad_answers(prompts[part], golds[part], base.tokenizer.pad_token_id, base.device)
            logits = logits_at(base, ids, mask, targets)
            losses = torch.nn.functional.cross_entropy(logits, ids[targets], reduction="none")
            sums = losses.new_zeros(len(ids)).index_add(0, targets.nonzero()[:, 0], losses).tolist()
            replies = [""] * len(ids)
            if generate_answers:
                replies = generate(base, prompts[part], GenerationConfig(max_new_tokens))
            result += [
                AnswerScore(
                    total,
                    len(gold),
                    token_f1(reply, qa.answers),
                    exact_match(reply, qa.answers),
                    answer_recall(reply, qa.answers),
                )
                for qa, gold, total, reply in zip(questions[part], golds[part], sums, replies, strict=True)
            ]
    return result
