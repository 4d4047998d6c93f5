"""Combined adapters are the sum of their parts, and a part taken out leaves what was there without it."""

import json

import pytest
import torch

from shared.errors import InputError
from shared.lora.adapter import adapter_config, read_adapter, write_adapter
from shared.lora.combine import as_parts, combine, common_dtype, save_combination
from shared.lora.derived import save_derived
from shared.lora.layer import apply_lora
from shared.lora.parts import read_parts, without
from tests.models import factors_of, load, make_targets, random_weights


def deltas(weights):
    return {name: factors.delta() for name, factors in weights.items()}


@pytest.fixture
def adapters(tiny_base, tmp_path):
    """Three of one base that adapt different layers at different ranks; without provenance, as PEFT writes them."""

    def write(name, modules, r, layers=None, dtype=torch.bfloat16, seed=0):
        weights = random_weights(tiny_base, modules, r, layers=layers, seed=seed).to(dtype)
        config = adapter_config(weights, tiny_base.spec.name_or_path)
        write_adapter(tmp_path / name, weights, config, card="", provenance={})
        return read_adapter(tmp_path / name)

    return [
        write("a", ("q_proj", "down_proj"), 3),
        write("b", ("down_proj", "v_proj"), 2, layers=(1,), seed=1),
        write("c", ("up_proj",), 5, seed=2),
    ]


def saved(tmp_path, combination, adapters, weights=(1, 1, 1), name="all"):
    save_combination(tmp_path / name, combination, adapters[0], dtype=common_dtype(adapters, weights))
    return read_adapter(tmp_path / name)


def test_a_combination_is_the_weighted_sum_and_the_model_agrees(adapters, tiny_base, tmp_path):
    weights = (1, 0.3, -2)
    combined = saved(tmp_path, combine(as_parts(adapters, weights)), adapters, weights)
    assert combined.weights.r == 10 and combined.config["r"] == 10
    for name, delta in deltas(combined.weights).items():
        parts = [w * a.weights[name].delta() for w, a in zip(weights, adapters, strict=True) if name in a.weights]
        torch.testing.assert_close(delta, sum(parts))
    ids = torch.randint(4, 200, (1, 9))
    summed = load(tiny_base.spec.name_or_path)
    for adapter, weight in zip(adapters, weights, strict=True):
        for name, factors in adapter.weights.items():
            summed.model.get_submodule(name).weight.data += weight * factors.delta()
    with torch.no_grad(), apply_lora(tiny_base.model, combined.weights):
        logits = tiny_base.model(ids).logits
    with torch.no_grad():
        torch.testing.assert_close(logits, summed.model(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_taking_a_part_out_gives_the_files_of_the_others(adapters, tmp_path, gone):
    combined = saved(tmp_path, combine(as_parts(adapters, (1, 1, 1))), adapters)
    rest = adapters[:gone] + adapters[gone + 1 :]
    wanted = saved(tmp_path, combine(as_parts(rest, (1, 1))), rest, name="rest")
    left = without(read_parts(combined), adapters[gone].path.name)
    save_combination(tmp_path / "left", combine(left), combined, dtype=common_dtype([combined]))
    left = read_adapter(tmp_path / "left")
    assert (
        left.path.joinpath("adapter_model.safetensors").read_bytes()
        == wanted.path.joinpath("adapter_model.safetensors").read_bytes()
    )
    assert [p["name"] for p in left.provenance["source"]["parts"]] == [a.path.name for a in rest]


def test_parts_of_a_cut_combination_are_kept_whole(adapters, tmp_path):
    combination = combine(as_parts(adapters, (1, 1, 1)), max_rank=4)
    combined = saved(tmp_path, combination, adapters)
    assert combined.weights.r == 4 and 0 < combination.energy_kept < 1
    parts = read_parts(combined)
    for part, adapter in zip(parts, adapters, strict=True):
        assert deltas(part.weights).keys() == deltas(adapter.weights).keys()
        for name, delta in deltas(part.weights).items():
            assert torch.equal(delta, adapter.weights[name].delta())
    for file in (combined.path / "parts").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="lacks parts/"):
        read_parts(combined)


def test_documents_solved_together_are_one_block(adapters, tmp_path):
    parts = as_parts(adapters, (1, 1, 1))
    solved = adapters[2].weights
    combination = combine(parts, together=["a", "b"], solve=lambda group: solved if len(group) == 2 else None)
    assert combination.mixed == ["a", "b"] and combination.weights.r == 10
    combined = saved(tmp_path, combination, adapters)
    left = without(read_parts(combined), "a")
    again = combine(left, together=[], solve=None)
    wanted = combine(without(parts, "a"))
    for name, delta in deltas(wanted.weights).items():
        assert torch.equal(delta, again.weights[name].delta())


def test_refusals(adapters, tmp_path):
    weights = factors_of(make_targets(), 2)
    write_adapter(tmp_path / "other", weights, adapter_config(weights, "another/base"), card="", provenance={})
    with pytest.raises(InputError, match="a is for .*, other for another/base"):
        as_parts([adapters[0], read_adapter(tmp_path / "other")], (1, 1))
    prints = [{"base_model": {"fingerprint": mark}} for mark in "xy"]
    for name, provenance in zip(("x", "y"), prints, strict=True):
        write_adapter(tmp_path / name, weights, adapter_config(weights, "one/base"), card="", provenance=provenance)
    with pytest.raises(InputError, match="x and y are for different models"):
        as_parts([read_adapter(tmp_path / name) for name in "xy"], (1, 1))
    parts = as_parts([adapters[0], adapters[0]], (1, 1))
    assert [part.name for part in parts] == ["a", "a-2"]
    with pytest.raises(InputError, match="no part is called 'b'") as refused:
        without(parts, "b")
    assert refused.value.hint == "the parts: a, a-2"
    with pytest.raises(InputError, match="not a combined adapter"):
        read_parts(adapters[0])
    combined = saved(tmp_path, combine(parts), adapters[:1] * 2)
    file = combined.path / "provenance.json"
    broken = json.loads(file.read_text())
    broken["source"]["parts"][0].pop("columns")
    file.write_text(json.dumps(broken))
    with pytest.raises(InputError, match="damaged"):
        read_parts(read_adapter(combined.path))


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source["parts"][0].update(name="../../outside"),
        lambda source: source["parts"][0].update(columns=[0, 10**30]),
        lambda source: source["parts"][0].update(columns=[None, 2]),
        lambda source: source["parts"][0].update(kind=["d2l"]),
        lambda source: source["parts"][0].pop("hypernetwork"),
        lambda source: source.update(parts={"name": "a"}),
        lambda source: source.update(parts=[None]),
        lambda source: source.update(mixed=7),
    ],
)
def test_a_strangers_manifest_is_refused_whole(adapters, tmp_path, change):
    """A part's name becomes a file's: one with dots in front once was written outside of the adapter."""
    combined = saved(tmp_path, combine(as_parts(adapters, (1, 1, 1))), adapters)
    file = combined.path / "provenance.json"
    manifest = json.loads(file.read_text())
    change(manifest["source"])
    file.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="list of its parts is damaged"):
        read_parts(read_adapter(combined.path))


def test_provenance_that_holds_anything_is_no_traceback(adapters, tmp_path):
    for number, value in enumerate(({"a": 1}, [None], 7, "x")):
        names = ("kind", "hypernetwork", "source", "question_system")
        file = adapters[0].path / "provenance.json"
        file.write_text(json.dumps(dict.fromkeys(names, value)))
        odd = read_adapter(adapters[0].path)
        assert as_parts([odd, adapters[1]], (1, 1))[0].record["rows"] is None
        fields = ("parts", "read", "not_read", "pairs", "gradient_steps", "description", "examples")
        source = dict.fromkeys(fields, value)
        file.write_text(json.dumps({"kind": "t2l", "source": source}))
        save_derived(tmp_path / f"changed-{number}", read_adapter(adapters[0].path), odd.weights, {"scaled_by": 1})
        assert torch.equal(
            read_adapter(tmp_path / f"changed-{number}").weights["model.layers.0.self_attn.q_proj"].lora_A,
            odd.weights["model.layers.0.self_attn.q_proj"].lora_A,
        )


def test_force_replaces_the_parts_and_nothing_that_was_put_beside_them(adapters, tmp_path):
    combination = combine(as_parts(adapters, (1, 1, 1)), max_rank=4)
    combined = saved(tmp_path, combination, adapters)
    save_combination(combined.path, combination, adapters[0], dtype="float32", force=True)
    assert len(read_parts(read_adapter(combined.path))) == 3
    (combined.path / "parts" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds parts/notes.txt"):
        save_combination(combined.path, combination, adapters[0], dtype="float32", force=True)
    assert (combined.path / "parts" / "notes.txt").read_text() == "mine"


def test_an_adapter_with_the_longest_name_can_be_a_part(adapters, tmp_path):
    long = tmp_path / ("n" * 255)
    adapters[0].path.rename(long)
    parts = [read_adapter(long), adapters[1]]
    combined = saved(tmp_path, combine(as_parts(parts, (1, 1)), max_rank=1), parts, (1, 1))
    assert [part.name for part in read_parts(combined)] == ["n" * 200, "b"]
