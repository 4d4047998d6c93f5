"""Texts sorted by topic, kind of word and grade: the label is that of the table the text came from."""

import re
from random import Random

import pytest

from t2l.procedural import relabelled_tasks
from t2l.procedural.knowledge import words
from t2l.procedural.topics import _GRADED, _SENTENCES, GRADE_LABELS, GRADED_REVIEW, KINDS, TOPICS


@pytest.fixture(scope="module")
def tasks():
    return relabelled_tasks([], seed=5, examples=12, test_examples=6)


def of_kind(tasks, kind):
    found = [task for task in tasks if task.name.split("-")[1] == kind]
    assert found
    return found


def topic_of(text):
    """The one topic whose subjects the text names, by the table."""
    found = [row for row in _SENTENCES if any(s.lower() in text.lower() for s in words(row[2]))]
    assert len(found) == 1, (text, [row[0] for row in found])
    return found[0]


def test_topics_are_told_apart_by_what_they_speak_of():
    rng = Random(0)
    for topic in TOPICS:
        for _ in range(40):
            names, readers, *_ = topic_of(topic.draw(rng))
            assert (words(names), words(readers)) == (topic.names, topic.readers)
    texts = [topic.draw(rng) for topic in TOPICS for _ in range(40)]
    assert len(set(texts)) > 0.95 * len(texts)


def test_labels_are_names_or_readers_of_the_texts_topic(tasks):
    plain, readers, arbitrary = 0, 0, 0
    for task in of_kind(tasks, "sort_by_topic"):
        words_of = {}
        for example in (*task.train, *task.test):
            words_of.setdefault(example.output, set()).add(topic_of(example.input))
        assert all(len(topics) == 1 for topics in words_of.values()), task.name
        for label, (row,) in words_of.items():
            known = {word.lower() for word in words(row[0])}
            if label.lower() in known:
                plain += 1
            elif label.lower() in {word.lower() for word in words(row[1])}:
                readers += 1
            else:
                arbitrary += 1
                # A word that says nothing has its topic beside it in every description.
                assert all(words(row[0])[0] in text for text in task.descriptions)
    assert plain > readers > 0 and arbitrary > 0


def test_words_are_of_one_kind_only():
    rng = Random(0)
    drawn = [{kind.draw(rng) for _ in range(300)} for kind in KINDS]
    for number, members in enumerate(drawn):
        assert len(members) > 6
        for other in drawn[:number]:
            assert not members & other, members & other


def test_grades_go_with_the_adjectives(tasks):
    for task in of_kind(tasks, "grade"):
        assert "/".join(task.labels) in GRADE_LABELS
        for example in task.train:
            said = {
                grade
                for grade, adjectives in enumerate(_GRADED)
                if set(adjectives.split()) & set(re.findall("[a-z]+", example.input.lower()))
            }
            assert task.labels.index(example.output) in said, example


def test_all_grades_are_drawn():
    rng = Random(0)
    assert {GRADED_REVIEW.draw(rng).value for _ in range(100)} == set(range(5))


def test_no_label_always_comes_first(tasks):
    """A place must not stand for a meaning: in a quarter of the descriptions two labels have changed places."""
    first = [
        task.labels[0] == min(task.labels, key=text.index)
        for task in of_kind(tasks, "opinion")
        if not any(a != b and a in b for a in task.labels for b in task.labels)
        for text in task.descriptions
    ]
    assert len(first) > 500 and 0.6 < sum(first) / len(first) < 0.9
