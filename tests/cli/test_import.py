"""A published checkpoint from the command line: import, then a document, then the golden delta W."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from shared.adapter import read_adapter

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the golden cases are not beside the checkout")
@pytest.mark.parametrize("case", ["main_llama", "main_gemma2", "niah_llama", "multi_llama", "options_llama"])
def test_imported_checkpoint_writes_the_golden_adapter(hyperlora, tmp_path, case):
    folder = REFERENCE / "d2l" / case
    facts = json.loads((folder / "case.json").read_text())
    base = REFERENCE / facts["base_model"]
    done = hyperlora("hypernet", "import", folder, "--base", base, "-o", "h")
    assert done.exit_code == 0, done.stderr
    assert "sha256" in (tmp_path / "h" / "README.md").read_text()
    long = facts["context"]["long"]
    (tmp_path / "long.txt").write_text(long["text"])
    chunk = ["--chunk-tokens", long["max_chunk_len"]]
    done = hyperlora("d2l", "long.txt", "--hypernet", "h", "--base", base, *chunk, "--dtype", "float32", "-o", "out")
    assert done.exit_code == 0, done.stderr
    golden, scaling = load_file(folder / "lora.safetensors"), facts["lora"]["lora_alpha"]
    for name, factors in read_adapter(tmp_path / "out").weights.items():
        layer, module = int(name.split(".")[2]), name.rpartition(".")[2]
        lora_A, lora_B = (golden[f"combined.{module}.{half}"][0, layer] for half in "AB")
        wanted = scaling * lora_B.T @ lora_A
        assert torch.linalg.norm(factors.delta() - wanted) <= 2e-5 * torch.linalg.norm(wanted)


def test_what_cannot_be_imported(hyperlora, tmp_path):
    for name, content in (("hypermod.pt", b"x"), ("pytorch_model.bin", b"PK no archive")):
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(content)
        done = hyperlora("hypernet", "import", folder, "-o", "h")
        assert done.exit_code == 2 and done.stderr.startswith("error: "), done.stderr
    assert hyperlora("hypernet", "import", tmp_path / "none", "-o", "h").exit_code == 2
    assert not (tmp_path / "h").exists()
