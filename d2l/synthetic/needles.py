"""Needle in a haystack: one number hidden in repeated noise (the task of RULER and of the Doc-to-LoRA paper)."""

from __future__ import annotations

import random
import re

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
    needle = f"The special magic number is {number}."
    sentences.insert(round(depth * len(sentences)), needle)
    question = Question(NEEDLE_QUESTION, number, (number,), "fact", needle)
    return Document(" ".join(sentences), (question,), "needle", split)


def noise(num_words: int, *, start: int = 0) -> str:
    """The haystack alone, from sentence number ``start`` of its cycle on."""
    return " ".join(_noise_sentences(num_words, start))


PLACES = ("Lisbon", "Oslo", "Nairobi", "Quito", "Hanoi", "Perth", "Tunis", "Riga", "Lima", "Seoul", "Cork", "Basel")
# Statement and question word the same fact differently; {place} tells the needles of one document apart.
PROSE_NEEDLES = (
    ("The storage unit in {place} opens with the code {number}.", "Which code opens the storage unit in {place}?"),
    (
        "Anyone calling the office in {place} should dial {number}.",
        "What is the phone extension of the {place} office?",
    ),
    (
        "In {place}, the parcel was registered under {number}.",
        "Under which number was the parcel in {place} registered?",
    ),
    ("Room {number} is reserved for the delegation from {place}.", "Which room does the {place} delegation have?"),
    ("Our invoice to the client in {place} carries the number {number}.", "What is the invoice number for {place}?"),
    ("The bus to {place} leaves from bay {number}.", "From which bay does the bus to {place} leave?"),
)


def prose_needle_document(
    index: int, prose: str, *, seed: int, num_words: int, depth: float, num_needles: int = 3
) -> Document:
    """Several needles of varied wording in real prose, one of which is asked for.

    Args:
        prose: text to cut the haystack from, at a place drawn for each document; repeated if it is too short.
        num_words: words of the haystack.
        depth: where the asked needle stands, 0 (first) to 1 (last); the others stand anywhere.

    Raises:
        ValueError: prose without words, or a depth outside 0 to 1.
    """
    rng = random.Random(f"{seed}/prose-needle/{index}")
    sentences = [sentence for sentence in re.split(r"(?<=[.!?])\s+", prose) if sentence.strip()]
    if not sentences or not 0 <= depth <= 1:
        raise ValueError("the haystack needs words, and a depth between 0 and 1")
    start, haystack, words = rng.randrange(len(sentences)), [], 0
    while words < num_words:
        haystack.append(sentences[(start + len(haystack)) % len(sentences)])
        words += len(haystack[-1].split())
    places = rng.sample(PLACES, num_needles)
    facts = [(rng.choice(PROSE_NEEDLES), place, str(rng.randint(1000, 9999))) for place in places]
    (statement, question), place, number = facts[0]
    at = round(depth * len(haystack))
    haystack.insert(at, statement.format(place=place, number=number))
    for (other, _), elsewhere, figure in facts[1:]:
        haystack.insert(rng.randint(0, len(haystack)), other.format(place=elsewhere, number=figure))
    asked = Question(question.format(place=place), number, (number,), "fact")
    return Document(" ".join(haystack), (asked,), "prose needle", "validation")


def _noise_sentences(num_words: int, start: int = 0) -> list[str]:
    sentences: list[str] = []
    words = 0
    while words < num_words:
        sentence = NOISE_SENTENCES[(start + len(sentences)) % len(NOISE_SENTENCES)]
        sentences.append(sentence)
        words += len(sentence.split())
    return sentences
