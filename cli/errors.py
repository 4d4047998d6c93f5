"""Turns every failure into one line, a hint and an exit code."""

import functools
import os
import traceback
from collections.abc import Callable
from typing import Any

import typer

from cli import output
from shared.errors import HyperLoraError


def fail(message: str, hint: str, code: int) -> None:
    """Print the error and leave.

    Raises:
        typer.Exit: always.
    """
    console = output.stderr()
    console.print(f"error: {message}", style="red", markup=False)
    if hint:
        console.print(f"hint: {hint}", markup=False)
    raise typer.Exit(code)


def handled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: its ``json`` and ``quiet`` decide how results are shown, and every failure is one line.

    No traceback unless HYPERLORA_DEBUG=1; exit code 2 for bad input, 1 for a failure, 130 for Ctrl-C.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        output.configure(json_output=kwargs.get("json", False), quiet=kwargs.get("quiet", False))
        try:
            return function(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BrokenPipeError:
            # The reader of our output has gone (head, less): nothing is wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            fail("interrupted", "", 130)
        except Exception as error:
            if os.environ.get("HYPERLORA_DEBUG") == "1":
                traceback.print_exc()
            if isinstance(error, HyperLoraError):
                fail(error.message, error.hint, error.exit_code)
            if isinstance(error, OSError):
                fail(str(error), "check the path, its permissions and the disk's free space", 1)
            fail(
                f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                "HYPERLORA_DEBUG=1 shows the traceback",
                1,
            )

    return wrapper
