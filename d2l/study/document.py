"""What a document is studied with: questions that the writer asks about all of it, and how many of them it answers."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from d2l.model import D2LModel
from d2l.questions import QA
from d2l.reader import STDIN, DocumentText
from d2l.study.kept import PairCache
from d2l.study.pairs import drop_ambiguous
from d2l.study.rows import prompt_batches
from d2l.study.tables import table_pairs
from d2l.study.windows import cut_windows
from d2l.study.writer import QuestionWriter
from shared.base.chat import pad_answers
from shared.base.model import BaseModel
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import spread
from shared.training.losses import logits_at
from shared.training.packed import Prompt
from shared.training.refine import REFINE

#: Pairs that one reply to each of a chunk's windows brings, roughly.
PAIRS_PER_SAMPLE = 8
#: Pairs for each chunk by default, and how many of a document before they become fewer.
FEWEST_PAIRS, MOST_PAIRS, ALL_PAIRS = 18, 24, 192
#: Pairs of a long document by default: what the gradient steps can take once, asked in both forms.
LONGEST_STUDY = REFINE.most_steps * REFINE.batch_size // 2
CHECKED = 64


def write_pairs(
    writer: QuestionWriter,
    text: str,
    limit: int,
    num_chunks: int,
    *,
    share: float = 1.0,
    title: str | None = None,
    cache: PairCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[QA]:
    """Questions on a document with their answers, spread over all of it.

    Args:
        limit: largest number of pairs for each of ``num_chunks`` chunks.
        share: of the windows that are asked about, evenly spread, and of the pairs that there may be.
        title: of the document, context of each question.
        on_progress: called with windows done and all of them.
    """
    windows = cut_windows(text, title)
    if share < 1:
        windows = list(spread(windows, max(1, round(share * len(windows)))))
    samples = max(1, limit // PAIRS_PER_SAMPLE)
    # A row's cells are asked for by rule; the writer reads the rest.
    written: list[list[QA] | None] = [table_pairs(window) or None for window in windows]
    if cache:
        written = [found or cache.get(window, samples) for found, window in zip(written, windows, strict=True)]
    missing = [index for index, pairs in enumerate(written) if pairs is None]
    if missing:
        made = writer.write([windows[index] for index in missing], samples=samples, on_progress=on_progress)
        for index, pairs in zip(missing, made, strict=True):
            written[index] = pairs
            if cache:
                cache.put(windows[index], samples, pairs)
        if cache:
            cache.prune()
    clear = drop_ambiguous(written, windows)
    # A pair of every window in turn, so that a limit leaves no part of the document out.
    in_turn = [pair for row in zip_longest(*clear) for pair in row if pair is not None]
    return in_turn[: round(share * limit * num_chunks)]


def pairs_a_chunk(num_chunks: int) -> int:
    """Pairs for each chunk by default: more for short documents, where more wordings cost little; fewer for long ones,
    down to one reply to each window, for ``LONGEST_STUDY`` in all.
    """
    usual = max(FEWEST_PAIRS, min(MOST_PAIRS, ALL_PAIRS // max(1, num_chunks)))
    return max(PAIRS_PER_SAMPLE, min(usual, LONGEST_STUDY // max(1, num_chunks)))


def share_asked(num_chunks: int, study: int | None = None) -> float:
    """Share of a document's windows that are asked about: by default not all of those of a very long one.

    Args:
        study: pairs for each chunk that were asked for; then it is all of them.
    """
    return 1.0 if study is not None else min(1.0, LONGEST_STUDY / (PAIRS_PER_SAMPLE * max(1, num_chunks)))


def title_of(document: DocumentText) -> str | None:
    """A document's title for its questions: the name of its file."""
    return None if document.path == STDIN else Path(document.path).stem.replace("_", " ").replace("-", " ")


def share_of_all(model: D2LModel, documents: Sequence[DocumentText], study: int | None = None) -> float:
    """Share of several documents' text that is asked about; see ``share_asked``."""
    if study is not None:
        return 1.0
    counts = [len(model.chunk(document.text)) for document in documents]
    return sum(share_asked(count, study) * count for count in counts) / max(1, sum(counts))


def pairs_of_all(model: D2LModel, documents: Sequence[DocumentText], study: int | None, **options: Any) -> list[QA]:
    """Questions on several documents, one document's after the other's; arguments as in ``document_pairs``."""
    return [
        pair
        for document in documents
        for pair in document_pairs(model, document.text, study, title=title_of(document), **options)
    ]


def document_pairs(
    model: D2LModel,
    text: str,
    study: int | None = None,
    *,
    title: str | None = None,
    use_cache: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[QA]:
    """Questions about a document with their answers, by rule and by the writer that came with the hypernetwork.

    Args:
        study: largest number of pairs for each chunk; 0 for none; ``None``: ``pairs_a_chunk`` where there is such a
            writer, or the hypernetwork was never trained, else none; of a very long document a sample of its windows
            (``share_asked``). A base without a trained writer writes from a few examples in its prompt.
        title: context of each question.
        use_cache: keep the pairs in ``HYPERLORA_HOME``, and use those of earlier runs.

    Raises:
        InputError: questions for a hypernetwork that cannot study.
    """
    if study == 0 or (study is None and not (model.can_study and (model.writer or not model.trained))):
        return []
    if not model.can_study:
        raise InputError("this hypernetwork cannot study: its head has no memory", "leave --study out")
    writer, num_chunks = model.writer or QuestionWriter(model.base), len(model.chunk(text))
    return write_pairs(
        writer,
        text,
        study or pairs_a_chunk(num_chunks),
        num_chunks,
        share=share_asked(num_chunks, study),
        title=title,
        cache=PairCache(writer.identity) if use_cache else None,
        on_progress=on_progress,
    )


@torch.no_grad()
def answered_share(base: BaseModel, lora: LoraWeights, prompts: Sequence[Prompt], checked: int = CHECKED) -> float:
    """Share of prompts that the adapter answers word for word when it decodes greedily.

    A greedy answer is the wanted one if and only if each of its tokens is the likeliest behind those before it, so one
    forward pass tells.

    Args:
        checked: prompts that are asked, evenly spread over all of them.
    """
    asked, right = spread(prompts, checked), 0
    with apply_lora(base.model, lora.to(base.device, base.placement.dtype)):
        for part in prompt_batches(asked):
            ids, mask, targets = pad_answers(
                [p.question for p in part], [p.answer for p in part], base.tokenizer.pad_token_id, base.device
            )
            wrong = logits_at(base, ids, mask, targets).argmax(-1) != ids[targets]
            mistakes = torch.zeros(len(part), device=wrong.device).index_add(0, targets.nonzero()[:, 0], wrong.float())
            right += int((mistakes == 0).sum())
    return right / max(1, len(asked))
