"""Where a figure or an adapter comes from: command, versions, base model, and seconds by stage."""

import functools
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.base.model import BaseModel


@functools.cache
def library_versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("hyperlora", "torch", "transformers", "peft"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command_line(arguments: Sequence[str] | None = None) -> str:
    """A command for what a figure came from, by default the one that is running: of paths, only the names."""
    program, *rest = sys.argv if arguments is None else arguments
    return shlex.join([Path(program).name or "python", *map(without_folders, rest)])


def without_folders(argument: str) -> str:
    """A word of a command, or a model's name, without the folders of a path: ``--data=/home/ann/x.jsonl`` ->
    ``--data=x.jsonl``. A Hub id or a text stays as it is.
    """
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    path = Path(value)
    try:
        is_path = len(path.parts) > 1 and (path.is_absolute() or value[0] in ".~" or path.exists())
    except (OSError, ValueError):
        is_path = False
    return f"{option}{equals}{path.name}" if is_path else argument


def provenance(base: "BaseModel | None" = None, **facts: Any) -> dict[str, Any]:
    """What a figure came from: command, versions, base model, and what the caller adds (data, hypernetwork, seed).

    Of a base model that is a file or a folder, the name alone: results are passed on.
    """
    model = {}
    if base is not None:
        spec = base.spec.to_dict()
        spec["name_or_path"] = without_folders(spec["name_or_path"])
        model = {"base_model": spec, "dtype": str(base.placement.dtype)}
    return {"command": command_line(), "versions": library_versions(), **model, **facts}


class Stages:
    """Collects how long each named stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 3)
