"""Procedural tasks: deterministic, many, described apart, and right by independent computation."""

import json
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta

import pytest

from t2l.procedural import held_out_procedural_tasks, procedural_tasks
from t2l.procedural.fact_operations import FACT_OPERATIONS
from t2l.procedural.field_operations import FIELD_OPERATIONS
from t2l.procedural.labels import CHOICES
from t2l.procedural.list_operations import LIST_OPERATIONS
from t2l.procedural.number_operations import NUMBER_OPERATIONS
from t2l.procedural.text_operations import TEXT_OPERATIONS

TABLES = LIST_OPERATIONS, TEXT_OPERATIONS, FIELD_OPERATIONS, NUMBER_OPERATIONS, FACT_OPERATIONS
SIZES = {"examples": 10, "test_examples": 5}


def kind(task):
    return task.name.split("-")[1]


def source(task):
    return task.name.split("-")[2]


@pytest.fixture(scope="module")
def train():
    return procedural_tasks(seed=7, **SIZES)


@pytest.fixture(scope="module")
def held_out():
    return held_out_procedural_tasks(seed=7, **SIZES)


@pytest.fixture(scope="module")
def tasks(train, held_out):
    return train + held_out


def test_same_arguments_same_tasks(train):
    assert procedural_tasks(60, seed=7, **SIZES) == procedural_tasks(60, seed=7, **SIZES)
    by_name = {task.name: task for task in train}
    assert all(task == by_name[task.name] for task in procedural_tasks(60, seed=7, **SIZES))


def test_seeds_change_inputs_and_wordings(train):
    by_name = {task.name: task for task in train}
    for task in procedural_tasks(20, seed=8, **SIZES):
        assert task.train != by_name[task.name].train and task.descriptions != by_name[task.name].descriptions


def test_there_are_many_tasks_with_names_of_their_own(train, tasks):
    assert len(train) >= 400
    assert len({task.name for task in tasks}) == len(tasks)
    assert all("/" not in task.name and task.family == "procedural" for task in tasks)


def test_a_count_is_spread_over_the_kinds(train):
    kinds = {kind(task) for task in train}
    chosen = procedural_tasks(len(kinds), seed=7, **SIZES)
    assert Counter(map(kind, chosen)) == Counter(kinds)


def test_held_out_kinds_are_never_trained(train, held_out):
    trained, unseen = set(map(kind, train)), set(map(kind, held_out))
    assert not trained & unseen
    for table in (*TABLES, CHOICES):  # some of every table
        assert unseen & {part.kind for part in table} and trained & {part.kind for part in table}
    assert 0.1 <= len(unseen) / len(trained | unseen) <= 0.15
    assert {task.split for task in train} == {"train"} and {task.split for task in held_out} == {"held_out"}


def test_no_description_is_used_twice(tasks):
    seen = Counter()
    for task in tasks:
        assert len(task.descriptions) >= 10 and len(task.held_out_descriptions) >= 4, task.name
        seen.update((*task.descriptions, *task.held_out_descriptions))
        for text in (*task.descriptions, *task.held_out_descriptions):
            assert "\n" not in text and len(text) < 500, text
            assert not re.search(r"\{(thing|items?|how|what)\}|  | ,|,,", text), text
    assert seen.most_common(1)[0][1] == 1


def test_examples_are_short_and_tests_unseen(tasks):
    for task in tasks:
        assert len(task.train) >= 6 and len(task.test) >= 3, task.name
        assert not {e.input for e in task.train} & {e.input for e in task.test}, task.name
        for example in (*task.train, *task.test):
            assert 0 < len(example.input) < 400 and 0 < len(example.output) < 100, task.name


def test_labels_are_balanced_and_named(tasks):
    closed = [task for task in tasks if task.labels]
    assert len(closed) > 100
    for task in closed:
        counts = Counter(e.output for e in task.train)
        assert set(counts) == set(task.labels), task.name
        assert max(counts.values()) <= 2 * min(counts.values()) + 1, task.name
        if task.name.rpartition("-")[2].count("_") == 0:
            for text in (*task.descriptions, *task.held_out_descriptions):
                assert all(label in text for label in task.labels), text


def test_tasks_share_their_inputs(train):
    tasks_of_source = defaultdict(set)
    for task in train:
        tasks_of_source[source(task)].add(task.name)
    shared = [name for name, names in tasks_of_source.items() if len(names) >= 5]
    assert len(shared) >= 20
    words = [task for task in train if source(task) == "words"]
    answers = defaultdict(set)
    for task in words:
        for example in task.train:
            answers[example.input].add(example.output)
    assert max(map(len, answers.values())) >= 5


def items(text):
    return re.split(r", |; | \| |\n| ", text)


WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def is_right(name, text, output):
    """Whether an output is right, computed otherwise than the task does."""
    if name == "sort_az":
        found = items(output)
        return sorted(found) == sorted(items(text)) and all(a < b for a, b in zip(found, found[1:], strict=False))
    if name == "reverse_list":
        return output.split()[::-1] == text.split() or items(output)[::-1] == items(text)
    if name == "before_last":
        return output == items(text)[len(items(text)) - 2]
    if name == "count":
        return int(output) == len(items(text))
    if name == "longest":
        return all(len(word) < len(output) for word in items(text) if word != output)
    if name == "dedupe":
        return len(items(output)) == len(set(items(text))) and set(items(output)) == set(items(text))
    if name in ("add", "difference", "larger"):
        a, b = map(int, re.findall(r"\d+", text))
        return int(output) == {"add": a + b, "difference": a - b if a > b else b - a, "larger": a if a > b else b}[name]
    if name == "sum":
        return eval(text.replace(",", "+")) == int(output)
    if name == "get_city":
        return re.search(rf"(city: |,|\"city\": \"|in |to |\(){re.escape(output)}\b", text) is not None
    if name == "get_age":
        return re.findall(r"\d+", text) == [output]
    if name == "to_json":
        pairs = re.split(r"; |\n", text)
        return [f"{k}: {v}" for k, v in json.loads(output).items()] == [p.replace(" = ", ": ") for p in pairs]
    if name == "to_long_date":
        return datetime.strptime(output, "%d %B %Y") == datetime.fromisoformat(text)
    if name == "to_iso_date":
        return datetime.strptime(text, "%d %B %Y") == datetime.fromisoformat(output)
    if name in ("to_24h", "to_12h"):
        small, large = (text, output) if name == "to_24h" else (output, text)
        return datetime.strptime(small, "%I:%M %p") == datetime.strptime(large, "%H:%M")
    if name == "hour_later":
        style = "%I:%M %p" if text.endswith("m") else "%H:%M"
        later = datetime.strptime(text, style) + timedelta(hours=1)
        return later.time() == datetime.strptime(output, style).time()
    if name == "day_after":
        day = next(day for day in WEEK if day in text)
        return (WEEK.index(output) - WEEK.index(day)) % 7 == 1
    if name == "winner":
        home, goals, conceded, away = re.fullmatch(r"(\w+) (\d) - (\d) (\w+)", text).groups()
        return output == (away if int(conceded) > int(goals) else home)
    assert name == "snake_case"
    return output.replace("_", " ") == text.rstrip(".").lower()


CHECKED = """sort_az reverse_list before_last count longest dedupe add difference larger sum get_city get_age to_json
    to_long_date to_iso_date to_24h to_12h hour_later day_after winner snake_case"""


@pytest.mark.parametrize("name", CHECKED.split())
def test_outputs_are_right(train, name):
    plain = [task for task in train if kind(task) == name and task.name.endswith("-plain")]
    assert plain
    for task in plain:
        for example in (*task.train, *task.test):
            assert is_right(name, example.input, example.output), (task.name, example)


@pytest.mark.parametrize(
    ("style", "pattern"),
    [
        ("json", r'\{"result": ".+"\}'),
        ("numbered", r"1\. .+(\n\d\. .+)*"),
        ("bullets", r"- .+(\n- .+)*"),
        ("quoted", r'".+"'),
        ("upper", r"[^a-z]+"),
        ("tagged", r"<out>.+</out>"),
    ],
)
def test_formats_hold(tasks, style, pattern):
    formatted = [task for task in tasks if re.search(rf"[-_]{style}$", task.name)]
    assert len(formatted) >= 5
    assert all(re.fullmatch(pattern, e.output, re.DOTALL) for task in formatted for e in task.train)


def test_conditions_of_labels_hold(train):
    """Labels of tense and of parity, by the surface of the input."""
    for task in train:
        for example in task.train:
            if task.name == "procedural-parity-number-labels1":
                assert example.output == ("even" if example.input[-1] in "02468" else "odd")
            if task.name == "procedural-tense-sentence-labels1":
                assert (" will " in example.input) == (example.output == "future"), example
