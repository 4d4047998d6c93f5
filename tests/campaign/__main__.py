"""Runs the campaign and prints its table: ``python -m tests.campaign [--only WORD] [--share 0.1] [--seed 0]``."""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import kreuzberg  # noqa: F401

import cli.app  # noqa: F401  what every child would import
import d2l.generate  # noqa: F401
import t2l.generate  # noqa: F401
from tests.campaign.failures import hostile_hub, hub, killed_pushes, read_only_home, two_processes
from tests.campaign.harness import Tally, fuzz
from tests.campaign.inputs import KINDS
from tests.campaign.kills import commands, disturb, environment_of
from tests.campaign.world import World, make_world

# No input may take more memory than this beside what is loaded anyway.
ROOM = 3 << 30


def run(world: World, only: str, share: float, seed: int) -> Iterator[Tally]:
    """Tallies of all kinds, or of those with ``only`` in their names."""
    for kind, (make, count) in KINDS.items():
        if only in kind:
            tally = Tally(kind)
            with bounded_memory():
                fuzz(tally, make(world), max(1, round(count * share)), seed, world.root / "fuzz")
            yield tally

    def times(count: int) -> int:
        return max(1, round(count * share))

    with hub(world) as address, environment_of(address) as environment:
        groups: dict[str, Callable[[], Iterable[Tally]]] = {
            **{
                f"kills: {command.name}": partial(disturb, command, world, environment, share)
                for command in commands(world)
            },
            "kills: push": lambda: [killed_pushes(world, environment, times(24))],
            "two processes": lambda: [two_processes(world, environment, times(48))],
            "read-only home": lambda: [read_only_home(world, environment)],
            "hostile hub": lambda: [hostile_hub(world, environment, times(300), seed)],
        }
        for name, group in groups.items():
            if only in name:
                yield from group()


class bounded_memory:
    """In the block, an input that takes much more memory than there was before fails."""

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self.before)


def table(tallies: list[Tally]) -> str:
    """The campaign's result as Markdown."""
    lines = ["| kind | inputs | kills | refused or ended | failures |", "|---|---|---|---|---|"]
    lines += [f"| {t.kind} | {t.inputs:,} | {t.kills:,} | {t.refused:,} | {len(t.failures)} |" for t in tallies]
    inputs, kills, bad = (sum(x) for x in zip(*((t.inputs, t.kills, len(t.failures)) for t in tallies), strict=True))
    return "\n".join([*lines, f"| **all** | **{inputs:,}** | **{kills:,}** | | **{bad}** |"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign")
    parser.add_argument("--only", default="", help="kinds with this in their names")
    parser.add_argument("--share", type=float, default=1.0, help="of the inputs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # thousands of fsyncs take no time there
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        os.environ |= {"HYPERLORA_HOME": f"{folder}/home", "HF_HOME": f"{folder}/hf"}
        world, tallies, started = make_world(Path(folder)), [], time.monotonic()
        for tally in run(world, options.only, options.share, options.seed):
            tallies.append(tally)
            print(
                f"{tally.kind}: {tally.inputs} inputs, {tally.kills} kills, {len(tally.failures)} failures",
                file=sys.stderr,
            )
    print(table(tallies))
    print(f"\nseed {options.seed}, {time.monotonic() - started:.0f} s")
    for tally in tallies:
        for failure in tally.failures[:5]:
            print(f"- {tally.kind}, {failure}")
    return any(tally.failures for tally in tallies)


if __name__ == "__main__":
    sys.exit(main())
