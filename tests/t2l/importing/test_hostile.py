"""Published T2L checkpoints that lie about themselves: refused in one line, in little memory, nothing run."""

import json
import os
import shutil
import string

import pytest
import torch

from shared.errors import InputError
from shared.importing.inert_yaml import MAX_BYTES, read_arguments
from t2l.importing import import_t2l
from tests.reference import needs_reference, read_case
from tests.shared.importing.hostile import Call, hostile_zip, refused

pytestmark = needs_reference
TRILLION = 10**12


@pytest.fixture
def folder(tmp_path):
    """A copy of a golden case."""
    path, _ = read_case("t2l", "gemma_sft")
    for file in ("hypermod.pt", "args.yaml", "adapter_config.json"):
        shutil.copy(path / file, tmp_path)
    return tmp_path


def load_case(folder, **_):
    return import_t2l(folder / "hypermod.pt", folder)


def bomb():
    """Nine levels of nine references each: 100 bytes a level, a billion leaves when written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 40):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines) + "\n"


def test_a_bomb_beside_the_arguments_costs_nothing(folder):
    """Anchors also occur in honest files, where two arguments are one list."""
    text = (folder / "args.yaml").read_text()
    (folder / "args.yaml").write_text(bomb() + text)
    assert load_case(folder).config.hypernetwork.r == 8
    (folder / "args.yaml").write_text(text.replace("model_dir: ", "model_dir: *a39 #").replace("lr:", bomb() + "lr:"))
    refused(load_case, folder, match="undefined alias|model_dir")
    (folder / "args.yaml").write_text(bomb() + text.replace("model_dir: ", "model_dir: *a39 #"))
    refused(load_case, folder, match="model_dir is a sequence")


def test_merge_keys_are_not_expanded(folder):
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 40)]
    (folder / "args.yaml").write_text("\n".join(lines) + "\n" + (folder / "args.yaml").read_text())
    assert load_case(folder).config.hypernetwork.r == 8


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch done']",
        "!!python/name:os.system",
        "!!python/object/new:subprocess.Popen [[touch, done]]",
        "!own thing",
    ],
)
@pytest.mark.parametrize("key", ["lr", "model_dir", "? [a]\n", "nested"])
def test_tags_are_refused_by_name(folder, monkeypatch, tag, key):
    monkeypatch.chdir(folder)
    line = f"nested: {{deep: [{tag}]}}" if key == "nested" else f"{key}: {tag}"
    (folder / "args.yaml").write_text((folder / "args.yaml").read_text() + f"\n{line}\n")
    message = refused(load_case, folder, match="refused: it holds|not valid YAML")
    assert "python/" in message or "own" in message
    assert not (folder / "done").exists()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no training arguments"),
        ("- a\n- b", "no training arguments"),
        ("a: [", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("head_in_size: " + "9" * 6000, "not valid YAML"),
        ("a: 1\n---\na: 2", "not valid YAML"),
        ("x" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_files_that_are_no_arguments(folder, text, match):
    (folder / "args.yaml").write_text(text)
    refused(load_case, folder, match=match)


@pytest.mark.parametrize("piece", ["[", "{a: ", "- ", "? "])
def test_endless_nesting(folder, piece):
    (folder / "args.yaml").write_text(piece * 20_000)
    with pytest.raises(InputError, match="recursion"):
        load_case(folder)


def test_bytes_that_are_no_text(folder):
    (folder / "args.yaml").write_bytes(b"\xff\xfe\xfa")
    refused(load_case, folder, match="not valid YAML")


@pytest.mark.parametrize("number", ["1_0", "0x10", "1:0", "1e400", "-1", "0", "true", "16.0"])
def test_other_ways_to_write_a_number(folder, number):
    """Whatever YAML makes of it, it is the tensors' number or it is refused."""
    text = (folder / "args.yaml").read_text()
    (folder / "args.yaml").write_text(text.replace("head_in_size: 40", f"head_in_size: {number}"))
    refused(load_case, folder, match="head_in_size")
    assert read_arguments(folder / "args.yaml", ("head_in_size",))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"r": TRILLION}, "no usable r"),
        ({"r": 9}, "r 9, its tensors say 8"),
        ({"r": True}, "no usable r"),
        ({"lora_alpha": "16"}, "lora_alpha"),
        ({"lora_alpha": -1}, "lora_alpha"),
        ({"target_modules": ["q_proj"]}, "target_modules"),
        ({"target_modules": "all-linear"}, "target_modules"),
        ({"target_modules": [["q_proj"], {"v_proj": 1}]}, "target_modules"),
        ({"peft_type": "VERA"}, "no LoRA"),
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
        ({"layers_to_transform": [0]}, "layers_to_transform"),
        ({"bias": "all"}, "bias"),
    ],
)
def test_adapter_configurations(folder, changes, match):
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | changes))
    refused(load_case, folder, match=match)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"r": ' + "9" * 6000 + "}", " " * (MAX_BYTES + 1)])
def test_files_that_are_no_adapter_configuration(folder, text):
    (folder / "adapter_config.json").write_text(text)
    refused(load_case, folder, match=r"adapter_config\.json")


def change_tensors(folder, change):
    state = torch.load(folder / "hypermod.pt", weights_only=True)
    torch.save(change(state) or state, folder / "hypermod.pt")


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("mlp2.mlp.1.weight", None, "lacks what becomes mlp2.mlp.1.weight"),
        ("AB_offset.A.q_proj", None, "lacks the tensor AB_offset.A.q_proj"),
        ("AB_offset.B.v_proj", torch.zeros(4, 48, 7), "AB_offset.B.v_proj has shape"),
        ("AB_offset.A.q_proj", torch.zeros(10**6, 8, 1), "hidden size"),
        ("AB_offset.A.v_proj", torch.zeros(10**6, 8, 1), "1000000 layers"),
        ("heads.q_proj.weight", torch.zeros(1, 40), "heads.q_proj.weight has shape"),
        ("heads.k_proj.weight", torch.zeros(1, 40), "target_modules"),
        ("heads.q_proj.bias", torch.zeros(1280).long(), "int64"),
        ("surprise", torch.zeros(1), "unexpected tensor surprise"),
        ("surprise", 3, "no tensor"),
        ("out_emb.q_proj.A", torch.zeros(32), "shared_AB_head"),
        ("layer_type_encoder.0.weight", torch.zeros(3, 8), "layer types"),
        ("layer_type_encoder.0.weight", None, "layer_type_encoder"),
        ("layer_depth_encoder.0.weight", torch.zeros(5, 8), "layer_depth_encoder.0.weight has shape"),
        ("task_encoder.mlp.0.weight", torch.zeros(16), "task_encoder.mlp.0.weight"),
        ("task_encoder.mlp.1.weight", None, "task_encoder"),
        ("task_encoder.embed", torch.zeros(2, 2), "unexpected tensor task_encoder.embed"),
    ],
)
def test_tensors(folder, name, value, match):
    def change(state):
        state.pop(name, None)
        if value is not None:
            state[name] = value

    change_tensors(folder, change)
    refused(load_case, folder, match=match)


def test_more_heads_than_any_model_has(folder):
    names = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase]
    change_tensors(folder, lambda state: {**state, **{f"heads.{n}.weight": torch.zeros(1) for n in names}})
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": [*names, "q_proj", "v_proj"]}))
    refused(load_case, folder, match="678 heads")


def test_nothing_of_a_hostile_pickle_runs(folder):
    hostile_zip(folder / "hypermod.pt", {"a": Call(os.system, f"touch {folder / 'done'}")})
    refused(load_case, folder, match="system")
    assert not (folder / "done").exists()


@pytest.mark.parametrize("file", ["hypermod.pt", "args.yaml", "adapter_config.json"])
def test_missing_files(folder, file):
    (folder / file).unlink()
    with pytest.raises(InputError, match=file.replace(".", r"\.")):
        load_case(folder)
