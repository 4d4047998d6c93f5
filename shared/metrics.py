"""Metrics of generated answers."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def normalize_answer(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single spaces (Rajpurkar et al. 2016)."""
    text = "".join(ch for ch in text.lower() if ch not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def token_f1(prediction: str, answers: Sequence[str]) -> float:
    """Best F1 of the overlapping words with any accepted answer."""

    def f1(answer: str) -> float:
        p, a = normalize_answer(prediction).split(), normalize_answer(answer).split()
        common = sum((Counter(p) & Counter(a)).values())
        return 2 * common / (len(p) + len(a)) if common else float(p == a)

    return max(f1(answer) for answer in answers)


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1 if the normalised prediction is one of the accepted answers."""
    return float(any(normalize_answer(prediction) == normalize_answer(answer) for answer in answers))


def output_match(prediction: str, outputs: Sequence[str], *, verbatim: bool = False) -> float:
    """1 if a task's answer is one of its right outputs.

    Articles count, since "A" is an answer; case, runs of white space and a final full stop do not.

    Args:
        verbatim: they do count, for tasks on the form of the output.
    """

    def form(text: str) -> str:
        return text.strip() if verbatim else " ".join(text.split()).removesuffix(".").rstrip().casefold()

    return float(any(form(prediction) == form(output) for output in outputs))


def answer_recall(prediction: str, answers: Sequence[str]) -> float:
    """1 if an accepted answer is contained in the prediction, as whole words."""
    padded = f" {normalize_answer(prediction)} "
    return float(any(f" {normalize_answer(answer)} " in padded for answer in answers if normalize_answer(answer)))


def rouge_l(prediction: str, answers: Sequence[str]) -> float:
    """Best ROUGE-L F1 with any reference (Lin 2004): longest common subsequence of lower-case words."""

    def score(answer: str) -> float:
        p, a = re.findall(r"\w+", prediction.lower()), re.findall(r"\w+", answer.lower())
        if not p or not a:
            return float(p == a)
        row = [0] * (len(a) + 1)
        for word in p:
            previous = 0
            for j, other in enumerate(a, 1):
                previous, row[j] = row[j], previous + 1 if word == other else max(row[j], row[j - 1])
        return 2 * row[-1] / (len(p) + len(a))

    return max(score(answer) for answer in answers)


def spread(items: Sequence[T], count: int | None) -> tuple[T, ...]:
    """``count`` of the items, evenly spaced; all if there are no more, or ``count`` is ``None``."""
    if count is None or len(items) <= count:
        return tuple(items)
    return tuple(items[i * len(items) // count] for i in range(count))


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; nan for none."""
    return sum(values) / len(values) if values else float("nan")
