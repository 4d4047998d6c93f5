"""Label tasks whose label words are drawn at random, so that a description's own words have to be answered.

A hypernetwork that has met 150 label words answers with one of them. Here every task has words of its own, as in symbol
tuning (Wei et al. 2023, arXiv:2305.08298): the choices of ``labels`` with random words and the conditions they stand
for, real label tasks with their labels renamed, and texts to be sorted by their kind, their topic or their grade.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from t2l.procedural import fillers, knowledge
from t2l.procedural.catalogue import FAMILY, HELD_OUT_KINDS, MAX_INPUT, SOURCES, Plan, Pools, build
from t2l.procedural.labels import CHOICES
from t2l.procedural.opinions import OPINION
from t2l.procedural.parts import Choice, LabelSet, Phrases, Sample, Source, phrases
from t2l.procedural.topics import GRADE_LABELS, GRADED_REVIEW, KINDS, TOPICS, Topic
from t2l.procedural.wording import NUM_DESCRIPTIONS, Wording
from t2l.tasks import PUBLISHABLE, Example, Task

#: Tasks made of one choice on one source, of one mixed source, and of one real task, in turn; at most.
_SETS_PER_CHOICE, _SETS_PER_MIX, _SETS_PER_TASK, _SETS_PER_TOPICS, _SETS_PER_VERDICT = 6, 8, 12, 5, 8
_MIXES, _TOPIC_MIXES, _KIND_MIXES = 40, 48, 16


def _pairs(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(pair.split("/")) for pair in text.split())


#: Pairs that mean the same as the labels of a real task, the second one affirming.
_VERDICTS = _pairs("""bad/good negative/positive critical/favourable criticism/praise unhappy/happy angry/pleased
    hate/love dislike/like avoid/recommend skip/buy disappointed/delighted con/pro reject/approve terrible/great
    poor/excellent lose/win harsh/warm worse/better against/for warning/advertisement""")
_TRUTHS = _pairs("""false/true incorrect/correct wrong/right N/Y 0/1 invalid/valid reject/accept deny/confirm
    fail/pass disagree/agree negative/affirmative absent/present off/on""")
#: What descriptions call the inputs of a real family.
_REAL_THINGS = {
    "amazon_polarity": "product review",
    "dbpedia_14": "company description",
    "kilt_hotpotqa": "trivia question",
    "commonsense_qa": "quiz question",
}
_MIX_THINGS = ("text", "input", "entry", "snippet", "piece of text")
_TOPIC_THINGS = ("text", "news item", "headline", "article", "message", "paragraph", "post", "news report", "story")
_WORD_THINGS = ("word", "term", "expression", "entry")
_KIND = phrases(
    "the kind of text; what the {thing} is; the type of the {thing} || what sort of thing the {thing} is; which it is"
)
_TOPIC = phrases("the topic of the {thing}; what the {thing} is about; the subject; the field; the section "
                 "|| the theme of the {thing}; where it belongs")  # fmt: skip
_ABOUT, _NAMES = "it is about {0}; it belongs to {0}", "it is a kind of {0}; it names a {0}"
_READER = phrases("who the {thing} is for; the reader; who would like to read the {thing} || the audience")
_GRADE = phrases("the grade of the {thing}; how good it was; how satisfied the writer is; the rating of the {thing} "
                 "|| the score that goes with the {thing}")  # fmt: skip
_VERDICT = phrases("the sentiment of the {thing}; what the writer thinks; the opinion; the mood of the {thing} "
                   "|| how the writer feels")  # fmt: skip
_VERDICT_CONDITIONS = (
    phrases("the writer is unhappy; the {thing} is unfavourable || the writer complains"),
    phrases("the writer is happy; the {thing} is favourable || the writer is full of praise"),
)
_GRADES = ("as bad as can be", "rather bad", "neither good nor bad", "rather good", "as good as can be")
_MAPPINGS = phrases(
    "Write {new} for {old}; For {old} answer {new}; Use the word {new} in place of {old}; {old} = {new}; "
    "Say {new} if it is {old} || Put {new} where {old} is meant; {new} stands for {old}"
)


def relabelled_tasks(
    real: Sequence[Task], count: int | None = None, *, seed: int = 0, examples: int = 40, test_examples: int = 10
) -> list[Task]:
    """Training tasks, the same for the same arguments.

    Args:
        real: tasks of which the publishable training ones with two labels are relabelled, and texts are sorted.
        count: number of tasks; all if None.
        examples, test_examples: per task, at most.
    """
    wording, pools = Wording(), Pools(seed, examples, test_examples)
    usable = [task for task in real if task.split == "train" and task.family in PUBLISHABLE and task.family != FAMILY]
    planned = [*_choice_plans(seed, wording), *_sorting_plans(seed, wording, usable)]
    planned += [*_topic_plans(seed, wording, "topic", TOPICS, _TOPIC_MIXES, _TOPIC_THINGS, _TOPIC, _ABOUT)]
    planned += [*_topic_plans(seed, wording, "kind_of_word", KINDS, _KIND_MIXES, _WORD_THINGS, _KIND, _NAMES)]
    planned += [*_grade_plans(seed, wording), *_opinion_plans(seed, wording)]
    makers = [lambda plan=plan: build(plan, pools, "train", seed, examples, test_examples) for plan in planned]
    makers += [
        lambda task=task, number=number: _renamed(task, number, seed)
        for task in usable
        if task.labels and len(task.labels) == 2
        for number in range(_SETS_PER_TASK)
    ]
    chosen = Random(f"{seed}/relabelled").sample(makers, len(makers))
    tasks = [task for make in chosen[: None if count is None else 2 * count] if (task := make())]
    return tasks[:count]


def random_words(rng: Random, count: int) -> tuple[str, ...]:
    """Different label words without a meaning for the task, all in one style."""
    style = rng.choice(("lower", "lower", "Capitalised", "two words", "Two Words", "snake_case", "letters", "digits"))
    if style == "letters":
        start = rng.randrange(26 - count)
        return tuple(chr(ord("A") + start + index) for index in range(count))
    if style == "digits":
        start = rng.randrange(10)
        return tuple(str(start + index) for index in range(count))
    words = rng.sample(_WORDS, 2 * count)
    if style in ("two words", "Two Words", "snake_case"):
        joint = "_" if style == "snake_case" else " "
        words = [joint.join(pair) for pair in zip(words[::2], words[1::2], strict=True)]
    return tuple(word.title() if style in ("Capitalised", "Two Words") else word for word in words[:count])


def _all_words() -> list[str]:
    """Every plain word that the procedural tasks know."""
    found: set[str] = set()
    for part in (*vars(knowledge).values(), *vars(fillers).values()):
        if isinstance(part, dict):
            part = (*part, *(w for value in part.values() for w in (value if isinstance(value, tuple) else (value,))))
        if isinstance(part, list | tuple):
            found |= {word.lower() for word in part if isinstance(word, str) and re.fullmatch("[A-Za-z]{3,10}", word)}
    return sorted(found)


_WORDS = _all_words()


def _choice_plans(seed: int, wording: Wording) -> Iterator[Plan]:
    """The choices of the other procedural tasks with random words, whose conditions every description gives."""
    for choice in CHOICES:
        if choice.kind in HELD_OUT_KINDS:
            continue
        for source in (SOURCES[name] for name in choice.sources):
            for number in range(_SETS_PER_CHOICE):
                name = f"{FAMILY}-{choice.kind}-{source.name}-words{number}"
                labels = LabelSet(random_words(Random(f"{seed}/{name}"), len(choice.conditions)), plain=False)
                yield _plan(name, choice, source, labels, seed, wording)


def _sorting_plans(seed: int, wording: Wording, real: Sequence[Task]) -> Iterator[Plan]:
    """Texts of several kinds, to be told apart: by the names of the kinds, and by random words."""
    members = {source.thing: source for source in (*SOURCES.values(), *_real_sources(real))}
    for mix in range(_MIXES):
        rng = Random(f"{seed}/mix/{mix}")
        kinds = rng.sample(sorted(members), rng.choice((2, 3, 3, 4, 4, 5, 6)))
        source = _mixed(f"mix{mix}", rng.choice(_MIX_THINGS), [members[kind] for kind in kinds])
        conditions = tuple(phrases(f"it is a {k}; the {{thing}} is a {k} || a {k} is given") for k in kinds)
        choice = Choice("sort_texts", (), lambda s: s.value, _KIND, conditions, ())
        for number in range(_SETS_PER_MIX):
            name = f"{FAMILY}-{choice.kind}-{source.name}-words{number}"
            if number % 2:
                labels = LabelSet(random_words(rng, len(kinds)), plain=False)
            else:
                style = rng.choice((str, str.title, str.capitalize, str.upper, lambda k: k.replace(" ", "_")))
                labels = LabelSet(tuple(style(kind) for kind in kinds), plain=True)
            yield _plan(name, choice, source, labels, seed, wording)


def _topic_plans(
    seed: int,
    wording: Wording,
    kind: str,
    topics: Sequence[Topic],
    mixes: int,
    things: Sequence[str],
    what: Phrases,
    condition: str,
) -> Iterator[Plan]:
    """Texts of several topics, to be told apart by the names of the topics, by their readers, and by random words."""
    for mix in range(mixes):
        rng = Random(f"{seed}/{kind}/{mix}")
        chosen = rng.sample(topics, rng.choice((2, 3, 3, 4, 4, 4, 5, 6)))
        members = [Source("", "", lambda rng, topic=topic: Sample(topic.draw(rng))) for topic in chosen]
        source = _mixed(f"{kind}{mix}", rng.choice(things), members)
        conditions = tuple(phrases(condition.format(t.names[0])) for t in chosen)
        for number in range(_SETS_PER_TOPICS):
            plain, asked = number < _SETS_PER_TOPICS - 1, what
            style = rng.choice((str, str.capitalize, str.title, str.upper, str.capitalize))
            if plain and number == 1 and all(topic.readers for topic in chosen):
                asked, label_words = _READER, [style(rng.choice(topic.readers)) for topic in chosen]
            elif plain:
                label_words = [style(rng.choice(topic.names)) for topic in chosen]
            else:
                label_words = random_words(rng, len(chosen))
            choice = Choice(f"sort_by_{kind}", (), lambda s: s.value, asked, conditions, ())
            name = f"{FAMILY}-{choice.kind}-{source.name}-words{number}"
            yield _plan(name, choice, source, LabelSet(tuple(label_words), plain), seed, wording)


def _grade_plans(seed: int, wording: Wording) -> Iterator[Plan]:
    """Reviews to be graded on several scales of five."""
    conditions = tuple(phrases(f"it was {grade}; the writer found it {grade}") for grade in _GRADES)
    choice = Choice("grade", (), lambda s: s.value, _GRADE, conditions, ())
    for number, labels in enumerate(GRADE_LABELS):
        name = f"{FAMILY}-{choice.kind}-{GRADED_REVIEW.name}-words{number}"
        yield _plan(name, choice, GRADED_REVIEW, LabelSet(tuple(labels.split("/")), plain=True), seed, wording)


def _opinion_plans(seed: int, wording: Wording) -> Iterator[Plan]:
    """Short opinions to be judged, in all words for it and in random ones."""
    choice = Choice("opinion", (), lambda s: s.value, _VERDICT, _VERDICT_CONDITIONS, ())
    num_plain = _SETS_PER_VERDICT * len(_VERDICTS)
    for number in range(num_plain + 3 * _SETS_PER_TASK):
        name = f"{FAMILY}-{choice.kind}-{OPINION.name}-words{number}"
        rng = Random(f"{seed}/{name}")
        if plain := number < num_plain:
            style = rng.choice((str, str.capitalize, str.capitalize, str.upper))
            label_words = tuple(map(style, _VERDICTS[number % len(_VERDICTS)]))
        else:
            label_words = random_words(rng, 2)
        yield _plan(name, choice, OPINION, LabelSet(label_words, plain), seed, wording)


def _plan(name: str, choice: Choice, source: Source, labels: LabelSet, seed: int, wording: Wording) -> Plan:
    def answer(sample: Sample) -> str | None:
        index = choice.classify(sample)
        return None if index is None else labels.words[index]

    how = Phrases((), ())
    descriptions = wording.choice(Random(f"{seed}/wording/{name}"), choice, labels, source, how)
    return Plan(name, choice.kind, source, answer, labels.words, descriptions)


def _mixed(name: str, thing: str, members: Sequence[Source]) -> Source:
    def draw(rng: Random) -> Sample:
        index = rng.randrange(len(members))
        return Sample(members[index].draw(rng).text, index)

    return Source(name, thing, draw)


def _real_sources(real: Sequence[Task]) -> Iterator[Source]:
    for family, thing in _REAL_THINGS.items():
        texts = sorted({e.input for t in real if t.family == family for e in t.train if len(e.input) <= MAX_INPUT})
        if texts:
            yield Source(family, thing, lambda rng, texts=texts: Sample(rng.choice(texts)))


def _renamed(task: Task, number: int, seed: int) -> Task | None:
    """A real task with other labels: words that mean the same put into its descriptions, or any words with a sentence
    that says what each stands for. ``None``: too few of its descriptions name their labels."""
    rng = Random(f"{seed}/renamed/{task.name}/{number}")
    # The order of a data set's labels: the affirming one is second.
    old = sorted(
        task.labels, key=lambda label: label.lower() in ("yes", "positive", "satisfied", "flattering", "increase")
    )
    if number % 2:
        new = random_words(rng, 2)
        texts = [_explained(rng, task.descriptions, old, new, _MAPPINGS.train)]
        texts += [_explained(rng, task.held_out_descriptions, old, new, _MAPPINGS.held_out)]
    else:
        new = rng.choice(_TRUTHS if "Yes" in old else _VERDICTS)
        new = tuple(map(rng.choice((str, str.capitalize, str.upper)), new))
        texts = [_substituted(part, old, new) for part in (task.descriptions, task.held_out_descriptions)]
    if not all(texts):
        return None
    words = dict(zip(old, new, strict=True))
    train, test = (
        tuple(Example(e.input, (words[e.output],)) for e in part if e.output in words)
        for part in (task.train, task.test)
    )
    return replace(
        task,
        name=f"{FAMILY}-renamed-{task.family}-{task.name}_{number}",
        family=FAMILY,
        labels=tuple(new),
        instruction=texts[0][0],
        train=train,
        test=test,
        descriptions=tuple(texts[0][: NUM_DESCRIPTIONS[0]]),
        held_out_descriptions=tuple(texts[1][: NUM_DESCRIPTIONS[1]]),
    )


def _substituted(texts: Sequence[str], old: Sequence[str], new: Sequence[str]) -> list[str]:
    """The descriptions that name both labels, with others in their place."""
    words = dict(zip(old, new, strict=True))
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, old))})\b")
    naming = [text for text in texts if set(pattern.findall(text)) == set(old)]
    return [pattern.sub(lambda match: words[match[0]], text) for text in naming]


def _explained(
    rng: Random, texts: Sequence[str], old: Sequence[str], new: Sequence[str], mappings: Sequence[str]
) -> list[str]:
    """Descriptions with a sentence behind that gives each label its word."""
    result = []
    for text in texts:
        mapping = rng.choice(mappings)
        pairs = rng.sample(list(zip(old, new, strict=True)), len(old))
        clauses = ", ".join(mapping.format(old=a, new=b) for a, b in pairs)
        result.append(f"{text.rstrip('.?!')}. {clauses}.")
    return result
