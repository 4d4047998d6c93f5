"""``hyperlora export``."""

import json

import pytest
import torch

from shared.export.gguf_files import open_gguf
from shared.export.vllm import max_lora_rank
from shared.lora.adapter import read_adapter
from tests.gguf_base import write_base


def test_each_format_is_written_and_says_what_to_type(hyperlora, adapter, tiny_base, tmp_path):
    model = write_base(tmp_path / "base.gguf", tiny_base)
    wanted = {
        "gguf": ("adapter.gguf", "llama-cli"),
        "merged-gguf": ("adapter-merged.gguf", "llama-cli"),
        "merged": ("adapter-merged", "AutoModelForCausalLM"),
        "mlx": ("adapter-mlx", "mlx_lm.generate"),
        "ollama": ("adapter-ollama", "ollama create"),
    }
    for to, (name, run) in wanted.items():
        done = hyperlora("export", adapter, "--to", to, "--gguf", model)
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"{name}\n" and run in done.stderr
        assert (tmp_path / name).exists()
        again = hyperlora("export", adapter, "--to", to, "--gguf", model)
        assert again.exit_code == 2 and "already exists" in again.stderr
        report = json.loads(hyperlora("export", adapter, "--to", to, "--gguf", model, "--force", "--json").stdout)
        assert report["rank"] == read_adapter(adapter).weights.r and report["bytes"] > 1000
    lora = open_gguf(tmp_path / "adapter.gguf")
    fields = {name: field.contents() for name, field in lora.fields.items()}
    assert fields["general.type"] == "adapter" and fields["adapter.type"] == "lora"
    assert fields["adapter.lora.alpha"] == read_adapter(adapter).weights.r
    text = (tmp_path / "adapter-ollama" / "Modelfile").read_text()
    assert f"FROM {model}\nADAPTER ./adapter.gguf" in text


def test_what_to_type_is_quoted(hyperlora, adapter):
    done = hyperlora("export", adapter, "--to", "merged", "-o", 'we"ir d')
    assert done.exit_code == 0 and """next: AutoModelForCausalLM.from_pretrained('we"ir d')""" in done.stderr
    done = hyperlora("export", adapter, "--to", "gguf", "-o", 'we"ir d.gguf')
    assert done.exit_code == 0 and """--lora 'we"ir d.gguf'""" in done.stderr


def test_vllm_gets_a_command_and_a_smaller_rank_where_asked(hyperlora, adapter, tmp_path):
    done = hyperlora("export", adapter, "--to", "vllm")
    assert done.exit_code == 0, done.stderr
    allowed = max_lora_rank([read_adapter(adapter).weights.r])
    assert f"--enable-lora --max-lora-rank {allowed} --lora-modules adapter=" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if "vllm" in path.name] == []
    done = hyperlora("export", adapter, "--to", "vllm", "--max-rank", 3, "-o", "small")
    assert done.exit_code == 0 and "--max-lora-rank 8" in done.stdout
    small, whole = read_adapter(tmp_path / "small"), read_adapter(adapter)
    assert small.weights.r == 3 and small.provenance["source"]["cut_from_rank"] == whole.weights.r
    for name, factors in whole.weights.truncate(3).weights.items():
        torch.testing.assert_close(small.weights[name].delta(), factors.delta())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "onnx"], "unknown format"),
        (["--to", "gguf", "--gguf", "none.gguf"], "does not exist"),
        (["--to", "merged-gguf"], "needs the base in GGUF"),
        (["--to", "ollama"], "needs the base"),
        (["--to", "gguf", "-o", "harbour.txt", "--force"], "another kind"),
        (["--to", "mlx", "-o", "adapter/README.md", "--force"], "will not be deleted"),
        (["--to", "gguf", "--dtype", "int8"], "unknown dtype"),
        (["--to", "merged", "-o", "adapter", "--force"], "is the adapter itself"),
        (["--to", "gguf", "-o", "adapter", "--force"], "is a folder"),
        (["--to", "gguf", "-o", ".", "--force"], "is a folder"),
        (["--to", "gguf", "-o", "x" * 256], "is too long"),
        (["--to", "gguf", "-o", "harbour.txt/x"], "is not a folder"),
    ],
)
def test_wrong_wishes_are_one_line(hyperlora, adapter, document, arguments, message):
    before = read_adapter(adapter).num_bytes
    done = hyperlora("export", adapter, *arguments)
    assert done.exit_code == 2 and message in done.stderr, done.stderr
    assert document.read_text().startswith("The ferry") and read_adapter(adapter).num_bytes == before
