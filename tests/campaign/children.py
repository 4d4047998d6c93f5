"""Runs of the program in forked children that die, fail or are told to end at a chosen step of the file system."""

import builtins
import io
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

# Calls that change the file system, and opening a file, which may create one.
_CALLS = ("mkdir", "rename", "replace", "rmdir", "unlink", "remove", "fsync", "chmod", "utime", "link", "symlink")
# Those that a full or read-only disk refuses.
_CREATING = ("mkdir", "rename", "replace", "fsync", "link", "symlink")
KILLED = 86
_PATIENCE = 120


class Fault:
    """What happens at step number ``at``: ``kill``, ``signal`` (SIGTERM), or an error number that the step ends with.

    Args:
        below: only steps at paths below this folder count, and all from ``at`` on.
    """

    def __init__(self, what: str | int, at: int, below: Path | None = None) -> None:
        self.what, self.at, self.below, self.steps = what, at, below, 0

    def step(self, paths: tuple) -> None:
        if self.below is not None and not any(str(path).startswith(str(self.below)) for path in paths):
            return
        number, self.steps = self.steps, self.steps + 1
        if number < self.at or (number > self.at and self.below is None):
            return
        if self.what == "kill":
            os._exit(KILLED)
        if self.what == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            raise OSError(self.what, os.strerror(self.what), str(paths[0]) if paths else None)


def install(fault: Fault) -> None:
    """Let every change of the file system in this process be a step."""

    def watched(function: Callable, is_step: Callable[..., bool] = lambda *_, **__: True) -> Callable:
        def call(*arguments, **options):
            if is_step(*arguments, **options):
                fault.step(tuple(a for a in arguments if isinstance(a, (str, os.PathLike))))
            return function(*arguments, **options)

        return call

    def writes(_file, mode="r", *_, **__) -> bool:
        return isinstance(mode, str) and any(letter in mode for letter in "wax+")

    for name in _CALLS if isinstance(fault.what, str) else _CREATING:
        setattr(os, name, watched(getattr(os, name)))
    os.open = watched(os.open, lambda _path, flags, *_, **__: bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))
    io.open = builtins.open = watched(builtins.open, writes)
    shutil.copyfile = watched(shutil.copyfile)
    import safetensors.torch

    save_file = safetensors.torch.save_file

    def save(tensors, file, *arguments, **options):
        fault.step((file,))  # before, half way, and behind: the library writes past Python
        save_file(tensors, file, *arguments, **options)
        whole = Path(file).stat().st_size
        os.truncate(file, whole // 2)
        fault.step((file,))
        save_file(tensors, file, *arguments, **options)
        fault.step((file,))

    safetensors.torch.save_file = save


def run(
    arguments: list[object], *, fault: Fault | None = None, setup: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Exit code and stderr of the program in a child; ``KILLED`` if it died at the fault's step."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 97
        try:
            os.close(reader)
            os.dup2(writer, 2)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_PATIENCE)  # ends what hangs
            code = _program([str(argument) for argument in arguments], fault, setup)
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as opened:
        errors = opened.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), errors


def _program(arguments: list[str], fault: Fault | None, setup: Callable[[], None] | None) -> int:
    import sys

    import cli.process
    from cli.app import app

    cli.process._process = os.getpid()
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    cli.process.end_at_once()
    if setup is not None:
        setup()
    if fault is not None:
        install(fault)
    try:
        app(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0
