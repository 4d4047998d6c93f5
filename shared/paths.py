"""Where hyperlora keeps its files, and how a directory appears whole or not at all."""

import errno
import fnmatch
import glob
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import HyperLoraError, InputError
from shared.work_folder import (
    NEW,
    exchange,
    exchange_back,
    is_inside_work,
    remove_left_overs,
    sync,
    whole_file,
    work_folder,
)

ADAPTERS_FILE = "adapters.json"
EXPORT_FILE = "export.json"
PARTS_FOLDER = "parts"

# All that directories of ours hold, as in a shell: nothing else is deleted by --force, and nothing else is pushed.
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "README.md", "provenance.json")
# Of a combined adapter whose parts cannot be told apart any more: the parts themselves.
PART_FILES = (f"{PARTS_FOLDER}/*.safetensors",)
NETWORK_FILES = (
    "config.json",
    "model.safetensors",
    "model-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].safetensors",
    "model.safetensors.index.json",
    "README.md",
    "state.safetensors",
    "training_descriptions.safetensors",
    "writer.safetensors",
    "anchors.safetensors",
)
# A config.json alone can be anybody's model: these keys are in those of hypernetworks and of training states.
_OUR_KEYS = ({"kind", "hypernetwork"}, {"step", "training"})
# What a file manager leaves in every folder that somebody looks at.
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
# Room for the longest path below an output: a work folder inside another one, and a file in it.
_INNER_BYTES = 200


def default_name(source: str) -> str:
    """Adapter directory for a document or description: its own name in lower case, behind it ``-adapter``."""
    stem = "stdin" if source == "-" else Path(source).stem or Path(source).resolve().name
    return (re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") or "unnamed") + "-adapter"


def home() -> Path:
    """``HYPERLORA_HOME``, or the platform's cache folder for hyperlora."""
    from platformdirs import user_cache_dir

    path = Path(os.environ.get("HYPERLORA_HOME") or user_cache_dir("hyperlora"))
    check_utf8(path, "set HYPERLORA_HOME to another folder")
    return path


def check_utf8(path: Path, hint: str) -> None:
    """Raise ``InputError`` for a path that is not UTF-8: the safetensors library can neither read nor write there."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"the path {path} is not UTF-8: no weights can be read there", hint) from None


def check_output(path: Path, *, force: bool, what: str) -> None:
    """Refuse, before any work is done, an output directory that cannot be written or must not be overwritten.

    What an earlier run left there when it was killed is removed, or put back, first.

    Raises:
        InputError: the path exists and ``force`` is off, it holds something that ``force`` must not delete, it is the
            folder one is in, or no folder can have that name.
        HyperLoraError: the folder around it may not be written.
    """
    real = _real_path(path)
    remove_left_overs(real.parent)
    if not os.path.lexists(real):
        return
    if real.is_dir() and not any(real.iterdir()):
        return
    if not force:
        raise InputError(f"{path} already exists", f"use --force to replace the {what}, or another -o")
    _check_replaceable(real, path, what)


def own_files(path: Path) -> list[str]:
    """Names of the files in an adapter or hypernetwork directory that hyperlora writes or reads, sorted."""
    patterns, parts = _own_patterns(path), path / PARTS_FOLDER
    names = [entry.name for entry in path.iterdir() if entry.is_file() and _matches(entry.name, patterns)]
    foreign = _foreign_parts(path, parts) if parts.is_dir() else None
    if foreign is not None:
        names += [f"{PARTS_FOLDER}/{entry.name}" for entry in parts.iterdir() if entry.name not in foreign]
    return sorted(names)


def _check_replaceable(real: Path, path: Path, what: str) -> None:
    """Refuse to delete what hyperlora has not made."""
    foreign = _foreign(real)
    if foreign is None:
        raise InputError(f"{path} is no {what} and will not be deleted", "choose another -o")
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise InputError(
            f"{path} holds {foreign[0]}{more}, which would be deleted",
            f"move it out of the {what}, or choose another -o",
        )


def _foreign(path: Path) -> list[str] | None:
    """Names below a directory that are not hyperlora's; ``None`` if the whole of it is not."""
    if not path.is_dir():
        return None
    index = _batch_names(path)
    patterns = (ADAPTERS_FILE,) if index is not None else _own_patterns(path)
    if not patterns:
        return None
    foreign = []
    for entry in sorted(path.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            inside = _foreign(entry) if entry.name in (index or ()) else _foreign_parts(path, entry)
            foreign += [f"{entry.name}/"] if inside is None else [f"{entry.name}/{name}" for name in inside]
        elif not _matches(entry.name, patterns) and entry.name not in _LITTER:
            foreign.append(entry.name)
    return foreign


def _batch_names(path: Path) -> set[str] | None:
    """Names of the adapters in a directory of adapters, ``None`` if it is something else."""
    try:
        entries = json.loads((path / ADAPTERS_FILE).read_text(encoding="utf-8"))["adapters"]
        return {str(entry["adapter"]) for entry in entries}
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def _foreign_parts(adapter: Path, folder: Path) -> list[str] | None:
    """Names in the folder of a combined adapter's parts that are no parts; ``None`` if it is no such folder."""
    if folder.name != PARTS_FOLDER:
        return None
    try:
        mixed = json.loads((adapter / "provenance.json").read_text(encoding="utf-8"))["source"]["mixed"]
        parts = {f"{name}.safetensors" for name in mixed}
        return sorted(entry.name for entry in folder.iterdir() if entry.name not in parts or not entry.is_file())
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def _own_patterns(path: Path) -> tuple[str, ...]:
    """What a directory of its kind holds, nothing if it is of no kind of ours."""
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
        listed = json.loads((path / EXPORT_FILE).read_text(encoding="utf-8"))["files"]
        return (EXPORT_FILE, *(glob.escape(str(name)) for name in listed))
    if (path / "adapter_config.json").exists():
        return ADAPTER_FILES
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    return NETWORK_FILES if isinstance(config, dict) and any(keys <= set(config) for keys in _OUR_KEYS) else ()


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _real_path(path: Path) -> Path:
    """Where an output is to appear, behind links; refuses names that no output can have."""
    try:
        real = Path(os.path.realpath(path))
        if Path.cwd().is_relative_to(real):
            raise InputError(f"{path} is the folder you are in, or one around it", "name a new folder with -o")
    except FileNotFoundError:
        raise InputError("the current folder does not exist any more", "change to another one") from None
    except ValueError as error:
        raise InputError(f"nothing can be called {str(path)!r}: {error}", "choose another -o") from None
    check_utf8(real, "choose another -o")
    around = next(parent for parent in real.parents if os.path.lexists(parent))
    if not around.is_dir():
        raise InputError(f"{around} is not a folder", "choose another -o")
    if os.name == "posix":
        longest, whole = (os.pathconf(around, name) for name in ("PC_NAME_MAX", "PC_PATH_MAX"))
        sizes = [len(os.fsencode(part)) for part in real.parts]
        if max(sizes) > longest or len(os.fsencode(real)) + _INNER_BYTES > whole:
            raise InputError(f"the name {_shortened(path)} is too long", f"a name has at most {longest} bytes")
    if not os.access(around, os.W_OK | os.X_OK):
        raise HyperLoraError(f"cannot write {path}: no permission in {around}", "choose another -o")
    return real


def _shortened(path: Path) -> str:
    return str(path) if len(str(path)) <= 80 else f"{str(path)[:40]}..."


@contextmanager
def whole_directory(path: Path, *, force: bool = False, what: str = "adapter") -> Iterator[Path]:
    """Yield a temporary directory that takes the name ``path`` when the block ends without an error.

    A process may be killed at any moment: there is the old directory or the new one, and the next run that writes
    beside it removes what was left over.

    Raises:
        InputError: ``path`` exists, or came to exist, and ``force`` is off or must not delete what is there.
        HyperLoraError: the disk is full or may not be written.
    """
    check_output(path, force=force, what=what)
    real = _real_path(path)
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with work_folder(real.parent) as work:
            new = work / NEW
            new.mkdir()
            umask = os.umask(0)
            os.umask(umask)
            yield new
            for file in new.iterdir():  # safetensors writes files that only their owner may read
                if file.is_file():
                    file.chmod(0o666 & ~umask)
            if not is_inside_work(real):
                sync(new)
            _put_in_place(new, real, path, force, what)
    except Exception as error:
        from safetensors import SafetensorError  # what that library raises on a full disk is no OSError

        if not isinstance(error, (OSError, SafetensorError)):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise HyperLoraError(f"cannot write {path}: {reason}", "check the disk's free space and permissions") from error


def _put_in_place(new: Path, real: Path, path: Path, force: bool, what: str) -> None:
    try:
        if os.name != "posix" and real.is_dir():
            real.rmdir()  # elsewhere a folder takes the place of an empty one by itself
        os.rename(new, real)  # a folder never takes the place of a file, or of a folder with something in it
        return
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) or not os.path.lexists(real):
            raise
    # Look again: it may have come, or have changed, since the check at the start.
    check_output(path, force=force, what=what)
    if not force:
        raise InputError(f"{path} came to exist during the run", "choose another -o")
    old = exchange(new, real)
    try:
        _check_replaceable(old, path, what)
    except InputError:
        exchange_back(old, real)
        raise


def check_file(path: Path, *, force: bool, magic: bytes) -> None:
    """Refuse, before any work is done, an output file that must not be overwritten.

    Args:
        magic: what files of its kind begin with.

    Raises:
        InputError: the path exists and ``force`` is off, it is something that ``force`` must not replace, or no file
            can have that name.
        HyperLoraError: the folder around it may not be written.
    """
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder", "name a file")
    _real_path(path)
    if not os.path.lexists(path):
        return
    if not force:
        raise InputError(f"{path} already exists", "use --force to replace it, or another name")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(magic)) in (magic, b""):
                return
    raise InputError(f"{path} is a file of another kind and will not be replaced", "choose another name")


@contextmanager
def whole_output_file(path: Path, *, force: bool, magic: bytes) -> Iterator[Path]:
    """Yield a temporary file that takes the name ``path`` when the block ends without an error.

    Raises:
        InputError: as ``check_file``, also for what came to exist during the run.
        HyperLoraError: the disk is full or may not be written.
    """
    check_file(path, force=force, magic=magic)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as new:
            yield new
            sync(new.parent)  # takes its time with a large file, and something may come to exist meanwhile
            check_file(path, force=force, magic=magic)
    except OSError as error:
        raise HyperLoraError(
            f"cannot write {path}: {error.strerror or error}", "check the disk's free space and permissions"
        ) from error
