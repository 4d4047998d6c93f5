"""All procedural tasks: which operation meets which source in which format, and the building of their examples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from random import Random

from t2l.procedural import inputs, knowledge, prose
from t2l.procedural.fact_operations import FACT_OPERATIONS
from t2l.procedural.field_operations import FIELD_OPERATIONS
from t2l.procedural.formats import FORMATS, LIST_FORMATS, PLAIN, Format, ListFormat, joined
from t2l.procedural.labels import CHOICES
from t2l.procedural.list_operations import LIST_OPERATIONS
from t2l.procedural.number_operations import NUMBER_OPERATIONS
from t2l.procedural.parts import Choice, LabelSet, Operation, Sample, Source
from t2l.procedural.text_operations import TEXT_OPERATIONS
from t2l.procedural.wording import Descriptions, Wording
from t2l.tasks import Example, Task

FAMILY = "procedural"
SOURCES = {source.name: source for source in inputs.SOURCES + prose.SOURCES}
OPERATIONS = LIST_OPERATIONS + TEXT_OPERATIONS + FIELD_OPERATIONS + NUMBER_OPERATIONS + FACT_OPERATIONS

#: Whole kinds that no training task has, from every category.
HELD_OUT_KINDS = frozenset(
    knowledge.words("""sort_za, shortest, swap_ends, start_early, largest, increment_all,
        kebab_case, parenthesise, second_word, last_sentence, last_letter,
        get_job, get_month, first_value, name_and_city, last_name, stem, loser,
        smaller, plus_ten, month_short, to_slash_date, hour_earlier, day_before, cm_to_mm,
        synonym, third_person, continent,
        review_named, is_praise, grammatical_person, is_country, weekend, longer_name""")
)

MAX_INPUT, MAX_OUTPUT = 395, 95
#: Inputs per example that a task could choose from: tasks of one source share many of their inputs, not all.
_POOL_FACTOR = 8
#: Operations on many sources are many tasks already: they take one further format per source, others two.
_MANY_SOURCES = 3
#: Formats that also stand on labels: any label can be written so.
_LABEL_FORMATS = tuple(f for f in FORMATS["number"] if f.name in ("answer", "json", "quoted", "brackets", "tagged"))


@dataclass(frozen=True)
class Plan:
    """One task before its examples are drawn."""

    name: str
    kind: str
    source: Source
    answer: Callable[[Sample], str | None]
    labels: tuple[str, ...] | None
    descriptions: Descriptions


@cache
def plans(seed: int) -> tuple[Plan, ...]:
    """Every task, of training and held-out kinds, worded."""
    wording = Wording()
    return (*_operation_plans(seed, wording), *_choice_plans(seed, wording))


def _operation_plans(seed: int, wording: Wording) -> Iterator[Plan]:
    turn = 0
    for operation in OPERATIONS:
        for source in (SOURCES[name] for name in operation.sources):
            for style in _formats(operation, source, turn):
                name = f"{FAMILY}-{operation.kind}-{source.name}-{style.name}"
                rng = Random(f"{seed}/wording/{name}")
                descriptions = wording.operation(rng, operation, source, style.how)
                yield Plan(name, operation.kind, source, _answer(operation, style), None, descriptions)
            turn += 1


def _formats(operation: Operation, source: Source, turn: int) -> list[Format | ListFormat]:
    """The plain format and some more, which take turns."""
    if operation.form == "verbatim":
        return [PLAIN]
    if operation.form == "list":
        plain: Format | ListFormat = joined(source.separator)
        more: tuple[Format | ListFormat, ...] = tuple(
            style for style in LIST_FORMATS if style.write(["a", "B"]) != plain.write(["a", "B"])
        )
    else:
        plain, more = PLAIN, FORMATS[operation.form]
    step = 1 if len(operation.sources) >= _MANY_SOURCES else 2
    chosen = [more[(turn * step + offset) % len(more)] for offset in range(step)]
    return chosen if operation.kind == "relist" else [plain, *chosen]


def _answer(operation: Operation, style: Format | ListFormat) -> Callable[[Sample], str | None]:
    def answer(sample: Sample) -> str | None:
        result = operation.apply(sample)
        return style.write(result) if result else None

    return answer


def _choice_plans(seed: int, wording: Wording) -> Iterator[Plan]:
    turn = 0
    for choice in CHOICES:
        for source in (SOURCES[name] for name in choice.sources):
            for labels in choice.label_sets:
                styles = [PLAIN] if turn % 2 else [PLAIN, _LABEL_FORMATS[turn // 2 % len(_LABEL_FORMATS)]]
                turn += 1
                for style in styles:
                    yield _choice_plan(seed, wording, choice, source, labels, style)


def _choice_plan(seed: int, wording: Wording, choice: Choice, source: Source, labels: LabelSet, style: Format) -> Plan:
    number = choice.label_sets.index(labels) + 1
    name = f"{FAMILY}-{choice.kind}-{source.name}-labels{number}" + ("" if style is PLAIN else f"_{style.name}")
    words = tuple(style.write(word) for word in labels.words)

    def answer(sample: Sample) -> str | None:
        index = choice.classify(sample)
        return None if index is None else words[index]

    descriptions = wording.choice(Random(f"{seed}/wording/{name}"), choice, labels, source, style.how)
    return Plan(name, choice.kind, source, answer, words, descriptions)


def spread(chosen: list[Plan], count: int | None, rng: Random) -> list[Plan]:
    """So many of the plans, at most one more of any kind than of another while both have some left."""
    if count is None or count >= len(chosen):
        return chosen
    by_kind: dict[str, list[Plan]] = {}
    for plan in rng.sample(chosen, len(chosen)):
        by_kind.setdefault(plan.kind, []).append(plan)
    rounds = zip_longest(*by_kind.values())
    return [plan for plans_of_round in rounds for plan in plans_of_round if plan][:count]


class Pools:
    """The inputs of every source, which its tasks share; none is both for training and for testing."""

    def __init__(self, seed: int, examples: int, test_examples: int) -> None:
        self.seed, self.sizes = seed, (_POOL_FACTOR * examples, _POOL_FACTOR * test_examples)
        self._pools: dict[str, tuple[list[Sample], list[Sample]]] = {}

    def of(self, source: Source) -> tuple[list[Sample], list[Sample]]:
        """Training samples and test samples."""
        if source.name not in self._pools:
            self._pools[source.name] = self._draw(source)
        return self._pools[source.name]

    def _draw(self, source: Source) -> tuple[list[Sample], list[Sample]]:
        rng = Random(f"{self.seed}/{source.name}")
        wanted = sum(self.sizes)
        distinct: dict[str, Sample] = {}
        for _ in range(4 * wanted):
            sample = source.draw(rng)
            if len(sample.text) <= MAX_INPUT:
                distinct.setdefault(sample.text, sample)
            if len(distinct) == wanted:
                break
        # Shuffled, since rare inputs come late: both parts get their share of them.
        samples = rng.sample(list(distinct.values()), len(distinct))
        num_test = round(len(samples) * self.sizes[1] / wanted)
        return samples[num_test:], samples[:num_test]


def build(plan: Plan, pools: Pools, split: str, seed: int, examples: int, test_examples: int) -> Task:
    """The task of a plan, with examples."""
    train, test = pools.of(plan.source)
    rng = Random(f"{seed}/examples/{plan.name}")
    texts = plan.descriptions
    return Task(
        plan.name,
        FAMILY,
        "exact",
        plan.labels,
        texts.instruction,
        split,
        _examples(plan, train, examples, rng),
        _examples(plan, test, test_examples, rng),
        tuple(texts.train),
        tuple(texts.held_out),
    )


def _examples(plan: Plan, pool: list[Sample], count: int, rng: Random) -> tuple[Example, ...]:
    """Examples from a pool; those of a closed set of labels in equal parts as far as the pool allows."""
    groups: dict[str, list[Example]] = {}
    for sample in sorted(pool, key=lambda _: rng.random()):
        if not plan.labels and len(groups.get("", ())) == count:
            break
        output = plan.answer(sample)
        if output and len(output) <= MAX_OUTPUT:
            groups.setdefault(output if plan.labels else "", []).append(Example(sample.text, (output,)))
    rounds = zip_longest(*groups.values())
    chosen = [example for examples in rounds for example in examples if example][:count]
    rng.shuffle(chosen)
    return tuple(chosen)
