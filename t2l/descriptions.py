"""Task descriptions as text: one of them made whole, and files of many, of which each wants an adapter."""

import re
from dataclasses import dataclass
from typing import Any

from shared.errors import InputError
from shared.jsonl import numbered_records
from shared.paths import ADAPTERS_FILE, default_name

# A name becomes a directory: no separators, no leading dot or hyphen.
_NAME = re.compile(r"\w[\w.+-]{0,99}")
_MAX_BYTES = 200  # file systems take 255, and a temporary directory's name is longer


def finish_sentence(description: str) -> str:
    """A description on one line, with a full stop if it ends in a letter (as Text-to-LoRA was trained).

    Raises:
        InputError: an empty description.
    """
    return add_full_stop(" ".join(description.split()))


def add_full_stop(text: str) -> str:
    """A full stop behind a text that ends in a letter.

    Raises:
        InputError: an empty text.
    """
    if not text:
        raise InputError("the description is empty", 'describe the task in a sentence: hyperlora t2l "..."')
    return text + "." if text[-1].isalpha() else text


@dataclass(frozen=True)
class AdapterRequest:
    """A description and the name of the directory its adapter goes to."""

    name: str
    description: str


def adapter_name(description: str) -> str:
    """Directory name for a description."""
    return default_name(description.replace(".", " ").replace("/", " "))


def read_requests(source: str) -> list[AdapterRequest]:
    """The requests of a JSONL file, or of stdin for ``-``: objects with ``description`` and perhaps ``name``.

    A missing name is made from the description, with a number behind it where it is taken.

    Raises:
        InputError: missing file, or a line that is no such object, with its number.
    """
    where = "stdin" if source == "-" else source
    records = numbered_records(source, ("description",))
    lines: dict[str, int] = {}
    for number, record in records:
        _check(record, f"{where}, line {number}")
        if "name" in record:
            # Some file systems do not tell cases apart.
            first = lines.setdefault(record["name"].lower(), number)
            if first != number:
                raise InputError(f"{where}, line {number}: the name {record['name']!r} is that of line {first}, too")
    taken = set(lines)
    requests = []
    for _, record in records:
        name = record.get("name") or _unused(adapter_name(record["description"]), taken)
        taken.add(name.lower())
        requests.append(AdapterRequest(name, record["description"]))
    return requests


def _check(record: dict[str, Any], where: str) -> None:
    unknown = sorted(set(record) - {"description", "name"})
    if unknown:
        raise InputError(f"{where}: unknown field {unknown[0]!r}", "a line has a description and perhaps a name")
    description, name = record["description"], record.get("name", "x")
    if not isinstance(description, str) or not description.strip():
        raise InputError(f"{where}: the description must be a text that is not empty")
    named = isinstance(name, str) and _NAME.fullmatch(name) and len(name.encode()) <= _MAX_BYTES
    if not named or name.lower() == ADAPTERS_FILE:
        raise InputError(
            f"{where}: {name!r} cannot be a directory name",
            "use letters, digits, - + _ and ., at most 100, beginning with a letter or digit",
        )


def _unused(name: str, taken: set[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate
