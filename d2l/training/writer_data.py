"""Training data of the question writer: windows of text, each with question-answer pairs in the order of the text."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from d2l.questions import PUBLISHABLE, QA, Context, read_docqa
from d2l.study.pairs import find_answer, named_words, pair_line, prompt_ids, prompt_text, usable
from d2l.study.windows import Window, cut_windows
from d2l.synthetic import draft_document
from d2l.synthetic.layouts import Page
from d2l.synthetic.questions import ask
from d2l.synthetic.words import SplitName
from d2l.training.writer_sections import section
from shared.base.chat import pad_answers
from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError

# Relations, not questions ("What entity does X have the relation 'participant of' with?").
_NO_QUESTIONS = ("wiki_hop",)
_PREFIX = re.compile(
    r"^(?:According to the document,|In the text,|From the notes:|Going by the document,|Quick check:)"
)
_NAME = re.compile(r"(?<=[\w,;] )(?:[A-Z][\w'-]+)(?: (?:of |the )?[A-Z][\w'-]+){0,3}")


@dataclass(frozen=True)
class WriterDataConfig(Config):
    """What a training step of the question writer consists of.

    Attributes:
        qamr, fairytale, policy, docqa: JSONL files of real questions (see ``d2l.questions.read_docqa``); of ``docqa``
            only ``PUBLISHABLE`` sets are used. Without files all rows are generated.
        qamr_share, fairytale_share, policy_share, docqa_share, generated_share: relative frequencies of the sources.
        sections: share of the generated rows that are near-equal facts under headings (``writer_sections``).
        titled: share of the real rows with a name from their text as the title.
        rows_per_step: rows of a batch.
        max_pairs: most pairs of a row.
        nameless: how often a question is drawn that names fewer than two things of its window, relative to one that
            names two; one that names three is drawn twice as often as that, and so on.
        max_tokens: longest row; longer ones lose their last pairs.
        pool_steps: the rows of so many steps are sorted by length before they are cut into batches.
    """

    qamr: str | None = None
    fairytale: str | None = None
    policy: str | None = None
    docqa: str | None = None
    qamr_share: float = 0.42
    fairytale_share: float = 0.1
    policy_share: float = 0.04
    docqa_share: float = 0.12
    generated_share: float = 0.32
    sections: float = 0.6
    titled: float = 0.3
    rows_per_step: int = 12
    max_pairs: int = 6
    nameless: float = 0.1
    max_tokens: int = 224
    pool_steps: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rows_per_step", "max_pairs", "pool_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"data.{name} must be at least 1")


@dataclass(frozen=True)
class Passage:
    """A window and what can be asked about it.

    Attributes:
        complete: the pairs cover everything that the window says, so a reply may end behind them.
    """

    window: Window
    pairs: tuple[QA, ...]
    complete: bool

    @property
    def names_something(self) -> bool:
        """Whether a question names two things of the window."""
        return any(named_words(qa.question, self.window) > 1 for qa in self.pairs)


@dataclass
class WriterBatch:
    """ids, mask: prompts with their replies, (rows, T). targets: the replies' tokens, (rows, T) bool."""

    ids: Tensor
    mask: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device) -> "WriterBatch":
        return WriterBatch(self.ids.to(device), self.mask.to(device), self.targets.to(device))


def real_passages(contexts: Sequence[Context]) -> list[Passage]:
    """Windows of real documents, with the questions whose answers stand in them.

    An answer that occurs in several windows belongs to the one that shares most words with its question.
    """
    passages = []
    for context in contexts:
        windows = cut_windows(context.text, _topic(context.text))
        asked: dict[int, list[QA]] = {}
        for qa in context.questions:
            fits = [i for i, window in enumerate(windows) if usable(qa.question, qa.answer, window)]
            if fits:
                best = max(fits, key=lambda i: named_words(qa.question, windows[i]))
                asked.setdefault(best, []).append(qa)
        passages += [Passage(windows[i], tuple(pairs), False) for i, pairs in sorted(asked.items())]
    return passages


def _topic(text: str) -> str:
    """The name that a text uses most: what its title would likely say."""
    names = Counter(_NAME.findall(text))
    return max(names, key=lambda name: (names[name], len(name)), default="")


def generated_passage(index: int, config: WriterDataConfig, split: SplitName) -> Passage:
    """Generated passage number ``index``: a window of a generated document, or rows under headings."""
    rng = random.Random(f"{config.seed}/{split}/writer/{index}")
    while True:
        if rng.random() < config.sections:
            window, pairs = section(rng, split)
            return Passage(window, tuple(_clean(qa) for qa in pairs), True)
        found = _document_passages(rng.randrange(1 << 40), rng, config, split)
        if found:
            return rng.choice(found)


def _document_passages(index: int, rng: random.Random, config: WriterDataConfig, split: SplitName) -> list[Passage]:
    """The windows of one generated document with the facts whose entity they, or their headings, name."""
    draft = draft_document(index, seed=config.seed, split=split)
    page = Page(rng, split)
    passages = []
    for window in cut_windows(draft.document.context):
        around = f"{window.context}\n{window.text}"
        pairs = [
            _clean(QA(ask(page, fact), (fact.value.answer,)))
            for fact in draft.facts
            if find_answer(fact.value.answer, window.text) >= 0 and find_answer(fact.entity.name, around) >= 0
            for _ in range(2)
        ]
        # Those ask for entities, too ("Which project has 66% as the share of work done?").
        pairs += [_clean(QA(q.question, (q.answer,))) for q in draft.document.questions if q.kind == "fact"]
        kept = tuple(qa for qa in pairs if usable(qa.question, qa.answer, window) and named_words(qa.question, window))
        if kept:
            passages.append(Passage(window, kept, True))
    return passages


def _clean(qa: QA) -> QA:
    """Without "According to the document," and the like, since it stands for itself; an order becomes a question."""
    text = re.sub(r"\bis (?:given|listed) as\b", "is", _PREFIX.sub("", qa.question).strip())
    for order, start in (("Give the ", "What is the "), ("I need the ", "What is the ")):
        if text.lower().startswith(order.lower()):
            text = start + text[len(order) :].rstrip(".") + "?"
    return QA(text[0].upper() + text[1:], qa.answers, qa.kind)


class WriterData:
    """Makes batch number i, the same on every machine and in every run with the same configuration."""

    def __init__(self, config: WriterDataConfig, base: BaseModel, split: SplitName = "train") -> None:
        """Raises InputError where a file is missing or has nothing that can be used."""
        self.config, self.base, self.split = config, base, split
        self.real: dict[str, list[Passage]] = {}
        for name in ("qamr", "fairytale", "policy", "docqa"):
            path = getattr(config, name)
            if not path or not getattr(config, f"{name}_share"):
                continue
            contexts = read_docqa(Path(path))
            if name == "docqa":
                contexts = [c for c in contexts if c.dataset in PUBLISHABLE and c.dataset not in _NO_QUESTIONS]
            passages = [
                p for p in real_passages(contexts) if any(named_words(q.question, p.window) > 1 for q in p.pairs)
            ]
            if not passages:
                raise InputError(f"{path} has no question with a literal answer")
            self.real[name] = passages
        self._pool: Callable[[int], list[WriterBatch]] = lru_cache(maxsize=2)(self._make_pool)

    def row(self, index: int) -> tuple[Passage, list[QA]]:
        """Passage number ``index`` with the pairs drawn from it, in the order of the text."""
        config = self.config
        rng = random.Random(f"{config.seed}/{self.split}/row/{index}")
        names = [*self.real, "generated"]
        source = rng.choices(names, [getattr(config, f"{name}_share") for name in names])[0] if self.real else names[-1]
        if source == "generated":
            passage = generated_passage(index, config, self.split)
        else:
            passage = rng.choice(self.real[source])
            if rng.random() >= config.titled:
                passage = Passage(Window(passage.window.text), passage.pairs, passage.complete)
        return passage, draw_pairs(rng, passage, config.max_pairs, config.nameless)

    def encode(self, passage: Passage, pairs: Sequence[QA]) -> tuple[list[int], list[int]]:
        """Token ids of a row's prompt and reply. A reply that may end there is closed by the end-of-turn token."""
        prompt = prompt_ids(self.base.tokenizer, prompt_text(passage.window))[: self.config.max_tokens - 8]
        reply: list[int] = []
        for number, pair in enumerate(pairs, 1):
            line = self.base.tokenizer(pair_line(pair), add_special_tokens=False)["input_ids"]
            if reply and len(prompt) + len(reply) + len(line) >= self.config.max_tokens:
                break
            reply += line
            if number == self.config.max_pairs or (passage.complete and number == len(pairs)):
                reply.append(self.base.tokenizer.eos_token_id)
        return prompt, reply[: self.config.max_tokens - len(prompt)]

    def _make_pool(self, number: int) -> list[WriterBatch]:
        config = self.config
        count = config.rows_per_step * config.pool_steps
        rows = [self.encode(*self.row(number * count + i)) for i in range(count)]
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        groups = [rows[i : i + config.rows_per_step] for i in range(0, count, config.rows_per_step)]
        random.Random(f"{config.seed}/{self.split}/pool/{number}").shuffle(groups)
        pad_id = self.base.tokenizer.pad_token_id
        return [WriterBatch(*pad_answers(*map(list, zip(*group, strict=True)), pad_id)) for group in groups]

    def batch(self, step: int) -> WriterBatch:
        """Batch number ``step``; its rows are similar in length."""
        return self._pool(step // self.config.pool_steps)[step % self.config.pool_steps]


def draw_pairs(rng: random.Random, passage: Passage, count: int, nameless: float) -> list[QA]:
    """Up to ``count`` pairs at random in the order of the text: different answers first, named questions rather."""
    weights = [max(nameless, named_words(qa.question, passage.window) - 1) for qa in passage.pairs]
    # Weighted sampling without replacement (Efraimidis and Spirakis 2006).
    keys = [rng.random() ** (1 / max(weight, 1e-6)) for weight in weights]
    ordered = [passage.pairs[i] for i in sorted(range(len(keys)), key=lambda i: -keys[i])]
    chosen: list[QA] = []
    answers: set[str] = set()
    for again in (False, True):
        for qa in ordered:
            if len(chosen) < count and qa not in chosen and again == (qa.answer.lower() in answers):
                chosen.append(qa)
                answers.add(qa.answer.lower())
        if passage.complete:
            break  # one wording a fact: the others come in other draws
    return sorted(chosen, key=lambda qa: find_answer(qa.answer, passage.window.text))
