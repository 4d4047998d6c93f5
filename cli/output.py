"""The one output sink: results go to stdout, everything else to stderr."""

import codecs
import contextlib
import dataclasses
import io
import json
import os
import shlex
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.errors import HyperLoraError

ZERO_ADAPTER = "all numbers of the adapter are zero, or cancel out: it changes nothing"
_state = {"json": False, "quiet": False}


def _printable(error: UnicodeError) -> tuple[bytes | str, int]:
    """What a stream's encoding does not have: bytes of file names as they are, everything else as a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = map(ord, error.object[error.start : error.end])
    return bytes(c - 0xDC00 if 0xDC80 <= c <= 0xDCFF else ord("?") for c in characters), error.end


codecs.register_error("hyperlora", _printable)


def configure(*, json_output: bool = False, quiet: bool = False) -> None:
    """Choose the mode for this invocation."""
    _state.update(json=json_output, quiet=quiet)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="hyperlora")


def is_json() -> bool:
    return _state["json"]


def is_quiet() -> bool:
    return _state["quiet"]


def stderr() -> Console:
    """Console for progress, hints and errors. Made anew, so that it follows a replaced sys.stderr."""
    return Console(file=sys.stderr, stderr=True, highlight=False, soft_wrap=True)


def write(text: str, end: str = "\n") -> None:
    """Write to stdout, now.

    Raises:
        BrokenPipeError: whoever read it has gone.
        HyperLoraError: it cannot be written, to a full disk for example.
    """
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        drop_stdout()
        raise
    except OSError as error:
        drop_stdout()
        raise HyperLoraError(f"cannot write the result to stdout: {error.strerror}", "check where it leads") from error


def drop_stdout() -> None:
    """What is still to be written to stdout goes nowhere, or the interpreter would fail on it at its end."""
    with contextlib.suppress(OSError, ValueError):  # a stream of a test has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def result(text: str, data: Any = None, **more: Any) -> None:
    """Print ``text`` for people and pipes, or with ``--json`` ``data`` (a mapping or dataclass) and ``more``."""
    if is_json():
        text = _json({**plain(data), **more}, indent=2)
    write(text)


def line(data: Any) -> None:
    """Print one of many results, a JSON line."""
    write(_json(data))


def _json(data: Any, indent: int | None = None) -> str:
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:  # JSON can say it in ASCII
        text = json.dumps(data, indent=indent)
    return text


def read_stdin() -> str:
    """All of stdin: UTF-8, or else what the system's code page makes of it."""
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(sys.stdin.encoding or "latin-1", errors="replace")


def plain(data: Any) -> Any:
    """JSON-compatible form of a result."""
    return dataclasses.asdict(data) if dataclasses.is_dataclass(data) and not isinstance(data, type) else data


def note(message: str) -> None:
    """A line for the user beside the result; silent with ``--quiet``."""
    if not is_quiet():
        say(message)


def say(message: str, style: str | None = None) -> None:
    """A line on stderr; nothing depends on whether somebody reads it."""
    with contextlib.suppress(OSError):
        stderr().print(message, style=style, markup=False)


def warning(message: str) -> None:
    """What the user should know before relying on the result; shown with ``--quiet`` too."""
    say(f"warning: {message}")


def next_step(*command: object, remark: str = "") -> None:
    """What to type next, quoted for a shell, and a remark on it."""
    if not is_json():
        words = [str(word) for word in command]
        # A name that begins with a dash would be taken for an option.
        words = [
            f"./{word}" if isinstance(part, os.PathLike) and word.startswith("-") else word
            for part, word in zip(command, words, strict=True)
        ]
        remark = f"({remark})" if words and remark else remark
        note(" ".join(filter(None, ("next:", shlex.join(words), remark))))


def table(title: str, columns: list[str], rows: list[list[Any]]) -> str:
    """A table as text, as wide as its content when stdout is no terminal."""
    grid = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        # A column without a name holds bars.
        grid.add_column(column, justify="left" if index == 0 or not column else "right", overflow="fold")
    for row in rows:
        grid.add_row(
            *["-" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
        )
    return _render(grid)


def bar(share: float, width: int = 24) -> str:
    """A share as a bar, for a table's cell; of signs that every code page has where stdout is not Unicode."""
    is_unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    return (("\u2588" if is_unicode else "#") * round(share * width)).ljust(width)


def columns(texts: dict[str, str]) -> str:
    """Texts side by side under their names."""
    grid = Table(*texts, expand=True, header_style="bold")
    # Text, not str: an answer's own [brackets] are no markup.
    grid.add_row(*map(Text, texts.values()))
    return _render(grid)


def _render(grid: Table) -> str:
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    if not (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf"):
        grid.box = box.ASCII
    text = io.StringIO()
    console = Console(
        file=text, width=None if is_terminal else 120, force_terminal=is_terminal, highlight=False, markup=False
    )
    console.print(grid)
    lines = text.getvalue().rstrip("\n")
    return lines if is_terminal else "\n".join(line.rstrip() for line in lines.split("\n"))
