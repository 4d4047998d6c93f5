"""Chunks and the questions about them."""

from d2l.questions import QA
from d2l.remembered import PER_CHUNK, questions_by_chunk, recall_by_chunk
from shared.metrics import answer_recall
from tests.models import make_d2l

TEXT = "The ferry leaves at six. It carries herring. " * 3 + "The keeper is Maud. She keeps two goats. " * 3


def test_questions_belong_to_the_chunk_that_answers_them(tiny_base):
    model = make_d2l(tiny_base)
    chunks = model.chunk(TEXT, 70)
    texts = [tiny_base.tokenizer.decode(chunk.ids[chunk.start : chunk.stop]) for chunk in chunks]
    assert len(chunks) > 2
    pairs = [QA("When does the ferry leave?", ("six",)), QA("Who keeps two goats?", ("Maud",)), QA("Why?", ("no",))]
    found = questions_by_chunk(tiny_base, chunks, pairs)
    assert sum(map(len, found)) == 2  # an answer that stands nowhere belongs to no chunk
    for text, part in zip(texts, found, strict=True):
        assert all(pair.answer in text for pair in part)


def test_recall_is_that_of_the_replies(tiny_base):
    from shared.base.chat import GenerationConfig, answer
    from shared.lora.layer import apply_lora

    model = make_d2l(tiny_base)
    chunks = model.chunk(TEXT, 70)
    weights = model.generate(chunks).weights
    with apply_lora(tiny_base.model, weights):
        ask = "When does the ferry leave?\nAnswer in a few words."
        reply = answer(tiny_base, [{"role": "user", "content": ask}], GenerationConfig(24))
    number = next(i for i, part in enumerate(questions_by_chunk(tiny_base, chunks, [QA("x", ("six",))])) if part)
    pairs = [QA("When does the ferry leave?", ("six",))] * 9
    done = []
    found = recall_by_chunk(tiny_base, weights, chunks, pairs, on_progress=lambda a, b: done.append((a, b)))
    assert [chunk.questions for chunk in found] == [PER_CHUNK if i == number else 0 for i in range(len(chunks))]
    assert found[number].answered == PER_CHUNK * answer_recall(reply, ("six",)) and done[-1] == (4, 4)
    # What it answers counts: the same questions with its own reply as the answer, if that stood in the text.
    assert found[0].begins and found[0].begins in " ".join(TEXT.split())
