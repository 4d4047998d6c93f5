"""Synthetic documents: the same again, answers in the text, nothing shared by the splits."""

from __future__ import annotations

import re

import pytest

from d2l.synthetic import (
    NOT_IN_DOCUMENT,
    Draft,
    draft_document,
    long_document,
    needle_document,
    synthetic_document,
    wordings,
)
from d2l.synthetic.domains import DOMAINS
from d2l.synthetic.layouts import LAYOUTS
from d2l.synthetic.words import Split, phrases

SPLITS = ("train", "validation")


def drafts(split: str, count: int = 500) -> list[Draft]:
    return [draft_document(index, seed=3, split=split) for index in range(count)]


def mask(text: str, draft: Draft) -> str:
    """The text with entities and values replaced by placeholders: its template."""
    names = {form for fact in draft.facts for form in (fact.entity.name, fact.entity.ref)}
    names |= {fact.entity.name.split()[0] for fact in draft.facts if fact.entity.kind == "person"}
    texts = {form for fact in draft.facts for form in (fact.value.answer, fact.value.text)}
    for placeholder, forms in (("<E>", names), ("<V>", texts)):
        for form in sorted(forms, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", placeholder, text, flags=re.IGNORECASE)
    return re.sub(r"\d\d:\d\d", "<T>", text)


@pytest.mark.parametrize("split", SPLITS)
def test_a_document_is_a_function_of_its_arguments(split):
    first = [synthetic_document(index, seed=7, split=split) for index in range(50)]
    again = [synthetic_document(index, seed=7, split=split) for index in reversed(range(50))][::-1]
    other = [synthetic_document(index, seed=8, split=split) for index in range(50)]
    assert first == again
    assert all(a.context != b.context for a, b in zip(first, other, strict=True))
    assert long_document(2, seed=7, split=split, target_words=200) == long_document(
        2, seed=7, split=split, target_words=200
    )


@pytest.mark.parametrize("split", SPLITS)
def test_answers_stand_in_the_document_and_are_the_only_ones(split):
    for draft in drafts(split):
        cells = [(fact.entity.name, fact.attribute.key) for fact in draft.facts]
        assert len(set(cells)) == len(cells)
        values = [(fact.attribute.key, fact.value.answer.lower()) for fact in draft.facts]
        assert len(set(values)) == len(values)
        for question in draft.document.questions:
            assert question.answers[0] == question.answer
            assert "{" not in question.question + draft.document.context
            if question.kind == "fact":
                assert question.answer in draft.document.context
            elif question.kind == "multi":
                assert all(part in draft.document.context for part in question.answer.split(" and "))
            else:
                assert question.answer == NOT_IN_DOCUMENT


@pytest.mark.parametrize("split", SPLITS)
def test_documents_have_the_promised_size_and_mix(split):
    documents = [draft.document for draft in drafts(split)]
    lengths = [len(document.context.split()) for document in documents]
    assert sum(25 <= length <= 110 for length in lengths) > 0.8 * len(lengths)
    assert all(2 <= len(document.questions) <= 6 for document in documents)
    unanswerable = sum(q.kind == "unanswerable" for document in documents for q in document.questions)
    assert 0.05 < unanswerable / len(documents) < 0.16
    assert sum(q.kind == "multi" for document in documents for q in document.questions) > 100


def test_most_documents_make_the_reader_choose_between_entities():
    shared = sum(
        len({fact.entity.name for fact in draft.facts if fact.attribute.key == key}) > 1
        for draft in drafts("train")
        for key in [draft.facts[0].attribute.key]
    )
    assert shared > 250


def test_splits_share_no_names_and_no_wordings():
    train, validation = drafts("train", 1500), drafts("validation", 1500)
    for parts in (
        lambda draft: {part.lower() for fact in draft.facts for part in fact.entity.parts},
        lambda draft: set(draft.wordings),
        lambda draft: {mask(question.question, draft) for question in draft.document.questions},
        lambda draft: {mask(draft.document.context, draft)},
    ):
        seen = [set().union(*(parts(draft) for draft in split)) for split in (train, validation)]
        assert seen[0] and seen[1] and not seen[0] & seen[1]


def test_splits_share_no_listed_wording_and_have_layouts_and_domains_of_their_own():
    assert not wordings("train") & wordings("validation")
    assert min(len(wordings(split)) for split in SPLITS) > 400
    for split in SPLITS:
        own_layouts = [name for name, (_, splits) in LAYOUTS.items() if splits == (split,)]
        own_domains = [domain.key for domain in DOMAINS if domain.splits == (split,)]
        assert len(own_layouts) + len(own_domains) >= 2


def test_a_word_in_both_splits_is_refused():
    with pytest.raises(ValueError, match="blue"):
        phrases("red; blue || Blue")
    with pytest.raises(ValueError, match="'test'"):
        Split(("a",), ("b",)).of("test")


def test_contexts_come_from_thousands_of_templates():
    made = drafts("train", 1000)
    assert len({mask(draft.document.context, draft) for draft in made}) > 950


def test_english_articles():
    texts = [text for split in SPLITS for draft in drafts(split) for text in _texts(draft)]
    assert not [text for text in texts if re.search(r"\ba [aeio]\w", text)]
    assert not [text for text in texts if re.search(r"\b(that|while|whereas) (call|dial|ring|look|throw) ", text)]
    assert not [text for text in texts if "  " in text or ".." in text.replace("....", "")]


def _texts(draft: Draft) -> list[str]:
    return [draft.document.context, *(question.question for question in draft.document.questions)]


@pytest.mark.parametrize("depth", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("num_words", [100, 1000])
def test_needle_stands_at_its_depth(depth, num_words):
    document = needle_document(4, seed=0, num_words=num_words, depth=depth)
    answer = document.questions[0].answer
    assert re.fullmatch(r"\d{4}", answer) and document.context.count(answer) == 1
    before, after = document.context.split(f"The special magic number is {answer}.")
    noise = len(before.split()) + len(after.split())
    assert num_words <= noise < num_words + 5
    assert len(before.split()) / noise == pytest.approx(depth, abs=5 / noise + 0.01)


def test_needle_without_noise_and_with_a_wrong_depth():
    document = needle_document(0, seed=0, num_words=0)
    assert document.context == f"The special magic number is {document.questions[0].answer}."
    assert needle_document(1, seed=0, num_words=50) != needle_document(1, seed=0, num_words=50, split="validation")
    with pytest.raises(ValueError, match="depth"):
        needle_document(0, seed=0, num_words=10, depth=1.5)


@pytest.mark.parametrize("split", SPLITS)
def test_long_document_has_sections_with_answers(split):
    document = long_document(0, seed=0, split=split, target_words=1500)
    assert 1500 <= len(document.context.split()) < 1650
    assert "\n\n2. " in document.context and len(document.questions) > 40
    texts = [question.question for question in document.questions]
    assert len(set(texts)) == len(texts)
    assert all(q.answer in document.context for q in document.questions if q.kind == "fact")
