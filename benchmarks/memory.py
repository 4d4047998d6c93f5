"""Measures the memory of ``hyperlora d2l FILE --no-study --no-cache`` at several sizes of text.

python -m benchmarks.memory --bytes 10000,100000 --json memory.json
python -m benchmarks.memory --bytes 10000000 --stop 900 --json memory.json   # stopped after 900 seconds

The text is of generated documents. The peak is the kernel's figure for the whole process (``ru_maxrss``); what is
resident is read once a second, and the progress bar says how far the encoding is. Results are added to the file by
size. Linux only.
"""

import argparse
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from d2l.synthetic import synthetic_document

_COLOURS = re.compile(rb"\x1b\[[\d;?]*[A-Za-z]")
_PROGRESS = re.compile(rb"encoding\D*(\d+)/(\d+)")


def text(size: int) -> str:
    """Generated documents, together ``size`` bytes of ASCII."""
    parts: list[str] = []
    length = 0
    while length < size:
        part = synthetic_document(len(parts), seed=18, split="train").context.encode("ascii", "replace").decode()
        parts.append(part)
        length += len(part) + 2
    return "\n\n".join(parts)[:size]


def measure(size: int, stop: float | None, folder: Path) -> dict[str, Any]:
    """Run ``hyperlora d2l`` on ``size`` bytes of text; told to end after ``stop`` seconds."""
    file, out = folder / f"{size}.txt", folder / f"{size}-adapter"
    file.write_text(text(size))
    command = [sys.executable, "-m", "cli", "d2l", str(file), "-o", str(out), "--no-study", "--no-cache", "--json"]
    terminal, theirs = pty.openpty()  # on a terminal the program shows how far it is
    os.set_blocking(terminal, False)
    with open(folder / "result.json", "w+", encoding="utf-8") as result:
        environment = os.environ | {"COLUMNS": "100", "TERM": "xterm"}
        started = time.monotonic()
        child = subprocess.Popen(command, stdout=result, stderr=theirs, stdin=subprocess.DEVNULL, env=environment)
        os.close(theirs)
        samples: list[tuple[float, int, float]] = []  # seconds, tokens encoded, MB
        done = total = 0
        stopped = False
        while True:
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            seconds = time.monotonic() - started
            found = _PROGRESS.findall(_COLOURS.sub(b"", _read(terminal)))
            if found:
                done, total = map(int, found[-1])
            samples.append((seconds, done, _resident(child.pid)))
            if stop is not None and seconds > stop and not stopped:
                os.kill(child.pid, signal.SIGTERM)
                stopped = True
            time.sleep(1)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        os.close(terminal)
        result.seek(0)
        report = {} if stopped else json.load(result)
    encoding = [(tokens, megabytes) for _, tokens, megabytes in samples if tokens]
    return {
        "bytes": size,
        "tokens": report.get("tokens", total),
        "chunks": report.get("chunks"),
        "seconds": round(seconds, 1),
        "stopped_at_token": done if stopped else None,
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6),
        "resident_mb": _spread(encoding),
        "adapter_bytes": report.get("bytes"),
    }


def _read(terminal: int) -> bytes:
    found = b""
    try:
        while part := os.read(terminal, 1 << 16):
            found += part
    except OSError:  # nothing there for now, or its other end was closed
        pass
    return found


def _resident(pid: int) -> float:
    try:
        line = re.search(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(line[1]) * 1024 / 1e6 if line else 0.0


def _spread(samples: list[tuple[int, float]], parts: int = 10) -> list[dict[str, int]]:
    """The largest resident size in each of ten equal stretches of the encoding."""
    result = []
    for number in range(parts):
        stretch = samples[number * len(samples) // parts : (number + 1) * len(samples) // parts]
        if stretch:
            result.append({"token": stretch[-1][0], "mb": round(max(megabytes for _, megabytes in stretch))})
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", default="10000,100000", help="sizes of text, with commas between them")
    parser.add_argument("--stop", type=float, help="tell a run to end after this many seconds")
    parser.add_argument("--json", type=Path, help="file that the results are added to, by size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for size in (1000, *map(int, options.bytes.split(","))):  # the first one converts the base model, if need be
            found = measure(size, options.stop, Path(folder))
            if size == 1000:
                continue
            print(json.dumps(found), flush=True)
            if options.json is not None:
                known = json.loads(options.json.read_text()) if options.json.exists() else {}
                options.json.write_text(json.dumps(known | {str(size): found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
