"""Questions on the facts of a document, worded differently from the sentences that state them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from d2l.synthetic import grammar
from d2l.synthetic.entities import KINDS
from d2l.synthetic.layouts import Fact, Page, capital, fill
from d2l.synthetic.words import Split

NOT_IN_DOCUMENT = "The document does not say."


@dataclass(frozen=True)
class Question:
    """A question on a document, with its gold answer."""

    question: str
    answer: str
    answers: tuple[str, ...]  #: every accepted answer, `answer` first
    kind: Literal["fact", "multi", "unanswerable"]
    stated: str = ""  #: the answer in whole sentences that name what was asked about, if there are any


def ask(page: Page, fact: Fact, subject: str | None = None) -> str:
    """The text of a question for one fact; `subject` replaces the entity's name in a chained question."""
    subject = subject or fact.entity.ref
    if page.chance(0.55):
        text = page.pick(fact.attribute.questions).format(e=subject)
    else:
        text = _frame(page, grammar.QUESTION_FRAMES, fact, e=subject)
    if page.chance(0.15):
        text = f"{page.pick(grammar.QUESTION_PREFIXES)} {_lower_first(text)}"
    return grammar.sentence(text)


def fact_question(page: Page, fact: Fact, context: str) -> Question:
    """Asks the value of one fact."""
    return _question(page, ask(page, fact), (fact,), context, "fact")


def reverse_question(page: Page, fact: Fact, context: str) -> Question:
    """Asks which entity has the value; right only where no other fact of the document has the same value."""
    label = page.pick(KINDS[fact.entity.kind].labels)
    text = _frame(page, grammar.REVERSE_FRAMES, fact, v=fact.value.answer, t=label)
    answer = literal(fact.entity.name, context)
    answers = tuple(dict.fromkeys((answer, fact.entity.name, fact.entity.ref)))
    return Question(grammar.sentence(text), answer, answers, "fact")


def pair_question(page: Page, first: Fact, second: Fact, context: str) -> Question:
    """Asks two attributes of one entity."""
    text = _frame(page, grammar.PAIR_FRAMES, first, e=first.entity.ref, n2=_other_noun(page, second))
    return _question(page, grammar.sentence(text), (first, second), context, "multi")


def twin_question(page: Page, first: Fact, second: Fact, context: str) -> Question:
    """Asks one attribute of two entities."""
    text = _frame(page, grammar.TWIN_FRAMES, first, e=first.entity.ref, e2=second.entity.ref)
    return _question(page, grammar.sentence(text), (first, second), context, "multi")


def chain_question(page: Page, link: Fact, fact: Fact, context: str) -> Question:
    """Asks for a fact of the entity that a link points to, naming only the start of the link."""
    assert link.attribute.clause is not None
    subject = page.pick(link.attribute.clause).format(e=link.entity.ref)
    return _question(page, ask(page, fact, subject), (fact,), context, "multi")


def unanswerable_question(page: Page, fact: Fact) -> Question:
    """Asks a fact that the document does not hold (the fact's value is not used)."""
    answers = (NOT_IN_DOCUMENT, "does not say", "not say", "not mentioned", "unknown")
    return Question(ask(page, fact), NOT_IN_DOCUMENT, answers, "unanswerable")


def literal(text: str, context: str) -> str:
    """`text` as it stands in the context, where it may open a sentence; ValueError if it is not there."""
    for form in (text, capital(text), text.lower()):
        if form in context:
            return form
    raise ValueError(f"{text!r} is not in the document")


def _question(page: Page, text: str, facts: tuple[Fact, ...], context: str, kind: Literal["fact", "multi"]) -> Question:
    parts = [literal(fact.value.answer, context) for fact in facts]
    answer = " and ".join(parts)
    others = facts[0].value.answers if len(facts) == 1 else (", ".join(parts),)
    statements = [_statement(page, fact, text) for fact in facts]
    stated = " ".join(statements) if all(statements) else ""
    return Question(text, answer, tuple(dict.fromkeys((answer, *others))), kind, stated)


def _statement(page: Page, fact: Fact, question: str) -> str:
    """A sentence of the split for a fact that comes to the value last; empty if the attribute has none.

    The entity first, then what is said of it: whoever writes this passes through the states that the document's own
    sentences went through before the value. Drawn by the question's text, so that documents stay what they were.
    """
    patterns = [p for p in fact.attribute.statements.of(page.split) if 0 <= p.find("{e}") < p.find("{v}")]
    if not patterns:
        return ""
    return grammar.sentence(fill(random.Random(question).choice(patterns), fact, fact.entity.ref))


def _frame(page: Page, frames: Split, fact: Fact, **names: str) -> str:
    frame = page.pick(frames)
    word = fact.attribute.asks if frame.startswith("{wh}") else fact.attribute.asks.lower()
    return frame.format(wh=word, n=_other_noun(page, fact), **names)


def _other_noun(page: Page, fact: Fact) -> str:
    """A noun for the attribute, most often not the one in the document."""
    nouns = fact.attribute.nouns.of(page.split)
    others = [noun for noun in nouns if noun != fact.noun]
    noun = page.rng.choice(others) if others and page.chance(0.7) else page.rng.choice(nouns)
    page.wordings.append(noun)
    return noun


def _lower_first(text: str) -> str:
    """Lower case for a question word after a prefix; 'I' and names stay."""
    word = text.split()[0].rstrip(",")
    if word == "I" or word.lower() not in _QUESTION_WORDS:
        return text
    return text[0].lower() + text[1:]


_QUESTION_WORDS = frozenset(
    [
        "what",
        "who",
        "which",
        "when",
        "where",
        "how",
        "why",
        "whose",
        "by",
        "at",
        "in",
        "on",
        "from",
        "since",
        "until",
        "within",
        "under",
        "as",
        "to",
        "for",
        "of",
        "can",
        "could",
        "give",
        "name",
        "state",
        "first",
        "within",
    ]
)
