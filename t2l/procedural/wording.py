"""Descriptions: phrases of a task in frames of many registers, the held-out frames apart from the training ones.

Frames know ``{action}`` and ``{result}`` of an operation, ``{what}``, ``{options}`` and ``{mapping}`` of a choice,
``{a_thing}`` and ``{thing}``. What says the output format comes after an action (``{and_how}``), a result
(``{how}``) or as a sentence of its own (``{how_sentence}``); all three are empty for the plain format.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from t2l.procedural.parts import Choice, LabelSet, Operation, Phrases, Source

#: Descriptions per task, for training and held out.
NUM_DESCRIPTIONS = (16, 5)
_ATTEMPTS = 400


@dataclass(frozen=True)
class Frames:
    """Frames for training descriptions and for held-out ones."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


OPERATION_FRAMES = Frames(
    train=(
        "{Action}{and_how}.",
        "Please {action}{and_how}.",
        "{Action}.{how_sentence}",
        "Given {a_thing}, {action}{and_how}.",
        "Given {a_thing}, output {result}{how}.",
        "You will get {a_thing}; reply with {result}{how}.",
        "You are given {a_thing}. Your job is to {action}{and_how}.",
        "The task is to {action}{and_how}.",
        "Input: {a_thing}. Output: {result}{how}.",
        "{thing} -> {bare_result}{how}",
        "Please give me {result}{how}.",
        "{Result}{how}.",
        "Return {result}{how} and nothing else.",
        "I'll send you {a_thing}, just {action}{and_how}.",
        "For every input, which is {a_thing}, {action}{and_how}.",
        "Answer with {result}{how}, without any explanation.",
        "hey, here is what to do: {action}{and_how}, thanks",
        "The response must consist of {result}{how}.",
        "The input is {a_thing}. {Action}{and_how}.",
        "Read the {thing} and {action}{and_how}.",
        "The user sends {a_thing}. Write {result}{how}.",
        "In this task you have to {action}{and_how}.",
        "I need {result}{how}.",
        "Respond to {a_thing} with {result}{how}.",
        "It is required to {action}{and_how}; no comment shall be added.",
    ),
    held_out=(
        "When someone sends {a_thing}, come back with {result}{how}.",
        "Could you look at the {thing} and {action}{and_how}?",
        "What I want to see is {result}{how}.",
        "Each message holds {a_thing}, and the right answer is {result}{how}.",
        "Take {a_thing} and produce {result}{how}.",
        "We want an assistant that answers {a_thing} with {result}{how}.",
        "Help me {action}{and_how}: every message is {a_thing}.",
        "Whatever {thing} I paste, show {result}{how}.",
    ),
)
#: For choices whose label words explain themselves.
PLAIN_CHOICE_FRAMES = Frames(
    train=(
        "Determine {what}: {options}.{how_sentence}",
        "Decide {what}. Answer {options}.{how_sentence}",
        "Given {a_thing}, determine {what} ({options}).{how_sentence}",
        "You will get {a_thing}; say {what} with one of the labels {list}.{how_sentence}",
        "Please tell me {what}: {options}?{how_sentence}",
        "The task is to judge {what}. The possible answers are {list}.{how_sentence}",
        "{thing} -> {slashes}, by {what}{how}",
        "I'll send you {a_thing}, just tell me {what}: {options}, nothing else.{how_sentence}",
        "You are given {a_thing}. Your job is to find out {what} and to answer {options}.{how_sentence}",
        "Label each {thing} as {options} to show {what}.{how_sentence}",
        "Output exactly one of {list}, to state {what}.{how_sentence}",
        "Input: {a_thing}. Output: {options}, depending on {what}{how}.",
        "hey, is it {options}? what counts is {what}{how}",
        "It is required to state {what} by one of the terms {list}.{how_sentence}",
        "Classify the {thing} as {options}.{how_sentence}",
        "Classify {a_thing} by {what}: {options}.{how_sentence}",
        "Sort every {thing} into {list}.{how_sentence}",
        "Assign one of the categories {list} to the {thing}.{how_sentence}",
        "Which of {options} fits the {thing}? It depends on {what}.{how_sentence}",
    ),
    held_out=(
        "Have a look at the {thing} and settle {what}, choosing among {list}.{how_sentence}",
        "My only question is {what}; pick {options}.{how_sentence}",
        "Could you tag the {thing} with {options}, going by {what}?{how_sentence}",
        "When someone sends {a_thing}, come back with {options} according to {what}.{how_sentence}",
        "Each message holds {a_thing}, and the right answer is one of {list}: it tells {what}.{how_sentence}",
    ),
)
#: For all choices.
MAPPED_CHOICE_FRAMES = Frames(
    train=(
        "Answer {mapping}.{how_sentence}",
        "Reply with {mapping}.{how_sentence}",
        "Given {a_thing}, write {mapping}.{how_sentence}",
        "Read the {thing}. Output {mapping}.{how_sentence}",
        "Determine {what}. Use {mapping}.{how_sentence}",
        "I need one label per {thing}: {mapping}.{how_sentence}",
        "You will get {a_thing}; respond with {mapping}.{how_sentence}",
        "The task is to decide {what}: {mapping}.{how_sentence}",
        "Please write {mapping}.{how_sentence}",
        "You are given {a_thing}. Your answer has to be {mapping}.{how_sentence}",
        "{thing} -> {mapping}{how}",
        "I'll send you {a_thing}, just say {mapping}, no other words.{how_sentence}",
        "For every {thing}, print {mapping}.{how_sentence}",
        "In this task the label is {mapping}.{how_sentence}",
        "Judge {what} and return {mapping}.{how_sentence}",
    ),
    held_out=(
        "When someone sends {a_thing}, come back with {mapping}.{how_sentence}",
        "What I want to see is {mapping}.{how_sentence}",
        "Could you mark the {thing} with {mapping}?{how_sentence}",
        "Each message holds {a_thing}, and the right answer is {mapping}.{how_sentence}",
        "Take {a_thing} and choose the fitting mark: {mapping}.{how_sentence}",
        "Whatever {thing} I paste, show {mapping}.{how_sentence}",
    ),
)


@dataclass(frozen=True)
class Descriptions:
    """The wordings of one task."""

    instruction: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]


class Wording:
    """Words tasks so that no two of them share a description."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def operation(self, rng: Random, operation: Operation, source: Source, how: Phrases) -> Descriptions:
        """Descriptions of an operation on a source with its answer in a format."""

        def fill(frame: str, held_out: bool) -> str:
            action, result = _pick(rng, operation.actions, held_out), _pick(rng, operation.results, held_out)
            return _fill(frame, source, _pick(rng, how, held_out), action=action, result=result)

        plain = OPERATION_FRAMES.train[:1]
        return self._collect(rng, fill, plain, OPERATION_FRAMES.train, OPERATION_FRAMES.held_out)

    def choice(self, rng: Random, choice: Choice, labels: LabelSet, source: Source, how: Phrases) -> Descriptions:
        """Descriptions of a choice among labels; all of them name every label, half of them in an order that says
        nothing (were "negative" always before "positive", the place would be learned and not the word)."""

        def fill(frame: str, held_out: bool) -> str:
            pairs = list(zip(labels.words, choice.conditions, strict=True))
            if rng.random() < 0.5:
                rng.shuffle(pairs)
            named = [word for word, _ in pairs]
            return _fill(
                frame,
                source,
                _pick(rng, how, held_out),
                what=_pick(rng, choice.what, held_out),
                options=_enumeration(named, " or "),
                list=_enumeration(named, " and "),
                slashes="/".join(named),
                mapping=_mapping(rng, named, [_pick(rng, condition, held_out) for _, condition in pairs]),
            )

        train, held_out = MAPPED_CHOICE_FRAMES.train, MAPPED_CHOICE_FRAMES.held_out
        if labels.plain:
            train, held_out = train + PLAIN_CHOICE_FRAMES.train, held_out + PLAIN_CHOICE_FRAMES.held_out
        plain = (PLAIN_CHOICE_FRAMES if labels.plain else MAPPED_CHOICE_FRAMES).train[:1]
        return self._collect(rng, fill, plain, train, held_out)

    def _collect(
        self,
        rng: Random,
        fill: Callable[[str, bool], str],
        plain: Sequence[str],
        train: Sequence[str],
        held_out: Sequence[str],
    ) -> Descriptions:
        (instruction,) = self._untaken(rng, fill, (*plain, *train[3:5]), 1, False)
        more = self._untaken(rng, fill, train, NUM_DESCRIPTIONS[0] - 1, False)
        return Descriptions(
            instruction, (instruction, *more), self._untaken(rng, fill, held_out, NUM_DESCRIPTIONS[1], True)
        )

    def _untaken(
        self, rng: Random, fill: Callable[[str, bool], str], frames: Sequence[str], count: int, held_out: bool
    ) -> tuple[str, ...]:
        """So many new descriptions, from as many different frames as there are."""
        found: list[str] = []
        for frame in _shuffled_rounds(rng, frames, keep_order=count == 1):
            text = fill(frame, held_out)
            if text.lower() not in self._taken:
                self._taken.add(text.lower())
                found.append(text)
            if len(found) == count:
                return tuple(found)
        raise AssertionError(f"too few different wordings: {found}")


def _shuffled_rounds(rng: Random, frames: Sequence[str], *, keep_order: bool) -> Iterator[str]:
    for _ in range(_ATTEMPTS // len(frames)):
        yield from frames if keep_order else rng.sample(frames, len(frames))


def _pick(rng: Random, options: Phrases, held_out: bool) -> str:
    texts = options.held_out if held_out else options.train
    return rng.choice(texts) if texts else ""


def _enumeration(labels: Sequence[str], last: str) -> str:
    return f"{', '.join(labels[:-1])}{last}{labels[-1]}"


def _mapping(rng: Random, labels: Sequence[str], conditions: Sequence[str]) -> str:
    """Which label is right when: ``yes if it is an animal, no if it is not``."""
    link = rng.choice([" if ", " when "])
    clauses = [f"{label}{link}{condition}" for label, condition in zip(labels, conditions, strict=True)]
    if len(clauses) == 2:
        return rng.choice([", ", " and ", ", or "]).join(clauses)
    return _enumeration(clauses, ", or ")


def _fill(frame: str, source: Source, how: str, **parts: str) -> str:
    """The frame with its parts, which may themselves name the source's thing and items."""
    names = {"thing": source.thing, "item": source.item, "items": source.items}
    filled = {key: _fill_names(text, names) for key, text in parts.items()}
    how = _fill_names(how, names)
    for key in ("action", "result"):
        if key in filled:
            filled[key.capitalize()] = filled[key][:1].upper() + filled[key][1:]
    filled["bare_result"] = filled.get("result", "").removeprefix("the ")
    article = "an" if source.thing[0].lower() in "aeiou" else "a"
    comma = "," if "," in filled.get("action", "") else ""
    text = frame.format(
        **filled,
        thing=source.thing,
        a_thing=f"{article} {source.thing}",
        how=f", {how}" if how else "",
        and_how=f"{comma} and write the result {how}" if how else "",
        how_sentence=f" Write the answer {how}." if how else "",
    )
    # A phrase may end in a comma of its own or, quoting a sentence, in a full stop.
    return text.replace(",,", ",").replace(",.", ".").replace('.".', '."')


def _fill_names(text: str, names: dict[str, str]) -> str:
    """Puts names in for ``{thing}`` and the like; other braces (of JSON) stay."""
    for key, name in names.items() if "{" in text else ():
        text = text.replace(f"{{{key}}}", name)
    return text
