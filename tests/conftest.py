"""Tiny models built in tmp_path: no download, the real loading code."""

import os
from pathlib import Path

import pytest

# Before any import of a Hugging Face library: tests never go to the network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the program, see cli.process.share_cores


@pytest.fixture(scope="session")
def trained_tokenizer():
    """With merges: a word and the space before it are one token, as in real tokenizers."""
    from tests.models import make_tokenizer

    return make_tokenizer("The ferry leaves at six. It carries herring. The keeper writes totals. " * 20)


@pytest.fixture(scope="session")
def tiny_base_path(tmp_path_factory) -> Path:
    from tests.models import make_base

    return make_base(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_gemma_path(tmp_path_factory) -> Path:
    from tests.models import make_base

    return make_base(tmp_path_factory.mktemp("models") / "tiny-gemma", kind="gemma2")


@pytest.fixture(scope="session")
def tiny_base(tiny_base_path):
    from tests.models import load

    return load(tiny_base_path)


@pytest.fixture(scope="session")
def tiny_gemma(tiny_gemma_path):
    from tests.models import load

    return load(tiny_gemma_path)


@pytest.fixture(scope="session")
def encoder():
    from t2l.encoder import load_text_encoder

    return load_text_encoder()


@pytest.fixture(scope="session")
def tasks_dir(tmp_path_factory):
    """Three small tasks on the same inputs; one is held out, one has a licence that does not allow publishing."""
    import json

    path = tmp_path_factory.mktemp("tasks")
    (path / "examples").mkdir()
    records, descriptions = [], {}
    for name, family, split, fn in (
        ("upper", "procedural", "train", str.upper),
        ("double", "procedural", "train", lambda s: s + s),
        ("reverse", "other", "held_out", lambda s: s[::-1]),
        ("private", "samsum", "train", str.title),
    ):
        records.append({"task": name, "family": family, "metric": "exact", "split": split, "labels": None})
        descriptions[name] = {"train": [f"{name} the text", f"please {name} it"], "held_out": [f"what {name} does"]}
        rows = [
            {
                "input": f"word {i}",
                "output": fn(f"word {i}"),
                "split": "test" if split == "held_out" or i % 4 == 0 else "train",
            }
            for i in range(12)
        ]
        (path / "examples" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (path / "tasks.jsonl").write_text("\n".join(map(json.dumps, records)))
    (path / "descriptions.json").write_text(json.dumps(descriptions))
    return path


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory, monkeypatch):
    """Nothing of the user's: no token, no cache that a test may write to (the converted base model is shared)."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.getbasetemp() / "hf-home"))
    monkeypatch.setenv("HYPERLORA_HOME", str(tmp_path_factory.getbasetemp() / "hyperlora-home"))
