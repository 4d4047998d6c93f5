"""Documents cut into chunks: nothing lost, borders at sentences, tokens as in training."""

import random
import time

import pytest

from d2l import chunking
from d2l.chunking import chunk_text, split_sentences, template_pieces
from tests.models import TEXT


def test_sentences_join_back_to_the_text():
    for text in (TEXT, "", "no end", "a. b? c!\n\n\nd\n", "3.5 kg of x. Next."):
        assert "".join(split_sentences(text)) == text


@pytest.mark.parametrize("limit", [8, 40, 64, 100, 5000])
def test_chunks_keep_every_token_in_order_and_are_even(tiny_base, limit):
    tokenizer = tiny_base.tokenizer
    chunks = chunk_text(tokenizer, TEXT, limit)
    sizes = [c.stop - c.start for c in chunks]
    assert max(sizes) <= limit
    own = [tokenizer.decode(c.ids[c.start : c.stop]) for c in chunks]
    assert "".join("".join(own).split()) == "".join(TEXT.split())
    sentence = max(len(s) for s in split_sentences(TEXT))
    if limit > 2 * sentence:
        assert max(sizes) - min(sizes) <= sentence  # even, up to one sentence
        assert all(tokenizer.decode(c.ids[c.start : c.stop]).rstrip()[-1] in ".!" for c in chunks)  # whole sentences
    pieces = template_pieces(tokenizer)
    assert all(c.ids[: c.start] == pieces.prefix and c.ids[c.stop :] == pieces.suffix for c in chunks)
    assert tokenizer.decode(pieces.prefix) == "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"


def test_chunks_are_tokenised_like_training_contexts(trained_tokenizer):
    """A space goes with the word behind it: sentences tokenised one by one would end in a token of their own."""
    wrap = template_pieces(trained_tokenizer).wrap

    def tokens(text):
        return trained_tokenizer(text, add_special_tokens=False)["input_ids"]

    text = "The ferry leaves at six. The keeper writes totals.\n\nThe ferry carries herring. It leaves at six."
    assert tokens("six. The") != tokens("six. ") + tokens("The")  # or this test could not fail
    assert chunk_text(trained_tokenizer, text, 1000) == [wrap(tokens(text))]
    halves = chunk_text(trained_tokenizer, text, len(tokens(text)) // 2 + 4)
    assert halves == [wrap(tokens(half)) for half in text.split("\n\n")]


@pytest.mark.parametrize("paragraphs", [True, False])
def test_an_insertion_leaves_far_chunks_as_they_were(trained_tokenizer, paragraphs):
    rng = random.Random(0)
    words = ["ferry", "keeper", "herring", "totals", "six", "leaves", "carries", "writes"]
    sentences = ["The " + " ".join(rng.choices(words, k=rng.randint(4, 14))) + ". " for _ in range(1000)]
    if paragraphs:
        sentences = [s + "\n\n" if i % 7 == 6 else s for i, s in enumerate(sentences)]

    def chunks(parts):
        return chunk_text(trained_tokenizer, "".join(parts), 64)

    before = chunks(sentences)
    after = chunks([*sentences[:490], *["The keeper writes six totals. "] * 7, *sentences[490:]])
    assert len(before) > 150
    kept = {tuple(c.ids) for c in before} & {tuple(c.ids) for c in after}
    assert len(kept) >= len(before) - 24  # three segments of at most 8 chunks
    shifted = chunks(sentences[1:])  # an edit at the start must not move all borders behind it
    assert len({tuple(c.ids) for c in before} & {tuple(c.ids) for c in shifted}) >= len(before) - 40


def test_a_word_longer_than_a_chunk_is_cut(trained_tokenizer):
    chunks = chunk_text(trained_tokenizer, "The ferry. " + "\u96ea" * 50, 16)
    assert max(c.stop - c.start for c in chunks) <= 16
    assert b"".join(trained_tokenizer.decode(c.ids[c.start : c.stop]).encode() for c in chunks).count(b"ferry") == 1
    assert len(chunks) >= 150 // 16


@pytest.mark.parametrize("text", ["", " ", "\n\n", "a"])
def test_a_text_of_nearly_nothing_is_one_chunk(tiny_base, text):
    (chunk,) = chunk_text(tiny_base.tokenizer, text, 16)
    assert chunk.stop - chunk.start == len(text.strip())


def test_a_long_text_is_cut_block_by_block_into_the_same_chunks(trained_tokenizer, monkeypatch):
    rng = random.Random(0)
    words = ["ferry", "keeper", "herring", "totals", "six", "leaves", "carries", "writes"]
    text = "\n".join("The " + " ".join(rng.choices(words, k=rng.randint(4, 40))) + "." for _ in range(2000))
    whole = chunk_text(trained_tokenizer, text, 64)
    monkeypatch.setattr(chunking, "BLOCK", 5000)
    assert len(list(chunking._blocks(text))) > 20 and "".join(chunking._blocks(text)) == text
    assert chunk_text(trained_tokenizer, text, 64) == whole


def test_blocks_of_a_text_without_any_border(monkeypatch):
    monkeypatch.setattr(chunking, "BLOCK", 100)
    for text in ("a" * 1000, "a b " * 300, " " * 1000, "Dr. X said. " * 90, ""):
        assert "".join(chunking._blocks(text)) == text


@pytest.mark.parametrize("text", ["a\n", "word ", "x", ". ", "a" + " " * 99])
def test_cutting_takes_linear_time(trained_tokenizer, text):
    def seconds(times):
        started = time.process_time()
        chunk_text(trained_tokenizer, text * times, 64)
        return time.process_time() - started

    seconds(100)
    times = 40_000 // len(text)
    assert seconds(4 * times) < 10 * max(seconds(times), 0.05)
