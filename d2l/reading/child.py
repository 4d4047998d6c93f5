"""Untrusted formats are read in a child process with limits; its death is one clear line."""

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.errors import HyperLoraError, InputError

MEMORY = 1 << 30
MEMORY_PER_BYTE = 16
MOST_MEMORY = 4 << 30
# Of the processor; where others use it too, a document may take WAITING times as long.
SECONDS = 12
SECONDS_PER_MB = 10
SECONDS_PER_MB_OF_XML = 2
OCR_SECONDS = 1800
WAITING = 8
# Nothing of the user's (tokens, library paths from the working directory) reaches what reads a stranger's file.
_ENVIRONMENT = ("PATH", "TESSDATA_PREFIX", "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT", "HYPERLORA_DEBUG")
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from d2l.reading.worker import main; main()"


def read_in_child(data: bytes, name: str, request: dict[str, Any]) -> dict[str, Any]:
    """What ``worker.main`` returns for a document: its text and the record of reading it.

    The child has a private folder for temporary files: kreuzberg loads its PDF library from there, and in the shared
    one anybody could have put another.

    Args:
        request: keyword arguments of ``formats.extract``, JSON-compatible.

    Raises:
        InputError: the document cannot be read, or reading it takes too much memory or time.
        HyperLoraError: the child cannot be started.
    """
    seconds = OCR_SECONDS if request.get("ocr") else _seconds(data)
    memory = min(MOST_MEMORY, MEMORY + MEMORY_PER_BYTE * len(data))
    header = json.dumps({**request, "name": name, "memory": memory, "seconds": seconds}).encode()
    path = [str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)]
    with tempfile.TemporaryDirectory(prefix="hyperlora-") as private:  # mode 0700
        environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
        environment |= {"TMPDIR": private, "TEMP": private, "TMP": private, "HOME": private, "MALLOC_ARENA_MAX": "2"}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _START, json.dumps(path)],
                input=header + b"\n" + data,
                capture_output=True,
                timeout=WAITING * seconds,
                cwd=private,
                env=environment | {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "RAYON_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired:
            raise _too_long(name, seconds) from None
        except OSError as error:
            raise HyperLoraError(f"cannot start a process to read {name}: {error}", "check memory and limits") from None
    if os.environ.get("HYPERLORA_DEBUG") == "1":
        print(done.stderr.decode(errors="replace"), file=sys.stderr)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise _death(done, name, memory, seconds) from None
    if "error" in answer:
        raise InputError(*answer["error"])
    return answer


def _seconds(data: bytes) -> float:
    """How long reading a document may take, by its size and that of the XML that is packed in it."""
    unpacked = 0
    with suppress(Exception):  # no package
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
        unpacked = sum(entry.file_size for entry in entries if entry.filename.endswith(("xml", "html")))
    return SECONDS + (SECONDS_PER_MB * len(data) + SECONDS_PER_MB_OF_XML * min(unpacked, MOST_MEMORY // 16)) / 1e6


def _too_long(name: str, seconds: float) -> InputError:
    return InputError(
        f"reading {name} takes over {seconds:.0f} seconds", "split it, or save it again in its own program"
    )


def _death(done: "subprocess.CompletedProcess[bytes]", name: str, memory: int, seconds: float) -> InputError:
    """The error for a child that did not answer."""
    complaint = done.stderr[-2000:]
    if -done.returncode == 24:  # SIGXCPU
        return _too_long(name, seconds)
    if b"memory" in complaint or b"MemoryError" in complaint or -done.returncode == 9:
        return too_much_memory(name, memory)
    return InputError(f"{name} breaks the program that reads it", "it is damaged, or made to: save it again")


def too_much_memory(name: str, memory: int) -> InputError:
    """The error for a document that unpacks to more than the limit."""
    return InputError(
        f"reading {name} takes over {memory / (1 << 30):.1f} GB of memory", "split it, or leave out its pictures"
    )
