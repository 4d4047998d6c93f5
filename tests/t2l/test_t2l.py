"""Descriptions through the whole T2L path, with the embedded sentence encoder and a tiny base model."""

import json

import pytest
import torch

from benchmarks.research import oracles
from shared.errors import InputError
from shared.lora.adapter import adapter_config, write_adapter
from shared.lora.layer import apply_lora
from shared.training.losses import logits_at
from t2l.encoder import DescriptionCache, encode_descriptions, finish_sentence, load_text_encoder, stack_features
from t2l.evaluation.baselines import OracleConfig
from t2l.model import T2LModel
from t2l.tasks import read_tasks
from t2l.training.batches import T2LData, T2LDataConfig
from t2l.training.reconstruction import ReconstructionBatch, ReconstructionModule, reconstruction_batches
from t2l.training.train import T2LObjective, T2LTrainingModule, train_t2l
from tests.models import make_t2l, t2l_train_config, write_model


@pytest.mark.parametrize(
    ("text", "expected"), [("do it", "do it."), ("do  it!", "do it!"), ("x 3", "x 3"), (" a.\n", "a.")]
)
def test_descriptions_end_in_a_full_stop(text, expected):
    assert finish_sentence(text) == expected


def test_empty_description():
    with pytest.raises(InputError, match="empty"):
        finish_sentence("  \n")


def test_features_are_the_encoders_own_states(encoder):
    texts = ["Classify the review", "Add the two numbers and give the sum.", "a long word " * 300]
    rows = encode_descriptions(encoder, texts)
    direct = torch.tensor(encoder.encode("Classify the review."))
    torch.testing.assert_close(rows[0][0], direct / direct.norm() * 384**0.5, rtol=1e-4, atol=1e-4)
    assert len(rows[0]) == 1 + len(encoder.tokenizer("Classify the review.")["input_ids"])
    for text, row in zip(texts, rows, strict=True):
        torch.testing.assert_close(row, encode_descriptions(encoder, [text])[0], rtol=1e-5, atol=1e-5)


def test_a_batch_of_descriptions_equals_one_by_one(encoder, tiny_base):
    model = make_t2l(tiny_base, encoder)
    texts = ["Sort the words", "Translate the sentence into French, keeping names as they are"]
    for text, lora in zip(texts, model.generate(texts), strict=True):
        single = model.generate([text])[0].weights
        for name in single:
            torch.testing.assert_close(single[name].delta(), lora.weights[name].delta(), rtol=1e-4, atol=1e-5)


def test_checkpoint_round_trip(encoder, tiny_base, tmp_path):
    model = make_t2l(tiny_base, encoder)
    write_model(model, tmp_path / "h", card="")
    reloaded = T2LModel.from_pretrained(tmp_path / "h")
    one, two = (m.generate(["Sort"])[0].weights for m in (model, reloaded))
    assert all(torch.equal(one[n].lora_A, two[n].lora_A) and torch.equal(one[n].lora_B, two[n].lora_B) for n in one)


def test_description_cache_needs_no_encoder_the_second_time(encoder, tmp_path):
    cache = DescriptionCache(tmp_path / "c.safetensors")
    cache.add(encoder, ["one", "two words"])
    again = DescriptionCache(tmp_path / "c.safetensors")
    assert again.missing(["one", "two words", "three"]) == ["three"]
    fresh = stack_features(encode_descriptions(encoder, ["two words", "one"]), "tokens")
    cached = again.features(["two words", "one"], "tokens")
    torch.testing.assert_close(cached.hidden_states, fresh.hidden_states, rtol=2e-3, atol=2e-3)
    assert torch.equal(cached.attention_mask, fresh.attention_mask)
    assert again.features(["one"], "pooled").hidden_states.shape == (1, 1, 384)


def test_sft_loss_counts_every_example_the_same_and_uses_its_tasks_adapter(encoder, tiny_base, tasks_dir, tmp_path):
    tasks = [t for t in read_tasks(tasks_dir) if t.family == "procedural"]
    cache = DescriptionCache(tmp_path / "c.safetensors")
    cache.add(encoder, [d for t in tasks for d in t.descriptions])
    model = make_t2l(tiny_base, encoder)
    batch = T2LData(T2LDataConfig(tasks_per_step=2, embedding_noise=0.0), tasks, cache, tiny_base, "tokens").batch(5)
    module = T2LTrainingModule(model.hypernetwork, tiny_base, T2LObjective(contrast=0.0))
    losses = []
    for task, weights in enumerate(model.hypernetwork.write(batch.features).unbind()):
        for row in (batch.task_index == task).nonzero()[:, 0]:
            part = slice(row, row + 1)
            with torch.no_grad(), apply_lora(tiny_base.model, weights):
                logits = logits_at(tiny_base, batch.ids[part], batch.mask[part], batch.targets[part])
            losses.append(torch.nn.functional.cross_entropy(logits, batch.ids[part][batch.targets[part]]).item())
    with torch.no_grad():
        assert module(batch)["loss"].item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_reconstruction_loss_is_the_relative_error_of_delta_w(tiny_base):
    model = make_t2l(tiny_base)
    rows = [torch.randn(3, 384), torch.randn(5, 384)]
    features = stack_features(rows, "tokens")
    network = model.hypernetwork
    generated = network.write(features)
    other = make_t2l(tiny_base, seed=1).hypernetwork
    goal = other.write(features)
    with torch.no_grad():
        loss = ReconstructionModule(network)(ReconstructionBatch(features, goal))["loss"].item()
        zero = ReconstructionModule(network)(ReconstructionBatch(features, generated))["loss"].item()
    error = sum((generated[n].delta() - goal[n].delta()).square().sum((1, 2)) for n in goal)
    norm = sum(goal[n].delta().square().sum((1, 2)) for n in goal)
    assert loss == pytest.approx((error / norm).mean().item(), rel=1e-4)
    assert abs(zero) < 1e-5


def test_resumed_training_equals_uninterrupted(tiny_base, tasks_dir, tmp_path):
    config = t2l_train_config(tasks_dir, tmp_path, label_smoothing=0.1)
    whole = train_t2l(config, tiny_base, tmp_path / "whole")
    for _ in range(4):
        part = train_t2l(config, tiny_base, tmp_path / "parts", max_seconds=0)
    one, two = whole[1].state_dict(), part[1].state_dict()
    assert part[2].finished and all(torch.equal(one[key], two[key]) for key in one)
    states = [(tmp_path / name / "state" / "state.safetensors").read_bytes() for name in ("whole", "parts")]
    assert states[0] == states[1]  # moments and random numbers too


def test_only_publishable_training_tasks_are_used(tiny_base, tasks_dir, tmp_path):
    train_t2l(t2l_train_config(tasks_dir, tmp_path), tiny_base, tmp_path / "run", max_seconds=0)
    assert not any("reverse" in text or "private" in text for text in DescriptionCache(tmp_path / "c.safetensors").rows)


def test_reconstruction_training_comes_nearer_to_the_adapters(tiny_base, tasks_dir, tmp_path, encoder):
    goals = make_t2l(tiny_base, encoder, seed=3).generate(["upper", "double"])
    for name, weights in zip(("upper", "double"), (lora.weights for lora in goals), strict=True):
        write_adapter(tmp_path / "adapters" / name, weights, adapter_config(weights, "x"), card="", provenance={})
    config = t2l_train_config(tasks_dir, tmp_path, mode="reconstruction", adapters=str(tmp_path / "adapters"))
    config = config.replace(training=config.training.replace(max_steps=60, lr=0.02, eval_every=1000))
    _, _, result = train_t2l(config, tiny_base, tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert result.metrics["loss"] < 0.7 * json.loads(lines[0])["loss"]


def test_reconstruction_is_measured_on_unseen_descriptions_of_trained_oracles(tiny_base, tasks_dir, tmp_path, encoder):
    """benchmarks/research/oracles.py writes what the mode reads; the held-out batches have other wordings."""
    network = make_t2l(tiny_base).config.hypernetwork
    tasks = [t for t in read_tasks(tasks_dir) if t.split == "train"]
    rank = network.r + network.bias_r
    arguments = (tiny_base, oracles.short_examples(tiny_base, tasks, 200), network.targets, rank, tmp_path / "oracles")
    written = oracles.write_oracles(*arguments, OracleConfig(steps=2))
    assert {path.name for path in written} == {t.name for t in tasks}
    assert not oracles.write_oracles(*arguments, OracleConfig(steps=2))
    assert not oracles.short_examples(tiny_base, tasks, 1)[0].train
    cache = DescriptionCache(tmp_path / "c.safetensors")
    cache.add(encoder, [text for t in tasks for text in (*t.descriptions, *t.held_out_descriptions)])
    names = [t.name for t in network.targets]
    config = T2LDataConfig(tasks_per_step=1)
    for split in ("train", "test"):
        batch = reconstruction_batches(tmp_path / "oracles", tasks, cache, config, "tokens", names, split)(3)
        texts = [t for task in tasks for t in (task.descriptions if split == "train" else task.held_out_descriptions)]
        used = batch.features.hidden_states
        assert sum(torch.equal(cache.features([t], "tokens").hidden_states, used) for t in texts) == 1


def test_a_run_starts_from_the_weights_of_another(tiny_base, tasks_dir, tmp_path):
    """Reconstruction first, then SFT: the first step already has the earlier run's loss."""
    model = make_t2l(tiny_base, seed=5)
    write_model(model, tmp_path / "first", card="# tiny")
    config = t2l_train_config(tasks_dir, tmp_path)
    cut = config.replace(training=config.training.replace(max_steps=1, lr=0.0))
    _, network, _ = train_t2l(cut.replace(initial=str(tmp_path / "first")), tiny_base, tmp_path / "second")
    expected = model.hypernetwork.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_runs_on_different_data_are_measured_on_the_same_batches(tiny_base, tasks_dir, tmp_path):
    config = t2l_train_config(tasks_dir, tmp_path)
    frozen = config.replace(training=config.training.replace(max_steps=1, lr=0.0), held_out=config.data)

    def measured(name, **changes):
        train_t2l(frozen.replace(data=config.data.replace(**changes)), tiny_base, tmp_path / name)
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if '"eval"' in line]

    assert measured("one") == measured("two", procedural=4, tasks_per_step=3)


@pytest.mark.parametrize("file", ["tasks.jsonl", "descriptions.json", "examples/upper.jsonl"])
def test_task_directories_are_checked(tasks_dir, tmp_path, file):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tasks_dir, copy)
    (copy / file).write_text("{")
    with pytest.raises(InputError):
        read_tasks(copy)
    (copy / file).unlink()
    with pytest.raises(InputError):
        read_tasks(copy)


def test_unknown_encoder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_text_encoder(str(tmp_path / "none"))
