"""Ollama: a Modelfile with the base and the LoRA's GGUF file (https://github.com/ollama/ollama/blob/main/docs/modelfile.md)."""

from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.export.gguf_files import write_lora_gguf
from shared.export.gguf_names import GgufAdapter
from shared.export.manifest import write_manifest
from shared.paths import whole_directory

MODELFILE, ADAPTER_FILE = "Modelfile", "adapter.gguf"


def write_ollama(
    path: Path,
    adapter: GgufAdapter,
    base: str,
    facts: dict[str, Any],
    *,
    dtype: str = "float32",
    system: str | None = None,
    force: bool = False,
) -> int:
    """Write a directory for ``ollama create NAME -f OUT/Modelfile``; returns the bytes of the adapter.

    Args:
        base: what stands behind FROM: a GGUF file, or a model's name in Ollama's library.
        facts: what goes into ``export.json``.
        system: the system message that the adapter was trained with.

    Raises:
        InputError: ``path`` exists and ``force`` is off.
    """
    with whole_directory(path, force=force, what="Ollama export") as temporary:
        size = write_lora_gguf(
            temporary / ADAPTER_FILE, adapter, name=path.name, base_model=facts["base_model"], dtype=dtype
        )
        (temporary / MODELFILE).write_text(modelfile(base, system), encoding="utf-8")
        write_manifest(temporary, facts)
        return size


def modelfile(base: str, system: str | None = None) -> str:
    """The Modelfile's text.

    Raises:
        InputError: a line break in the base's name, or three quotes in the system message.
    """
    if "\n" in base or '"""' in (system or ""):
        raise InputError("a Modelfile cannot hold this base name or system message")
    lines = [f"FROM {base}", f"ADAPTER ./{ADAPTER_FILE}", "PARAMETER temperature 0"]
    if system is not None:
        lines.append(f'SYSTEM """{system}"""')
    return "\n".join(lines) + "\n"
