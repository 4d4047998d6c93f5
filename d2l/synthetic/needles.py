"""Needle in a haystack: one number hidden in repeated noise (the task of RULER and of the Doc-to-LoRA paper)."""

from __future__ import annotations

import random

from d2l.synthetic.documents import Document
from d2l.synthetic.questions import Question
from d2l.synthetic.words import SplitName

NOISE_SENTENCES = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)
NEEDLE_QUESTION = "What is the special magic number?"


def needle_document(
    index: int, *, seed: int, num_words: int, depth: float | None = None, split: SplitName = "train"
) -> Document:
    """A needle in `num_words` words of noise.

    Args:
        index: position in the sequence of documents named by `seed` and `split`.
        seed: names the sequence.
        num_words: words of noise, rounded up to whole sentences; 0 gives the bare needle.
        depth: where the needle stands, 0 (first) to 1 (last); drawn evenly if None.
        split: changes the numbers and depths, not the wording.

    Raises:
        ValueError: for a depth outside 0 to 1.
    """
    rng = random.Random(f"{seed}/{split}/needle/{index}")
    number, drawn_depth = str(rng.randint(1000, 9999)), rng.random()
    depth = drawn_depth if depth is None else depth
    if not 0 <= depth <= 1:
        raise ValueError(f"depth must be between 0 and 1, not {depth}")
    sentences = _noise_sentences(num_words)
    sentences.insert(round(depth * len(sentences)), f"The special magic number is {number}.")
    question = Question(NEEDLE_QUESTION, number, (number,), "fact")
    return Document(" ".join(sentences), (question,), "needle", split)


def noise(num_words: int, *, start: int = 0) -> str:
    """The haystack alone, from sentence number ``start`` of its cycle on."""
    return " ".join(_noise_sentences(num_words, start))


def _noise_sentences(num_words: int, start: int = 0) -> list[str]:
    sentences: list[str] = []
    words = 0
    while words < num_words:
        sentence = NOISE_SENTENCES[(start + len(sentences)) % len(NOISE_SENTENCES)]
        sentences.append(sentence)
        words += len(sentence.split())
    return sentences
