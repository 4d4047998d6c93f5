"""What every kind of the campaign is made of: odd values, mutations, what counts as a pass, and the counting."""

import copy
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from typer.testing import CliRunner

from shared.errors import HyperLoraError

# Values that a JSON or YAML field was not made for; those that JSON cannot hold are for YAML and Python.
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 255, 10**6, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.0, -0.5, 1e-300, 1e300,
    float("inf"), float("-inf"), float("nan"), "", " ", "x", "x" * 5000, "0", "none", "../..", "/etc/passwd", "a\0b",
    "\ud83d", "ä☃", "\x1b[31mred", "line\nend", [], [[]], {}, {"a": 1}, [None], [0] * 50, ["x"], {"": {}},
    {"x": [1, {}]},
]  # fmt: skip


@dataclass
class Tally:
    """Inputs of one kind and what became of them."""

    kind: str
    inputs: int = 0
    kills: int = 0
    failures: list[str] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0


class Wrong(AssertionError):
    """The program did something that it promises not to do."""


class TooLong(BaseException):
    """An input took longer than ``PATIENCE``; no handler of the program takes it for an error of the input."""


# Seconds that one input may take on a busy machine.
PATIENCE = 300


@contextmanager
def bounded_time() -> Iterator[None]:
    """Raise ``TooLong`` in a block that does not end."""

    def give_up(*_: object) -> None:
        raise TooLong(f"no end in {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(tally: Tally, check: Callable[[Random, Path], bool], count: int, seed: int, folder: Path) -> None:
    """Call ``check`` on ``count`` inputs that hypothesis draws.

    Args:
        check: makes an input of the random numbers, in a folder of its own, and tries it; returns whether it was
            refused.
    """
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**64))
    def run(number: int) -> None:
        where = folder / f"{tally.kind.replace(' ', '-')}-{tally.inputs}"
        where.mkdir(parents=True)
        attempt(tally, lambda: check(Random(number), where), f"number {number}")
        remove(where)

    run()


def attempt(tally: Tally, check: Callable[[], bool], name: str) -> None:
    """Count one input, and its failure if it is one."""
    tally.inputs += 1
    try:
        with bounded_time():
            tally.refused += check()
    except (Exception, TooLong) as error:
        if len(tally.failures) < 5:
            last = traceback.extract_tb(error.__traceback__)[-1]
            print(
                f"  {tally.kind}, {name}: {type(error).__name__}: {error} ({last.filename}:{last.lineno})",
                file=sys.stderr,
            )
        tally.failures.append(f"{name}: {type(error).__name__}: {error}"[:300])


def remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def refused(function: Callable[[], object]) -> bool:
    """Whether a call refuses its input, in one line each for the message and the hint.

    Raises:
        Wrong: it refuses in several lines, or too many words.
        Exception: whatever else it raises.
    """
    try:
        function()
    except HyperLoraError as error:
        for line in (error.message, error.hint):
            if "\n" in line.strip() or len(line) > 1500:
                raise Wrong(f"no clear line: {line[:200]!r}") from None
        if not error.message.strip():
            raise Wrong("an empty message") from None
        return True
    return False


def command(*arguments: object, codes: tuple[int, ...] = (0, 1, 2), text: str | None = None) -> Any:
    """Run the program in this process.

    Raises:
        Wrong: another exit code, a traceback, an exception's name for an error, or more than an error line and a hint.
    """
    from cli.app import app

    result = CliRunner().invoke(app, [os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments], input=text)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise Wrong(f"{type(result.exception).__name__} came out: {result.exception}")
    lines = [line for line in result.stderr.splitlines() if line.strip() and not line.startswith("warning: ")]
    if result.exit_code not in codes:
        raise Wrong(f"exit code {result.exit_code}: {lines[:2]}")
    if "Traceback" in result.stderr or re.search(r"^error: \w+(Error|Exception)\b", result.stderr, re.MULTILINE):
        raise Wrong(f"an exception for an error: {lines[:2]}")
    if result.exit_code:
        errors = [line for line in lines if line.startswith(("error: ", "hint: "))]
        usage = "Usage:" in result.stderr
        if not usage and (len(errors) > 2 or not errors or not errors[0].startswith("error: ")):
            raise Wrong(f"no clear line: {lines[:3]}")
    return result


def places(data: Any, path: tuple = ()) -> list[tuple]:
    """Paths of all values in nested JSON data."""
    found = [path] if path else []
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


def odd(random: Random) -> Any:
    return copy.deepcopy(random.choice(ODD))


def mutate(data: Any, random: Random, times: int | None = None) -> Any:
    """A copy of JSON data with some values replaced, removed or added."""
    data = json.loads(json.dumps(data))
    for _ in range(times or random.choice((1, 1, 1, 2, 3))):
        known = places(data)
        if not known:
            return odd(random)
        *way, last = random.choice(known)
        holder = data
        for key in way:
            holder = holder[key]
        act = random.random()
        if act < 0.15 and isinstance(holder, dict):
            del holder[last]
        elif act < 0.25 and isinstance(holder, dict):
            holder[random.choice(("surprise", "", "0", "kind", "r"))] = odd(random)
        elif act < 0.35 and type(holder[last]) in (int, float) and abs(holder[last]) < 1e18:
            holder[last] = random.choice((holder[last] + 1, holder[last] * 1000, -holder[last], holder[last] / 2))
        else:
            holder[last] = odd(random)
    return data


def damage(content: bytes, random: Random) -> bytes:
    """Bytes cut, changed, doubled or replaced somewhere."""
    place = random.randrange(len(content) + 1)
    match random.randrange(7):
        case 0:
            return content[:place]
        case 1 | 2:
            changed = bytearray(content or b"x")
            for _ in range(random.choice((1, 1, 4, 16))):
                changed[random.randrange(len(changed))] = random.randrange(256)
            return bytes(changed)
        case 3:
            return content[:place] + random.randbytes(random.randrange(1, 40)) + content[place:]
        case 4:
            return content[:place] + content[place + random.randrange(1, 40) :]
        case 5:
            return random.randbytes(random.randrange(200))
        case _:
            # The header of a safetensors or zip file is where lies are told.
            head = bytearray(content[:200])
            if head:
                head[random.randrange(min(len(head), 64))] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            return bytes(head) + content[200:]
