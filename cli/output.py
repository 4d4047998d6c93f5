"""The one output sink: results go to stdout, everything else to stderr."""

import dataclasses
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_state = {"json": False, "quiet": False}


def configure(*, json_output: bool = False, quiet: bool = False) -> None:
    """Choose the mode for this invocation."""
    _state.update(json=json_output, quiet=quiet)


def is_json() -> bool:
    return _state["json"]


def is_quiet() -> bool:
    return _state["quiet"]


def stderr() -> Console:
    """Console for progress, hints and errors. Made anew, so that it follows a replaced sys.stderr."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def result(text: str, data: Any = None, **more: Any) -> None:
    """Print ``text`` for people and pipes, or with ``--json`` ``data`` (a mapping or dataclass) and ``more``."""
    if is_json():
        text = _json({**plain(data), **more}, indent=2)
    print(text, flush=True)  # a command that goes on, such as serve, must not hold it back


def line(data: Any) -> None:
    """Print one of many results, a JSON line."""
    print(_json(data), flush=True)


def _json(data: Any, indent: int | None = None) -> str:
    """JSON that stdout can hold: where that is not Unicode, other characters are escaped."""
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return json.dumps(data, ensure_ascii=not is_unicode, indent=indent)


def tolerate_code_pages() -> None:
    """Let no character break an answer: one that the terminal's code page lacks is shown as a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


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
        stderr().print(message, markup=False)


def warning(message: str) -> None:
    """What the user should know before relying on the result; shown with ``--quiet`` too."""
    stderr().print(f"warning: {message}", markup=False)


def next_step(command: str) -> None:
    """What to type next."""
    if not is_json():
        note(f"next: {command}")


def table(title: str, columns: list[str], rows: list[list[Any]]) -> str:
    """A table as text, as wide as its content when stdout is no terminal."""
    grid = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        grid.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        grid.add_row(
            *["-" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
        )
    return _render(grid)


def columns(texts: dict[str, str]) -> str:
    """Texts side by side under their names."""
    grid = Table(*texts, expand=True, header_style="bold")
    # Text, not str: an answer's own [brackets] are no markup.
    grid.add_row(*map(Text, texts.values()))
    return _render(grid)


def _render(grid: Table) -> str:
    width = None if sys.stdout.isatty() else 120
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(grid)
    return capture.get().rstrip("\n")
