"""Passages are found by their words and by their meaning."""

import torch

from d2l.retrieval import PassageIndex, cut_passages, with_passages

PASSAGES = [
    "The ferry leaves at six.",
    "Invoice 4711-B is due in May.",
    "Cats sleep in the sun.",
    "A vessel departs in the evening.",
]


def embed(texts):
    """Two directions of meaning: boats and the rest."""
    is_boat = [any(word in text for word in ("ferry", "vessel", "boat")) for text in texts]
    return torch.nn.functional.one_hot(torch.tensor(is_boat).long(), 2).float()


def test_words_and_meaning_both_count():
    index = PassageIndex(PASSAGES, embed)
    assert [p.number for p in index.find("When do boats go?", 2)] == [1, 4]  # no word of either
    assert [p.number for p in index.find("4711-B", 1)] == [2]  # a number has no meaning to an encoder
    assert [p.number for p in index.find("ferry", 1)] == [1]  # of two equal meanings the one with the word
    assert len(index.find("boat", 9)) == 4
    blank = PassageIndex(["?!", "..."], embed)
    assert len(blank.find("boat", 1)) == 1


def test_passages_are_the_documents_own_text(trained_tokenizer):
    text = "The ferry leaves at six. It carries herring. The keeper writes totals. " * 8
    cut = cut_passages(trained_tokenizer, text, 20)
    assert len(cut) > 3 and " ".join(cut).split() == text.split()
    asked = with_passages("When?", PassageIndex(cut, embed).find("When?", 2))
    assert asked.endswith("\n\nWhen?") and asked.startswith("[1] The ferry")
