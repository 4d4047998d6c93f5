"""Needle in a haystack: what length of document the adapter still finds one fact in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from d2l.model import D2LModel
from d2l.questions import QA, question_messages
from d2l.synthetic import Document, needle_document, noise, prose_needle_document
from shared.base.chat import GenerationConfig, chat_ids, generate
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import answer_recall, mean

MAX_NEW_TOKENS = 12


@dataclass(frozen=True)
class NeedleCell:
    """Shares of needles found at one length and depth (the number is contained in the greedy answer).

    Attributes:
        length: tokens asked for; ``tokens`` is the documents' mean.
        depth: 0 (first) to 1 (last).
        adapter: with the document's adapter and nothing in the prompt.
        context: the base model with the text in its prompt; ``None`` beyond its window or if not asked for.
    """

    length: int
    tokens: float
    depth: float
    samples: int
    adapter: float
    context: float | None


@dataclass(frozen=True)
class NeedlesResult:
    """All cells, and means by length: length -> {"adapter", "context", "rank"}."""

    cells: list[NeedleCell]
    lengths: dict[int, dict[str, float | None]]


def evaluate_needles(
    model: D2LModel,
    lengths: Sequence[int],
    *,
    num_depths: int = 10,
    samples: int = 1,
    haystack: str | None = None,
    chunk_tokens: int | None = None,
    max_rank: int | None = None,
    with_context: bool = True,
    study: Callable[[str], Sequence[QA]] | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> NeedlesResult:
    """Hide a four-digit number at ``num_depths`` depths of documents of each length and ask for it.

    Args:
        lengths: tokens of the documents, noise and needle together (met up to a sentence).
        haystack: real prose with several differently worded needles, one of which is asked for (harder); by default
            the repeated noise of RULER and of the Doc-to-LoRA paper.
        max_rank: of every adapter.
        study: the pairs that a document is studied with; not studied by default.

    Raises:
        InputError: a length shorter than a needle, or an empty haystack.
    """
    if min(lengths) < 32:
        raise InputError("--lengths must be at least 32 tokens")
    tokenizer = model.base.tokenizer
    sample = noise(500) if haystack is None else haystack[:20_000]
    if not sample.strip():
        raise InputError("the haystack file holds no text", "give a text file of some pages")
    words_per_token = len(sample.split()) / len(tokenizer(sample)["input_ids"])
    cells: list[NeedleCell] = []
    ranks: dict[int, list[float]] = {length: [] for length in lengths}
    total, done = len(lengths) * num_depths * samples, 0
    for length in lengths:
        words = max(1, round((length - 16 * (1 if haystack is None else 4)) * words_per_token))
        for step in range(num_depths):
            depth = step / max(1, num_depths - 1)
            found: list[float] = []
            in_context: list[float] = []
            tokens: list[int] = []
            for number in range(samples):
                index = (length * num_depths + step) * samples + number
                if haystack is None:
                    document = needle_document(index, seed=seed, num_words=words, depth=depth, split="validation")
                else:
                    document = prose_needle_document(index, haystack, seed=seed, num_words=words, depth=depth)
                chunks, pairs = model.chunk(document.context, chunk_tokens), study(document.context) if study else ()
                lora = model.generate(chunks, max_rank=max_rank, pairs=pairs).weights
                ranks[length].append(lora.r)
                found.append(_ask(model, document, lora))
                tokens.append(len(tokenizer(document.context)["input_ids"]))
                if with_context and tokens[-1] + MAX_NEW_TOKENS + 64 <= model.base.context_window:
                    in_context.append(_ask(model, document, None))
                done += 1
                if on_progress:
                    on_progress(done, total)
            context = mean(in_context) if len(in_context) == samples else None
            cells.append(NeedleCell(length, mean(tokens), round(depth, 3), samples, mean(found), context))
    by_length: dict[int, dict[str, float | None]] = {}
    for length in lengths:
        row = [cell for cell in cells if cell.length == length]
        context = [cell.context for cell in row if cell.context is not None]
        by_length[length] = {
            "adapter": mean([cell.adapter for cell in row]),
            "context": mean(context) if len(context) == len(row) else None,
            "rank": mean(ranks[length]),
        }
    return NeedlesResult(cells, by_length)


def _ask(model: D2LModel, document: Document, lora: LoraWeights | None) -> float:
    """1 if the needle is in the answer: with the adapter, or without one and the text in the prompt."""
    (asked,) = document.questions
    messages = question_messages(
        asked.question,
        context=document.context if lora is None else None,
        system=model.config.question_system,
        short=True,
    )
    prompt = chat_ids(model.base, messages)
    with apply_lora(model.base.model, lora and lora.to(model.base.device)):
        (reply,) = generate(model.base, [prompt], GenerationConfig(MAX_NEW_TOKENS))
    return answer_recall(reply, asked.answers)
