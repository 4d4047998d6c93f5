"""Generated text whose facts are near-equal: only the headings above a row tell its region, product or date.

The documents of ``d2l.synthetic`` name an entity beside each fact. Reports do not: a chapter names the region, a
section the quantity, a table's header the week, and the row below them says "tomato soup $1.79 $3.39". Here are such
rows and sentences, and questions that name all of it.
"""

import random
from dataclasses import replace

from d2l.questions import QA
from d2l.study.windows import WINDOW_CHARACTERS, Window
from d2l.synthetic import grammar
from d2l.synthetic.domains import DOMAINS
from d2l.synthetic.entities import Entity, draw_entity
from d2l.synthetic.layouts import Fact, Page, capital, fill, title
from d2l.synthetic.questions import ask
from d2l.synthetic.schemas import Attribute, Domain
from d2l.synthetic.values import MONTHS, WEEKDAYS
from d2l.synthetic.words import SplitName

_SCOPED = ("groceries", "pricelist", "stores", "companies", "travel", "manuals")
#: Columns of two periods, and what a question says for each.
_PERIODS = (
    ("Last week", "This week"),
    ("Last month", "This month"),
    ("2022", "2023"),
    ("Q1", "Q2"),
    ("Q3", "Q4"),
    ("Summer", "Winter"),
    ("Before", "After the change"),
)


def section(rng: random.Random, split: SplitName) -> tuple[Window, list[QA]]:
    """A window under headings, and the pairs of all its facts in the order of the text; several wordings a fact."""
    page = Page(rng, split)
    if page.chance(0.3):
        return _about_one(page)
    domain = rng.choice([d for d in DOMAINS if d.key in _SCOPED])
    heading, phrase = _scope(page)
    headings = [title(page, domain.titles), heading] if page.chance(0.7) else [heading]
    if page.chance(0.35):
        return _two_periods(page, domain, headings, phrase)
    return _rows(page, domain, headings, phrase)


def _scope(page: Page) -> tuple[str, str]:
    """A heading that limits what stands below it, and how a question says so."""
    rng = page.rng
    kind = rng.random()
    if kind < 0.65:
        region = draw_entity("region", rng, page.split, set())
        name, phrase = capital(region.name), f"in {region.ref}"
    elif kind < 0.8:
        name = f"{rng.choice(MONTHS)} {rng.randint(2015, 2026)}"
        phrase = f"in {name}"
    elif kind < 0.9:
        name = f"Week {rng.randint(1, 52)}"
        phrase = f"in {name.lower()}"
    else:
        name = f"{rng.choice(WEEKDAYS)}, {rng.randint(1, 28)} {rng.choice(MONTHS)}"
        phrase = f"on {name}"
    number = f"{rng.randint(1, 12)}. " if page.chance(0.5) else ""
    return f"{number}{name}", phrase


def _facts(page: Page, domain: Domain, entities: list[Entity], attributes: list[Attribute]) -> list[Fact]:
    facts, seen = [], set()
    for entity in entities:
        for attribute in attributes:
            for _ in range(20):
                value = attribute.make(page.rng, page.split)
                if value.answer.lower() not in seen:
                    break
            seen.add(value.answer.lower())
            facts.append(Fact(entity, attribute, value, page.rng.choice(attribute.nouns.of(page.split))))
    return facts


def _plain(domain: Domain) -> list[Attribute]:
    return [attribute for attribute in domain.attributes if attribute.make is not None]


def _entities(page: Page, kind: str, count: int) -> list[Entity]:
    taken: set[str] = set()
    return [draw_entity(kind, page.rng, page.split, taken) for _ in range(count)]


def _rows(page: Page, domain: Domain, headings: list[str], phrase: str) -> tuple[Window, list[QA]]:
    """One to three rows of a table, or as many sentences."""
    rng = page.rng
    attributes = rng.sample(_plain(domain), rng.randint(1, 3))
    entities = _entities(page, domain.kind, rng.randint(1, 3 if len(attributes) < 3 else 2))
    facts = _facts(page, domain, entities, attributes)
    nouns = {fact.attribute.key: fact.noun for fact in facts}
    facts = [replace(fact, noun=nouns[fact.attribute.key]) for fact in facts]
    if page.chance(0.5):
        separator = rng.choice((" | ", " ", " "))
        columns = [page.label(entities[0]), *(capital(nouns[a.key]) for a in attributes)]
        lines = [
            separator.join([entity.name, *(fact.value.answer for fact in facts if fact.entity is entity)])
            for entity in entities
        ]
        if page.chance(0.4):
            headings.append(_subheading(page, capital(attributes[0].nouns.of(page.split)[0])))
        return _finish(page, "\n".join(lines), [*headings, separator.join(columns)], facts, phrase)
    rng.shuffle(facts)
    text, told = "", []
    for fact in facts[:3]:
        line = page.finish(fill(page.pattern(fact), fact, fact.entity.ref), told[-1] if told else None)
        if text and len(text) + len(line) > WINDOW_CHARACTERS:
            break
        text, told = f"{text} {line}".strip(), [*told, fact]
    if page.chance(0.2):
        text = f"{text} {page.filler()}"
    return _finish(page, text, headings, told, phrase)


def _two_periods(page: Page, domain: Domain, headings: list[str], phrase: str) -> tuple[Window, list[QA]]:
    """Rows with one quantity at two times; the section's heading names the quantity, the table's header the times."""
    rng = page.rng
    attribute = rng.choice(_plain(domain))
    periods = rng.choice(_PERIODS)
    entities = _entities(page, domain.kind, rng.randint(1, 3))
    noun = rng.choice(attribute.nouns.of(page.split))
    facts: list[tuple[Fact, str]] = []
    lines = []
    for entity in entities:
        pair = [replace(f, noun=noun) for f in _facts(page, domain, [entity], [attribute, attribute])]
        lines.append([entity.name, *(fact.value.answer for fact in pair)])
        facts += zip(pair, periods, strict=True)
    separator = rng.choice((" | ", " ", " "))
    header = separator.join([page.label(entities[0]), *periods])
    headings = [*headings, _subheading(page, capital(noun))]
    window = Window("\n".join(separator.join(line) for line in lines), " > ".join([*headings, header]))
    pairs = []
    for fact, period in facts:
        for _ in range(2):
            when = f"in {period}" if period[-1].isdigit() else period.lower()
            when = f"in {when}" if when in ("summer", "winter") else when
            question = ask(page, fact, f"{fact.entity.ref} {phrase}")
            pairs.append(QA(f"{question[:-1]} {when}{question[-1]}", (fact.value.answer,)))
    return window, pairs


def _about_one(page: Page) -> tuple[Window, list[QA]]:
    """Lines on one entity whose name is the heading; the lines say "it", or only name the attribute."""
    rng = page.rng
    domain = rng.choice([d for d in DOMAINS if page.split in d.splits and d.kind != "regional"])
    entity = _entities(page, domain.kind, 1)[0]
    attributes = rng.sample(_plain(domain), min(len(_plain(domain)), rng.randint(1, 3)))
    facts = _facts(page, domain, [entity], attributes)
    if page.chance(0.5):
        mark, join = rng.choice((": ", " -> ", " | ", " ")), rng.choice(("\n", "\n", "; "))
        text = join.join(f"{page.key(fact)}{mark}{fact.value.answer}" for fact in facts)
    else:
        word = "it"
        if domain.kind in ("person", "animal"):
            word = rng.choice(("she", "he")) if domain.kind == "person" else "it"
        patterns = [page.pattern(fact) for fact in facts]
        patterns = [
            pattern if pattern.startswith("{e} ") else "the {n} is {v}" if page.chance(0.5) else "{n}: {v}"
            for pattern in patterns
        ]
        text = " ".join(
            grammar.sentence(fill(pattern, fact, word)) for pattern, fact in zip(patterns, facts, strict=True)
        )
    headings = [title(page, domain.titles)] if page.chance(0.6) else []
    number = f"{rng.randint(1, 9)}.{rng.randint(1, 9)} " if page.chance(0.3) else ""
    return _finish(page, text, [*headings, f"{number}{capital(entity.name)}"], facts, "")


def _subheading(page: Page, name: str) -> str:
    return f"{page.rng.randint(1, 9)}.{page.rng.randint(1, 9)} {name}" if page.chance(0.5) else name


def _finish(page: Page, text: str, headings: list[str], facts: list[Fact], phrase: str) -> tuple[Window, list[QA]]:
    pairs = [
        QA(ask(page, fact, f"{fact.entity.ref} {phrase}".strip()), (fact.value.answer,)) for fact in facts for _ in "ab"
    ]
    return Window(text, " > ".join(headings)), pairs
