"""Frozen dataclass configurations with a strict, JSON-compatible round trip."""

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from shared.errors import InputError
from shared.text import ESCAPED_SURROGATE, check_text, whole_text

# A thousand times what a configuration takes.
MAX_JSON_BYTES = 1 << 26


@dataclasses.dataclass(frozen=True)
class Config:
    """Base class of all configurations. Unknown or missing keys and wrong types are an ``InputError``.

    Attributes:
        former: fields that files of earlier releases have, and what to do about each.
    """

    former: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Build the configuration from plain JSON data.

        Raises:
            InputError: unknown key, missing key, or a value of the wrong type.
        """
        if not isinstance(data, dict):
            raise InputError(f"{cls.__name__} must be a mapping, not {type(data).__name__}")
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(data) - set(fields), key=str)
        if unknown and unknown[0] in cls.former:
            raise InputError(f"{cls.__name__} no longer has the field {unknown[0]!r}", cls.former[unknown[0]])
        if unknown:
            raise InputError(
                f"{cls.__name__} has no field {unknown[0]!r}", f"known fields: {', '.join(sorted(fields))}"
            )
        hints = typing.get_type_hints(cls)
        values = {name: _convert(hints[name], value, f"{cls.__name__}.{name}") for name, value in data.items()}
        missing = [
            name
            for name, field in fields.items()
            if name not in data
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise InputError(f"{cls.__name__} lacks the field {missing[0]!r}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data that ``from_dict`` reads back as an equal configuration."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def read_json(path: Path, what: str) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InputError(f"{what}: {path} is larger than {MAX_JSON_BYTES >> 20} MB", "it is of another kind")
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except FileNotFoundError:
        raise InputError(f"{what}: {path} does not exist") from None
    except OSError as error:
        raise InputError(f"{what}: cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits, or endless nesting
        raise InputError(f"{what}: {path} is not valid JSON ({error})") from None
    if ESCAPED_SURROGATE.search(text):
        check_text(data, f"{what}: {path}")
    return data


def written_json(data: Any, indent: int = 2) -> str:
    """JSON text of a file that ``read_json`` takes: halves of characters, from names that are no text, become ``?``."""
    return whole_text(json.dumps(data, indent=indent, ensure_ascii=False)) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _unfit(kind: Any, value: Any) -> tuple[bool, int]:
    """How badly a mapping fits one of several configurations: another ``kind`` than it names, then unknown fields."""
    if not isinstance(value, dict) or not dataclasses.is_dataclass(kind):
        return isinstance(value, dict), 0
    fields = {field.name: field for field in dataclasses.fields(kind)}
    other = "kind" in value and "kind" in fields and fields["kind"].default != value["kind"]
    return other, len(set(value) - set(fields))


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check ``value`` against a type hint; lists become tuples and mappings become nested configurations."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            if type(None) in args:
                return None
        else:
            kinds = [arg for arg in args if arg is not type(None)]
            return _convert(min(kinds, key=lambda kind: _unfit(kind, value)), value, where)
    elif origin is typing.Literal:
        if value in args:
            return value
        raise InputError(f"{where} must be one of {', '.join(map(repr, args))}, not {_short(value)}")
    elif origin is tuple and isinstance(value, (list, tuple)):
        if args[-1] is Ellipsis:
            return tuple(_convert(args[0], item, where) for item in value)
        if len(args) == len(value):
            return tuple(_convert(arg, item, where) for arg, item in zip(args, value, strict=True))
    elif origin is dict and isinstance(value, dict):
        return {key: _convert(args[1], item, f"{where}[{key!r}]") for key, item in value.items()}
    elif isinstance(hint, type) and issubclass(hint, Config):
        return hint.from_dict(value)
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # neither infinite, nor not a number, nor an integer beyond them
            return float(value)
        raise InputError(f"{where} must be a finite number, not {_short(value)}")
    elif hint is int and isinstance(value, int) and abs(value) > sys.maxsize:
        raise InputError(f"{where} is too large: {_short(value)}")
    elif hint is Any or (
        isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    ):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise InputError(f"{where} must be {name}, not {_short(value)}")


def _short(value: Any) -> str:
    """A value for a message: it comes from a file and may be anything."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or a list in itself
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
