"""Hidden folders in which something is made before it gets its name, and the step that gives it its name.

A work folder is locked as long as its process lives. The system lets go of the lock when the process dies, however it
dies: whoever finds a work folder without a lock may put back what was replaced half, and remove the rest.
"""

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: work folders stay where their process was killed
    fcntl = None  # type: ignore[assignment]

PREFIX = ".hyperlora-work-"
_NAME = re.compile(re.escape(PREFIX) + r"[0-9a-f]{16}")
# In a work folder: what is being made, what it replaces, and the name of that.
NEW, OLD, TARGET = "new", "old", "target"

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# More files than this are brought to the disk by one sync of everything, which is faster then.
_MAX_FSYNCS = 200


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Yield a new work folder in ``parent``; it is gone, with all that is still in it, when the block ends.

    Raises:
        OSError: the disk is full or may not be written.
    """
    if not is_inside_work(parent):
        remove_left_overs(parent)
    path, descriptor = parent / f"{PREFIX}{secrets.token_hex(8)}", None
    try:
        while descriptor is None:
            path.mkdir(mode=0o700, exist_ok=True)
            descriptor = _lock(path)
            if fcntl is None:
                break
            if not path.is_dir():  # somebody took it for a left-over before it was locked
                descriptor = _close(descriptor)
        yield path
    finally:
        try:
            _remove(path)
        except BaseException:  # a signal meanwhile
            _remove(path)
            raise
        finally:
            _close(descriptor)


def remove_left_overs(parent: Path) -> None:
    """Remove work folders of dead processes, and give back its name to what one of them was about to replace."""
    if fcntl is None:
        return
    try:
        with os.scandir(parent) as entries:
            found = [entry for entry in entries if _NAME.fullmatch(entry.name)]
    except OSError:
        return
    for entry in found:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                _remove_left_over(Path(entry.path))


def exchange(new: Path, path: Path) -> Path:
    """Let ``new``, in a work folder, take the name of ``path`` beside that; returns where the old one now is.

    In one step where the system has one; else a kill between two steps is mended by ``remove_left_overs``.

    Raises:
        OSError: neither of them has moved.
    """
    try:
        _exchange_names(new, path)
        return new
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise
    work = new.parent
    old = work / OLD
    (work / TARGET).write_bytes(os.fsencode(path.name))
    try:
        os.rename(path, old)
        os.rename(new, path)
    except BaseException:
        _put_back(work)
        raise
    return old


def exchange_back(old: Path, path: Path) -> None:
    """Undo ``exchange``, given what it returned."""
    if old.name == NEW:
        exchange(old, path)
        return
    os.rename(path, old.parent / NEW)
    os.rename(old, path)


def sync(folder: Path) -> None:
    """Bring all files below a folder to the disk, so that a name is never on it before its content is."""
    if os.name != "posix":
        return
    names = [Path(where) / name for where, _, files in os.walk(folder) for name in files]
    if len(names) > _MAX_FSYNCS:
        os.sync()
        return
    for name in (*names, folder):
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def whole_file(path: Path, work_in: Path | None = None) -> Iterator[Path]:
    """Yield a file to write that takes the name ``path`` when the block ends without an error, replacing what is there.

    Args:
        work_in: where the work folder is, on the same disk; beside the file by default.

    Raises:
        OSError: the disk is full or may not be written.
    """
    with work_folder(work_in or path.parent) as work:
        new = work / NEW
        yield new
        sync(work)
        os.replace(new, path)


def mark_used(file: Path) -> None:
    """Make a file the last that ``drop_oldest`` takes; one that may not be written stays as it is."""
    with contextlib.suppress(OSError):
        os.utime(file)


def drop_oldest(files: Iterable[Path], max_bytes: int) -> None:
    """Remove the files that were used least recently until those that stay have at most ``max_bytes``.

    What cannot be removed stays: a read-only home is no reason for a run to fail.
    """
    found = []
    for file in files:
        with contextlib.suppress(OSError):  # another process removed it
            if file.is_file() and not is_inside_work(file):
                found.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(size for _, size, _ in found)
    for _, size, file in sorted(found):
        if total <= max_bytes:
            break
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
            total -= size


def is_inside_work(path: Path) -> bool:
    """Whether a path lies in something that is still being made."""
    return any(_NAME.fullmatch(part) for part in path.parts)


def _lock(path: Path) -> int | None:
    """Lock a folder, waiting for whoever has it; ``None`` where there are no locks, or no such folder any more."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):  # a file system without locks: nobody can take it for a left-over either
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _remove(work: Path) -> None:
    with contextlib.suppress(OSError):
        (work / TARGET).unlink(missing_ok=True)  # first: without it, nothing that is half removed is ever put back
    shutil.rmtree(work, ignore_errors=True)


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _remove_left_over(work: Path) -> None:
    descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _put_back(work)
        shutil.rmtree(work, ignore_errors=True)
    except BlockingIOError:
        pass  # its process lives
    finally:
        os.close(descriptor)


def _put_back(work: Path) -> None:
    """Give what was moved aside its name again, if nothing else has that by now."""
    old = work / OLD
    if not os.path.lexists(old) or not os.path.lexists(work / TARGET):
        return
    target = work.parent / os.fsdecode((work / TARGET).read_bytes())
    if target.parent == work.parent and not os.path.lexists(target):
        os.rename(old, target)


def _exchange_names(one: Path, other: Path) -> None:
    """Linux's renameat2.

    Raises:
        OSError: with ENOSYS where there is no such call, EINVAL where the file system cannot do it.
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        raise OSError(errno.ENOSYS, "no renameat2") from None
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fspath(other))
