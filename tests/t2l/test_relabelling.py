"""Label tasks with random label words: every description says what stands for what."""

import re
from collections import Counter, defaultdict

import pytest

from t2l.procedural import relabelled_tasks
from t2l.procedural.catalogue import HELD_OUT_KINDS
from t2l.procedural.relabelling import random_words
from t2l.tasks import Example, Task, group_key

SIZES = {"examples": 12, "test_examples": 6}


def real_task(name="amazon_sentiment", family="amazon_polarity", labels=("Negative", "Positive"), **changes):
    examples = [
        Example(f"Review {number}: {'bad' if number % 2 else 'fine'}", (labels[1 - number % 2],))
        for number in range(20)
    ]
    fields = {
        "metric": "exact",
        "labels": labels,
        "instruction": "Judge.",
        "split": "train",
        "train": tuple(examples[:16]),
        "test": tuple(examples[16:]),
        "descriptions": (f"Reply {labels[1]} or {labels[0]}.", "Judge the mood"),
        "held_out_descriptions": (f"{labels[1]} if glad, {labels[0]} if not", "Judge it"),
    }
    return Task(name, family, **(fields | changes))


@pytest.fixture(scope="module")
def tasks():
    return relabelled_tasks([real_task()], seed=3, **SIZES)


def kind(task):
    return task.name.split("-")[1]


def test_same_arguments_same_tasks(tasks):
    assert relabelled_tasks([real_task()], 20, seed=3, **SIZES) == tasks[:20]
    assert relabelled_tasks([real_task()], 20, seed=4, **SIZES) != tasks[:20]
    assert relabelled_tasks([], 0) == []
    trained = {text for task in tasks for text in task.descriptions}
    other_seed = relabelled_tasks([], 200, seed=4, **SIZES)
    assert not trained & {text for task in other_seed for text in task.held_out_descriptions}


def test_they_are_many_and_so_are_their_words(tasks):
    assert len(tasks) > 400 and len({task.name for task in tasks}) == len(tasks)
    assert len({word for task in tasks for word in task.labels}) > 800
    assert not HELD_OUT_KINDS & set(map(kind, tasks))
    assert all(task.split == "train" and task.family == "procedural" for task in tasks)


def test_every_description_names_every_label(tasks):
    for task in tasks:
        assert len(set(task.labels)) == len(task.labels) > 1
        for text in (*task.descriptions, *task.held_out_descriptions):
            assert all(label in text for label in task.labels), (task.labels, text)


def test_no_description_is_for_training_and_testing(tasks):
    for task in tasks:
        assert task.descriptions and task.held_out_descriptions
        assert not set(task.descriptions) & set(task.held_out_descriptions)


def test_examples_are_balanced_and_tests_unseen(tasks):
    for task in tasks:
        counts = Counter(example.output for example in task.train)
        assert set(counts) == set(task.labels), task.name
        assert max(counts.values()) <= 2 * min(counts.values()) + 1, (task.name, counts)
        assert not {e.input for e in task.train} & {e.input for e in task.test}


def test_conditions_go_with_the_right_words(tasks):
    """Of the choices by parity: the word behind which "even" stands is the answer to even numbers."""
    checked = 0
    for task in tasks:
        if kind(task) != "parity":
            continue
        for text in task.descriptions:
            clauses = [re.search(rf"{word} (?:if|when) [^,.]*", text) for word in task.labels]
            even = [word for word, clause in zip(task.labels, clauses, strict=True) if clause and "even" in clause[0]]
            for example in task.train if len(even) == 1 and not any(c and " and " in c[0] for c in clauses) else ():
                assert (example.output == even[0]) == (int(example.input) % 2 == 0), (text, example)
                checked += 1
    assert checked > 50


def test_tasks_on_the_same_texts_want_different_words(tasks):
    words = defaultdict(set)
    for task in tasks:
        for example in task.train:
            words[group_key(task), example.input].add(example.output)
    assert sum(len(outputs) > 2 for outputs in words.values()) > len(words) / 10


def test_renamed_labels_keep_their_meaning():
    original = real_task()
    tasks = [task for task in relabelled_tasks([original], seed=3, **SIZES) if kind(task) == "renamed"]
    assert len(tasks) > 5
    for task in tasks:
        words = {}
        for old, new in zip(original.train, task.train, strict=True):
            assert old.input == new.input
            words.setdefault(old.output, set()).add(new.output)
        assert all(len(found) == 1 for found in words.values()) and len(words) == 2
        negative, positive = (words[label].copy().pop() for label in original.labels)
        for text in task.descriptions:
            substituted = text == f"Reply {positive} or {negative}."
            assert substituted or re.search(rf"{positive}\b[^,]*Positive|Positive\b[^,]*{positive}", text), text


def test_held_out_and_unpublishable_tasks_are_not_renamed():
    others = [
        real_task(split="held_out"),
        real_task("imdb_mood", "imdb"),
        real_task(labels=("A", "B"), descriptions=("?",)),
    ]
    renamed = [task for task in relabelled_tasks(others, seed=3, **SIZES) if kind(task) == "renamed"]
    assert all("-amazon_sentiment_" in task.name and int(task.name[-1]) % 2 for task in renamed)
    assert not any("imdb" in task.name for task in renamed)


def test_words_of_a_set_are_different_and_of_one_style():
    from random import Random

    styles = set()
    for seed in range(200):
        words = random_words(Random(seed), 4)
        assert len(set(words)) == 4
        styles.add(tuple(sorted({(" " in w, "_" in w, w[0].isupper(), w.isdigit(), len(w) == 1) for w in words})))
    assert len(styles) >= 6 and all(len(style) == 1 or style[0][3] for style in styles)
