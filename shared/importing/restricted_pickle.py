"""Reads files of ``torch.save`` without unpickling: an interpreter of the few opcodes that state dicts consist of.

Nothing of the file can run, because nothing here imports or calls by name: a pickle's globals become inert markers, a
"call" is one of five fixed constructions below, and everything else is refused by its name. Tensors become views of
the memory-mapped file after their storage, shape and strides were checked against the bytes that are really there.

Formats: PyTorch's serialization.py, https://github.com/pytorch/pytorch (the zip archive, and the stream of pickles
before version 1.6); opcodes: CPython's pickletools.
"""

import io
import pickletools
from dataclasses import dataclass, field
from typing import Any

from shared.errors import InputError

# Configuration classes of the published checkpoints, by class name only: older files name other modules.
RECORDS = frozenset({"HypernetConfig", "AggregatorConfig", "CtxEncoderArguments", "LoraConfig", "LoraRuntimeConfig"})
ENUMS = frozenset({"PeftType", "TaskType"})
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_CALLABLES = {
    ("collections", "OrderedDict"),
    ("__builtin__", "set"),
    ("builtins", "set"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
}
# A state dict needs some 200 bytes of pickle a tensor; an opcode of one byte can make an object of 64.
MAX_PICKLE_BYTES = 4 << 20
MAX_DIMENSIONS = 8
_HINT = "only checkpoints of tensors and known configuration records are read; nothing in this file was run"


@dataclass(frozen=True)
class Global:
    """A name that the pickle refers to; it is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Record:
    """A configuration object as inert data: its class name and its attributes."""

    class_name: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class StorageRef:
    """A storage by its key in the file, as the pickle declares it."""

    key: str
    dtype: str
    numel: int


@dataclass(frozen=True)
class TensorRef:
    """A tensor as the pickle declares it; nothing of it is allocated."""

    storage: StorageRef
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Refused(Exception):
    """The pickle asks for something that is not allowed; the message says what, in one line."""


_MARK = object()
# Opcodes that push their argument, or a constant.
_PUSH = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def interpret(stream: io.BytesIO) -> Any:
    """Run one pickle from its current position to its STOP, and return plain data with the classes above in it.

    Raises:
        InputError: an opcode, name or construction that is not allowed, or a damaged pickle.
    """
    try:
        return _interpret(stream)
    except _Refused as error:
        raise InputError(f"the checkpoint was refused: {error}", _HINT) from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())[:120]
        raise InputError(f"the checkpoint's pickle is damaged ({text})", "get the file again") from None


def _interpret(stream: io.BytesIO) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def to_mark() -> list[Any]:
        items = []
        while (item := stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name in _PUSH:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            count = _TUPLES[name]
            stack[len(stack) - count :] = [tuple(stack[len(stack) - count :])]
        elif name == "TUPLE":
            stack.append(tuple(to_mark()))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name in ("APPEND", "APPENDS"):
            items = to_mark() if name == "APPENDS" else [stack.pop()]
            _expect(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = to_mark() if name == "SETITEMS" else [stack.pop() for _ in range(2)][::-1]
            for key, value in zip(items[::2], items[1::2], strict=True):
                # Keys of other types could take for ever to hash.
                if type(key) not in (str, int):
                    raise _Refused(f"a dictionary key of type {type(key).__name__}")
                _expect(stack[-1], dict)[key] = value
        elif name == "GLOBAL":
            stack.append(_global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_global(_expect(module, str), _expect(attribute, str)))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_construct(function, _expect(arguments, tuple)))
        elif name == "NEWOBJ":
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, Global) or function.name not in RECORDS or arguments != ():
                raise _Refused(f"an object of {function}" if isinstance(function, Global) else "an object of no class")
            stack.append(Record(function.name))
        elif name == "BUILD":
            _build(stack)
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise _Refused(f"its pickle uses the opcode {name}")
    raise ValueError("no end")


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _Refused(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _global(module: str, name: str) -> Global:
    """A marker for an allowed name."""
    known = (module, name) in _CALLABLES or name in RECORDS or name in ENUMS
    if not known and not (module == "torch" and name in STORAGES):
        raise _Refused(f"it names {module}.{name}"[:120].replace("\n", " "))
    return Global(module, name)


def _construct(function: Any, arguments: tuple) -> Any:
    """The only "calls": empty dictionary, set of strings, tensor, parameter, enum member."""
    name = _expect(function, Global).name
    if name == "OrderedDict" and not arguments:
        return {}
    if name == "set" and len(arguments) == 1:
        return frozenset(_expect(item, str) for item in _expect(arguments[0], list))
    if name in ENUMS and len(arguments) == 1:
        return _expect(arguments[0], str)
    if name == "_rebuild_tensor_v2" and len(arguments) >= 4:
        storage, offset, size, stride = arguments[:4]
        numbers = (offset, *_expect(size, tuple), *_expect(stride, tuple))
        if len(size) > MAX_DIMENSIONS or any(type(n) is not int or not 0 <= n < 1 << 48 for n in numbers):
            raise _Refused("a tensor with a bad shape")
        return TensorRef(_expect(storage, StorageRef), offset, size, stride)
    if name == "_rebuild_parameter" and arguments:
        return _expect(arguments[0], TensorRef)
    raise _Refused(f"it calls {function}")


def _build(stack: list[Any]) -> None:
    state, target = stack.pop(), stack[-1]
    if isinstance(target, Record):
        # Dataclasses with slots have the state (dict, slots); the released ones have none.
        target.attributes.update(_expect(state, dict))
    elif type(target) is dict:
        _expect(state, dict)  # a state dict's _metadata: versions of modules, of no use here
    else:
        raise _Refused(f"it sets the state of a {type(target).__name__}")


def _storage(pid: Any) -> StorageRef:
    """('storage', type, key, location, numel[, view]); old files add a view, None but for storages of that age."""
    if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != "storage" or pid[5:] not in ((), (None,)):
        raise _Refused("a persistent id that is no storage")
    _, kind, key, _, numel = pid[:5]
    if not isinstance(kind, Global) or kind.name not in STORAGES or type(key) is not str or type(numel) is not int:
        raise _Refused("a persistent id that is no storage")
    return StorageRef(key, STORAGES[kind.name], numel)
