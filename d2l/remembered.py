"""Which parts of a document an adapter remembers: written questions, asked chunk by chunk."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from d2l.chunking import Chunk
from d2l.questions import QA, question_messages
from shared.base.chat import GenerationConfig, chat_ids, generate
from shared.base.model import BaseModel
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import answer_recall, normalize_answer, spread

REPLY_TOKENS, BATCH = 24, 16
#: Questions asked of a chunk: enough to tell a half from nothing.
PER_CHUNK = 4


@dataclass(frozen=True)
class ChunkRecall:
    """What is left of one chunk.

    Attributes:
        number: its place in the document, from 1.
        begins: its first words.
        questions: how many were asked; 0 where no written question is about it.
        answered: how many replies hold the right answer.
    """

    number: int
    begins: str
    questions: int
    answered: int


def questions_by_chunk(base: BaseModel, chunks: Sequence[Chunk], pairs: Sequence[QA]) -> list[list[QA]]:
    """Pairs by the chunk that they are about: of those that hold the answer, the one with most of the question's words.

    Pairs whose answer stands in no chunk, such as those about the whole, are left out.
    """
    texts = [_words(base.tokenizer.decode(chunk.ids[chunk.start : chunk.stop])) for chunk in chunks]
    found: list[list[QA]] = [[] for _ in chunks]
    for pair in pairs:
        answer = f" {' '.join(_words(pair.answer))} "
        holding = [i for i, words in enumerate(texts) if answer in f" {' '.join(words)} "]
        asked = set(_words(pair.question))
        if answer.strip() and holding:
            found[max(holding, key=lambda i: len(asked & set(texts[i])))].append(pair)
    return found


def recall_by_chunk(
    base: BaseModel,
    weights: LoraWeights,
    chunks: Sequence[Chunk],
    pairs: Sequence[QA],
    *,
    system: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[ChunkRecall]:
    """Ask an adapter up to ``PER_CHUNK`` questions about each chunk, with the request for a short answer.

    Args:
        system: message that the adapter's questions are asked with.
        on_progress: called with questions done and all of them.
    """
    asked = [spread(part, PER_CHUNK) for part in questions_by_chunk(base, chunks, pairs)]
    flat = [(number, pair) for number, part in enumerate(asked) for pair in part]
    right = [0.0] * len(chunks)
    with apply_lora(base.model, weights.to(base.device, base.placement.dtype)):
        for start in range(0, len(flat), BATCH):
            batch = flat[start : start + BATCH]
            prompts = [chat_ids(base, question_messages(pair.question, system=system, short=True)) for _, pair in batch]
            replies = generate(base, prompts, GenerationConfig(REPLY_TOKENS))
            for (number, pair), reply in zip(batch, replies, strict=True):
                right[number] += answer_recall(reply, pair.answers)
            if on_progress:
                on_progress(start + len(batch), len(flat))
    return [
        ChunkRecall(number + 1, _beginning(base, chunk), len(asked[number]), int(right[number]))
        for number, chunk in enumerate(chunks)
    ]


def _words(text: str) -> list[str]:
    return normalize_answer(text).split()


def _beginning(base: BaseModel, chunk: Chunk) -> str:
    text = base.tokenizer.decode(chunk.ids[chunk.start : chunk.start + 16])
    return re.sub(r"\s+", " ", text).strip()
