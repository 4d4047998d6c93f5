"""What a procedural task is composed of: a source of inputs, an operation or a choice of labels, an output format."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One input: its text, and what the operations need to know about it."""

    text: str
    value: Any = None


@dataclass(frozen=True)
class Source:
    """A kind of input that many tasks share.

    Attributes:
        thing: what a description calls one input, without article.
        item, items: what a description calls the parts of a list.
        separator: between the items of the input, and of an output that is a list.
    """

    name: str
    thing: str
    draw: Callable[[Random], Sample]
    item: str = "item"
    items: str = "items"
    separator: str = ", "


@dataclass(frozen=True)
class Phrases:
    """Interchangeable phrases: for training descriptions, and for held-out ones."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def phrases(text: str) -> Phrases:
    """Phrases from ``a; b || c``: a and b for training, c held out (without ``||``, the same for both)."""
    train, _, held_out = text.partition("||")
    return Phrases(_split(train), _split(held_out) or _split(train))


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


@dataclass(frozen=True)
class Operation:
    """What a task computes.

    Attributes:
        kind: name of the task kind; a kind is for training or held out as a whole.
        sources: names of the sources it works on.
        apply: the answer to an input (a list is written in the task's format); None if the input does not suit.
        actions: imperative phrases ("sort the {items}").
        results: noun phrases for the answer ("the sorted {items}").
        form: ``text``, ``number``, ``whole`` (the input, changed) or ``list``; decides which formats fit.
    """

    kind: str
    sources: tuple[str, ...]
    apply: Callable[[Sample], str | list[str] | None]
    actions: Phrases
    results: Phrases
    form: str


@dataclass(frozen=True)
class LabelSet:
    """The words that a choice is answered with, one per class; ``plain`` if they explain themselves."""

    words: tuple[str, ...]
    plain: bool


@dataclass(frozen=True)
class Choice:
    """A task with a closed set of answers.

    Attributes:
        classify: the index of an input's class; None if the input does not suit.
        what: noun phrase for what is decided ("the sentiment of the review").
        conditions: for each class a clause that says when it is right ("the writer is pleased").
    """

    kind: str
    sources: tuple[str, ...]
    classify: Callable[[Sample], int | None]
    what: Phrases
    conditions: tuple[Phrases, ...]
    label_sets: tuple[LabelSet, ...]


def operation(kind: str, sources: str, apply: Callable, actions: str, results: str, form: str = "text") -> Operation:
    """An operation from a row of a table, see ``phrases``; ``sources`` are separated by spaces."""
    return Operation(kind, tuple(sources.split()), apply, phrases(actions), phrases(results), form)


def choice(kind: str, sources: str, classify: Callable, what: str, conditions: list[str], labels: list[str]) -> Choice:
    """A choice from a row of a table; ``labels`` are like ``good/bad``, or ``?yes/no`` if they need explaining."""
    sets = tuple(LabelSet(tuple(text.lstrip("?").split("/")), not text.startswith("?")) for text in labels)
    assert all(len(label_set.words) == len(conditions) for label_set in sets), kind
    return Choice(kind, tuple(sources.split()), classify, phrases(what), tuple(map(phrases, conditions)), sets)
