"""Training with study rows in place: a document's memory is made from some wordings of its facts and asked in others.

Rows of questions are solved as ``d2l`` solves them (``d2l.study.rows``), and the gradient reaches what decides how
strongly they count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from d2l.questions import QA, question_messages
from d2l.study.rows import NULL_TOKENS, PASSES, capture, study_prompts, study_rows
from d2l.study.unrelated import UNRELATED
from shared.base.chat import answer_ids, chat_ids
from shared.base.model import BaseModel
from shared.hypernetwork.head import ChunkFactors
from shared.hypernetwork.network import HyperNetwork
from shared.lora.weights import LoraWeights
from shared.training.packed import Prompt


@dataclass(frozen=True)
class StudyPrompts:
    """What the contexts of a step are studied with.

    Attributes:
        turns: of each context, its pairs as prompts for each pass; see ``d2l.study.rows.study_prompts``.
        silent: questions that no document answers, with the first tokens of the base's own replies.
        silent_weight: how many such questions each of these stands for.
    """

    turns: list[list[list[Prompt]]] = field(default_factory=list)
    silent: list[Prompt] = field(default_factory=list)
    silent_weight: float = 1.0

    def __bool__(self) -> bool:
        return bool(self.turns)

    @classmethod
    def of(
        cls, base: BaseModel, pairs: Sequence[Sequence[QA]], silent: Sequence[tuple[str, str]], system: str | None
    ) -> "StudyPrompts":
        """Pairs of each context, and some of ``UNRELATED`` with the base's own replies."""
        turns = [[study_prompts(base, own, turn, system=system) for turn in range(PASSES)] for own in pairs]
        prompts = [
            Prompt(chat_ids(base, question_messages(question)), ids[:NULL_TOKENS])
            for question, reply in silent
            if (ids := answer_ids(base.tokenizer, reply))
        ]
        return cls(turns, prompts, len(UNRELATED) / max(1, len(prompts)))


def studied_weights(
    base: BaseModel, network: HyperNetwork, factors: Sequence[ChunkFactors], study: StudyPrompts
) -> LoraWeights:
    """LoRA weights of studied contexts, batched, as ``D2LModel`` solves them for one document.

    States are captured without a gradient; it reaches the rows' gains, weights and values, and the ridges.

    Args:
        factors: of the contexts' chunks, each a batch of contexts.
    """
    head = network.head
    with torch.no_grad():
        lora = network.finish(head.join(factors), reading=False).weights
    weights = head.token_weights()
    parts = [part.weighted(weights) for part in factors]
    contexts = len(study.turns)
    if study.silent:
        bias = network.bias(reading=False)
        found = [head.null_rows(source) for source in capture(base, network, study.silent, bias and bias.detach())]
        silent = ChunkFactors.concat(found).weighted(study.silent_weight**0.5)
        parts.append(ChunkFactors.stack([silent] * contexts))
    for number in range(PASSES):
        rows = [
            ChunkFactors.concat(list(study_rows(base, network, turns[number], own)))
            for turns, own in zip(study.turns, lora.unbind(), strict=True)
        ]
        parts.append(ChunkFactors.stack(rows).to(base.device))
        solved = network.finish(head.join(parts), reading=False).weights
        lora = solved.detach()
    return solved
