"""Wordings that fit every attribute, and the small grammar that joins parts into sentences.

`{e}` entity, `{v}` value, `{n}` the attribute's noun, `{t}` the entity's type, `{wh}` What or Who.
Openers, frames and nouns multiply: that is where most of the distinct sentences come from.
"""

from __future__ import annotations

import random
import re

from d2l.synthetic.words import Split, SplitName, phrases

STATEMENT_FRAMES = phrases("""
    the {n} of {e} is {v}; for {e}, the {n} is {v}; {v} is the {n} of {e}; the {n} listed for {e} is {v};
    the {n} given for {e} is {v}; the list gives {v} as the {n} of {e}; {e} is listed with {v} as the {n};
    when it comes to {e}, the {n} is {v}; the {n} of {e} was confirmed as {v}; {e} has this {n}: {v}
    || {e} shows {v} under {n}; regarding {e}, the {n} reads {v}; {v} appears as the {n} for {e};
    against {e} we noted {v} as the {n}; with {e}, the {n} turns out to be {v}""")
OPENERS = phrases("""
    Please note that; According to the report,; The file says that; Our records show that; It was confirmed that;
    As noted earlier,; We can report that; Remember that; The latest news is that; Everyone should know that
    || For the record,; As things stand,; We were told that; Word came in that; To keep in mind:""")
LINKERS = phrases("""
    Also,; In addition,; Meanwhile,; Besides,; On top of that,; By contrast,
    || Likewise,; What is more,; At the same time,; Then again,""")
#: Between two sentences made one; with one subject for both where it is the same.
JOINERS = Split((", and", ", while", ";"), (", whereas", ", though", " -"))
SAME_SUBJECT_JOINERS = phrases("and; and also || and moreover; and likewise")
QUESTION_FRAMES = phrases("""
    {wh} is the {n} of {e}?; {wh} is the {n} for {e}?; {wh} is listed as the {n} of {e}?;
    For {e}, {wh} is the {n}?; Can you tell me the {n} of {e}?; I need the {n} of {e}.; Give the {n} of {e}.;
    {wh} is given as the {n} of {e}?
    || {wh} would be the {n} of {e}?; Could you look up the {n} for {e}?; State the {n} of {e}.;
    {wh} does the text name as the {n} of {e}?""")
REVERSE_FRAMES = phrases("""
    Which {t} is listed with {v} as the {n}?; For which {t} is the {n} {v}?; Which {t} has {v} as the {n}?;
    What {t} goes with this {n}: {v}?
    || Name the {t} whose {n} is {v}.; {v} is the {n} of which {t}?""")
PAIR_FRAMES = phrases("""
    What are the {n} and the {n2} of {e}?; Give the {n} and the {n2} of {e}.; For {e}, what are the {n} and the {n2}?
    || Could you state both the {n} and the {n2} of {e}?; Name the {n}, then the {n2}, of {e}.""")
TWIN_FRAMES = phrases(
    """
    {wh} is the {n} of {e}, and of {e2}?; Give the {n} of {e} and of {e2}.
    || First {e}, then {e2}: {wh} is the {n} of each?; Name the {n} of {e} followed by that of {e2}.""",
    ";",
)
QUESTION_PREFIXES = phrases("""
    According to the document,; In the text,; From the notes:; Going by the document,; Quick check:
    || Based on what you read,; Judging by the document:; One question:""")
FILLERS = phrases("""
    Nothing else has changed since last time.; Please read this carefully.; More details will follow soon.; Thank
    you all for your help.; The weather has been mild.; Everyone did a good job.; Questions are welcome at any
    time.; The next update comes in a few days.; Some points are still open.; It has been a busy period.; Keep this
    page for later.; There is coffee in the kitchen.; The list will be updated again.; Here is a short overview.;
    All other matters can wait.
    || Pass this on to your colleagues.; That is all that we know so far.; The figures were checked twice.; Feel
    free to ask if something is unclear.; Not much else happened.; A longer version exists on paper.; Most people
    were happy about it.; Let us see how things go.""")
TITLE_NOTES = phrases("""
        for internal use; short version; draft; revised; page one; summary; latest edition
        || extract; second edition; for quick reading; final copy""")

#: Subjects x verbs of the filler sentences that are made, not listed.
FILLER_SUBJECTS = phrases("""
        The team; The editor; A visitor; The office; The printer; Our neighbour; The committee
        || The author; The board; A reader; The caretaker; The chairwoman""")
FILLER_VERBS = phrases("""
    hopes for a quiet week; will check the details again; was pleased with the result; has nothing to add;
    is grateful for every comment; plans a small party; will be back soon
    || sends warm greetings; asks for some patience; has little to complain about; will keep us posted""")

#: First words of statements that are orders: nothing can be put before those.
ORDERS = frozenset(
    [
        "add",
        "address",
        "be",
        "board",
        "call",
        "change",
        "come",
        "dial",
        "enter",
        "expect",
        "feed",
        "find",
        "fit",
        "get",
        "go",
        "key",
        "knock",
        "look",
        "order",
        "plan",
        "push",
        "ring",
        "scan",
        "send",
        "throw",
        "use",
        "write",
        "you",
        "if",
        "in",
        "at",
        "on",
        "by",
        "from",
        "with",
        "after",
    ]
)

_ARTICLE = re.compile(r"\b([Aa]) (?=(?:[aeio]|u(?!n[ia]|se|su|ti)|8|11\b|18\b|h(?:our|onest)))", re.IGNORECASE)


def articles(text: str) -> str:
    """Turns 'a orange' into 'an orange'."""
    return _ARTICLE.sub(lambda match: f"{match.group(1)}n ", text)


def sentence(text: str) -> str:
    """Capital letter, right article, final stop."""
    text = articles(text.strip())
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else f"{text}."


def pick(rng: random.Random, choices: Split, split: SplitName) -> str:
    """One wording of the split."""
    return rng.choice(choices.of(split))


def takes_opening(clause: str) -> bool:
    """Whether 'We can report that' or ', while' may stand before the clause: not before an order or an adverbial."""
    return clause.split()[0].rstrip(",").lower() not in ORDERS


def filler(rng: random.Random, split: SplitName) -> str:
    """A sentence without any fact."""
    if rng.random() < 0.5:
        return pick(rng, FILLERS, split)
    return sentence(f"{pick(rng, FILLER_SUBJECTS, split)} {pick(rng, FILLER_VERBS, split)}")
