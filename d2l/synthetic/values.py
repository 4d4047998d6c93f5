"""Value generators: each draws one value, with the text for the document and the answers that count as right."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from d2l.synthetic import words
from d2l.synthetic.words import Split, SplitName, phrases


@dataclass(frozen=True)
class Value:
    """What a fact says of its entity."""

    text: str  #: as it stands in running text, with an article where one is needed
    answer: str  #: the bare value, a substring of `text`
    answers: tuple[str, ...]  #: every accepted answer, `answer` first


ValueMaker = Callable[[random.Random, SplitName], Value]

COLOURS = [
    "red",
    "blue",
    "green",
    "yellow",
    "orange",
    "purple",
    "white",
    "black",
    "pink",
    "brown",
    "grey",
    "silver",
    "gold",
    "violet",
    "turquoise",
]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
CODE_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def plain(text: str, *others: str) -> Value:
    """A value whose answer is its whole text."""
    return Value(text, text, (text, *others))


def person_name(rng: random.Random, split: SplitName) -> str:
    """First and last name; half of the last names are made of two parts."""
    last = rng.choice(words.SURNAMES.of(split))
    if rng.random() < 0.5:
        last = rng.choice(words.SURNAME_STARTS.of(split)) + rng.choice(words.SURNAME_ENDS.of(split))
    return f"{rng.choice(words.FIRST_NAMES.of(split))} {last}"


def place_name(rng: random.Random, split: SplitName) -> str:
    """A town made of two parts, such as Brenford."""
    return rng.choice(words.PLACE_STARTS.of(split)) + rng.choice(words.PLACE_ENDS.of(split))


def company_name(rng: random.Random, split: SplitName) -> str:
    """A company such as Velora Foods."""
    stem = rng.choice(words.COMPANY_STARTS.of(split)) + rng.choice(words.COMPANY_ENDS.of(split))
    return f"{stem} {rng.choice(words.COMPANY_KINDS.of(split))}"


def food_name(rng: random.Random, split: SplitName) -> str:
    """A food as a mass noun: oat milk."""
    return f"{rng.choice(words.FOOD_ADJECTIVES.of(split))} {rng.choice(words.FOOD_NOUNS.of(split))}"


def person(rng: random.Random, split: SplitName) -> Value:
    return plain(person_name(rng, split))


def place(rng: random.Random, split: SplitName) -> Value:
    return plain(place_name(rng, split))


def company(rng: random.Random, split: SplitName) -> Value:
    return plain(company_name(rng, split))


def food(rng: random.Random, split: SplitName) -> Value:
    return plain(food_name(rng, split))


def price(rng: random.Random, split: SplitName) -> Value:
    """A shop price in dollars and cents."""
    amount = f"{rng.randint(1, 39)}.{rng.choice((rng.randint(10, 99), 49, 95, 99, 50)):02d}"
    return plain(f"${amount}", amount, f"{amount} dollars")


def money(rng: random.Random, split: SplitName) -> Value:
    """A round sum, from hundreds to millions."""
    if rng.random() < 0.3:
        amount = f"{rng.randint(2, 95)} million"
    else:
        amount = f"{rng.choice((rng.randint(11, 99) * 10, rng.randint(10, 99) * 100, rng.randint(10, 99) * 1000)):,}"
    return plain(f"${amount}", amount, amount.replace(",", ""))


def big_money(rng: random.Random, split: SplitName) -> Value:
    """The cost of a building."""
    amount = f"{rng.randint(2, 95)} million" if rng.random() < 0.6 else f"{rng.randint(110, 990)},000"
    return plain(f"${amount}", amount, amount.replace(",", ""))


def percentage(rng: random.Random, split: SplitName) -> Value:
    number = rng.randint(2, 69)
    return plain(f"{number}%", str(number), f"{number} percent")


def year(rng: random.Random, split: SplitName) -> Value:
    return plain(str(rng.randint(1820, 2023)))


def recent_year(rng: random.Random, split: SplitName) -> Value:
    return plain(str(rng.randint(1996, 2024)))


def date(rng: random.Random, split: SplitName) -> Value:
    day, month = rng.randint(1, 28), rng.choice(MONTHS)
    if rng.random() < 0.5:
        return plain(f"{month} {day}", f"{day} {month}")
    return plain(f"{day} {month}", f"{month} {day}")


def weekday(rng: random.Random, split: SplitName) -> Value:
    return plain(rng.choice(WEEKDAYS))


def clock_time(rng: random.Random, split: SplitName) -> Value:
    hour, minute = rng.randint(6, 21), rng.randrange(0, 60, 5)
    if rng.random() < 0.4:
        text = f"{(hour - 1) % 12 + 1}:{minute:02d} {'am' if hour < 12 else 'pm'}"
        return plain(text, text.split()[0])
    return plain(f"{hour}:{minute:02d}")


def opening_time(rng: random.Random, split: SplitName) -> Value:
    """A time in the morning."""
    return plain(f"{rng.randint(6, 11)}:{rng.randrange(0, 60, 5):02d}{rng.choice((' am', ''))}")


def colour(rng: random.Random, split: SplitName) -> Value:
    return plain(rng.choice(COLOURS))


def code(rng: random.Random, split: SplitName) -> Value:
    """A code such as KX-482."""
    letters = "".join(rng.sample(CODE_LETTERS, 2))
    return plain(f"{letters}-{rng.randint(100, 999)}")


def digits(rng: random.Random, split: SplitName) -> Value:
    """A four-digit number, as in a PIN or a phone extension."""
    return plain(str(rng.randint(1000, 9999)))


def quantity(low: int, high: int, unit: str, step: int = 1) -> ValueMaker:
    """Whole numbers with a unit; the number alone is an accepted answer."""

    def draw(rng: random.Random, split: SplitName) -> Value:
        number = rng.randrange(low, high + 1, step)
        return plain(f"{number} {unit}", str(number))

    return draw


def decimal(low: float, high: float, unit: str) -> ValueMaker:
    """Numbers with one decimal and a unit."""

    def draw(rng: random.Random, split: SplitName) -> Value:
        number = f"{rng.uniform(low, high):.1f}"
        return plain(f"{number} {unit}", number)

    return draw


def number(low: int, high: int) -> ValueMaker:
    """A bare whole number."""

    def draw(rng: random.Random, split: SplitName) -> Value:
        return plain(str(rng.randint(low, high)))

    return draw


def numbered(noun: str, low: int, high: int) -> ValueMaker:
    """A place that is a noun with a number: room 214."""

    def draw(rng: random.Random, split: SplitName) -> Value:
        which = rng.randint(low, high)
        return plain(f"{noun} {which}", str(which))

    return draw


def one_of(choices: str) -> ValueMaker:
    """One phrase of a list in the `phrases` notation; without `||` both splits share it."""
    listed: Split = phrases(choices)

    def draw(rng: random.Random, split: SplitName) -> Value:
        text = rng.choice(listed.of(split) or listed.train)
        bare = text.removeprefix("a ").removeprefix("an ").removeprefix("the ")
        return Value(text, bare, tuple(dict.fromkeys((bare, text))))

    return draw


def combined(*lists: str) -> ValueMaker:
    """One phrase of each list, joined: 'a strike' + 'at the port'."""
    makers = [one_of(choices) for choices in lists]

    def draw(rng: random.Random, split: SplitName) -> Value:
        text = " ".join(make(rng, split).text for make in makers)
        bare = text.removeprefix("a ").removeprefix("an ").removeprefix("the ")
        return Value(text, bare, tuple(dict.fromkeys((bare, text))))

    return draw
