"""Decodes one reply of the question writer under its form: answers are spans of the text, in the order of the text.

Left free, a small model repeats its likeliest pair and names answers that do not stand in the text. Here an answer can
only be a span of the window that starts behind the last one's start, so a reply walks through the window.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from d2l.chunking import split_sentences
from d2l.study.pairs import content_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QUESTION_TOKENS = 40  #: longer ones are cut, and then not used
_ANSWER_CHARACTERS = 80
_CANDIDATES = 64  # tokens that sampling chooses from: sorting the whole vocabulary takes longer than the model
_LEAST_MASS = 0.001  # of the spans that are left, to go on with the next pair
_OPENERS, _CLOSERS = "$€£#", "%°)'\"’”"


@dataclass(frozen=True)
class Form:
    """The fixed parts of a reply, in a tokenizer's tokens.

    Attributes:
        head: "A:", in front of an answer.
        mark: " Q:", in front of a question.
        newline: closes a pair.
        line_ends: all tokens with a line break in them.
        ends: tokens that may close a reply.
    """

    head: tuple[int, ...]
    mark: tuple[int, ...]
    newline: int
    line_ends: frozenset[int]
    ends: frozenset[int]

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerBase") -> "Form":
        def ids(text: str) -> tuple[int, ...]:
            return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

        line_ends = frozenset(i for i in range(len(tokenizer)) if "\n" in tokenizer.decode([i]))
        return cls(ids("A:"), ids(" Q:"), ids("\n")[-1], line_ends, line_ends | {tokenizer.eos_token_id})


@dataclass(frozen=True)
class Span:
    """All answers that start at one word: ids of the text from there on, as they stand behind "A:".

    Attributes:
        start: of the word, in characters of the text.
        stops: for each number of tokens, whether an answer may end behind them.
    """

    start: int
    ids: tuple[int, ...]
    stops: tuple[bool, ...]


def spans_of(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[Span]:
    """The spans of a window's text, each within a sentence or a row."""
    ends: list[int] = []
    for sentence in split_sentences(text):
        ends += [len(ends) + len(sentence.rstrip())] * len(sentence)
    spans = []
    for start, character in enumerate(text):
        before = text[start - 1] if start else " "
        inside = character.isalnum() and (before.isalnum() or before in _OPENERS or _joins(text, start - 1))
        if inside or not (character.isalnum() or character in _OPENERS):
            continue
        rest = text[start : min(ends[start], start + _ANSWER_CHARACTERS)]
        ids = tokenizer(f" {rest}", add_special_tokens=False)["input_ids"]
        stops = []
        for number in range(1, len(ids) + 1):
            answer = tokenizer.decode(ids[:number])[1:]
            stops.append(rest.startswith(answer) and _may_stop(text[start:], len(answer)))
        # No answer is left without an end: what lies behind the last stop goes.
        length = max((number for number, stop in enumerate(stops, 1) if stop), default=0)
        if length:
            spans.append(Span(start, tuple(ids[:length]), tuple(stops[:length])))
    return spans


def _joins(text: str, index: int) -> bool:
    """Whether a mark stands inside a word or a number (20,000; 3.29; half-year)."""
    around = text[index - 1 : index] + text[index + 1 : index + 2]
    return index > 0 and text[index] in ".,'’-–/:" and len(around) == 2 and around.isalnum()


def _may_stop(text: str, stop: int) -> bool:
    """Whether an answer may end there: behind a word, and with something that means anything."""
    if stop < 1 or not (text[stop - 1].isalnum() or text[stop - 1] in _CLOSERS):
        return False
    if stop < len(text) and (text[stop].isalnum() or text[stop] == "%" or _joins(text, stop)):
        return False
    return bool(content_words(text[:stop]))


class Reply:
    """A reply in the making.

    Args:
        spans: of its window.
        stream: random numbers of its own; without them it is greedy.
    """

    def __init__(
        self, form: Form, spans: Sequence[Span], stream: random.Random | None, *, top_p: float, max_pairs: int
    ) -> None:
        self.form, self.spans, self.stream, self.top_p, self.max_pairs = form, spans, stream, top_p, max_pairs
        self.ids: list[int] = []
        self.done = not spans
        self._phase: Literal["line", "answer", "question"] = "line"
        self._due: list[int] = []  # tokens of the form that come next
        self._alive: list[Span] = []  # spans that go on as the answer so far
        self._depth = self._pairs = self._length = 0
        self._last = -1  # start of the last answer

    def step(self, log_probs: Tensor, top: Tensor, index: Tensor) -> None:
        """Add the next token.

        Args:
            log_probs: of all tokens at the sampling temperature, (vocabulary,).
            top, index: the largest of them and their tokens, (candidates,).
        """
        if self._due:
            self.ids.append(self._due.pop(0))
        elif self._phase == "line":
            self._open(log_probs)
        elif self._phase == "answer":
            self._answer(log_probs)
        else:
            self._question(top, index)

    def _open(self, log_probs: Tensor) -> None:
        self._alive = [span for span in self.spans if span.start > self._last]
        choices = [self.form.head[0], *(self.form.ends if self._pairs else ())]
        if self._pairs >= self.max_pairs or not self._alive or self._pick(log_probs, choices) != choices[0]:
            self.done = True
            return
        self.ids.append(self.form.head[0])
        self._due, self._phase, self._depth = list(self.form.head[1:]), "answer", 0

    def _answer(self, log_probs: Tensor) -> None:
        going_on = [span for span in self._alive if len(span.ids) > self._depth]
        choices = list(dict.fromkeys(span.ids[self._depth] for span in going_on))
        stopped = [span for span in self._alive if self._depth and span.stops[self._depth - 1]]
        if stopped:
            choices.append(self.form.mark[0])
        if self._depth == 0 and self._pairs and self._mass(log_probs, choices) < _LEAST_MASS:
            self.done = True
            del self.ids[-len(self.form.head) :]
            return
        token = self._pick(log_probs, choices)
        self.ids.append(token)
        if stopped and token == self.form.mark[0]:
            self._last = stopped[0].start
            self._due, self._phase, self._length = list(self.form.mark[1:]), "question", 0
            return
        self._alive = [span for span in going_on if span.ids[self._depth] == token]
        self._depth += 1

    def _question(self, top: Tensor, index: Tensor) -> None:
        self._length += 1
        token = int(index[self._draw(top.exp())]) if self._length <= QUESTION_TOKENS else self.form.newline
        if token in self.form.ends:
            self._pairs += 1
            self._phase = "line"
            self.done = token not in self.form.line_ends or self._pairs >= self.max_pairs
        self.ids.append(token)

    @staticmethod
    def _mass(log_probs: Tensor, choices: list[int]) -> float:
        return log_probs[choices].exp().sum().item()

    def _pick(self, log_probs: Tensor, choices: list[int]) -> int:
        """One of some tokens, by their probabilities among each other."""
        if len(choices) == 1:
            return choices[0]
        probabilities, order = log_probs[choices].softmax(-1).sort(descending=True, stable=True)
        return choices[int(order[self._draw(probabilities)])]

    def _draw(self, probabilities: Tensor) -> int:
        """Place in falling probabilities: the first, or one of the nucleus (Holtzman et al. 2020)."""
        if self.stream is None:
            return 0
        sums = probabilities.cumsum(-1)
        # The nucleus: up to the first one with which the mass reaches top_p.
        last = min(int((sums < self.top_p).sum()), len(sums) - 1)
        return min(int((sums[: last + 1] <= self.stream.random() * sums[last]).sum()), last)


def step_all(replies: Sequence[Reply], logits: Tensor, temperature: float) -> None:
    """Add a token to each reply. logits: (replies, vocabulary), on any device."""
    log_probs = torch.log_softmax(logits.float() / temperature, dim=-1)
    top, index = log_probs.topk(min(_CANDIDATES, log_probs.shape[-1]), dim=-1)
    log_probs, top, index = log_probs.cpu(), top.cpu(), index.cpu()
    for row, reply in enumerate(replies):
        reply.step(log_probs[row], top[row], index[row])
