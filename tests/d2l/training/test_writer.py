"""What the question writer is trained on, and its training."""

import json
import random
from pathlib import Path

import pytest
import torch
import yaml

from d2l.questions import QA
from d2l.study.pairs import find_answer, named_words, usable
from d2l.study.windows import Window
from d2l.study.writer import save_writer
from d2l.training.writer import WriterArchitecture, WriterTrainConfig, train_writer
from d2l.training.writer_data import Passage, WriterData, WriterDataConfig, draw_pairs, generated_passage
from shared.errors import InputError
from shared.training.loop import TrainingConfig

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"
SMALL = WriterDataConfig(rows_per_step=2, pool_steps=2, max_tokens=300)


def config(**training):
    return WriterTrainConfig(
        WriterArchitecture(target_modules=("q_proj", "down_proj"), r=2),
        SMALL,
        TrainingConfig(max_steps=4, warmup_steps=1, log_every=1, eval_every=4, bf16=False, **training),
        eval_steps=1,
    )


@pytest.mark.parametrize("split", ["train", "validation"])
def test_generated_questions_have_literal_answers_and_name_their_fact(split):
    named, scoped = [], 0
    for index in range(150):
        passage = generated_passage(index, SMALL, split)
        assert passage.pairs and passage.complete
        for qa in passage.pairs:
            assert find_answer(qa.answer, passage.window.text) >= 0, (passage, qa)
            named.append(named_words(qa.question, passage.window) > 0)
        heading = passage.window.context.split(" > ")[-1]
        scoped += any(named_words(qa.question, Window("", heading)) for qa in passage.pairs)
    assert sum(named) / len(named) > 0.97
    assert scoped > 60
    assert generated_passage(7, SMALL, split) == generated_passage(7, SMALL, split)


def test_pairs_come_in_the_order_of_the_text_and_named_ones_first():
    window = Window("Ann Lee of Kirkvik sells herring at noon.")
    good = [
        QA(f"Who of Kirkvik sells herring{mark}?", (answer,)) for mark, answer in [("", "Ann Lee"), (" here", "Ann")]
    ]
    noon = QA("When does Ann of Kirkvik sell herring?", ("noon",))
    poor = QA("What does she do?", ("sells",))
    passage = Passage(window, (noon, poor, *good), False)
    drawn = [draw_pairs(random.Random(seed), passage, 2, nameless=0.0) for seed in range(20)]
    for pairs in drawn:
        places = [find_answer(qa.answer, window.text) for qa in pairs]
        assert places == sorted(places) and len(pairs) == 2 and poor not in pairs
    assert len({tuple(pairs) for pairs in drawn}) > 1
    assert len(draw_pairs(random.Random(0), passage, 6, nameless=0.1)) == 4


def test_only_the_reply_counts_and_it_ends_where_it_is_complete(tiny_base):
    data = WriterData(SMALL, tiny_base)
    window = Window("The ferry leaves at six.", "Timetable")
    pairs = [QA("When does the ferry leave?", ("six",))]
    for complete in (True, False):
        prompt, reply = data.encode(Passage(window, tuple(pairs), complete), pairs)
        assert tiny_base.tokenizer.decode(prompt[1:]) == "Context: Timetable\nText: The ferry leaves at six.\n"
        text = tiny_base.tokenizer.decode(reply)
        assert text == "A: six Q: When does the ferry leave?\n" + ("<|im_end|>" if complete else "")
    batch = data.batch(0)
    assert len(batch) == 2 and not batch.targets[:, 0].any() and (batch.targets & ~batch.mask).sum() == 0
    again = WriterData(SMALL, tiny_base).batch(0)
    assert torch.equal(batch.ids, again.ids) and not torch.equal(batch.ids[:, :40], data.batch(1).ids[:, :40])


def test_files_of_questions(tiny_base, tmp_path):
    text = "The ferry Ilse leaves Kirkvik at six in the morning. Nothing else happened there on that day of the year."
    rows = [
        {"context": text, "question": "When does the ferry Ilse leave Kirkvik?", "answer": "six", "dataset": "qasc"},
        {"context": text, "question": "When does the ferry Ilse leave Kirkvik?", "answer": "noon", "dataset": "qasc"},
        {"context": text + " ", "question": "When does the ferry Ilse leave?", "answer": "six", "dataset": "sciq"},
    ]
    path = tmp_path / "docqa.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    data = WriterData(SMALL.replace(docqa=str(path), generated_share=0.0, titled=1.0), tiny_base)
    (passage,) = data.real["docqa"]
    assert passage.window.context == "Kirkvik" and [qa.answer for qa in passage.pairs] == ["six"]
    assert data.row(0) == (passage, list(passage.pairs))
    path.write_text(json.dumps(rows[1]))
    with pytest.raises(InputError, match="no question with a literal answer"):
        WriterData(SMALL.replace(docqa=str(path)), tiny_base)
    with pytest.raises(InputError, match=r"data\.max_pairs"):
        WriterDataConfig(max_pairs=0)


def test_a_run_learns(tiny_base, tmp_path):
    longer = config().replace(training=config(lr=0.02).training.replace(max_steps=12, eval_every=12))
    lora, result = train_writer(longer, tiny_base, tmp_path / "run")
    losses = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    trained = [line["loss"] for line in losses if line["kind"] == "train"]
    assert result.finished and lora.r == 2
    assert sum(trained[-3:]) < sum(trained[:3])


def test_resumed_equals_uninterrupted(tiny_base, tmp_path):
    whole, _ = train_writer(config(), tiny_base, tmp_path / "whole")
    for _ in range(4):
        parts, result = train_writer(config(), tiny_base, tmp_path / "parts", max_seconds=0)
    assert result.finished
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name
    with pytest.raises(InputError, match="another"):
        train_writer(config(lr=0.5), tiny_base, tmp_path / "parts")


def test_a_run_starts_from_a_writer_at_a_higher_rank(tiny_base, tmp_path):
    first, _ = train_writer(config(lr=0.02), tiny_base, tmp_path / "first")
    save_writer(tmp_path, first)
    more = config(lr=0.0).replace(initial=str(tmp_path), model=config().model.replace(r=4))
    same, _ = train_writer(more, tiny_base, tmp_path / "same")
    assert same.r == 4
    for name, factors in first.items():
        kept = same[name].lora_B @ same[name].lora_A
        torch.testing.assert_close(kept, factors.lora_B.bfloat16().float() @ factors.lora_A.bfloat16().float())
        assert same[name].lora_A[2:].abs().amin() > 0, "new directions that could never learn"
    lower = config().replace(initial=str(tmp_path), model=config().model.replace(r=1))
    with pytest.raises(InputError, match="higher rank"):
        train_writer(lower, tiny_base, tmp_path / "lower")
    with pytest.raises(InputError, match="no question writer"):
        train_writer(config().replace(initial=str(tmp_path / "first")), tiny_base, tmp_path / "none")


@pytest.mark.parametrize(
    "path",
    [
        "examples/train-writer.yaml",
        "benchmarks/research/configs/writer-smollm2-135m.yaml",
        "benchmarks/research/configs/writer-smollm2-135m-part2.yaml",
    ],
)
def test_recipes_are_valid(path):
    recipe = WriterTrainConfig.from_dict(yaml.safe_load((ROOT / path).read_text()))
    assert recipe.kind == "writer" and "generated documents" in recipe.trained_on
    assert bool(recipe.data.qamr) == path.startswith("benchmarks")


@pytest.mark.skipif(not (SHARED / "qa").exists(), reason="the real question files are not part of a clone")
def test_real_questions_fit_their_windows(tiny_base):
    data = WriterData(WriterDataConfig(fairytale=str(SHARED / "qa/fairytale_validation.jsonl")), tiny_base)
    passages = data.real["fairytale"]
    assert len(passages) > 100
    assert all(usable(qa.question, qa.answer, passage.window) for passage in passages for qa in passage.pairs)
