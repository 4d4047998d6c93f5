"""Documents through the whole D2L path on a tiny base model."""

import json

import pytest
import torch

from d2l.chunking import chunk_text
from d2l.config import D2LConfig, EncoderConfig
from d2l.encoder import encode_chunks
from d2l.model import D2LModel, batches
from d2l.training.batches import D2LData, D2LDataConfig
from d2l.training.train import D2LObjective, D2LTrainConfig, D2LTrainingModule, train_d2l
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.training.loop import TrainingConfig
from shared.training.losses import distillation_loss, logits_at
from tests.models import (
    LAYER_TO_LAYER,
    TEXT,
    combine,
    d2l_architecture,
    d2l_data,
    d2l_train_config,
    load,
    make_base,
    make_d2l,
    write_model,
)


def test_batches_bound_the_padded_size(tiny_base):
    chunks = chunk_text(tiny_base.tokenizer, TEXT, 40)
    groups = batches(chunks, 200)
    assert [c for g in groups for c in g] == chunks
    assert all(len(g) == 1 or len(g) * max(len(c.ids) for c in g) <= 200 for g in groups)
    assert len(groups) > 1 and max(map(len, groups)) > 1


@pytest.mark.parametrize(
    "changes", [{}, {"head": {"kind": "linear"}}, LAYER_TO_LAYER], ids=["memory", "linear", "layer_to_layer"]
)
def test_batch_size_and_padding_do_not_change_the_adapter(tiny_base, changes):
    model = make_d2l(tiny_base, **changes)
    chunks = model.chunk(TEXT, 50)
    assert len({len(c.ids) for c in chunks}) > 1
    one, many = model.generate(chunks, batch_tokens=1), model.generate(chunks, batch_tokens=10_000)
    # Beyond the width of the layers, more rows are no more rank.
    assert one.weights.r == min(len(chunks) * 2 + 2, 32)
    for name in one.weights:
        torch.testing.assert_close(one.weights[name].delta(), many.weights[name].delta(), rtol=1e-4, atol=1e-4)


def test_encoder_features_are_the_hidden_states(tiny_base):
    """Recorded inputs equal transformers' own hidden states; the early exit runs no layer behind it."""
    for kind, depth in (({"layer_idx": 1}, 1), ({"layer_idx": 2}, 2)):
        model = make_d2l(tiny_base, encoder=kind, head={"kind": "linear"}, bias_modules=[])
        chunk = model.chunk(TEXT)[0]
        features = encode_chunks(tiny_base, model.config, [chunk])
        states = tiny_base.model.model(torch.tensor([chunk.ids]), output_hidden_states=True).hidden_states
        # transformers has already normalised its last state.
        expected = states[depth] if depth == 2 else tiny_base.model.model.norm(states[depth])
        torch.testing.assert_close(features.hidden_states, expected)
    model = make_d2l(tiny_base, **LAYER_TO_LAYER)
    features = encode_chunks(tiny_base, model.config, [chunk])
    torch.testing.assert_close(features.hidden_states[:, 0], states[0])
    torch.testing.assert_close(features.hidden_states[:, 1], tiny_base.model.model.norm(states[1]))


def test_the_memorys_source_pairs_each_state_with_the_next_token(tiny_base):
    model = make_d2l(tiny_base)
    chunk = model.chunk("herring and ink")[0]
    source = encode_chunks(tiny_base, model.config, [chunk]).states
    embedding = tiny_base.model.get_input_embeddings()
    kept = source.mask[0].nonzero()[:, 0].tolist()
    assert kept == list(range(chunk.start, chunk.stop - 1))
    for position in kept:
        assert torch.equal(source.values[0, position], embedding.weight[chunk.ids[position + 1]])


def test_checkpoint_round_trip_gives_the_same_adapter(tiny_base, tmp_path):
    model = make_d2l(tiny_base)
    write_model(model, tmp_path / "h", card="")
    reloaded = D2LModel.from_pretrained(tmp_path / "h", tiny_base)
    one, two = (m.generate(m.chunk(TEXT)).weights for m in (model, reloaded))
    assert all(torch.equal(one[n].lora_A, two[n].lora_A) and torch.equal(one[n].lora_B, two[n].lora_B) for n in one)


def test_another_base_is_refused(tiny_base, tiny_gemma, tmp_path):
    write_model(make_d2l(tiny_base), tmp_path / "h", card="")
    with pytest.raises(InputError, match="another architecture"):
        D2LModel.from_pretrained(tmp_path / "h", tiny_gemma)
    with pytest.raises(InputError, match="number of layers"):
        D2LModel.from_pretrained(tmp_path / "h", load(make_base(tmp_path / "deep", layers=3)))
    with pytest.raises(InputError, match="hidden size"):
        D2LModel.from_pretrained(tmp_path / "h", load(make_base(tmp_path / "wide", hidden_size=48)))


def test_logits_at_equals_the_full_forward(tiny_base, tiny_gemma):
    for base in (tiny_base, tiny_gemma):  # Gemma 2 caps its logits
        ids = torch.randint(4, 200, (2, 9))
        mask = torch.ones_like(ids, dtype=torch.bool)
        positions = torch.rand(2, 9) > 0.5
        positions[:, 0] = False
        full = base.model(ids).logits[:, :-1][positions[:, 1:]]
        torch.testing.assert_close(logits_at(base, ids, mask, positions), full, rtol=1e-4, atol=1e-4)


def test_distillation_loss_is_zero_on_the_teacher_and_the_full_kl_at_full_k():
    torch.manual_seed(0)
    teacher, student = torch.randn(5, 20), torch.randn(5, 20)
    assert distillation_loss(teacher, teacher, 4).abs() < 1e-6
    full = (teacher.softmax(-1) * (teacher.log_softmax(-1) - student.log_softmax(-1))).sum(-1).mean()
    assert distillation_loss(student, teacher, 19) == pytest.approx(full.item(), rel=1e-3)


@pytest.mark.parametrize("teacher", ["base", "bias"])
def test_teacher_scores_the_answers_with_the_context_in_the_prompt(tiny_base, teacher):
    model = make_d2l(tiny_base)
    bias = model.hypernetwork.bias().detach() if teacher == "bias" else None
    data = D2LData(d2l_data(chunks_per_step=4, max_chunks=1, real=0), tiny_base, 300, with_teacher=True)
    batch = data.batch(0)
    module = D2LTrainingModule(
        model.config, model.hypernetwork, tiny_base, D2LObjective(first_token=1.0, distill=1.0, teacher=teacher)
    )
    got, start = module._teacher_logits(batch), 0
    for row, prompt in enumerate(batch.teacher_prompts):
        answer = batch.ids[row][batch.targets[row]].tolist()
        with apply_lora(tiny_base.model, bias):
            alone = tiny_base.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        torch.testing.assert_close(got[start : start + len(answer)], alone, rtol=1e-3, atol=1e-3)
        start += len(answer)
    assert start == len(got)
    losses = module(batch)
    assert losses["loss"].item() == pytest.approx((losses["nll"] + losses["kl"]).item(), rel=1e-5)


def test_training_batch_equals_generation(tiny_base):
    """What training applies to a question is what the written adapter of its document would be."""
    model = make_d2l(tiny_base)
    data = D2LData(d2l_data(chunks_per_step=4, max_chunks=2, single_chunk_share=0.0, real=0), tiny_base, 300)
    batch = data.batch(3)
    assert batch.num_contexts == 2
    module = D2LTrainingModule(model.config, model.hypernetwork, tiny_base, D2LObjective(first_token=1.0))
    for shift in (0, 1):  # 1: every question with the other document's
        total, count = 0.0, 0
        for context in range(2):
            first = 2 * ((context + shift) % 2)
            lora = model.generate(batch.chunks[first : first + 2]).weights
            rows = batch.context_index == context
            with apply_lora(tiny_base.model, lora):
                logits = logits_at(tiny_base, batch.ids[rows], batch.mask[rows], batch.targets[rows])
            targets = batch.ids[rows][batch.targets[rows]]
            total += torch.nn.functional.cross_entropy(logits, targets, reduction="sum").item()
            count += len(targets)
        with torch.no_grad():
            assert module(batch, shift)["loss"].item() == pytest.approx(total / count, rel=1e-4)


def test_first_tokens_can_weigh_more(tiny_base):
    model = make_d2l(tiny_base)
    batch = D2LData(d2l_data(chunks_per_step=4, max_chunks=1, real=0), tiny_base, 300).batch(0)
    plain, weighted = (
        D2LTrainingModule(model.config, model.hypernetwork, tiny_base, D2LObjective(first_token=weight))
        for weight in (1.0, 5.0)
    )
    with torch.no_grad():
        losses = plain(batch)
        factors = model.hypernetwork(encode_chunks(tiny_base, model.config, batch.chunks))
        rows = combine(model.hypernetwork, factors, 4).index_select(batch.context_index)
        with apply_lora(tiny_base.model, rows):
            logits = logits_at(tiny_base, batch.ids, batch.mask, batch.targets)
        each = torch.nn.functional.cross_entropy(logits, batch.ids[batch.targets], reduction="none")
        starts = batch.targets.sum(1).cumsum(0) - batch.targets.sum(1)
        expected = (each.sum() + 4 * each[starts].sum()) / (len(each) + 4 * len(starts))
        assert losses["loss"].item() == pytest.approx(each.mean().item(), rel=1e-4)
        assert weighted(batch)["loss"].item() == pytest.approx(expected.item(), rel=1e-4)
        right = (logits.argmax(-1) == batch.ids[batch.targets]).float()
        assert losses["first_accuracy"].item() == pytest.approx(right[starts].mean().item())


@pytest.mark.parametrize("accumulation", [1, 2])
def test_resumed_training_equals_uninterrupted(tiny_base, tmp_path, accumulation):
    config = d2l_train_config(accumulation=accumulation)
    whole = train_d2l(config, tiny_base, tmp_path / "whole")
    assert whole[2].finished
    for step in range(1, 5):
        part = train_d2l(config, tiny_base, tmp_path / "parts", max_seconds=0)
        assert part[2].step == step
    one, two = whole[1].state_dict(), part[1].state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    states = [(tmp_path / name / "state" / "state.safetensors").read_bytes() for name in ("whole", "parts")]
    assert states[0] == states[1]  # moments and random numbers too
    records = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if r["kind"] == "train"] == [1, 2, 3, 4]
    assert {r["step"] for r in records if r["kind"] == "eval"} == {2, 4}
    with pytest.raises(InputError, match="another training.lr"):
        train_d2l(d2l_train_config(accumulation=accumulation, lr=0.5), tiny_base, tmp_path / "parts")


def test_training_learns(tiny_base, tmp_path):
    """The loss on the training stream falls well below its start."""
    config = D2LTrainConfig(
        d2l_architecture(chunk_tokens=300),
        d2l_data(chunks_per_step=8, max_chunks=1, questions_per_chunk=1, real=0),
        D2LObjective(first_token=1.0),
        TrainingConfig(max_steps=25, warmup_steps=2, lr=0.02, log_every=1, eval_every=1000),
    )
    train_d2l(config, tiny_base, tmp_path / "run")
    losses = [
        json.loads(line)["loss"]
        for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
        if '"train"' in line
    ]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_config_checks():
    with pytest.raises(InputError):
        D2LDataConfig(max_chunks=3)
    with pytest.raises(InputError):
        D2LConfig.from_dict({"kind": "t2l"})
    with pytest.raises(InputError):
        EncoderConfig.from_dict({"type": "other"})
