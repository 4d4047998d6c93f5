"""Turns every failure into one line, a hint and an exit code."""

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from cli import output
from cli.process import Ended, unwinding
from shared.errors import HyperLoraError, one_line
from shared.hub_errors import check_endpoint
from shared.hub_token import masked


def fail(message: str, hint: str, code: int) -> None:
    """Print the error and leave.

    Raises:
        typer.Exit: always.
    """
    output.say(f"error: {one_line(masked(message))}", style="red")
    if hint:
        output.say(f"hint: {one_line(masked(hint))}")
    raise typer.Exit(code)


def handled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: its ``json`` and ``quiet`` decide how results are shown, and every failure is one line.

    No traceback unless HYPERLORA_DEBUG=1; exit code 2 for bad input, 1 for a failure, 130 for Ctrl-C, 143 for SIGTERM.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        output.configure(json_output=kwargs.get("json", False), quiet=kwargs.get("quiet", False))
        try:
            with unwinding():
                check_endpoint()
                return function(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BrokenPipeError:
            # The reader of our output has gone (head, less): nothing is wrong.
            output.drop_stdout()
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            fail("interrupted", "", 130)
        except Ended as end:
            fail(str(end), "", end.exit_code)
        except Exception as error:
            if os.environ.get("HYPERLORA_DEBUG") == "1":
                print(masked(traceback.format_exc()), file=sys.stderr)
            fail(*_explanation(error))

    return wrapper


def _explanation(error: Exception) -> tuple[str, str, int]:
    """Message, hint and exit code."""
    match error:
        case HyperLoraError():
            return error.message, error.hint, error.exit_code
        case MemoryError():
            return "not enough memory", "a smaller --memory, --dtype bfloat16 or another base model takes less", 1
        case RecursionError():
            return "the input is nested too deeply", "check the file", 2
        case OSError():
            name = f": {error.filename}" if error.filename else ""
            message = f"{error.strerror}{name}" if error.strerror else str(error)
            return message, "check the path, its permissions and the disk's free space", 1
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}", "HYPERLORA_DEBUG=1 shows the traceback", 1
