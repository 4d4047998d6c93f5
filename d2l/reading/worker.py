"""The child process that reads one document: a request and the bytes on stdin, JSON on stdout."""

import json
import os
import sys
from contextlib import suppress
from typing import Any, BinaryIO


def main() -> None:
    """Read the document and answer."""
    answer_file = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print is no answer
    request = json.loads(sys.stdin.buffer.readline())
    memory = request.pop("memory")
    limit(memory, request.pop("seconds"))
    answer = _answer(sys.stdin.buffer, request, memory)
    answer_file.write(json.dumps(answer).encode())
    answer_file.close()
    os._exit(0)  # threads of libraries that were interrupted have nothing to say any more


def limit(memory: int, seconds: float) -> None:
    """Bound what this process may take, as far as the platform can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_FSIZE, memory),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        with suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answer(source: BinaryIO, request: dict[str, Any], memory: int) -> dict[str, Any]:
    from d2l.reading.child import too_much_memory
    from d2l.reading.formats import extract
    from d2l.reading.kinds import damaged, encrypted
    from shared.errors import HyperLoraError

    name, mime_type = request["name"], request["mime_type"]
    try:
        text, reading = extract(source.read(), **request)
        return {"text": text, "reading": reading.to_dict()}
    except HyperLoraError as error:
        return {"error": [error.message, error.hint]}
    except MemoryError:
        error = too_much_memory(name, memory)
    except BaseException as failure:  # a panic of Rust code is no Exception
        if os.environ.get("HYPERLORA_DEBUG") == "1":
            import traceback

            traceback.print_exc()
        complaint = str(failure).lower()
        if "password" in complaint or "security" in complaint:
            error = encrypted(name)
        else:
            error = too_much_memory(name, memory) if "memory" in complaint else damaged(name, mime_type)
    return {"error": [error.message, error.hint]}
