"""What a document is studied with: questions that the writer asks about all of it, and how many of them it answers."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

import torch

from d2l.questions import QA
from d2l.study.pairs import KIND, drop_ambiguous
from d2l.study.rows import Prompt, prompt_batches
from d2l.study.windows import Window, cut_windows
from d2l.study.writer import QuestionWriter
from shared.base.chat import pad_answers
from shared.base.model import BaseModel
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import spread
from shared.paths import home
from shared.training.losses import logits_at

#: Pairs that one reply to each of a chunk's windows brings, roughly.
PAIRS_PER_SAMPLE = 10
CHECKED = 64


class PairCache:
    """Written pairs on disk, by the writer and the window: an edited document has only its changed windows asked about.

    Args:
        identity: of the writer.
        root: folder of the files, by default in ``HYPERLORA_HOME``.
    """

    def __init__(self, identity: str, root: Path | None = None) -> None:
        self.directory = (root or home() / "pairs") / identity[:32]

    def _file(self, window: Window, samples: int) -> Path:
        text = json.dumps([window.context, window.text, samples])
        return self.directory / f"{hashlib.sha256(text.encode()).hexdigest()}.json"

    def get(self, window: Window, samples: int) -> list[QA] | None:
        """Pairs of a window, or ``None``; a damaged file counts as absent."""
        try:
            records = json.loads(self._file(window, samples).read_text(encoding="utf-8"))
            return [QA(str(question), (str(answer),), KIND) for question, answer in records]
        except (OSError, ValueError, TypeError):
            return None

    def put(self, window: Window, samples: int, pairs: Sequence[QA]) -> None:
        """Keep pairs; a full disk or a read-only home only means that they will be written again."""
        file = self._file(window, samples)
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = file.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps([[qa.question, qa.answer] for qa in pairs]), encoding="utf-8")
            temporary.replace(file)
        except OSError:
            pass


def keep_studied(pairs: Sequence[QA], root: Path | None = None) -> str:
    """Keep the pairs of a whole study in ``HYPERLORA_HOME``, so that it can be done again; returns their name."""
    text = json.dumps([[qa.question, list(qa.answers)] for qa in pairs])
    name = hashlib.sha256(text.encode()).hexdigest()
    directory = (root or home()) / "studied"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = directory / f"{name}.{os.getpid()}"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(directory / f"{name}.json")
    except OSError:
        pass
    return name


def kept_studied(name: str, root: Path | None = None) -> list[QA] | None:
    """Pairs that ``keep_studied`` kept, or ``None``."""
    try:
        text = ((root or home()) / "studied" / f"{name}.json").read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() != name:
            return None
        return [QA(question, tuple(answers), KIND) for question, answers in json.loads(text)]
    except (OSError, ValueError, TypeError):
        return None


def write_pairs(
    writer: QuestionWriter,
    text: str,
    limit: int,
    num_chunks: int,
    *,
    title: str | None = None,
    cache: PairCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[QA]:
    """Questions on a document with their answers, spread over all of it.

    Args:
        limit: largest number of pairs for each of ``num_chunks`` chunks.
        title: of the document, context of each question.
        on_progress: called with windows done and all of them.
    """
    windows = cut_windows(text, title)
    samples = max(1, math.ceil(limit / PAIRS_PER_SAMPLE))
    written = [cache.get(window, samples) if cache else None for window in windows]
    missing = [index for index, pairs in enumerate(written) if pairs is None]
    if missing:
        made = writer.write([windows[index] for index in missing], samples=samples, on_progress=on_progress)
        for index, pairs in zip(missing, made, strict=True):
            written[index] = pairs
            if cache:
                cache.put(windows[index], samples, pairs)
    clear = drop_ambiguous(written, windows)
    # A pair of every window in turn, so that a limit leaves no part of the document out.
    in_turn = [pair for row in zip_longest(*clear) for pair in row if pair is not None]
    return in_turn[: limit * num_chunks]


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
