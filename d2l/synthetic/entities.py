"""Kinds of entities and how their names are made: people, goods, regions, projects, and so on."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from d2l.synthetic import values, words
from d2l.synthetic.words import Split, SplitName, phrases


@dataclass(frozen=True)
class Entity:
    """One thing a document speaks of."""

    name: str  #: bare name, the answer when the entity is asked for
    ref: str  #: the name in running text, with "the" where English wants it
    kind: str  #: key into `KINDS`
    parts: tuple[str, ...]  #: the words of the name that come from split word lists


NameMaker = Callable[[random.Random, SplitName], tuple[str, str, tuple[str, ...]]]


@dataclass(frozen=True)
class Kind:
    """A type of entity."""

    key: str
    labels: Split  #: nouns for the type, as in "which product" or a table's first heading
    make: NameMaker  #: -> bare name, name in running text, name parts
    is_person: bool = False  #: later mentions use the first name instead of "it"


def _person(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    name = values.person_name(rng, split)
    return name, name, tuple(name.split())


def _goods(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    parts = (rng.choice(words.GOODS_ADJECTIVES.of(split)), rng.choice(words.GOODS_NOUNS.of(split)))
    return " ".join(parts), f"the {' '.join(parts)}", parts


def _food(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    name = values.food_name(rng, split)
    return name, name, tuple(name.split())


def _region(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    place = values.place_name(rng, split)
    if rng.random() < 0.5:
        area = rng.choice(_COMPASS.of(split))
        return f"{area} {place}", f"{area} {place}", (area, place)
    return f"{place} region", f"the {place} region", (place,)


def _company(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    name = values.company_name(rng, split)
    return name, name, tuple(name.split())


def _project(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    name = rng.choice(words.PROJECT_NAMES.of(split))
    if rng.random() < 0.4:
        name += f" {rng.choice(words.PROJECT_NAMES.of(split))}"
    return f"Project {name}", f"Project {name}", tuple(name.split())


def _team(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    name = rng.choice(words.TEAM_NAMES.of(split))
    return f"{name} team", f"the {name} team", (name,)


def _device(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    letters, noun = rng.choice(words.DEVICE_LETTERS.of(split)), rng.choice(words.DEVICE_NOUNS.of(split))
    name = f"{letters}{rng.randint(2, 99)} {noun}"
    return name, f"the {name}", (letters, noun)


def _landmark(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    parts = (values.place_name(rng, split), rng.choice(words.LANDMARKS.of(split)))
    return " ".join(parts), f"the {' '.join(parts)}", parts


def _trip(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    vehicle = rng.choice(_VEHICLES.of(split))
    place = values.place_name(rng, split)
    return f"{place} {vehicle}", f"the {place} {vehicle}", (place, vehicle)


def _department(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    name = rng.choice(words.DEPARTMENTS.of(split))
    if rng.random() < 0.6:
        place = values.place_name(rng, split)
        return f"{place} {name} office", f"the {place} {name} office", (place, name)
    return f"{name} office", f"the {name} office", (name,)


def _animal(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    name = rng.choice(words.ANIMAL_NAMES.of(split))
    return name, name, (name,)


def _workshop(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    parts = (rng.choice(words.WORKSHOP_TOPICS.of(split)), rng.choice(words.WORKSHOP_KINDS.of(split)))
    return " ".join(parts), f"the {' '.join(parts)}", parts


def _sample(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    noun = rng.choice(words.SAMPLE_NOUNS.of(split))
    name = f"{noun} sample {rng.choice(values.CODE_LETTERS)}{rng.randint(1, 60)}"
    return name, name, (noun,)


def _store(rng: random.Random, split: SplitName) -> tuple[str, str, tuple[str, ...]]:
    place = values.place_name(rng, split)
    return f"{place} store", f"the {place} store", (place,)


_COMPASS = words.words("North South Upper Greater || Outer Lower Central Inner")
_VEHICLES = words.words("train ferry bus shuttle || tram coach steamer express")
KINDS: dict[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind("person", phrases("person; colleague || individual; member of staff"), _person, is_person=True),
        Kind("goods", phrases("product; item || article"), _goods),
        Kind("food", phrases("product; food || grocery article"), _food),
        Kind("region", phrases("region; sales region || territory; trading area"), _region),
        Kind("company", phrases("company; firm || business; enterprise"), _company),
        Kind("project", phrases("project || initiative; undertaking"), _project),
        Kind("team", phrases("team || crew; squad"), _team),
        Kind("device", phrases("device; model || machine; appliance"), _device),
        Kind("landmark", phrases("landmark; site || sight; attraction"), _landmark),
        Kind("trip", phrases("service; connection || ride; departure"), _trip),
        Kind("department", phrases("office; desk || bureau; help point"), _department),
        Kind("animal", phrases("animal || resident; creature"), _animal),
        Kind("workshop", phrases("class; course || event; activity"), _workshop),
        Kind("sample", phrases("sample; specimen || lab item; tube"), _sample),
        Kind("store", phrases("store; shop || outlet; branch"), _store),
    )
}


class NamesExhausted(RuntimeError):
    """A very long document has used up the names of a kind."""


def clashes(name: str, taken: set[str]) -> bool:
    """Whether a name contains, or is contained in, one of `taken`, the names of the document in lower case."""
    lower = name.lower()
    return any(lower in other or other in lower for other in taken)


def draw_entity(kind: str, rng: random.Random, split: SplitName, taken: set[str]) -> Entity:
    """A new entity; its name (and a person's first name) is added to `taken`."""
    for _ in range(200):
        name, ref, parts = KINDS[kind].make(rng, split)
        own = name.split()[0] if KINDS[kind].is_person else name
        if not clashes(own, taken):
            taken.add(own.lower())
            return Entity(name, ref, kind, parts)
    raise NamesExhausted(f"no free name left for kind {kind!r}")


def draw_regional(rng: random.Random, split: SplitName, count: int, taken: set[str]) -> list[Entity]:
    """`count` (2 to 4) of two foods x two regions, so that only food and region together name the entity."""
    foods = [draw_entity("food", rng, split, taken) for _ in range(2)]
    regions = [draw_entity("region", rng, split, taken) for _ in range(2)]
    grid = [
        Entity(f"{food.name} in {region.ref}", f"{food.ref} in {region.ref}", "food", food.parts + region.parts)
        for food in foods
        for region in regions
    ]
    return rng.sample(grid, min(count, 4))
