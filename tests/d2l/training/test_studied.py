"""Training with study rows in place: what a step is studied with and asked, and the memory that it solves."""

import dataclasses
import json
import random

import pytest
import torch

from d2l.questions import QA, read_docqa
from d2l.study.unrelated import UNRELATED
from d2l.training.batches import D2LData
from d2l.training.contexts import annotated_context, generated_context, well_annotated
from d2l.training.studied import StudyPrompts, studied_weights
from d2l.training.train import D2LObjective, D2LTrainingModule, train_d2l
from shared.errors import InputError
from shared.hypernetwork.head import ChunkFactors
from tests.models import LAYER_TO_LAYER, TEXT, d2l_architecture, d2l_data, d2l_train_config, make_d2l

PAIRS = [
    [QA("When does the ferry leave?", ("six",)), QA("What is its load?", ("salted herring",))],
    [QA("Who writes totals in blue ink?", ("The keeper",))],
]
SILENT = [(UNRELATED[0], "It is blue."), (UNRELATED[1], "Four of them.")]


def test_generated_documents_are_studied_in_other_words_than_they_are_asked_in():
    for index in range(20):
        context = generated_context(index, seed=3, split="train")
        asked = {qa.question for qa in context.questions}
        assert context.study and not asked & {qa.question for qa in context.study}
        assert all(qa.answer in context.text for qa in context.study)


@pytest.fixture
def annotated(tmp_path):
    """Two sentences with four questions on one fact each, and one with too few."""
    lines = []
    for text, answer, number in (
        ("The ferry Ilse leaves Kirkvik at six.", "six", 4),
        ("Salted herring fills the hold of Marta.", "Salted herring", 4),
        ("Rain fell on Oslo.", "Oslo", 1),
    ):
        name = text.split()[2] if number == 4 else "Oslo"
        for turn in range(number):
            question = f"Wording {turn}: what of {name} and {text.split()[-3]} {text.split()[1]}?"
            lines.append({"context": text, "question": question, "answers": [answer]})
    path = tmp_path / "annotated.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_half_of_the_annotators_ask_what_the_others_are_studied_with(annotated):
    sentences = well_annotated(read_docqa(annotated))
    assert len(sentences) == 2
    context = annotated_context(sentences, random.Random(0))
    assert context.text == " ".join(sentence.text for sentence in sentences)
    assert len(context.study) == 4 and len(context.questions) == 4
    studied = {qa.question for qa in context.study}
    for qa in context.questions:
        assert qa.question not in studied and qa.answer in {other.answer for other in context.study}


def test_a_studied_step_asks_other_questions_than_it_studies(tiny_base, annotated):
    config = d2l_data(chunks_per_step=8, max_chunks=4, studied=1.0, silent=5, study_pairs=3, annotated=str(annotated))
    data = D2LData(config, tiny_base, 300)
    kinds = set()
    for step in range(6):
        batch = data.batch(step)
        assert len(batch.study.turns) == batch.num_contexts and batch.study
        assert batch.study.silent_weight == pytest.approx(len(UNRELATED) / len(batch.study.silent))
        per_context = 8 // batch.num_contexts
        for number, turns in enumerate(batch.study.turns):
            assert [len(turn) for turn in turns] == [len(turns[0])] * 2 and 1 <= len(turns[0]) <= 3 * per_context
            studied = {_question(tiny_base, prompt.question) for turn in turns for prompt in turn}
            asked = {
                _question(tiny_base, ids[mask & ~targets].tolist())
                for ids, mask, targets, context in zip(
                    batch.ids, batch.mask, batch.targets, batch.context_index.tolist(), strict=True
                )
                if context == number
            }
            assert asked and not asked & studied
            kinds |= {"Wording" in question for question in studied}
    assert kinds == {True, False}  # of both sources
    assert not any(D2LData(config.replace(studied=0.0), tiny_base, 300).batch(step).study for step in range(3))


def _question(base, ids):
    return base.tokenizer.decode(ids).split("user\n")[-1].split("\n")[0].split("<|im_end|>")[0]


def test_files_without_several_questions_on_a_sentence_are_refused(tiny_base, tmp_path):
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"context": "Rain fell on Oslo.", "question": "Where?", "answer": "Oslo"}) + "\n")
    with pytest.raises(InputError, match="no sentence with several questions"):
        D2LData(d2l_data(studied=1.0, annotated=str(path)), tiny_base, 300)
    with pytest.raises(InputError, match="data.silent must be 0 to"):
        d2l_data(silent=len(UNRELATED) + 1)


@torch.no_grad()
@pytest.mark.parametrize("silent", [(), SILENT], ids=["no null rows", "null rows"])
def test_a_batch_of_studied_contexts_is_solved_as_each_document_alone(tiny_base, silent):
    model = make_d2l(tiny_base)
    network, head = model.hypernetwork, model.hypernetwork.head
    texts = [TEXT[:120], TEXT[-200:]]
    parts = [ChunkFactors.concat(model.encode(model.chunk(text, 200))).to(torch.float32) for text in texts]
    study = StudyPrompts.of(tiny_base, PAIRS, silent, None)
    found = studied_weights(tiny_base, network, [ChunkFactors.stack(parts)], study).unbind()
    nulls = []
    if silent:
        from d2l.study.rows import capture

        bias = network.bias(reading=False)
        rows = [head.null_rows(source) for source in capture(tiny_base, network, study.silent, bias.detach())]
        nulls = [ChunkFactors.concat(rows).weighted((len(UNRELATED) / 2) ** 0.5)]
    model.null_rows = nulls
    for part, pairs, weights in zip(parts, PAIRS, found, strict=True):
        alone = model.solve([part], pairs).weights
        assert set(alone) == set(weights)
        for name, factors in alone.items():
            torch.testing.assert_close(
                weights[name].lora_B @ weights[name].lora_A, factors.lora_B @ factors.lora_A, rtol=2e-3, atol=2e-5
            )


def test_the_gradient_reaches_what_weighs_study_rows_and_nothing_that_they_leave_out(tiny_base):
    model = make_d2l(tiny_base)
    network = model.hypernetwork
    for parameter in network.head.study_parameters():
        parameter.requires_grad_()
    module = D2LTrainingModule(model.config, network, tiny_base, D2LObjective())
    batch = D2LData(d2l_data(chunks_per_step=2, max_chunks=1, studied=1.0, silent=4), tiny_base, 300).batch(0)
    module(batch)["loss"].backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.head.study_parameters())
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert not any(parameter.grad.any() for parameter in network.reading_parameters())
    network.zero_grad()
    module(dataclasses.replace(batch, study=StudyPrompts()))["loss"].backward()
    assert not any(parameter.grad.any() for parameter in network.head.study_parameters())
    assert any(parameter.grad.any() for parameter in network.reading_parameters())


def test_runs_learn_how_study_rows_count_only_where_they_study(tiny_base, tmp_path):
    config = d2l_train_config()
    for name, studied, learned in (("with", 1.0, True), ("without", 0.0, False)):
        data = config.data.replace(studied=studied, silent=4, max_chunks=1, chunks_per_step=2)
        run = dataclasses.replace(config, data=data)
        _, network, _ = train_d2l(run, tiny_base, tmp_path / name)
        start = torch.full_like(network.head.log_study_gain, run.model.head.initial_study_gain).log()
        assert torch.equal(network.head.log_study_gain, start) is not learned
    with pytest.raises(InputError, match="only a memory can be studied"):
        linear = dataclasses.replace(
            config, model=d2l_architecture(**LAYER_TO_LAYER), data=config.data.replace(studied=1.0)
        )
        train_d2l(linear, tiny_base, tmp_path / "linear")
