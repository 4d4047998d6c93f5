"""``hyperlora combine`` and ``scale``: documents become the adapter that d2l makes of all of them."""

import json

import pytest
import torch

from shared.lora.adapter import read_adapter
from tests.cli.conftest import TEXT
from tests.models import FLOAT32

# A chunk of it is also one of the other document's.
OTHER = "The lighthouse is painted green. Its keeper is called Maud and keeps two goats.\n" * 4 + TEXT


@pytest.fixture
def two(hyperlora, d2l_hypernet, document, tmp_path, monkeypatch):
    """A function that makes adapters of two documents and of both at once."""
    monkeypatch.setenv("HYPERLORA_HOME", str(tmp_path / "home"))
    (tmp_path / "light.txt").write_text(OTHER)
    (tmp_path / "faq.jsonl").write_text(json.dumps({"question": "When does it leave?", "answer": "six"}))

    def make(*arguments):
        for name, files in {"one": [document], "two": ["light.txt"], "both": [document, "light.txt"]}.items():
            asked = ["--questions", "faq.jsonl"] if "study" in arguments and name != "two" else []
            rest = [a for a in arguments if a != "study"]
            done = hyperlora(
                "d2l",
                *files,
                "--hypernet",
                d2l_hypernet,
                "-o",
                name,
                *FLOAT32,
                *asked,
                *rest,
            )
            assert done.exit_code == 0, done.stderr
        use_hypernet(tmp_path, d2l_hypernet)

    return make


def use_hypernet(tmp_path, path):
    """The tiny hypernetwork is none of the shipped ones: provenance has its name, the command line its path."""
    for name in ("one", "two", "both"):
        file = tmp_path / name / "provenance.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "hypernetwork": str(path)}))


def assert_same(left, right, **tolerance):
    left, right = read_adapter(left).weights, read_adapter(right).weights
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name].delta(), right[name].delta(), **tolerance)


@pytest.mark.parametrize("study", [[], ["study"]])
def test_documents_are_solved_together_from_the_cache(hyperlora, two, tmp_path, study):
    two(*study)
    done = hyperlora("combine", "one", "two", "-o", "joined", "--dtype", "float32", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["together"] == ["one", "two"]
    assert_same(tmp_path / "joined", tmp_path / "both", rtol=0, atol=0)
    added = hyperlora("combine", "one", "two", "-o", "added", "--add")
    assert added.exit_code == 0 and "solved" not in added.stderr
    one, two_, sum_ = (read_adapter(tmp_path / name).weights for name in ("one", "two", "added"))
    for name in sum_:  # one that is studied has fewer layers
        torch.testing.assert_close(sum_[name].delta(), sum(part[name].delta() for part in (one, two_) if name in part))
    done = hyperlora("combine", "joined", "--remove", "one", "-o", "left")
    assert done.exit_code == 0, done.stderr
    assert_same(tmp_path / "left", tmp_path / "two", rtol=0, atol=0)


def test_without_cached_rows_documents_are_added_and_it_says_so(hyperlora, two, tmp_path):
    two("--no-cache")
    done = hyperlora("combine", "one", "two", "-o", "joined")
    assert done.exit_code == 0 and "added, not solved together: one, two" in done.stderr
    weights = hyperlora("combine", "one", "two", "--weights", "1,0.5", "-o", "joined", "--force")
    assert weights.exit_code == 0, weights.stderr
    one, two_, sum_ = (read_adapter(tmp_path / name).weights for name in ("one", "two", "joined"))
    for name in sum_:
        torch.testing.assert_close(sum_[name].delta(), one[name].delta() + 0.5 * two_[name].delta())


def test_rows_of_another_dtype_are_not_mixed_in(hyperlora, two, tmp_path):
    two()
    done = hyperlora("combine", "one", "two", "-o", "joined", "--dtype", "bfloat16")
    assert done.exit_code == 1 and "--add" in done.stderr and not (tmp_path / "joined").exists()


def test_a_task_on_a_document(hyperlora, adapter, t2l_hypernet, tmp_path):
    hyperlora(
        "t2l",
        "Sort the words",
        "--hypernet",
        t2l_hypernet,
        "-o",
        "task",
        *FLOAT32,
    )
    done = hyperlora("combine", adapter, "task", "-o", "both", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    document, task, both = (read_adapter(tmp_path / name) for name in ("adapter", "task", "both"))
    assert report["rank"] == document.weights.r + task.weights.r and report["parts"] == ["adapter", "task"]
    for name, factors in both.weights.items():
        parts = [part.weights[name].delta() for part in (document, task) if name in part.weights]
        torch.testing.assert_close(factors.delta(), sum(parts))
    card = (tmp_path / "both" / "README.md").read_text()
    assert "of adapter, task" in card and "can reveal" in card
    out = hyperlora("combine", "both", "--remove", "adapter", "-o", "task-again")
    assert out.exit_code == 0, out.stderr
    assert_same(tmp_path / "task-again", tmp_path / "task", rtol=0, atol=0)
    cut = json.loads(hyperlora("combine", adapter, "task", "-o", "cut", "--max-rank", 3, "--json").stdout)
    assert cut["rank"] == 3 and cut["energy_kept"] < 1
    back = hyperlora("combine", "cut", "--remove", "task", "-o", "document-again")
    assert back.exit_code == 0
    assert_same(tmp_path / "document-again", tmp_path / "adapter", rtol=0, atol=0)


def test_scale(hyperlora, adapter, tmp_path):
    done = hyperlora("scale", adapter, "0.25", "-o", "soft")
    assert done.exit_code == 0, done.stderr
    whole, soft = read_adapter(adapter), read_adapter(tmp_path / "soft")
    for name in whole.weights:
        assert torch.equal(soft.weights[name].delta(), whole.weights[name].delta() * 0.25)
    source = soft.provenance["source"]
    assert source["scaled_by"] == 0.25 and source["rows"] is None and soft.provenance["kind"] == "d2l"
    for arguments, message in [
        (["scale", adapter, "nan", "-o", "x"], "finite"),
        (["scale", adapter, "1e39", "-o", "x"], "the scale 1e+39 is too large"),
        (["combine", adapter, "soft", "--weights", "1e39,1", "-o", "x"], "the scale 1e+39 is too large"),
        (["combine", adapter, "soft", "-o", "soft", "--force"], "soft is one of the adapters"),
        (["scale", adapter, "2", "-o", adapter, "--force"], "the adapter itself"),
        (["scale", adapter, "2", "-o", "soft"], "already exists"),
        (["combine", adapter, "-o", "x"], "nothing to combine"),
        (["combine", adapter, "soft", "-o", "x", "--weights", "1"], "1 weights for 2"),
        (["combine", adapter, "soft", "-o", "x", "--weights", "1,b"], "no numbers"),
        (["combine", adapter, "soft", "-o", "x", "--remove", "soft"], "--remove takes one"),
        (["combine", adapter, "--remove", "soft", "-o", "x"], "not a combined adapter"),
    ]:
        done = hyperlora(*arguments)
        assert done.exit_code == 2 and message in done.stderr, done.stderr


@pytest.fixture
def task(hyperlora, adapter, t2l_hypernet, tmp_path):
    assert hyperlora("t2l", "Sort the words", "--hypernet", t2l_hypernet, "-o", "task", *FLOAT32).exit_code == 0
    return tmp_path / "task"


def test_combined_adapters_combine_and_the_warning_of_a_document_stays(hyperlora, adapter, task, tmp_path):
    for command in (
        ("combine", "adapter", "task", "-o", "first"),
        ("combine", "first", "task", "-o", "second"),
        ("combine", "second", "task", "task", "-o", "third"),
        ("combine", "third", "--remove", "second", "-o", "left"),
        ("combine", "left", "--remove", "task-2", "-o", "one"),
    ):
        done = hyperlora(*command)
        assert done.exit_code == 0, done.stderr
    document, task_, third = (read_adapter(tmp_path / name).weights for name in ("adapter", "task", "third"))
    for name, factors in third.items():
        wanted = [document[name].delta()] if name in document else []
        wanted += [4 * task_[name].delta()] if name in task_ else []
        torch.testing.assert_close(factors.delta(), sum(wanted))
    assert_same(tmp_path / "one", tmp_path / "task", rtol=0, atol=0)
    for name, reveals in {"first": True, "second": True, "third": True, "left": False, "one": False}.items():
        assert ("can reveal" in (tmp_path / name / "README.md").read_text()) == reveals, name
    empty = hyperlora("combine", "one", "--remove", "task", "-o", "nothing")
    assert empty.exit_code == 2 and "nothing is left" in empty.stderr and not (tmp_path / "nothing").exists()


def test_odd_weights(hyperlora, adapter, task, tmp_path):
    done = hyperlora("combine", "adapter", "task", "--weights", "0,-1", "-o", "minus")
    assert done.exit_code == 0, done.stderr
    minus, plain = read_adapter(tmp_path / "minus").weights, read_adapter(task).weights
    for name, factors in minus.items():
        torch.testing.assert_close(factors.delta(), -plain[name].delta() if name in plain else 0 * factors.delta())
    assert hyperlora("combine", "minus", "--remove", "task", "-o", "none").exit_code == 0
    zero = hyperlora("combine", "adapter", "task", "--weights", "0,0", "-o", "zero")
    assert zero.exit_code == 0 and "changes nothing" in zero.stderr
    for weights, message in (("nan,1", "finite"), ("inf,1", "finite"), ("1e39,1", "too large"), ("1,,1", "no numbers")):
        done = hyperlora("combine", "adapter", "task", "--weights", weights, "-o", "x")
        assert done.exit_code == 2 and message in done.stderr and not (tmp_path / "x").exists(), done.stderr
    done = hyperlora("scale", "task", "1e39", "-o", "x")
    assert done.exit_code == 2 and "too large" in done.stderr
    done = hyperlora("scale", "task", "0", "-o", "silent")
    assert done.exit_code == 0 and "changes nothing" in done.stderr


def test_a_gone_chunk_means_adding(hyperlora, two, tmp_path):
    two()
    next((tmp_path / "home" / "chunks").rglob("*.rows")).unlink()
    done = hyperlora("combine", "one", "two", "-o", "joined", "--dtype", "float32")
    assert done.exit_code == 0 and "added, not solved together" in done.stderr
    one, two_, joined = (read_adapter(tmp_path / name).weights for name in ("one", "two", "joined"))
    for name in joined:
        torch.testing.assert_close(joined[name].delta(), one[name].delta() + two_[name].delta())
