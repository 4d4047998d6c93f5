"""What a domain is made of: entities, their attributes, and the wordings each attribute has of its own.

The tables stand in `d2l.synthetic.domains`. In them `{e}` is the entity, `{v}` the
value; `||` separates wordings for training from wordings for validation (see `words.phrases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from d2l.synthetic.values import ValueMaker
from d2l.synthetic.words import Split, SplitName, phrases


@dataclass(frozen=True)
class Attribute:
    """Something a document can say of an entity."""

    key: str
    make: ValueMaker | None  #: draws a value; None for a link, whose value is another entity
    nouns: Split  #: what the attribute is called, fits after "the"
    statements: Split  #: its own sentences, without capital and full stop
    questions: Split  #: its own questions
    asks: Literal["What", "Who"] = "What"  #: question word of the general questions
    target: str = ""  #: kind of the entity a link points to
    clause: Split | None = None  #: links only: "the team that runs {e}", replaces an entity in chained questions


@dataclass(frozen=True)
class Domain:
    """A kind of document: main entities with attributes, and sometimes linked entities with theirs."""

    key: str
    kind: str  #: kind of the main entities; "regional" means a food in a region
    titles: Split
    attributes: tuple[Attribute, ...]
    linked: tuple[Attribute, ...] = ()  #: attributes of the entities that links point to
    splits: tuple[SplitName, ...] = ("train", "validation")  #: where the domain is used


def attribute(
    key: str, make: ValueMaker, nouns: str, statements: str, questions: str, asks: Literal["What", "Who"] = "What"
) -> Attribute:
    """An attribute with a plain value, from texts in the `phrases` notation."""
    return Attribute(key, make, phrases(nouns), phrases(statements), phrases(questions), asks)


def link(key: str, target: str, nouns: str, statements: str, questions: str, clause: str) -> Attribute:
    """An attribute whose value is another entity, which the document describes too."""
    return Attribute(
        key, None, phrases(nouns), phrases(statements), phrases(questions), target=target, clause=phrases(clause)
    )
