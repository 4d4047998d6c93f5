"""Bytes of a file, and the documents in a folder."""

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from d2l.reading.kinds import SUPPORTED, is_readable, kind_by_name
from shared.errors import InputError

STDIN = "-"
MAX_BYTES = 512 * 1024 * 1024
# Office programs' lock files, and what file managers and synchronisation leave in folders.
_LEFTOVERS = ("~$", "~WRL", ".~lock.", "._", "Thumbs.db", "desktop.ini", "Desktop.ini", "Icon\r", "__MACOSX")


def is_leftover(name: str) -> bool:
    """Whether a name is that of a hidden file, or of one that a program keeps beside documents."""
    return name.startswith((".", *_LEFTOVERS)) or name.endswith(("~", ".tmp", ".crdownload", ".part"))


def expand_paths(paths: list[str]) -> tuple[list[str], list[str]]:
    """Replace folders by the readable files in them, recursively and sorted, and drop repeated files.

    Files named explicitly are kept whatever their type, and so is ``-``. In folders, hidden files and folders, lock and
    system files and files of unsupported types are skipped.

    Returns:
        the files to read, and the files skipped although they are neither hidden nor system files.

    Raises:
        InputError: a path that does not exist, a folder without a readable file, or one that may not be listed.
    """
    seen: set[str] = set()
    expanded, skipped = [], []
    for path in paths:
        files = [path]
        if path != STDIN and os.path.isdir(path):
            files, others = _files_in(path)
            skipped += others
        for file in files:
            if file != STDIN and not os.path.exists(file):
                raise _missing(file)
            key = file if file == STDIN else os.path.realpath(file)
            if key not in seen:
                seen.add(key)
                expanded.append(file)
    return expanded, skipped


def _files_in(folder: str) -> tuple[list[str], list[str]]:
    def refuse(error: OSError) -> None:
        raise InputError(f"cannot list {error.filename}: {error.strerror}", "check the folder's permissions") from None

    files, skipped = [], []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not is_leftover(name)]
        for name in names:
            file = os.path.join(parent, name)
            if not is_leftover(name):
                (files if os.path.isfile(file) and is_readable(kind_by_name(name)) else skipped).append(file)
    if not files:
        raise InputError(f"no readable document in {folder}", SUPPORTED)
    return sorted(files, key=lambda file: Path(file).parts), sorted(skipped)


def read_bytes(path: str, stdin: BinaryIO | None = None) -> bytes:
    """The bytes of a file or of standard input.

    Raises:
        InputError: missing, a folder, too large, or not to be read.
    """
    try:
        if path == STDIN:
            source = stdin or getattr(sys.stdin, "buffer", None)  # sys.stdin is None when it was closed
            data = source.read(MAX_BYTES + 1) if source else b""
        else:
            if stat.S_ISDIR(os.stat(path).st_mode):
                raise InputError(f"{path} is a folder, not a document", "name the files in it")
            with open(path, "rb") as file:
                data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    except PermissionError:
        raise InputError(f"not permitted to read {path}", "check the file's permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}", "check the path and the disk") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{display(path)} is larger than {MAX_BYTES >> 20} MB", "split it into several documents")
    return data


def display(path: str) -> str:
    """What messages call a document."""
    return "standard input" if path == STDIN else path


def _missing(path: str) -> InputError:
    return InputError(f"{path} does not exist", "check the path; - reads from standard input")
