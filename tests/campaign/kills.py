"""Kills, ends and failures at every step: there is the old output or the new one, and the next run is bit-identical."""

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.children import KILLED, Fault, run
from tests.campaign.harness import Tally, Wrong, attempt
from tests.campaign.world import World

# They hold the command line or the time.
_MADE_EACH_TIME = ("provenance.json", "README.md", "metrics.jsonl")


@dataclass(frozen=True)
class Command:
    """A command of the program and what it makes.

    Attributes:
        arguments: given the output.
        resumes: a run directory, in which a killed run goes on; else an output that appears whole or not at all.
    """

    name: str
    arguments: Callable[[Path], list[object]]
    resumes: bool = False


def commands(world: World) -> list[Command]:
    """Every command that writes."""
    d2l, t2l = world.networks["d2l"], world.networks["t2l"]
    options = ["--dtype", "float32", "--device", "cpu", "-q"]
    base = ["--base", world.base_path]

    def trained(kind: str) -> Callable[[Path], list[object]]:
        return lambda out: ["train", world.configs[kind], "-o", out, *base, *options]

    return [
        Command("hypernet import", lambda out: ["hypernet", "import", world.published, "-o", out, "-q"]),
        Command("pull", lambda out: ["pull", "ann/a", "-o", out, "-q"]),
        Command(
            "d2l", lambda out: ["d2l", world.document, "-o", out, "--hypernet", d2l, "--no-study", *base, *options]
        ),
        Command("t2l --batch", lambda out: ["t2l", "--batch", world.requests, "-o", out, "--hypernet", t2l, "-q"]),
        Command("combine", lambda out: ["combine", *[world.adapter] * 2, "-o", out, "--max-rank", 2, "-q"]),
        Command("export", lambda out: ["export", world.adapter, "--to", "mlx", "-o", out, *base, "-q"]),
        Command("train d2l", trained("d2l"), resumes=True),
        Command("train t2l", trained("t2l"), resumes=True),
    ]


def contents(path: Path) -> dict[str, bytes]:
    """Files that do not depend on the time of day, by name."""
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.name not in _MADE_EACH_TIME}


def names(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


class Rehearsal:
    """One command: its undisturbed result, and the check after each disturbance."""

    def __init__(self, command: Command, root: Path, environment: Callable[[Path], None]) -> None:
        self.command, self.root, self.environment = command, root, environment
        self.reference = self.prepared(root / "reference")
        code, errors = run(command.arguments(self.reference / "out"))
        if code:
            raise Wrong(f"{command.name} does not run: {errors}")
        self.expected, self.names = contents(self.reference / "out"), names(self.reference / "out")

    def prepared(self, folder: Path) -> Path:
        """A folder with a home and a Hub cache of its own; they hold nothing yet."""
        folder.mkdir(parents=True)
        self.environment(folder)
        return folder

    def disturb(self, fault: Fault, *, force: bool, folder: Path) -> int:
        """Run with a fault, check what is there, run again, and check that; returns the disturbed run's exit code."""
        self.prepared(folder)
        out = folder / "out"
        if force:
            shutil.copytree(self.reference / "out", out)
            _age(out)
        old = contents(out) if force else None
        arguments = [*self.command.arguments(out), *(["--force"] if force else [])]
        code, errors = run(arguments, fault=fault)
        _check_errors(code, errors, fault)
        if not self.command.resumes:
            self._check_whole(out, old, code)
            if code != KILLED:
                _check_nothing_left(folder)
        again = [*self.command.arguments(out), *(["--force"] if out.exists() and not self.command.resumes else [])]
        second, errors = run(again)
        if second:
            raise Wrong(f"the next run ends with {second}: {errors[:200]}")
        if contents(out) != self.expected or names(out) != self.names:
            changed = [n for n, data in contents(out).items() if data != self.expected.get(n)]
            raise Wrong(f"the next run gives something else: {changed or names(out) ^ self.names}")
        _check_nothing_left(folder)
        if self.command.resumes:
            _check_log(out / "metrics.jsonl")
        return code

    def _check_whole(self, out: Path, old: dict[str, bytes] | None, code: int) -> None:
        if not out.exists():
            if old is not None:
                recovered, _ = run(["inspect", out])  # puts back what was moved aside
                if not out.exists():
                    raise Wrong("the old output is lost")
            elif code == 0:
                raise Wrong("no output, and no error")
            else:
                return
        found = contents(out)
        if found != self.expected and found != old:
            raise Wrong(f"half an output: {sorted(found)}")
        if names(out) != self.names:
            raise Wrong(f"half an output: {sorted(names(out) ^ self.names)}")
        if old is not None and code not in (0, KILLED) and found != old and code != 143:
            raise Wrong("a failure changed the output")


def _age(out: Path) -> None:
    """Make an old output tell itself from a new one, in a file that is compared."""
    for file in out.rglob("*.safetensors"):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)


def _check_errors(code: int, errors: str, fault: Fault) -> None:
    if "Traceback" in errors or code not in (0, 1, 2, 143, KILLED):
        raise Wrong(f"exit code {code}: {errors[-300:]}")
    lines = [line for line in errors.splitlines() if line.startswith(("error: ", "hint: "))]
    if code in (1, 2, 143) and not (lines and len(lines) <= 2 and lines[0].startswith("error: ")):
        raise Wrong(f"no clear line with exit code {code}: {errors[-300:]}")
    if code == 0 and fault.what == "signal" and "terminated" in errors:
        raise Wrong("said to be terminated, exit code 0")


def _check_nothing_left(folder: Path) -> None:
    left = [file for file in folder.rglob(".hyperlora-*")]
    if left:
        raise Wrong(f"left over: {left[0].relative_to(folder)}")


def _check_log(log: Path) -> None:
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines() if json.loads(line)["kind"] == "train"]
    if steps != sorted(set(steps)):
        raise Wrong(f"the log has steps {steps}")


# What happens at the steps, and at every how manieth.
DISTURBANCES: dict[str, tuple[str | int, int]] = {
    "kill": ("kill", 1),
    "SIGTERM": ("signal", 4),
    "full disk": (errno.ENOSPC, 4),
}


def disturb(
    command: Command, word: str, world: World, environment: Callable[[Path], None], share: float, tally: Tally
) -> None:
    """One of ``DISTURBANCES`` at the steps of a command, with and without an old output."""
    root = world.root / "kills" / tally.kind.replace(" ", "-").replace(":", "")
    rehearsal = Rehearsal(command, root, environment)
    what, stride = DISTURBANCES[word]
    for force in (False, True) if not command.resumes else (False,):
        _at_every_step(tally, rehearsal, what, force, round(stride / share))
    shutil.rmtree(root, ignore_errors=True)


def _at_every_step(tally: Tally, rehearsal: Rehearsal, what: str | int, force: bool, stride: int) -> None:
    for at in range(0, 2000, stride):
        fault = Fault(what, at)
        folder = rehearsal.root / f"{what}-{force}-{at}"
        reached = []

        def check(fault: Fault = fault, folder: Path = folder, reached: list = reached) -> bool:
            reached.append(rehearsal.disturb(fault, force=force, folder=folder))
            return reached[0] != 0

        attempt(tally, check, f"step {at}{' --force' if force else ''}")
        tally.kills += what == "kill" and reached == [KILLED]
        shutil.rmtree(folder, ignore_errors=True)
        if reached == [0] and _was_never_reached(rehearsal, at, force):
            return


def _was_never_reached(rehearsal: Rehearsal, at: int, force: bool) -> bool:
    """Whether a run has fewer steps than ``at``: a run that is killed at step ``at`` ends by itself."""
    folder = rehearsal.prepared(rehearsal.root / f"count-{force}-{at}")
    if force:
        shutil.copytree(rehearsal.reference / "out", folder / "out")
    arguments = [*rehearsal.command.arguments(folder / "out"), *(["--force"] if force else [])]
    code, _ = run(arguments, fault=Fault("kill", at))
    shutil.rmtree(folder, ignore_errors=True)
    return code != KILLED


@contextmanager
def environment_of(hub: str) -> Iterator[Callable[[Path], None]]:
    """Give each run a home and a Hub cache of its own."""
    import os

    before = dict(os.environ)

    def use(folder: Path) -> None:
        os.environ |= {"HYPERLORA_HOME": str(folder / "home"), "HF_HOME": str(folder / "hf"), "HF_ENDPOINT": hub}
        from huggingface_hub import constants

        constants.HF_HUB_CACHE = str(folder / "hf" / "hub")

    try:
        yield use
    finally:
        os.environ.clear()
        os.environ |= before
