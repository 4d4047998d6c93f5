"""Sources of composed sentences, reviews, tickets and messages."""

from random import Random

from t2l.procedural import fillers, knowledge
from t2l.procedural.knowledge import words
from t2l.procedural.parts import Sample, Source

#: Per domain: what is reviewed, aspects of it, praise and blame that fit every aspect.
_REVIEWS = {
    "food": (words("pizza, soup, curry, salad, pasta"), words("taste, sauce, portion, seasoning"),
        words("delicious, fresh, perfect"), words("bland, stale, disgusting")),
    "gadget": (words("phone, camera, laptop, headset, tablet"), words("battery, screen, sound, build"),
        words("excellent, solid, impressive"), words("faulty, terrible, disappointing")),
    "film": (words("film, thriller, comedy, sequel, documentary"), words("plot, acting, ending, script"),
        words("gripping, brilliant, moving"), words("boring, awful, predictable")),
    "hotel": (words("hotel, hostel, resort, inn"), words("room, bed, service, breakfast"),
        words("lovely, wonderful, spotless"), words("dirty, horrible, shabby")),
    "app": (words("app, game app, map app, photo app"), words("design, menu, update, search"),
        words("great, fast, handy"), words("useless, slow, broken")),
}  # fmt: skip
_PRAISE = words("""I love it, we will be back, I would recommend it to anyone, worth every cent, it made my day,
    five out of five from me, best choice this year, we were delighted""")
_BLAME = words("""I regret it, never again, I want my money back, a waste of money, it ruined my day,
    one out of five from me, worst choice this year, we were upset""")
_REVIEW_OPENINGS = words("""Got the {x} on {d}., We tried the {x} last week., About the {x}:, My second {x}.,
    {n} told me about this {x}., Bought with {n}: the {x}., So the {x}..., The {x} cost {c} dollars.,
    Paid {c} dollars for the {x}.""")
_TICKETS = {
    "billing": words("""I was charged twice for {p}, the invoice for {p} shows a wrong amount,
        my card was billed ${c} without reason, please explain the fee of ${c} on my bill,
        the discount is missing on my bill for {p}"""),
    "shipping": words("""the parcel with {p} has not arrived, the courier left {p} at a wrong address,
        the tracking of {p} has not moved for {c} days, {p} is still in transit, my delivery of {p} is late"""),
    "login": words("""I forgot my password, my account is locked after {c} attempts,
        the sign-in page rejects my password,
        I cannot log in since {d}, the login code never reaches me"""),
    "returns": words("""I want to send {p} back, {p} does not fit and I want a refund, please explain how to return {p},
        I need a return label for {p}, I would like to exchange {p} bought on {d}"""),
}
_URGENT = words("""this is urgent, I need an answer right now, it cannot wait, please act immediately,
    I need it fixed within the hour, this is an emergency""")
_CALM = words("""there is no hurry, take your time, any time next week is fine, it can wait,
    answer whenever it suits you, this has low priority""")
_INTENTS = {
    "question": words("""where can I find {p}?, when does the shop open on {d}?, how much does {p} cost?,
        do you sell {p}?, is {p} available in red?, what is the size of {p}?"""),
    "complaint": words("""{p} broke after {c} days., nobody answered my call on {d}., {p} arrived with scratches.,
        I am unhappy with {p}., the staff was rude on {d}., {p} does not work at all."""),
    "praise": words("""{p} works wonderfully., your staff was so kind on {d}., I am very happy with {p}.,
        what a great service!, {p} is the best I ever had., thank you for the quick help on {d}."""),
    "request": words("""please send me {p} by {d}., please call me back on {d}., please add {p} to my order.,
        please cancel my order of {p}., please reserve {p} for me., please change my booking to {d}."""),
}
_FORMAL = (
    ("Dear Sir or Madam,", "Yours sincerely,"),
    ("Good morning,", "Kind regards,"),
    ("Dear team,", "Respectfully,"),
)
_INFORMAL = (("hey!!", "cheers,"), ("yo,", "thx,"), ("hiya,", "ttyl,"))
_SUBJECTS = {"I": "first", "we": "first", "you": "second", "he": "third", "she": "third", "they": "third"}
_VERBS = knowledge.table("""paint: painted, clean: cleaned, visit: visited, watch: watched, repair: repaired,
    open: opened, carry: carried, buy: bought, sell: sold, find: found""")
_OBJECTS = words("the {a} {w}, a {w}, the {w}, two {w}s, their {a} {w}")
_PLACES = words("in {t}, near the station, at home, by the lake, in the old town, behind the church")
_THINGS = words("house, boat, shop, garden, car, clock, painting, letter, lamp, bridge, chair, bottle, tower, horse")


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def _fill(rng: Random, text: str) -> str:
    product = rng.choice(["a", "the", "my"]) + " " + rng.choice(fillers.PRODUCTS)
    product = product.replace("a umbrella", "an umbrella")
    return text.format(p=product, c=rng.randint(3, 90), d=rng.choice(fillers.WEEKDAYS))


def _sentence_parts(rng: Random) -> dict[str, str]:
    subject, (present, past) = rng.choice(list(_SUBJECTS)), rng.choice(list(_VERBS.items()))
    tense = rng.choice(["past", "present", "future"])
    name = rng.choice(fillers.FIRST_NAMES) if rng.random() < 0.3 else ""
    third = {"carry": "carries", "watch": "watches"}.get(present, f"{present}s")
    verb = {"past": past, "future": f"will {present}"}.get(tense) or (
        third if name or subject in ("he", "she") else present
    )
    place = rng.choice(_PLACES).format(t=rng.choice(fillers.CITIES))
    thing = rng.choice(_OBJECTS).format(a=rng.choice(fillers.ADJECTIVES), w=rng.choice(_THINGS))
    body = f"{name or subject} {verb} {thing} {place}"
    return {"body": capital(body), "tense": tense, "person": "third" if name else _SUBJECTS[subject], "name": name}


def _sentence(rng: Random) -> Sample:
    parts = _sentence_parts(rng)
    text = parts["body"] + "."
    return Sample(text, {**parts, "words": text[:-1].split()})


def _passage(rng: Random) -> Sample:
    sentences = [_sentence_parts(rng)["body"] + rng.choice([".", ".", "!"]) for _ in range(rng.randint(2, 3))]
    return Sample(" ".join(sentences), sentences)


def _review(rng: Random) -> Sample:
    domain = rng.choice(list(_REVIEWS))
    things, aspects, good, bad = _REVIEWS[domain]
    liked = rng.random() < 0.5
    opening = rng.choice(_REVIEW_OPENINGS)
    thing, name = rng.choice(things), rng.choice(fillers.FIRST_NAMES)
    aspect = f"The {rng.choice(aspects)} was {rng.choice(good if liked else bad)}"
    verdict = rng.choice(_PRAISE if liked else _BLAME)
    opening = opening.format(x=thing, n=name, c=rng.randint(5, 90), d=rng.choice(fillers.WEEKDAYS))
    body = rng.choice([f"{aspect}. {capital(verdict)}.", f"{aspect}, {verdict}!", f"{capital(verdict)}! {aspect}."])
    text = f"{opening} {body}"
    return Sample(text, {"liked": liked, "domain": domain, "thing": thing, "name": name if name in text else ""})


def _ticket(rng: Random) -> Sample:
    topic, urgent = rng.choice(list(_TICKETS)), rng.random() < 0.5
    name, number = rng.choice(fillers.FIRST_NAMES), rng.randint(1000, 9999)
    sentences = [_fill(rng, rng.choice(_TICKETS[topic])), rng.choice(_URGENT if urgent else _CALM)]
    if rng.random() < 0.5:
        sentences.reverse()
    text = ". ".join(map(capital, sentences)) + f". {name}, customer {number}"
    return Sample(text, {"topic": topic, "urgent": urgent, "name": name, "number": str(number)})


def _message(rng: Random) -> Sample:
    intent, formal = rng.choice(list(_INTENTS)), rng.random() < 0.5
    opening, closing = rng.choice(_FORMAL if formal else _INFORMAL)
    name = rng.choice(fillers.FIRST_NAMES)
    body = _fill(rng, rng.choice(_INTENTS[intent]))
    text = f"{opening} {capital(body) if formal else body} {closing} {name}"
    return Sample(text, {"intent": intent, "formal": formal, "name": name})


def _contact(rng: Random) -> Sample:
    first, last = rng.choice(fillers.FIRST_NAMES), rng.choice(fillers.LAST_NAMES)
    values = {
        "name": f"{first} {last}",
        "email": f"{first.lower()}@{rng.choice(fillers.DOMAINS)}",
        "phone": f"{rng.randint(200, 999)}-{rng.randint(1000, 9999)}",
        "date": f"{rng.randint(1, 28)} {rng.choice(fillers.MONTHS)}",
        "city": rng.choice(fillers.CITIES),
    }
    text = rng.choice(
        [
            "Until {date} you reach {name} in {city} at {email} or {phone}.",
            "{name} moved to {city} on {date}, new phone {phone}, mail {email}.",
            "For the tour in {city} on {date} call {phone} or write to {email}, says {name}.",
            "Please mail {email} before {date}; {name} ({city}) also answers at {phone}.",
        ]
    )
    return Sample(text.format(**values), values)


def _bracketed(rng: Random) -> Sample:
    inner = rng.choice([*fillers.JOBS, *fillers.CITIES, *fillers.GROCERIES, "see below", "not final", "since 2019"])
    tokens = _sentence_parts(rng)["body"].split()
    place = rng.randint(2, len(tokens))
    before, after = " ".join(tokens[:place]), " ".join(tokens[place:])
    return Sample(
        f"{before} ({inner}) {after}".strip() + ".", {"inner": inner, "rest": f"{before} {after}".strip() + "."}
    )


def _dialogue(rng: Random) -> Sample:
    speakers = rng.sample(fillers.FIRST_NAMES, 2)
    intents = rng.sample(list(_INTENTS), 2)
    lines = [capital(_fill(rng, rng.choice(_INTENTS[intent]))) for intent in intents]
    text = "\n".join(f"{speaker}: {line}" for speaker, line in zip(speakers, lines, strict=True))
    return Sample(text, {"speakers": speakers, "lines": lines})


def _foreign(rng: Random) -> Sample:
    language = rng.choice(list(knowledge.LANGUAGES))
    subjects, predicates = knowledge.LANGUAGES[language]
    return Sample(f"{capital(rng.choice(subjects))} {rng.choice(predicates)}.", language)


SOURCES = (
    Source("sentence", "sentence", _sentence, "word", "words", " "),
    Source("passage", "passage", _passage, "sentence", "sentences", " "),
    Source("review", "review", _review),
    Source("ticket", "support ticket", _ticket),
    Source("message", "message", _message),
    Source("contact", "contact notice", _contact),
    Source("bracketed", "sentence with a remark in brackets", _bracketed),
    Source("dialogue", "dialogue of two lines", _dialogue),
    Source("foreign", "sentence in some language", _foreign),
)
