"""The distance of a description from those of the training: calibrated, written with the checkpoint, read strictly."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.errors import InputError
from t2l.distance import FILE, QUANTILE, TrainingDistances, training_distances
from t2l.encoder import DescriptionCache
from t2l.model import T2LModel
from t2l.tasks import read_tasks
from t2l.training.train import train_t2l
from tests.models import make_t2l, make_task, t2l_train_config, write_model

FAR = "Quantum chromodynamics of neutron stars in Swahili verse"


@pytest.fixture
def described(encoder, tasks_dir, tmp_path):
    """The training tasks of ``tasks_dir`` and their encoded descriptions."""
    tasks = [t for t in read_tasks(tasks_dir) if t.family == "procedural"]
    cache = DescriptionCache(tmp_path / "c.safetensors")
    cache.add(encoder, [d for t in tasks for d in (*t.descriptions, *t.held_out_descriptions)])
    return tasks, cache


def test_training_descriptions_are_near_and_others_far(described, encoder, tiny_base):
    tasks, cache = described
    distances = training_distances(tasks, cache)
    model = make_t2l(tiny_base, encoder)
    model.distances = distances
    near = [lora.distance for lora in model.generate([d for t in tasks for d in t.descriptions])]
    assert max(near) < 1e-3 and min(near) >= 0
    assert model.generate([FAR])[0].distance > distances.threshold > max(near)


def test_threshold_is_the_quantile_of_held_out_wordings(described):
    tasks, cache = described
    distances = training_distances(tasks, cache)
    known = torch.stack([cache[d][0] for t in tasks for d in t.descriptions]).float()
    unseen = torch.stack([cache[d][0] for t in tasks for d in t.held_out_descriptions]).float()
    cosine = torch.nn.functional.cosine_similarity(unseen[:, None], known[None], dim=-1)
    expected = (1 - cosine.amax(1)).quantile(QUANTILE).item()
    assert distances.threshold == pytest.approx(expected, abs=2e-3)


def test_real_tasks_come_first_in_a_seeded_sample():
    tasks = [make_task(f"p{i}", family="procedural") for i in range(9)] + [make_task(f"r{i}") for i in range(3)]
    texts = [text for t in tasks for text in (*t.descriptions, *t.held_out_descriptions)]
    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    cache = {text: torch.nn.functional.one_hot(torch.tensor([i]), len(place)).float() for text, i in place.items()}

    def chosen(limit, seed=0):
        return set(training_distances(tasks, cache, limit=limit, seed=seed).embeddings.float().argmax(1).tolist())

    real = {place[f"r{i}"] for i in range(3)}
    assert len(chosen(5)) == 5 and real < chosen(5) == chosen(5)
    assert chosen(2) < real
    assert len({frozenset(chosen(5, seed)) for seed in range(8)}) > 1
    assert training_distances(
        [make_task("x")], {"x": torch.ones(1, 4), "x it": torch.ones(1, 4), "now x": -torch.ones(1, 4)}
    )
    assert training_distances([], cache) is None


def test_training_writes_them_and_the_checkpoint_keeps_them(tiny_base, tasks_dir, tmp_path):
    _, _, result = train_t2l(t2l_train_config(tasks_dir, tmp_path), tiny_base, tmp_path / "run", max_seconds=0)
    tensors = result.files[FILE]
    assert tensors["embeddings"].shape == (4, 384) and tensors["embeddings"].dtype == torch.bfloat16
    model = make_t2l(tiny_base)
    write_model(model, tmp_path / "old", card="")
    assert T2LModel.from_pretrained(tmp_path / "old").distances is None
    assert not (tmp_path / "old" / FILE).exists()
    distances = TrainingDistances(tensors["embeddings"], tensors["threshold"].item())
    write_model(model, tmp_path / "new", files=distances.files())
    loaded = T2LModel.from_pretrained(tmp_path / "new")
    assert torch.equal(loaded.distances.embeddings, distances.embeddings)
    assert loaded.distances.threshold == distances.threshold
    assert {f.name for f in (tmp_path / "new").iterdir()} == {"config.json", "model.safetensors", "README.md", FILE}


@pytest.mark.parametrize(
    "change",
    [
        {"embeddings": torch.ones(3, 7)},
        {"embeddings": torch.ones(0, 384)},
        {"embeddings": torch.ones(2, 384, dtype=torch.int32)},
        {"threshold": torch.tensor(float("nan"))},
        {"threshold": torch.ones(2)},
        {"surprise": torch.ones(1)},
    ],
)
def test_damaged_files_are_refused(tmp_path, change):
    good = TrainingDistances(torch.ones(2, 384).bfloat16(), 0.3)
    save_file(good.files()[FILE], tmp_path / FILE)
    save_file({**load_file(tmp_path / FILE), **change}, tmp_path / FILE)
    with pytest.raises(InputError, match=FILE):
        TrainingDistances.read(tmp_path, 384)
    (tmp_path / FILE).write_bytes(json.dumps("no").encode())
    with pytest.raises(InputError, match="damaged"):
        TrainingDistances.read(tmp_path, 384)
