"""A folder of adapters, watched: which of them can be served, and their files for llama.cpp."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from shared.base.model import BaseArchitecture
from shared.errors import HyperLoraError
from shared.export.gguf_files import check_fits, open_gguf, write_lora_gguf
from shared.export.gguf_names import gguf_adapter
from shared.lora.adapter import CONFIG_FILE, PROVENANCE_FILE, WEIGHTS_FILE, read_adapter
from shared.paths import home
from shared.work_folder import drop_oldest, mark_used

MAX_BYTES = 8_000_000_000
#: Raise it when the same adapter becomes another file than before.
FORMAT = 1


@dataclass(frozen=True)
class Served:
    """An adapter as llama.cpp loads it.

    Attributes:
        name: that of its directory.
        gguf: its LoRA file.
        system: the system message it was trained with.
    """

    name: str
    gguf: Path
    system: str | None


def find_adapters(folder: Path) -> dict[str, tuple[Path, tuple[int, ...]]]:
    """Adapter directories in a folder: name -> path and what tells one state of its files from another."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        files = [path / CONFIG_FILE, path / WEIGHTS_FILE]
        # A name with a dot in front is a directory that is still being written.
        if not path.name.startswith(".") and all(file.is_file() for file in files):
            stats = [file.stat() for file in files]
            found[path.name] = path, tuple(number for s in stats for number in (s.st_mtime_ns, s.st_size, s.st_ino))
    return found


def bases_of(folder: Path) -> dict[str, str | None]:
    """The base model that each adapter names, ``None`` where it names none."""
    bases: dict[str, str | None] = {}
    for name, (path, _) in find_adapters(folder).items():
        try:
            base = json.loads((path / CONFIG_FILE).read_text(encoding="utf-8")).get("base_model_name_or_path")
        except (OSError, ValueError, AttributeError):
            base = None
        bases[name] = base if isinstance(base, str) else None
    return bases


def prune_served(max_bytes: int = MAX_BYTES) -> None:
    """Remove the LoRA files of former runs that were used least recently; before those of this run are prepared."""
    drop_oldest((home() / "served").glob("*.gguf"), max_bytes)


def prepare(name: str, path: Path, base: BaseArchitecture, base_model: str, model: Path) -> Served:
    """Write an adapter's LoRA file for llama.cpp, once for all runs, in ``HYPERLORA_HOME``.

    Args:
        base_model: the name of the base that is served.
        model: its GGUF file.

    Raises:
        InputError: a damaged adapter.
        HyperLoraError: an adapter of another base, or the disk cannot be written.
    """
    adapter = read_adapter(path)
    if adapter.base_model != base_model:
        raise HyperLoraError(f"{name} is for {adapter.base_model}, not for {base_model}")
    digest = hashlib.sha256((path / WEIGHTS_FILE).read_bytes())
    for part in (path / CONFIG_FILE, path / PROVENANCE_FILE):
        digest.update(part.read_bytes() if part.exists() else b"")
    folder = home() / "served"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # as revealing as the adapters
    file = folder / f"{FORMAT}-{digest.hexdigest()}.gguf"
    if file.exists():
        mark_used(file)
    else:
        renamed = gguf_adapter(adapter.weights, base)
        check_fits(open_gguf(model), renamed, model)
        write_lora_gguf(file, renamed, name=name, base_model=base_model, force=True)
    return Served(name, file, adapter.question_system)
