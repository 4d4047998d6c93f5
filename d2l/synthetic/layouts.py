"""Layouts: the ways one set of facts is put on a page."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from d2l.synthetic import grammar
from d2l.synthetic.entities import KINDS, Entity
from d2l.synthetic.schemas import Attribute
from d2l.synthetic.values import MONTHS, Value, person_name
from d2l.synthetic.words import Split, SplitName, phrases


@dataclass(frozen=True)
class Fact:
    """One attribute of one entity."""

    entity: Entity
    attribute: Attribute
    value: Value
    noun: str  #: what this document calls the attribute; questions prefer another noun


class Page:
    """Renders facts in one split's wordings, and remembers which wordings it used."""

    def __init__(self, rng: random.Random, split: SplitName) -> None:
        self.rng = rng
        self.split: SplitName = split
        self.wordings: list[str] = []

    def pick(self, choices: Split) -> str:
        """One wording of the split, remembered."""
        wording = grammar.pick(self.rng, choices, self.split)
        self.wordings.append(wording)
        return wording

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def say(self, fact: Fact, previous: Fact | None = None, opening: bool = True) -> str:
        """One sentence for a fact; right after a fact of the same entity a short name may stand for the long one."""
        pattern = self.pattern(fact)
        ref = fact.entity.ref
        if previous is not None and previous.entity == fact.entity and self.chance(0.5):
            if KINDS[fact.entity.kind].is_person:
                ref = fact.entity.name.split()[0]
            elif pattern.startswith("{e} "):
                ref = "it"
        return self.finish(fill(pattern, fact, ref), previous, opening)

    def pattern(self, fact: Fact) -> str:
        """One of the attribute's own statements, or a general one."""
        return self.pick(fact.attribute.statements if self.chance(0.65) else grammar.STATEMENT_FRAMES)

    def finish(self, clause: str, previous: Fact | None, opening: bool = True) -> str:
        """Makes a clause a sentence, sometimes with an opening phrase."""
        if opening and grammar.takes_opening(clause) and self.chance(0.3):
            choices = grammar.LINKERS if previous and self.chance(0.5) else grammar.OPENERS
            clause = f"{self.pick(choices)} {clause}"
        return grammar.sentence(clause)

    def sentences(self, facts: list[Fact]) -> list[str]:
        """Sentences for the facts in the given order, now and then one for two of them."""
        lines: list[str] = []
        previous: Fact | None = None
        index = 0
        while index < len(facts):
            both = self.say_both(facts[index], facts[index + 1], previous) if self._joins(facts, index) else None
            lines.append(both or self.say(facts[index], previous))
            index += 2 if both else 1
            previous = facts[index - 1]
        return lines

    def _joins(self, facts: list[Fact], index: int) -> bool:
        return index + 1 < len(facts) and self.chance(0.3)

    def say_both(self, first: Fact, second: Fact, previous: Fact | None) -> str | None:
        """One sentence for two facts: 'A costs $2 and keeps for 8 days', 'A costs $2, while B costs $3'.

        None if the wordings drawn do not go together.
        """
        opening, ending = self.pattern(first), self.pattern(second)
        text = fill(opening, first, first.entity.ref)
        if first.entity == second.entity and opening.startswith("{e} ") and ending.startswith("{e} "):
            text = f"{text} {self.pick(grammar.SAME_SUBJECT_JOINERS)} {fill(ending[4:], second, '')}"
        elif grammar.takes_opening(ending) and first.entity != second.entity:
            text = f"{text}{self.pick(grammar.JOINERS)} {fill(ending, second, second.entity.ref)}"
        else:
            return None
        return self.finish(text, previous)

    def key(self, fact: Fact) -> str:
        """The attribute's noun as a label."""
        self.wordings.append(fact.noun)
        return capital(fact.noun)

    def label(self, entity: Entity) -> str:
        return capital(self.pick(KINDS[entity.kind].labels))

    def filler(self) -> str:
        return grammar.filler(self.rng, self.split)


def fill(pattern: str, fact: Fact, ref: str) -> str:
    """A statement wording with the fact's words in it; `ref` names the entity."""
    return pattern.format(e=ref, v=fact.value.text, n=fact.noun)


def capital(text: str) -> str:
    """First letter as a capital, the rest as it is."""
    return text[0].upper() + text[1:]


def by_entity(facts: list[Fact]) -> list[list[Fact]]:
    """Facts grouped by entity, in order of first appearance."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.entity.name, []).append(fact)
    return list(groups.values())


def by_attribute(facts: list[Fact]) -> list[list[Fact]]:
    """Facts grouped by attribute and kind of entity, in order of first appearance."""
    groups: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        groups.setdefault((fact.entity.kind, fact.attribute.key), []).append(fact)
    return list(groups.values())


def _prose(page: Page, facts: list[Fact]) -> str:
    lines = page.sentences(facts)
    for _ in range(2):
        if page.chance(0.35):
            _insert_filler(page, lines)
    if len(lines) > 4 and page.chance(0.5):
        middle = page.rng.randint(2, len(lines) - 2)
        return f"{' '.join(lines[:middle])}\n\n{' '.join(lines[middle:])}"
    return " ".join(lines)


def _insert_filler(page: Page, lines: list[str]) -> None:
    """Puts a filler anywhere but between a pronoun and its entity."""
    free = [at for at in range(len(lines) + 1) if at == len(lines) or not _PRONOUN.search(lines[at])]
    lines.insert(page.rng.choice(free), page.filler())


def _bullets(page: Page, facts: list[Fact]) -> str:
    mark = page.rng.choice(_BULLETS.of(page.split))
    if page.chance(0.5):
        lines = [page.say(fact, opening=False) for fact in facts]
    else:
        join = page.rng.choice(("; ", ", "))
        lines = [
            f"{capital(group[0].entity.name)}: " + join.join(f"{page.key(f).lower()} {f.value.answer}" for f in group)
            for group in by_entity(facts)
        ]
    return "\n".join(f"{mark} {line}" for line in lines)


def _records(page: Page, facts: list[Fact]) -> str:
    mark = page.rng.choice(_KEY_MARKS.of(page.split))
    blocks = []
    labels = {kind: page.label(fact.entity) for fact in facts for kind in [fact.entity.kind]}
    for group in by_entity(facts):
        entity = group[0].entity
        rows = [f"{labels[entity.kind]}{mark}{capital(entity.name)}"]
        rows += [f"{page.key(fact)}{mark}{fact.value.answer}" for fact in group]
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks)


def _table(page: Page, facts: list[Fact]) -> str:
    tables = []
    for kind in dict.fromkeys(fact.entity.kind for fact in facts):
        own = [fact for fact in facts if fact.entity.kind == kind]
        columns = list(dict.fromkeys(fact.attribute.key for fact in own))
        keys = {fact.attribute.key: page.key(fact) for fact in own}
        rows = [[page.label(own[0].entity), *(keys[column] for column in columns)]]
        for group in by_entity(own):
            cells = {fact.attribute.key: fact.value.answer for fact in group}
            rows.append([capital(group[0].entity.name), *(cells.get(column, "-") for column in columns)])
        tables.append("\n".join(" | ".join(row) for row in rows))
    return "\n\n".join(tables)


def _grouped(page: Page, facts: list[Fact]) -> str:
    blocks = []
    for group in by_attribute(facts):
        rows = [f"{capital(fact.entity.name)} > {fact.value.answer}" for fact in group]
        blocks.append("\n".join([f"[{page.key(group[0])}]", *rows]))
    return "\n".join(blocks)


def _minutes(page: Page, facts: list[Fact]) -> str:
    minute = page.rng.randint(0, 20) + 60 * page.rng.randint(8, 16)
    speakers = page.rng.sample(_SPEAKERS.of(page.split), 2) if page.chance(0.6) else []
    lines = page.sentences(facts)
    if page.chance(0.5):
        _insert_filler(page, lines)
    stamped = []
    for line in lines:
        who = f"{page.rng.choice(speakers)}: " if speakers else ""
        stamped.append(f"[{minute // 60:02d}:{minute % 60:02d}] {who}{line}")
        minute += page.rng.randint(1, 7)
    return "\n".join(stamped)


def _mixed(page: Page, facts: list[Fact]) -> str:
    middle = max(1, len(facts) // 2)
    rest = page.rng.choice((_bullets, _records, _table))(page, facts[middle:]) if facts[middle:] else page.filler()
    return f"{' '.join(page.sentences(facts[:middle]))}\n\n{rest}"


def _email(page: Page, facts: list[Fact]) -> str:
    body = page.sentences(facts)
    if page.chance(0.6):
        body.insert(page.rng.choice((0, len(body))), page.filler())
    greeting, ending = page.rng.choice(_GREETINGS), page.rng.choice(_ENDINGS)
    return f"{greeting}\n\n{' '.join(body)}\n\n{ending}\n{person_name(page.rng, page.split)}"


_PRONOUN = re.compile(r"\b[Ii]t (?!was confirmed that)")
_BULLETS = phrases("-, •, + || *, --, >", ",")
_KEY_MARKS = Split((": ", " -> "), (" = ", " .... "))
_SPEAKERS = phrases("Chair; Secretary; Host; Clerk; Treasurer; Guest || Moderator; Reporter; Observer")
_GREETINGS = ("Dear all,", "Hello everyone,", "Good morning,")
_ENDINGS = ("Best regards,", "Kind regards,", "Yours sincerely,")

Layout = Callable[[Page, list[Fact]], str]
#: Layout name -> how to render it, and the splits it is used in: some are whole layouts never trained on.
LAYOUTS: dict[str, tuple[Layout, tuple[SplitName, ...]]] = {
    "prose": (_prose, ("train", "validation")),
    "bullets": (_bullets, ("train", "validation")),
    "records": (_records, ("train", "validation")),
    "table": (_table, ("train", "validation")),
    "minutes": (_minutes, ("train",)),
    "mixed": (_mixed, ("train",)),
    "email": (_email, ("validation",)),
    "grouped": (_grouped, ("validation",)),
}


def title(page: Page, titles: Split) -> str:
    """A title line for a domain, such as 'Price list (week 12)'."""
    text = page.pick(titles)
    style = page.rng.randrange(4)
    if style == 0:
        return f"{text} ({page.pick(grammar.TITLE_NOTES)})"
    if style == 1:
        return f"{text}, {page.rng.choice(MONTHS)}"
    return text if style == 2 else text.upper()


def render(layout: str, page: Page, facts: list[Fact], titles: Split, min_words: int) -> str:
    """The context: sometimes a title, the facts in the layout, fillers around a page that is very short."""
    text = LAYOUTS[layout][0](page, facts)
    if layout != "email":
        while len(text.split()) < min_words and page.chance(0.85):
            text = f"{text}\n{page.filler()}" if page.chance(0.5) else f"{page.filler()}\n{text}"
        if page.chance(0.5):
            text = f"{title(page, titles)}\n\n{text}"
    return text
