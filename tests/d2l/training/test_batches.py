"""What a training step of a document hypernetwork consists of, and the files it reads."""

import json
import random

import pytest

from d2l.questions import question_messages, read_docqa
from d2l.study.unrelated import UNRELATED
from d2l.training.batches import D2LData
from d2l.training.contexts import _RECITE
from shared.base.chat import GenerationConfig, answer
from shared.errors import InputError
from tests.models import d2l_data


def test_questions_without_an_answer_can_be_left_out(tiny_base):
    config = d2l_data(chunks_per_step=64, max_chunks=1, questions_per_chunk=6, max_answer_tokens=200, real=0, needles=0)
    asked = [D2LData(config.replace(unanswerable=share), tiny_base, 300).batch(0) for share in (1.0, 0.0)]
    all_of_them, answerable = (
        [tiny_base.tokenizer.decode(ids[t]) for ids, t in zip(b.ids, b.targets, strict=True)] for b in asked
    )
    refused = sum("document does not say" in answer for answer in all_of_them)
    assert refused > 0 and len(answerable) == len(all_of_them) - refused
    assert not any("document does not say" in answer for answer in answerable)


def test_unrelated_questions_have_the_bases_own_answer(tiny_base):
    config = d2l_data(
        chunks_per_step=4, max_chunks=1, questions_per_chunk=1, real=0, unrelated=1.0, max_answer_tokens=8
    )
    batch = D2LData(config, tiny_base, 300).batch(0)
    assert len(batch.ids) == 8  # one question on each of four chunks, and one more
    for row in (1, 3, 5, 7):
        text = tiny_base.tokenizer.decode(batch.ids[row][batch.mask[row]])
        (question,) = [q for q in UNRELATED if q in text]
        own = answer(tiny_base, question_messages(question), GenerationConfig(max_new_tokens=7))
        target = tiny_base.tokenizer.decode(batch.ids[row][batch.targets[row]], skip_special_tokens=True)
        assert own.startswith(target) and (target or not own)


def test_passages_are_continued_word_for_word(tiny_base):
    config = d2l_data(
        chunks_per_step=16, max_chunks=1, questions_per_chunk=1, real=0, continued=1.0, max_answer_tokens=400
    )
    batch, recited = D2LData(config, tiny_base, 300).batch(0), 0
    assert len(batch.ids) == 32  # one question on each of sixteen chunks, and one passage
    for row in range(1, 32, 2):
        chunk = batch.chunks[row // 2]
        text = " ".join(tiny_base.tokenizer.decode(chunk.ids[chunk.start : chunk.stop]).split())
        target = tiny_base.tokenizer.decode(batch.ids[row][batch.targets[row]], skip_special_tokens=True)
        prompt = tiny_base.tokenizer.decode(batch.ids[row][batch.mask[row]]).removesuffix(target)
        if text.startswith(target):
            recited += 1
            assert len(target.split()) == min(36, len(text.split())) and any(ask in prompt for ask in _RECITE)
            continue
        passage = text[: text.index(target)].split()[-12:]
        assert 1 <= len(target.split()) <= 12 and " ".join(passage) in prompt
    assert 0 < recited < 8


def test_real_documents_have_as_many_chunks_as_they_are_long(tiny_base, tmp_path):
    text = " ".join(f"The keeper of lamp {n} writes totals in blue ink." for n in range(9))
    record = {"context": text, "question": "Which ink?", "answer": "blue", "dataset": "quoref"}
    (tmp_path / "q.jsonl").write_text(json.dumps(record) + "\n")
    config = d2l_data(
        chunks_per_step=4, max_chunks=4, single_chunk_share=0, haystacks=0, synthetic=0, real=1, needles=0,
        docqa=str(tmp_path / "q.jsonl"),
    )  # fmt: skip
    data = D2LData(config, tiny_base, 160)
    (length,) = data.real
    assert length == 3 and len(data._parts(random.Random(0), 0, 4)) == 4
    parts = data.real[length][0]
    contents = [tiny_base.tokenizer.decode(p.chunk.ids[p.chunk.start : p.chunk.stop]) for p in parts]
    assert " ".join(contents) == text and [len(p.questions) for p in parts] == [1, 0, 0]
    batches = [data.batch(step) for step in range(12)]
    asked = [batch for batch in batches if len(batch.ids)]
    assert asked and all((batch.context_index < batch.num_contexts).all() for batch in asked)


def test_plain_questions_can_want_a_whole_sentence(tiny_base):
    config = d2l_data(chunks_per_step=16, max_chunks=1, real=0, needles=1, synthetic=0, stated=1.0)
    batch = D2LData(config, tiny_base, 300).batch(0)
    for row in range(len(batch.ids)):
        text = tiny_base.tokenizer.decode(batch.ids[row][batch.mask[row]])
        target = tiny_base.tokenizer.decode(batch.ids[row][batch.targets[row]], skip_special_tokens=True)
        assert target.startswith("The special magic number"[:23]) != ("few words" in text)


def test_docqa_files(tmp_path):
    lines = [
        {"context": "C", "question": "Q1", "answer": "a", "answers": ["a", "b"], "kind": "free", "dataset": "d"},
        {"context": "C", "question": "Q2", "answer": "c"},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (context,) = read_docqa(tmp_path / "x.jsonl")
    assert [q.answers for q in context.questions] == [("a", "b"), ("c",)]
    squad = {
        "data": [
            {"paragraphs": [{"context": "C", "qas": [{"question": "Q", "answers": [{"text": "a"}, {"text": "a"}]}]}]}
        ]
    }
    (tmp_path / "x.json").write_text(json.dumps(squad))
    assert read_docqa(tmp_path / "x.json")[0].questions[0].answers == ("a",)
    for name, text in (
        ("bad.jsonl", "{"),
        ("bad2.jsonl", '{"context": 1}'),
        ("bad.json", '{"data": [1]}'),
        ("no.jsonl", ""),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError):
            read_docqa(tmp_path / name)
