"""Weights written piece by piece: the safetensors library reads back the same numbers."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from shared import safetensors_file
from shared.hypernetwork.checkpoint import save_checkpoint


@pytest.mark.parametrize("piece", [1, 7, 1 << 24])
def test_what_is_written_is_read(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(safetensors_file, "_PIECE", piece)
    table = torch.randn(6, 4)
    state = {
        "b": torch.tensor([True, False, True]),
        "table": table,
        "same memory": table,
        "row": table[1],
        "transposed": table.T,
        "half": torch.randn(5).half(),
        "brain": torch.randn(3, 1).bfloat16(),
        "scalar": torch.tensor(1.5, dtype=torch.float64),
        "none": torch.empty(0, 3),
        "count": torch.arange(3),
    }
    file = tmp_path / "x.safetensors"
    safetensors_file.write_safetensors(file, state, {key: tensor.dtype for key, tensor in state.items()})
    read = load_file(file)
    assert set(read) == set(state)
    for key, tensor in state.items():
        assert read[key].dtype == tensor.dtype and torch.equal(read[key], tensor)
    with safe_open(file, "pt") as handle:
        assert handle.metadata() == {"format": "pt"}


def test_floating_point_is_cast_and_the_rest_is_not(tmp_path):
    state = {"x": torch.randn(40, 3), "n": torch.arange(4)}
    save_checkpoint(tmp_path / "h", {}, state, card="", dtype="bfloat16")
    read = load_file(tmp_path / "h" / "model.safetensors")
    assert torch.equal(read["x"], state["x"].bfloat16()) and torch.equal(read["n"], state["n"])
