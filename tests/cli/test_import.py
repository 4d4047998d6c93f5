"""A published checkpoint from the command line: import, then a document, then the golden delta W."""

import json

import pytest
from safetensors.torch import load_file

from shared.lora.adapter import read_adapter
from tests.models import FLOAT32
from tests.reference import REFERENCE, TOLERANCE, cases, error, needs_reference, read_case


@needs_reference
@pytest.mark.parametrize("case", cases("d2l"))
def test_imported_checkpoint_writes_the_golden_adapter(hyperlora, tmp_path, case):
    folder, facts = read_case("d2l", case)
    base = REFERENCE / facts["base_model"]
    done = hyperlora("hypernet", "import", folder, "--base", base, "-o", "h")
    assert done.exit_code == 0, done.stderr
    assert "sha256" in (tmp_path / "h" / "README.md").read_text()
    long = facts["context"]["long"]
    (tmp_path / "long.txt").write_text(long["text"])
    chunk = ["--chunk-tokens", long["max_chunk_len"]]
    done = hyperlora("d2l", "long.txt", "--hypernet", "h", "--base", base, *chunk, *FLOAT32, "-o", "out")
    assert done.exit_code == 0, done.stderr
    golden, scaling = load_file(folder / "lora.safetensors"), facts["lora"]["lora_alpha"]
    for name, factors in read_adapter(tmp_path / "out").weights.items():
        layer, module = int(name.split(".")[2]), name.rpartition(".")[2]
        lora_A, lora_B = (golden[f"combined.{module}.{half}"][0, layer] for half in "AB")
        wanted = scaling * lora_B.T @ lora_A
        assert error(factors.delta(), wanted) < TOLERANCE


@needs_reference
@pytest.mark.parametrize("case", cases("t2l"))
def test_imported_task_checkpoint_writes_the_golden_adapter(hyperlora, tmp_path, case):
    folder, facts = read_case("t2l", case)
    base, encoder = REFERENCE / facts["base_model"], REFERENCE / facts["emb_model"]
    done = hyperlora("hypernet", "import", folder, "--base", base, "-o", "h")
    assert done.exit_code == 0, done.stderr
    card = (tmp_path / "h" / "README.md").read_text()
    assert "args.yaml: " in card and "Apache-2.0" in card and "Not carried over" in card
    description = [facts["task"]["description"], "--hypernet", "h", "--text-encoder", encoder]
    done = hyperlora("t2l", *description, "--base", base, *FLOAT32, "-o", "out")
    assert done.exit_code == 0, done.stderr
    golden, scaling = load_file(folder / "lora_text" / "adapter_model.safetensors"), facts["lora"]["scaling"]
    weights = read_adapter(tmp_path / "out").weights
    assert 2 * len(weights) == len(golden)
    for name, factors in weights.items():
        lora_A, lora_B = (golden[f"base_model.model.{name}.lora_{half}.weight"] for half in "AB")
        assert error(factors.delta(), scaling * lora_B @ lora_A) < TOLERANCE


@needs_reference
def test_questions_to_an_imported_hypernetworks_adapter_have_its_system_message(hyperlora, tmp_path, monkeypatch):
    """Trained with an empty system message: both commands ask so, unless the user gives another one."""
    import shared.base.chat as generation

    folder, facts = read_case("d2l", "main_llama")
    base = REFERENCE / facts["base_model"]
    assert hyperlora("hypernet", "import", folder, "--base", base, "-o", "h").exit_code == 0
    (tmp_path / "a.txt").write_text("The ferry arrived.")
    assert hyperlora("d2l", "a.txt", "--hypernet", "h", "--base", base, "-o", "out").exit_code == 0
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["question_system"] == ""

    asked = []
    monkeypatch.setattr(generation, "chat_ids", lambda base, messages: asked.append(list(messages)) or [1, 3, 89])
    hyperlora("ask", "out", "When?", "--base", base, "--max-new-tokens", 1)
    hyperlora("chat", "out", "--base", base, "--max-new-tokens", 1, input="When?\n/new\nWhen?\n")
    hyperlora("ask", "out", "When?", "--base", base, "--max-new-tokens", 1, "--system", "Be brief.")
    question = {"role": "user", "content": "When?"}
    own, other = ([{"role": "system", "content": text}, question] for text in ("", "Be brief."))
    assert asked == [own, own, own, other]


@needs_reference
def test_info_and_half_the_size(hyperlora, tmp_path):
    folder, _ = read_case("t2l", "llama_recon_zscore")
    sizes = {}
    for dtype in ("float32", "bf16"):
        assert hyperlora("hypernet", "import", folder, "--dtype", dtype, "-o", dtype).exit_code == 0
        facts = json.loads(hyperlora("hypernet", "info", dtype, "--json").stdout)
        assert (facts["kind"], facts["r"], facts["target_modules"]) == ("t2l", 8, ["q_proj", "v_proj"])
        sizes[dtype] = facts["bytes"]
    assert sizes["bf16"] < 0.55 * sizes["float32"]
    shown = hyperlora("hypernet", "info", "bf16").stdout
    assert "sha256" in shown and "hypermod.pt: " in shown
    done = hyperlora("hypernet", "import", folder, "--dtype", "int8", "-o", "x")
    assert done.exit_code == 2 and not (tmp_path / "x").exists()


@needs_reference
def test_wrong_base_and_wrong_encoder(hyperlora, tmp_path):
    folder, facts = read_case("t2l", "gemma_sft")
    other = REFERENCE / "base_models" / "tiny-llama-a"
    done = hyperlora("hypernet", "import", folder, "--base", other, "-o", "h")
    assert done.exit_code == 2 and "q_proj is" in done.stderr and not (tmp_path / "h").exists()
    assert hyperlora("hypernet", "import", folder, "-o", "h").exit_code == 0
    encoder = ["--text-encoder", REFERENCE / facts["emb_model"]]
    done = hyperlora("t2l", "Sort the words", "--hypernet", "h", *encoder, "--base", other, "-o", "out")
    assert done.exit_code == 2 and "target layers" in done.stderr
    done = hyperlora("t2l", "Sort the words", "--hypernet", "h", "--text-encoder", other, "-o", "out")
    assert done.exit_code == 2 and "64 numbers" in done.stderr
    done = hyperlora("t2l", "Sort the words", "--hypernet", "h", "-o", "out")
    assert done.exit_code == 1 and "--text-encoder" in done.stderr and not (tmp_path / "out").exists()


def test_what_cannot_be_imported(hyperlora, tmp_path):
    for name, content in (("hypermod.pt", b"x"), ("pytorch_model.bin", b"PK no archive")):
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(content)
        done = hyperlora("hypernet", "import", folder, "-o", "h")
        assert done.exit_code == 2 and done.stderr.startswith("error: "), done.stderr
    assert hyperlora("hypernet", "import", tmp_path / "none", "-o", "h").exit_code == 2
    assert not (tmp_path / "h").exists()


@needs_reference
def test_import_by_hub_id(hyperlora, hub_server, tmp_path):
    """Only the files of the run are fetched; folder and revision are in the card."""
    t2l, d2l = read_case("t2l", "gemma_sft")[0], read_case("d2l", "main_llama")[0]
    small = {f"all/tasks/{name}": (t2l / name).read_bytes() for name in ("args.yaml", "adapter_config.json")}
    weights = (t2l / "hypermod.pt").read_bytes()
    document = (d2l / "pytorch_model.bin").read_bytes()
    files = {"all/tasks/hypermod.pt": weights, "all/docs/pytorch_model.bin": document, "all/tasks/other.bin": b"x"}
    files |= {"all/run/checkpoints/it_7/hypermod.pt": weights} | {
        k.replace("tasks", "run"): v for k, v in small.items()
    }
    repo = hub_server.add("sakana/all", {"empty/x.md": b"x"})
    repo.tags["v1"] = repo.commit(files | small, "all")
    repo.commit({"all/tasks/hypermod.pt": b"newer"}, "newer")
    for folder, kind in (("tasks", "t2l"), ("run", "t2l"), ("docs", "d2l")):
        options = ["--subfolder", f"all/{folder}", "--revision", "v1", "-o", folder, "--json"]
        done = hyperlora("hypernet", "import", "sakana/all", *options)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["kind"] == kind
        assert f"sakana/all/all/{folder} at v1" in (tmp_path / folder / "README.md").read_text()
    assert not hub_server.seen("other.bin")
    for subfolder in ("empty", "none"):
        done = hyperlora("hypernet", "import", "sakana/all", "--subfolder", subfolder, "-o", "x")
        assert done.exit_code == 2 and not (tmp_path / "x").exists()
