"""Documents: facts drawn from a domain, put into a layout, with questions."""

from __future__ import annotations

import random
from dataclasses import dataclass

from d2l.synthetic import grammar, questions
from d2l.synthetic.domains import DOMAINS
from d2l.synthetic.entities import Entity, NamesExhausted, clashes, draw_entity, draw_regional
from d2l.synthetic.layouts import LAYOUTS, Fact, Page, render, title
from d2l.synthetic.questions import Question
from d2l.synthetic.schemas import Attribute, Domain
from d2l.synthetic.values import Value
from d2l.synthetic.words import SplitName

CHAIN_PROBABILITY = 0.4  #: of documents of a domain with links
UNANSWERABLE_PROBABILITY = 0.1
MIN_WORDS = 25  #: shorter pages mostly get sentences without facts


@dataclass(frozen=True)
class Document:
    """A context and questions on it."""

    context: str
    questions: tuple[Question, ...]
    layout: str
    split: SplitName


@dataclass(frozen=True)
class Draft:
    """A document with what it was made from, for tests and statistics."""

    document: Document
    domain: str
    facts: tuple[Fact, ...]
    wordings: tuple[str, ...]  #: every statement, question, noun and title wording used


def synthetic_document(index: int, *, seed: int, split: SplitName, num_facts: tuple[int, int] = (2, 6)) -> Document:
    """Document number `index` of an endless sequence: a function of its arguments only, so training resumes exactly.

    Args:
        index: position in the sequence.
        seed: names the sequence.
        split: "validation" documents share no name parts or wordings with "train" documents.
        num_facts: smallest and largest number of facts, both at least 1.
    """
    return draft_document(index, seed=seed, split=split, num_facts=num_facts).document


def draft_document(index: int, *, seed: int, split: SplitName, num_facts: tuple[int, int] = (2, 6)) -> Draft:
    """Like `synthetic_document`, with the facts and wordings behind the text."""
    rng = random.Random(f"{seed}/{split}/{index}")
    return _draft(rng, split, rng.randint(*num_facts), taken=set())


def long_document(index: int, *, seed: int, split: SplitName, target_words: int) -> Document:
    """Sections under headings until the text has `target_words` words, with the questions of every section.

    No two sections share an entity, and no question asks for the entity that has a value, so each question has one
    answer in the whole document.
    """
    rng = random.Random(f"{seed}/{split}/long/{index}")
    taken: set[str] = set()
    sections: list[str] = []
    asked: list[Question] = []
    num_words = 0
    while not sections or num_words < target_words:
        try:
            draft = _draft(rng, split, rng.randint(3, 6), taken, reverse=False)
        except NamesExhausted:  # a kind with few names is used up: draw another domain
            continue
        domain = next(domain for domain in DOMAINS if domain.key == draft.domain)
        heading = f"{len(sections) + 1}. {title(Page(rng, split), domain.titles)}"
        sections.append(f"{heading}\n\n{draft.document.context}")
        asked += draft.document.questions
        num_words += len(sections[-1].split())
    return Document("\n\n".join(sections), tuple(asked), "long", split)


def _draft(rng: random.Random, split: SplitName, count: int, taken: set[str], reverse: bool = True) -> Draft:
    """One document that avoids the names in `taken`, and adds its own to them."""
    domain = rng.choice([domain for domain in DOMAINS if split in domain.splits])
    layout = rng.choice([name for name, (_, splits) in LAYOUTS.items() if split in splits])
    facts = _Facts(domain, rng, split, taken)
    chain = facts.draw(count)
    page = Page(rng, split)
    ordered = _order(rng, facts.facts)
    context = render(layout, page, ordered, domain.titles, MIN_WORDS)
    asked = _questions(page, facts, chain, context, reverse)
    document = Document(context, asked, layout, split)
    return Draft(document, domain.key, tuple(ordered), tuple(page.wordings))


class _Facts:
    """Draws the facts of one document: no entity has an attribute twice, no attribute a value twice."""

    def __init__(self, domain: Domain, rng: random.Random, split: SplitName, taken: set[str]) -> None:
        self.domain, self.rng, self.split, self.taken = domain, rng, split, taken
        self.facts: list[Fact] = []
        self._nouns: dict[str, str] = {}

    def draw(self, count: int) -> list[tuple[Fact, Fact]]:
        """Draws `count` facts; returns the pairs (link, fact of the linked entity) that can be chained."""
        links = [attribute for attribute in self.domain.attributes if attribute.target]
        chain: list[tuple[Fact, Fact]] = []
        entities = self._entities(count)
        if links and count >= 2 and self.rng.random() < CHAIN_PROBABILITY:
            link, told = self.rng.choice(links), self.rng.choice(self.domain.linked)
            for entity in entities[: 2 if count >= 4 else 1]:
                target = draw_entity(link.target, self.rng, self.split, self.taken)
                first = self.add(entity, link, Value(target.ref, target.name, (target.name, target.ref)))
                chain.append((first, self.add(target, told)))
        plain = [attribute for attribute in self.domain.attributes if not (chain and attribute.target)]
        self._fill(entities, plain, count)
        return chain

    def _entities(self, count: int) -> list[Entity]:
        number = 1 if count == 1 or (count == 2 and self.rng.random() < 0.3) else 2
        if count >= 3:
            number = self.rng.randint(2, min(4, count - 1))
        if self.domain.kind == "regional":
            return draw_regional(self.rng, self.split, number, self.taken)
        return [draw_entity(self.domain.kind, self.rng, self.split, self.taken) for _ in range(number)]

    def _fill(self, entities: list[Entity], attributes: list[Attribute], count: int) -> None:
        """Adds facts up to `count`: first one attribute for two entities, then a second one for the first of them."""
        need = -(-count // len(entities)) + self.rng.randint(0, 1)
        chosen = self.rng.sample(attributes, min(max(2, need), len(attributes)))
        cells = [(entity, chosen[0]) for entity in entities[:2]] + [(entities[0], chosen[1])]
        rest = [(entity, attribute) for entity in entities for attribute in chosen]
        self.rng.shuffle(rest)
        untold = [cell for cell in rest if cell[0] not in entities[:2]]
        for entity, attribute in dict.fromkeys(cells + untold + rest):
            if len(self.facts) < count:
                self.add(entity, attribute)

    def add(self, entity: Entity, attribute: Attribute, value: Value | None = None) -> Fact:
        """Adds one fact, with a new value if none is given."""
        assert not self.known(entity, attribute)
        noun = self._nouns.setdefault(attribute.key, self.rng.choice(attribute.nouns.of(self.split)))
        fact = Fact(entity, attribute, value or self._value(attribute), noun)
        self.facts.append(fact)
        return fact

    def known(self, entity: Entity, attribute: Attribute) -> bool:
        return any(fact.entity == entity and fact.attribute.key == attribute.key for fact in self.facts)

    def _value(self, attribute: Attribute) -> Value:
        seen = {fact.value.answer.lower() for fact in self.facts}
        for _ in range(200):
            if attribute.make is None:
                target = draw_entity(attribute.target, self.rng, self.split, set(self.taken))
                value = Value(target.ref, target.name, (target.name, target.ref))
            else:
                value = attribute.make(self.rng, self.split)
            if value.answer.lower() not in seen and not clashes(value.answer, self.taken):
                return value
        raise NamesExhausted(f"no free value left for {attribute.key!r}")


def _order(rng: random.Random, facts: list[Fact]) -> list[Fact]:
    """Facts by entity, by attribute, or in any order."""
    facts = rng.sample(facts, len(facts))
    style = rng.randrange(3)
    if style == 0:
        names = list(dict.fromkeys(fact.entity.name for fact in facts))
        facts.sort(key=lambda fact: names.index(fact.entity.name))
    elif style == 1:
        keys = list(dict.fromkeys(fact.attribute.key for fact in facts))
        facts.sort(key=lambda fact: keys.index(fact.attribute.key))
    return facts


def _questions(
    page: Page, drawn: _Facts, chain: list[tuple[Fact, Fact]], context: str, reverse: bool
) -> tuple[Question, ...]:
    """2 to 6 questions: chains, single facts (`reverse`: some by their value), two facts, at most one unanswerable."""
    rng, facts = page.rng, drawn.facts
    asked = [questions.chain_question(page, *pair, context) for pair in chain[: rng.randint(1, 2)]]
    for fact in rng.sample(facts, min(len(facts), rng.randint(2, 5))):
        unique = sum(fact.value.answer in other.value.answer for other in facts) == 1
        make = questions.reverse_question if reverse and unique and page.chance(0.15) else questions.fact_question
        asked.append(make(page, fact, context))
    pairs = [(a, b) for a in facts for b in facts if a.entity == b.entity and a is not b]
    twins = [(a, b) for a in facts for b in facts if a.attribute == b.attribute and a is not b]
    if pairs and page.chance(0.25):
        asked.append(questions.pair_question(page, *rng.choice(pairs), context))
    if twins and page.chance(0.2):
        asked.append(questions.twin_question(page, *rng.choice(twins), context))
    if page.chance(UNANSWERABLE_PROBABILITY):
        asked.insert(0, questions.unanswerable_question(page, _missing_fact(drawn)))
    unique_texts = list({question.question: question for question in asked}.values())[:6]
    return tuple(rng.sample(unique_texts, len(unique_texts)))


def _missing_fact(drawn: _Facts) -> Fact:
    """A fact the document does not hold: of an entity that it names, or of one that it does not."""
    rng = drawn.rng
    known = rng.choice(drawn.facts)
    is_main = known.entity.kind == drawn.facts[0].entity.kind
    missing = [attribute for attribute in drawn.domain.attributes if not drawn.known(known.entity, attribute)]
    if is_main and missing and rng.random() < 0.6:
        return Fact(known.entity, rng.choice(missing), known.value, "")
    stranger = draw_entity(known.entity.kind, rng, drawn.split, drawn.taken)
    return Fact(stranger, known.attribute, known.value, "")


def wordings(split: SplitName) -> frozenset[str]:
    """Every statement, question and title wording of a split; the two splits have none in common."""
    tables = [
        grammar.STATEMENT_FRAMES,
        grammar.OPENERS,
        grammar.LINKERS,
        grammar.QUESTION_FRAMES,
        grammar.REVERSE_FRAMES,
        grammar.PAIR_FRAMES,
        grammar.TWIN_FRAMES,
        grammar.QUESTION_PREFIXES,
        grammar.FILLERS,
        grammar.TITLE_NOTES,
    ]
    for domain in DOMAINS:
        tables.append(domain.titles)
        for attribute in domain.attributes + domain.linked:
            tables += [attribute.nouns, attribute.statements, attribute.questions]
            tables += [attribute.clause] if attribute.clause else []
    return frozenset(text for table in tables for text in table.of(split))
