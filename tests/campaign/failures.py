"""Two processes at once, a home that cannot be written, and a Hub that misbehaves."""

import errno
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.campaign.children import KILLED, Fault, run
from tests.campaign.harness import Tally, Wrong, attempt
from tests.campaign.kills import commands, contents, names
from tests.campaign.world import World
from tests.hub_server import HubServer

_NAMES = ("adapter_config.json", "adapter_model.safetensors", "README.md", "provenance.json")


@contextmanager
def hub(world: World, **wrong: object) -> Iterator[str]:
    """Address of a Hub in a process of its own, with the adapter as ann/a; ``wrong`` is what it does wrong."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # connections that a kill resets are no news
            server = HubServer()
            server.add("ann/a", {file.name: file.read_bytes() for file in world.adapter.iterdir()})
            for name, value in wrong.items():
                setattr(server, name, value)
            os.write(writer, server.url.encode())
            os.close(writer)
            signal.pause()
        finally:
            os._exit(0)
    os.close(writer)
    try:
        with os.fdopen(reader) as opened:
            yield opened.read()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def two_processes(world: World, environment: Callable[[Path], None], rounds: int, tally: Tally) -> None:
    """Two runs that write the same output at the same time: one of them wins, or both do with ``--force``."""
    for number in range(rounds):
        command = commands(world)[number % 4]
        force, folder = number % 8 >= 4, world.root / f"two-{number}"

        def check(command=command, force: bool = force, folder: Path = folder) -> bool:
            folder.mkdir()
            environment(folder)
            out = folder / "out"
            arguments = [*command.arguments(out), *(["--force"] if force else [])]
            codes = _together(arguments)
            found, whole = contents(out), names(out)
            if sorted(codes) not in ([0, 2], *([[0, 0]] if force else [])):
                raise Wrong(f"{command.name}: exit codes {codes}")
            code, errors = run([*command.arguments(folder / "alone")])
            if code or contents(folder / "alone") != found or names(folder / "alone") != whole:
                raise Wrong(f"{command.name}: something else than a run alone gives {errors[:100]}")
            if list(folder.rglob(".hyperlora-*")):
                raise Wrong("left over")
            return True

        attempt(tally, check, f"round {number}")
        shutil.rmtree(folder, ignore_errors=True)


def _together(arguments: list[object]) -> list[int]:
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            os._exit(run(arguments)[0])
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def read_only_home(world: World, environment: Callable[[Path], None], tally: Tally) -> None:
    """HYPERLORA_HOME cannot be written, from one step on: the run gives what it always gives."""
    command = next(command for command in commands(world) if command.name == "d2l")
    for at in range(40):
        for code in (errno.EROFS, errno.ENOSPC, errno.EACCES):
            folder = world.root / f"home-{at}-{code}"

            def check(at: int = at, code: int = code, folder: Path = folder) -> bool:
                folder.mkdir()
                environment(folder)
                result, errors = run(command.arguments(folder / "out"), fault=Fault(code, at, folder / "home"))
                if result or not (folder / "out").is_dir():
                    raise Wrong(f"exit code {result}: {errors[:200]}")
                return False

            attempt(tally, check, f"step {at}")
            shutil.rmtree(folder, ignore_errors=True)


def hostile_hub(world: World, environment: Callable[[Path], None], rounds: int, seed: int, tally: Tally) -> None:
    """Pull, push, ask and inspect at a Hub that fails, lies, stalls or chatters."""
    random = Random(seed)
    statuses = (400, 401, 403, 404, 409, 418, 422, 429, 500, 502, 503)
    parts = ("/api/models", "/tree/", "/resolve/", "/whoami-v2", "/repos/create", "/preupload", "/commit/", "/lfs/")
    for number in range(rounds):
        kind = random.choice(("status", "bytes", "status", "list", "public", "short", "html"))
        part, name = random.choice(parts), random.choice(_NAMES)
        wrong: dict[str, object] = {"repeats_token": random.random() < 0.5}
        data = (world.adapter / name).read_bytes()
        match kind:
            case "status":
                wrong["failures"] = {part: random.choice(statuses)}
            case "bytes":
                wrong["other_bytes"] = {name: data[:-1] + bytes([data[-1] ^ 1])}
            case "short":
                wrong["other_bytes"] = {name: data[: random.randrange(len(data))]}
            case "list":
                wrong["lists_for_ever"] = True
            case "public":
                wrong["makes_all_public"] = True
            case _:
                wrong["other_bytes"] = {name: b"<html>log in</html>"}
        verb = random.choice(("pull", "push", "inspect"))
        folder = world.root / f"hub-{number}"

        def check(wrong=wrong, verb: str = verb, folder: Path = folder) -> bool:
            folder.mkdir()
            with hub(world, **wrong) as address:
                environment(folder)
                os.environ["HF_ENDPOINT"] = address
                code, errors = run(_hub_command(verb, world, folder), setup=_impatient)
                # Private was asked for: what the Hub made public holds nothing.
                public = verb == "push" and wrong.get("makes_all_public")
                if public and (code != 2 or run(["inspect", "ann/new"], setup=_impatient)[0] == 0):
                    raise Wrong("uploaded to a public repository")
            _check(code, errors, verb, wrong, world, folder)
            return code != 0

        attempt(tally, check, f"round {number}: {verb}, {kind}, {part}, {name}")
        shutil.rmtree(folder, ignore_errors=True)


def _hub_command(verb: str, world: World, folder: Path) -> list[object]:
    return {
        "pull": ["pull", "ann/a", "-o", folder / "out"],
        "push": ["push", world.adapter, "ann/new"],
        "inspect": ["inspect", "ann/a"],
    }[verb]


def _impatient() -> None:
    """The client's retries wait for minutes."""
    import time

    from shared import transfer

    transfer.MAX_PAGES = 5
    time.sleep = lambda _seconds: None


def _check(code: int, errors: str, verb: str, wrong: dict, world: World, folder: Path) -> None:
    if code not in (0, 1, 2) or "Traceback" in errors:
        raise Wrong(f"exit code {code}: {errors[-200:]}")
    if HubServer.write_token in errors:
        raise Wrong("the token was shown")
    lines = [line for line in errors.splitlines() if line.startswith(("error: ", "hint: "))]
    if code and not (lines and len(lines) <= 2):
        raise Wrong(f"no clear line: {errors[:300]}")
    out = folder / "out"
    if verb == "pull" and (code == 0) != out.exists():
        raise Wrong("an output with an error, or none without")
    if out.exists() and any((out / name).read_bytes() != (world.adapter / name).read_bytes() for name in _NAMES):
        raise Wrong("pulled other bytes than were published")


def killed_pushes(world: World, environment: Callable[[Path], None], rounds: int, tally: Tally) -> None:
    """A push that is killed before one of its requests: the repository holds the whole adapter, or nothing of it."""
    for number in range(rounds):
        folder, name = world.root / f"push-{number}", f"ann/pushed-{number}"

        def die(at: int = number % 12) -> None:
            from shared import transfer

            original, calls = transfer._bound_waiting, iter(range(10**6))

            def counted(request: object) -> None:
                if next(calls) == at:
                    os._exit(KILLED)
                original(request)

            transfer._bound_waiting = counted

        def check(folder: Path = folder, name: str = name, die: Callable[[], None] = die) -> bool:
            folder.mkdir()
            environment(folder)
            code, errors = run(["push", world.adapter, name], setup=die)
            if code not in (0, KILLED):
                raise Wrong(f"exit code {code}: {errors[:200]}")
            tally.kills += code == KILLED
            seen, errors = run(["inspect", name])
            if seen not in (0, 2) or (code == 0 and seen != 0):
                raise Wrong(f"the repository holds half an adapter: {errors[:200]}")
            code, errors = run(["push", world.adapter, name])
            if code or run(["pull", name, "-o", folder / "out"])[0]:
                raise Wrong(f"the next push fails: {errors[:200]}")
            if contents(folder / "out") != contents(world.adapter):
                raise Wrong("the next push gives something else")
            return True

        attempt(tally, check, f"round {number}")
        shutil.rmtree(folder, ignore_errors=True)
