"""Where hyperlora keeps its files, and how a directory appears whole or not at all."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import HyperLoraError, InputError

ADAPTERS_FILE = "adapters.json"
EXPORT_FILE = "export.json"

# One of these is in every directory that hyperlora writes, and nothing else may be deleted.
_OURS = ("adapter_config.json", ADAPTERS_FILE, EXPORT_FILE)
# A config.json alone can be anybody's model: these keys are in those of hypernetworks and of training states.
_OUR_KEYS = ({"kind", "hypernetwork"}, {"step", "training"})


def default_name(source: str) -> str:
    """Adapter directory for a document or description: its own name in lower case, behind it ``-adapter``."""
    stem = "stdin" if source == "-" else Path(source).stem or Path(source).resolve().name
    return (re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") or "unnamed") + "-adapter"


def home() -> Path:
    """``HYPERLORA_HOME``, or the platform's cache folder for hyperlora."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("HYPERLORA_HOME") or user_cache_dir("hyperlora"))


def check_output(path: Path, *, force: bool, what: str) -> None:
    """Refuse, before any work is done, an output directory that must not be overwritten.

    Raises:
        InputError: the path exists and ``force`` is off, or it is something that ``force`` must not delete.
    """
    if not path.exists():
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if not force:
        raise InputError(f"{path} already exists", f"use --force to replace the {what}, or another -o")
    if not _is_ours(path):
        raise InputError(f"{path} is not a {what} and will not be deleted", "choose another -o")


def _is_ours(path: Path) -> bool:
    if any((path / name).exists() for name in _OURS):
        return True
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and any(keys <= set(config) for keys in _OUR_KEYS)


@contextmanager
def whole_directory(path: Path, *, force: bool = False, what: str = "adapter") -> Iterator[Path]:
    """Yield a temporary directory that takes the name ``path`` when the block ends without an error.

    Raises:
        InputError: ``path`` exists and ``force`` is off.
        HyperLoraError: the disk is full or may not be written.
    """
    check_output(path, force=force, what=what)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        yield temporary
        for file in temporary.iterdir():  # safetensors writes files that only their owner may read
            if file.is_file():
                file.chmod(0o666 & ~umask)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
            os.replace(path, old / "old")
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    except OSError as error:
        raise HyperLoraError(
            f"cannot write {path}: {error.strerror or error}", "check the disk's free space and permissions"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def check_file(path: Path, *, force: bool, magic: bytes) -> None:
    """Refuse, before any work is done, an output file that must not be overwritten.

    Args:
        magic: what files of its kind begin with.

    Raises:
        InputError: the path exists and ``force`` is off, or it is something that ``force`` must not replace.
    """
    if not path.exists():
        return
    if not force:
        raise InputError(f"{path} already exists", "use --force to replace it, or another -o")
    if path.is_dir() or path.read_bytes()[: len(magic)] != magic:
        raise InputError(f"{path} is a file of another kind and will not be replaced", "choose another -o")


@contextmanager
def whole_file(path: Path, *, force: bool, magic: bytes) -> Iterator[Path]:
    """Yield a temporary file that takes the name ``path`` when the block ends without an error.

    Raises:
        InputError: as ``check_file``.
        HyperLoraError: the disk is full or may not be written.
    """
    check_file(path, force=force, magic=magic)
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise HyperLoraError(
            f"cannot write {path}: {error.strerror or error}", "check the disk's free space and permissions"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
