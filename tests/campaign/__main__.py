"""Runs the campaign and prints its table.

python -m tests.campaign [--only WORD] [--share 0.1] [--seed 0] [--json FILE]
"""

import argparse
import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import kreuzberg  # noqa: F401

import cli.app  # noqa: F401  what every child would import
import d2l.generate  # noqa: F401
import shared.export.export  # noqa: F401
import shared.lora.combine  # noqa: F401
import t2l.generate  # noqa: F401
from tests.campaign.failures import hostile_hub, hub, killed_pushes, read_only_home, two_processes
from tests.campaign.harness import Tally, fuzz
from tests.campaign.inputs import KINDS
from tests.campaign.kills import DISTURBANCES, commands, disturb, environment_of
from tests.campaign.world import World, make_world

# No input may take more memory than this beside what is loaded anyway.
ROOM = 3 << 30
_KEPT_FAILURES = 20


def kinds(
    world: World, environment: Callable[[Path], None], share: float, seed: int
) -> dict[str, Callable[[Tally], None]]:
    """What fills the tally of every kind."""

    def times(count: int) -> int:
        return max(1, round(count * share))

    def fuzzed(tally: Tally) -> None:
        make, count = KINDS[tally.kind]
        with bounded_memory():
            fuzz(tally, make(world), times(count), seed, world.root / "fuzz")

    return {
        **dict.fromkeys(KINDS, fuzzed),
        **{
            f"{word}: {command.name}": partial(disturb, command, word, world, environment, share)
            for command in commands(world)
            for word in DISTURBANCES
        },
        "kill: push": partial(killed_pushes, world, environment, times(24)),
        "two processes": partial(two_processes, world, environment, times(48)),
        "read-only home": partial(read_only_home, world, environment),
        "a Hub that misbehaves": partial(hostile_hub, world, environment, times(300), seed),
    }


class bounded_memory:
    """In the block, an input that takes much more memory than there was before fails."""

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self.before)


class Results:
    """Results by kind, in a file that holds what is done when a run is cut.

    Kinds without failures in a file of the same seed and share are not tried again.
    """

    def __init__(self, file: Path | None, seed: int, share: float) -> None:
        self.file = file
        self.data: dict[str, Any] = {"seed": seed, "share": share, "kinds": {}}
        if file is not None and file.exists():
            found = json.loads(file.read_text(encoding="utf-8"))
            if (found["seed"], found["share"]) == (seed, share):
                self.data = found

    def has(self, kind: str) -> bool:
        return self.data["kinds"].get(kind, {"failed": 1})["failed"] == 0

    def add(self, tally: Tally) -> None:
        self.data["kinds"][tally.kind] = {
            "inputs": tally.inputs,
            "kills": tally.kills,
            "refused": tally.refused,
            "failed": len(tally.failures),
            "seconds": round(tally.seconds),
            "failures": tally.failures[:_KEPT_FAILURES],
        }
        if self.file is not None:
            new = self.file.with_suffix(".new")
            new.write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")
            new.replace(self.file)

    @property
    def failed(self) -> int:
        return sum(kind["failed"] for kind in self.data["kinds"].values())

    def table(self) -> str:
        """All kinds as Markdown, with their failures below."""
        lines = ["| kind | inputs | kills | refused or ended | failures |", "|---|---|---|---|---|"]
        columns = ("inputs", "kills", "refused", "failed")
        found = self.data["kinds"]
        lines += [f"| {name} | " + " | ".join(f"{kind[c]:,}" for c in columns) + " |" for name, kind in found.items()]
        lines.append("| all | " + " | ".join(f"{sum(kind[c] for kind in found.values()):,}" for c in columns) + " |")
        lines += [f"- {name}, {failure}" for name, kind in found.items() for failure in kind["failures"]]
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign")
    parser.add_argument("--only", default="", help="kinds with this in their names")
    parser.add_argument("--share", type=float, default=1.0, help="of the inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file of the results; kinds that passed in it are not tried again")
    options = parser.parse_args()
    results = Results(options.json, options.seed, options.share)
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # thousands of fsyncs take no time there
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        os.environ |= {"HYPERLORA_HOME": f"{folder}/home", "HF_HOME": f"{folder}/hf"}
        world = make_world(Path(folder))
        gc.freeze()  # a child whose collector walks through all of this copies it: three times the work
        with hub(world) as address, environment_of(address) as environment:
            for kind, work in kinds(world, environment, options.share, options.seed).items():
                if options.only not in kind:
                    continue
                if results.has(kind):
                    print(f"{kind}: passed before, by {options.json}; delete it to begin anew", file=sys.stderr)
                    continue
                tally, started = Tally(kind), time.monotonic()
                work(tally)
                tally.seconds = time.monotonic() - started
                results.add(tally)
                print(
                    f"{kind}: {tally.inputs} inputs, {tally.kills} kills, {len(tally.failures)} failures,"
                    f" {tally.seconds:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    print(results.table())
    return results.failed > 0


if __name__ == "__main__":
    sys.exit(main())
