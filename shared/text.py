"""What is text and what only looks like it."""

import re
from typing import Any

from shared.errors import InputError

_SURROGATE = re.compile("[\ud800-\udfff]")
# In JSON and YAML: half a character outside the basic plane, or perhaps one of a pair.
ESCAPED_SURROGATE = re.compile(r"\\[uU](?:0000)?[dD][89a-fA-F]")


def whole_text(text: str) -> str:
    """A text, with ``?`` for halves of characters: names of files need not be text."""
    return text.encode("utf-8", "replace").decode()


def check_text(value: Any, what: str) -> None:
    """Refuse half characters, which no tokenizer and no UTF-8 file can take, anywhere in a text, list or mapping.

    They come from escapes such as ``\\ud83d`` without the other half, and from arguments that are not UTF-8.

    Raises:
        InputError: there is one.
    """
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, (dict, list, tuple)):
            if id(item) in seen:  # a YAML file can make a list hold itself, or another one a billion times
                continue
            seen.add(id(item))
        if isinstance(item, str):
            if _SURROGATE.search(item):
                raise InputError(f"{what} holds half a character (a lone surrogate)", "write it as UTF-8 text")
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple)):
            waiting += item
