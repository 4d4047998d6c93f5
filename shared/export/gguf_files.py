"""GGUF files for llama.cpp: a LoRA for beside its base, as llama.cpp's own converter writes it, or merged into it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import InputError
from shared.export.gguf_names import GgufAdapter, delta
from shared.paths import whole_output_file

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

MAGIC = b"GGUF"
_TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def write_lora_gguf(
    path: Path, adapter: GgufAdapter, *, name: str, base_model: str, dtype: str = "float32", force: bool = False
) -> int:
    """Write a LoRA that llama.cpp loads beside the base's GGUF file (``--lora``); returns its bytes.

    Args:
        name: what the file calls itself.
        dtype: of the factors: float32, float16 or bfloat16.

    Raises:
        InputError: ``path`` exists and ``force`` is off.
        HyperLoraError: the disk is full or may not be written.
    """
    import gguf

    kind = _type(dtype)
    with whole_output_file(path, force=force, magic=MAGIC) as temporary:
        writer = gguf.GGUFWriter(temporary, adapter.architecture)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_name(name)
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, base_model)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        rank = next(iter(adapter.factors.values())).lora_A.shape[0]
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(rank))  # llama.cpp scales by alpha / rank
        for tensor, pair in adapter.factors.items():
            for half, numbers in (("lora_a", pair.lora_A), ("lora_b", pair.lora_B)):
                data = gguf.quants.quantize(np.ascontiguousarray(numbers.numpy()), kind)
                writer.add_tensor(f"{tensor}.{half}", data, raw_dtype=kind)
        _write_head(writer)
        writer.write_tensors_to_file()
        writer.close()
        return temporary.stat().st_size


def write_merged_gguf(
    path: Path, base_gguf: Path, adapter: GgufAdapter | None, *, dtype: str = "float16", force: bool = False
) -> int:
    """Write a base's GGUF file with an adapter merged into it; returns its bytes.

    Everything else is copied as it is: metadata, tokenizer, and the tensors that the adapter does not touch.

    Args:
        adapter: ``None`` only changes the type of the matrices, all of them.
        dtype: of the merged tensors: float32, float16 or bfloat16. Quantised again, a small update would be lost.

    Raises:
        InputError: no such GGUF file, one of another model, or ``path`` exists and ``force`` is off.
    """
    import gguf

    reader = open_gguf(base_gguf)
    kind = _type(dtype)
    if adapter is not None:
        check_fits(reader, adapter, base_gguf)
    with whole_output_file(path, force=force, magic=MAGIC) as temporary:
        writer = gguf.GGUFWriter(temporary, architecture_of(reader))
        _copy_metadata(reader, writer)
        types = {}
        for tensor in reader.tensors:
            touched = tensor.name in adapter.factors if adapter else len(tensor.shape) > 1
            types[tensor.name] = kind if touched else tensor.tensor_type
            block, size = gguf.GGML_QUANT_SIZES[types[tensor.name]]
            shape = [int(n) for n in reversed(tensor.shape)]
            num_bytes = math.prod(shape) // block * size
            # Only that it is not uint8 counts: shapes would be read as those of bytes.
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), num_bytes, types[tensor.name])
        _write_head(writer)
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:  # one at a time: a large model does not fit into memory twice
            if tensor.name in (adapter.factors if adapter else {}) or types[tensor.name] != tensor.tensor_type:
                numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
                if adapter:
                    numbers = numbers + delta(adapter.factors[tensor.name]).numpy()
                writer.write_tensor_data(gguf.quants.quantize(np.ascontiguousarray(numbers), kind))
            else:
                writer.write_tensor_data(tensor.data)
        writer.close()
        return temporary.stat().st_size


def open_gguf(path: Path) -> "GGUFReader":
    """A base model's GGUF file.

    Raises:
        InputError: no such file, or not a model in GGUF format.
    """
    import gguf

    try:
        return gguf.GGUFReader(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "give the base model's GGUF file with --gguf") from None
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{path} is not a GGUF file", str(error)[:200]) from None


def architecture_of(reader: "GGUFReader") -> str:
    """llama.cpp's name of a GGUF file's architecture."""
    field = reader.get_field("general.architecture")
    if field is None:
        raise InputError("the GGUF file names no architecture")
    return str(field.contents())


def check_fits(reader: "GGUFReader", adapter: GgufAdapter, path: Path) -> None:
    """Refuse a GGUF file that is not the adapter's base.

    Raises:
        InputError: another architecture, or a tensor that is missing or has another size.
    """
    architecture = architecture_of(reader)
    if architecture != adapter.architecture:
        raise InputError(f"{path.name} is a {architecture} model, the adapter's base is {adapter.architecture}")
    shapes = {tensor.name: tuple(int(n) for n in tensor.shape) for tensor in reader.tensors}
    for name, pair in adapter.factors.items():
        wanted = (pair.lora_A.shape[1], pair.lora_B.shape[0])
        if shapes.get(name) != wanted:
            raise InputError(
                f"{path.name} has {name} of size {shapes.get(name)}, the adapter's base has {wanted}",
                "give the GGUF file of the adapter's own base",
            )


def _type(dtype: str) -> "GGMLQuantizationType":
    import gguf

    return gguf.GGMLQuantizationType[_TYPES[dtype]]


def _write_head(writer: "GGUFWriter") -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()


def _copy_metadata(reader: "GGUFReader", writer: "GGUFWriter") -> None:
    alignment = reader.get_field("general.alignment")
    if alignment is not None:
        writer.data_alignment = int(alignment.contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind, inner = field.types[0], field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(name, field.contents(), kind, sub_type=inner)
