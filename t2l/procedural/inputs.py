"""Sources of lists, numbers, dates, records and single words."""

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

from t2l.procedural import fillers, knowledge
from t2l.procedural.parts import Sample, Source


def _items(pool: Sequence[str], low: int, high: int, separator: str = ", ") -> Callable[[Random], Sample]:
    def draw(rng: Random) -> Sample:
        chosen = rng.sample(pool, rng.randint(low, high))
        return Sample(separator.join(chosen), chosen)

    return draw


def _tags(rng: Random) -> Sample:
    """Tags of which some come twice or more, one of them more often than all others."""
    kinds = rng.sample(fillers.TAGS, rng.randint(2, 4))
    chosen = kinds + [kinds[0]] * rng.randint(1, 2)
    rng.shuffle(chosen)
    return Sample(", ".join(chosen), chosen)


def _one_of(entries: Sequence[str]) -> Callable[[Random], Sample]:
    def draw(rng: Random) -> Sample:
        entry = rng.choice(entries)
        return Sample(entry, entry)

    return draw


def _numbers(rng: Random) -> Sample:
    chosen = rng.sample(range(1, 40), rng.randint(3, 5))
    return Sample(", ".join(map(str, chosen)), chosen)


def _pair(rng: Random) -> Sample:
    pair = (rng.randint(1, 60), rng.randint(1, 60))
    return Sample(f"{pair[0]} and {pair[1]}", pair)


def _small_pair(rng: Random) -> Sample:
    pair = (rng.randint(2, 20), rng.randint(2, 20))
    return Sample(f"{pair[0]} {pair[1]}", pair)


def _number(rng: Random) -> Sample:
    number = rng.choice([rng.randint(1, 99), rng.randint(100, 300)])
    return Sample(str(number), number)


def _price(rng: Random) -> Sample:
    product, price = rng.choice(fillers.PRODUCTS), rng.randint(2, 120)
    return Sample(f"{product}: ${price}", {"product": product, "price": price})


def _number_word(rng: Random) -> Sample:
    number = rng.randint(0, 99)
    return Sample(fillers.number_word(number), number)


def _order(rng: Random) -> Sample:
    count, price, product = rng.randint(2, 9), rng.randint(2, 12), rng.choice(fillers.PRODUCTS)
    text = rng.choice(["{c} x {p} at ${m} each", "{c} times {p}, ${m} apiece", "{p}: {c} pieces, ${m} per piece"])
    return Sample(text.format(c=count, p=product, m=price), {"count": count, "price": price, "product": product})


def _day(rng: Random) -> date:
    return date(1990, 1, 1) + timedelta(days=rng.randrange(15000))


def _iso_date(rng: Random) -> Sample:
    day = _day(rng)
    return Sample(day.isoformat(), day)


def _long_date(rng: Random) -> Sample:
    day = _day(rng)
    return Sample(f"{day.day} {fillers.MONTHS[day.month - 1]} {day.year}", day)


def clock12(hour: int, minute: int) -> str:
    """A time of the day as ``3:05 pm``."""
    return f"{(hour - 1) % 12 + 1}:{minute:02d} {'am' if hour < 12 else 'pm'}"


def _time12(rng: Random) -> Sample:
    hour, minute = rng.randrange(24), rng.randrange(0, 60, 5)
    return Sample(clock12(hour, minute), (hour, minute))


def _time24(rng: Random) -> Sample:
    hour, minute = rng.randrange(24), rng.randrange(0, 60, 5)
    return Sample(f"{hour:02d}:{minute:02d}", (hour, minute))


def _note(rng: Random) -> Sample:
    day, month, event = (rng.choice(pool) for pool in (fillers.WEEKDAYS, fillers.MONTHS, fillers.EVENTS))
    hour, room = rng.randint(1, 11), rng.randint(12, 40)
    text = rng.choice(
        [
            "{e}: {d} at {h} pm, room {r}, starts in {m}",
            "From {m} on: {e} every {d}, {h} pm in room {r}",
            "{d}, {h} pm: {e} in room {r} (first time in {m})",
        ]
    ).format(e=event, d=day, h=hour, r=room, m=month)
    return Sample(text, {"weekday": day, "month": month, "event": event, "hour": hour, "room": str(room)})


def _measure(units: Sequence[str], numbers: Sequence[int]) -> Callable[[Random], Sample]:
    def draw(rng: Random) -> Sample:
        number, unit = rng.choice(numbers), rng.choice(units)
        return Sample(f"{number} {unit}", (number, unit))

    return draw


def _person(rng: Random) -> dict[str, str]:
    name = f"{rng.choice(fillers.FIRST_NAMES)} {rng.choice(fillers.LAST_NAMES)}"
    age, city, job = str(rng.randint(18, 80)), rng.choice(fillers.CITIES), rng.choice(fillers.JOBS)
    return {"name": name, "city": city, "age": age, "job": job}


def _profile(rng: Random) -> Sample:
    fields = list(_person(rng).items())
    rng.shuffle(fields)
    return Sample("; ".join(f"{key}: {value}" for key, value in fields), dict(fields))


def _product_sheet(rng: Random) -> Sample:
    fields = [
        ("product", rng.choice(fillers.PRODUCTS)),
        ("colour", rng.choice(fillers.COLOURS)),
        ("material", rng.choice(fillers.MATERIALS)),
        ("price", str(rng.randint(5, 250))),
        ("stock", str(rng.randint(0, 90))),
    ]
    rng.shuffle(fields)
    return Sample("\n".join(f"{key} = {value}" for key, value in fields[:4]), dict(fields[:4]))


def _csv_row(rng: Random) -> Sample:
    person = _person(rng)
    return Sample(",".join(person.values()), person)


def _json_record(rng: Random) -> Sample:
    person = _person(rng)
    record = {"name": person["name"], "job": person["job"], "city": person["city"]}
    return Sample(json.dumps(record), record)


def _full_name(rng: Random) -> Sample:
    first, last = rng.choice(fillers.FIRST_NAMES), rng.choice(fillers.LAST_NAMES)
    return Sample(f"{first} {last}", (first, last))


def _email(rng: Random) -> Sample:
    first, last = rng.choice(fillers.FIRST_NAMES).lower(), rng.choice(fillers.LAST_NAMES).lower()
    user = rng.choice([f"{first}.{last}", f"{first}{rng.randint(1, 99)}", f"{first[0]}{last}"])
    domain = rng.choice(fillers.DOMAINS)
    return Sample(f"{user}@{domain}", (user, domain))


def _file_name(rng: Random) -> Sample:
    stem = (
        f"{rng.choice(fillers.FILE_NAMES)}{rng.choice(['', '_', '-'])}{rng.choice(['final', 'old', '2', '2023', 'v3'])}"
    )
    extension = rng.choice(fillers.EXTENSIONS)
    return Sample(f"{stem}.{extension}", (stem, extension))


def _title(rng: Random) -> Sample:
    chosen = rng.sample(fillers.TITLE_WORDS, rng.randint(2, 4))
    return Sample(" ".join(chosen), chosen)


def _score(rng: Random) -> Sample:
    (home, away), (goals, conceded) = rng.sample(fillers.TEAMS, 2), rng.sample(range(7), 2)
    return Sample(f"{home} {goals} - {conceded} {away}", (home, goals, conceded, away))


def _thing(rng: Random) -> Sample:
    kind = rng.choice(list(knowledge.CATEGORIES))
    entry = rng.choice(knowledge.CATEGORIES[kind])
    return Sample(entry, kind)


def _odd_group(rng: Random) -> Sample:
    kind, other = rng.sample(list(knowledge.CATEGORIES), 2)
    odd = rng.choice(knowledge.CATEGORIES[other])
    chosen = [*rng.sample(knowledge.CATEGORIES[kind], 3), odd]
    rng.shuffle(chosen)
    return Sample(", ".join(chosen), {"items": chosen, "odd": odd, "kind": kind})


SOURCES = (
    Source("words", "list of words", _items(fillers.COMMON_WORDS, 3, 5), "word", "words"),
    Source("names", "list of first names", _items(fillers.FIRST_NAMES, 3, 5, "\n"), "name", "names", "\n"),
    Source("groceries", "shopping list", _items(fillers.GROCERIES, 3, 6, "; "), "item", "items", "; "),
    Source("cities", "list of cities", _items(fillers.CITIES, 3, 5, " | "), "city", "cities", " | "),
    Source("colours", "row of colours", _items(fillers.COLOURS, 3, 5, " "), "colour", "colours", " "),
    Source("tags", "list of tags", _tags, "tag", "tags"),
    Source("numbers", "list of numbers", _numbers, "number", "numbers"),
    Source("pair", "pair of numbers", _pair),
    Source("two_numbers", "line with two small numbers", _small_pair),
    Source("number", "number", _number),
    Source("number_word", "number word", _number_word),
    Source("price", "price tag", _price),
    Source("order", "line of an order", _order),
    Source("iso_date", "date like 2024-03-05", _iso_date),
    Source("long_date", "date like 5 March 2024", _long_date),
    Source("time12", "time with am or pm", _time12),
    Source("time24", "24-hour time", _time24),
    Source("note", "calendar note", _note),
    Source("duration", "duration in minutes", _measure(("minutes",), range(2, 100))),
    Source("hours", "duration in hours", _measure(("hours",), range(2, 80))),
    Source("length", "length in centimetres", _measure(("cm",), range(100, 9900, 50))),
    Source("weight", "weight in kilograms", _measure(("kg",), range(1, 90))),
    Source("profile", "profile of a person", _profile),
    Source("product_sheet", "product sheet", _product_sheet),
    Source("csv_row", "CSV row of a person", _csv_row),
    Source("json_record", "JSON record", _json_record),
    Source("full_name", "full name", _full_name),
    Source("email", "mail address", _email),
    Source("file_name", "file name", _file_name),
    Source("title", "title", _title, "word", "words", " "),
    Source("score", "football result", _score),
    Source("word", "word", _one_of(fillers.COMMON_WORDS + fillers.GROCERIES + fillers.JOBS)),
    Source("thing", "word", _thing),
    Source("odd_group", "group of four words", _odd_group),
    Source("country", "country", _one_of(tuple(knowledge.CAPITALS))),
    Source("opposite_word", "word", _one_of(tuple(knowledge.OPPOSITES))),
    Source("synonym_word", "word", _one_of(tuple(knowledge.SYNONYMS))),
    Source("noun", "noun", _one_of(tuple(knowledge.PLURALS))),
    Source("verb", "verb", _one_of(tuple(knowledge.PAST))),
    Source("adjective", "adjective", _one_of(tuple(knowledge.COMPARATIVES))),
    Source("coloured_thing", "thing", _one_of(tuple(knowledge.COLOUR_OF))),
)
