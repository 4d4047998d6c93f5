"""What a program owes to the system: signals that end it cleanly, streams that are there, and cores for others.

Ctrl-C, SIGTERM and SIGHUP unwind a running command, so that it cleans up; before and after, the program just ends.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_process = os.getpid()


class Ended(BaseException):
    """The program was told to end.

    Not KeyboardInterrupt: where that comes up inside ``exec`` of a text, as dataclasses use it, Python kills itself
    with the signal in the end, although it was handled.
    """

    def __init__(self, number: int) -> None:
        super().__init__(_word(number))
        self.exit_code = 128 + number


def end_at_once() -> None:
    """From now on a signal ends the program with one line: nothing is at work yet, or any more."""
    _handle(_end)


def open_streams() -> None:
    """A stream that the program was started without leads nowhere.

    Else the next file that is opened would take its number, and what any library prints would go into that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def share_cores() -> None:
    """Threads that wait for each other sleep instead of spinning, unless the user has said otherwise.

    A spinning thread keeps the core that the one it waits for would need: beside one busy process on two cores, a small
    document took 178 s instead of 15. OpenMP reads this when torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@contextmanager
def unwinding() -> Iterator[None]:
    """In the block, the first signal is raised where the program is, as ``Ended``."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _handle(_unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ctrl_c_is_kept() -> Iterator[None]:
    """In the block, each Ctrl-C is a ``KeyboardInterrupt``: what is at work ends early with what it has."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _handle(handler) -> dict[int, object]:
    """Set a handler; returns those before. What the program was started to ignore (``nohup``) stays ignored."""
    found = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: old for number, old in found.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    return before


def _unwind(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _process:
        os._exit(128 + number)  # a worker that was forked off: its parent cleans up
    _handle(_end)
    raise Ended(number)


def _end(number: int, frame: FrameType | None) -> None:
    if os.getpid() == _process:
        os.write(2, f"error: {_word(number)}\n".encode())
    os._exit(128 + number)


def _word(number: int) -> str:
    return "interrupted" if number == signal.SIGINT else "terminated"
