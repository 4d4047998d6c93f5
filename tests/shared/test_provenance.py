"""Where a figure comes from, without what is nobody's business."""

import pytest
import torch

from shared.base.device import Placement
from shared.base.model import BaseModel, BaseModelSpec
from shared.provenance import command_line, provenance


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("/home/ann/models/qwen.gguf", "qwen.gguf"),
        ("~/models/qwen", "qwen"),
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
    ],
)
def test_a_base_models_folder_is_left_out(name, stated):
    base = BaseModel(None, None, BaseModelSpec(name, 64, 2, "0" * 64), Placement(torch.device("cpu"), torch.float32))
    facts = provenance(base, data="x.jsonl")
    assert facts["base_model"]["name_or_path"] == stated
    assert facts["base_model"]["hidden_size"] == 64
    assert facts["data"] == "x.jsonl"


def test_a_commands_folders_are_left_out():
    command = command_line(
        ["/opt/bin/hyperlora", "eval", "docqa", "--data=/home/ann/x.jsonl", "--base", "/srv/a b.gguf"]
    )
    assert command == "hyperlora eval docqa --data=x.jsonl --base 'a b.gguf'"
