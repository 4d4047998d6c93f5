"""Writes safetensors files piece by piece, so that casting a checkpoint takes no second copy of it in memory.

Format: https://github.com/huggingface/safetensors (eight bytes of header length, a JSON header, the tensors' bytes).
"""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_PIECE = 1 << 24  # numbers cast at a time


def write_safetensors(path: Path, state: "Mapping[str, Tensor]", dtypes: "Mapping[str, torch.dtype]") -> None:
    """Write tensors, each cast to its dtype. They may share memory; each gets its own bytes in the file.

    Raises:
        OSError: the disk is full or may not be written.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    # Largest numbers first, as in files of the safetensors library: all tensors are aligned then.
    names = sorted(state, key=lambda name: (-dtypes[name].itemsize, name))
    for name in names:
        shape = list(state[name].shape)
        begin, end = end, end + math.prod(shape) * dtypes[name].itemsize
        dtype = _NAMES[str(dtypes[name]).removeprefix("torch.")]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            _write_numbers(file, state[name], dtypes[name])


def _write_numbers(file, tensor: "Tensor", dtype: "torch.dtype") -> None:
    import torch

    flat = tensor.detach().reshape(-1)
    for start in range(0, flat.numel(), _PIECE):
        piece = flat[start : start + _PIECE].to("cpu", dtype)
        file.write(piece.view(torch.uint8).numpy())
