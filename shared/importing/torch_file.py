"""The containers of ``torch.save``: the zip archive and, before PyTorch 1.6, the stream of pickles."""

import io
import math
import mmap
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import InputError
from shared.importing.restricted_pickle import MAX_PICKLE_BYTES, Record, StorageRef, TensorRef, interpret

if TYPE_CHECKING:
    from torch import Tensor

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_ITEM_SIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2}
# Tensors may share a storage (blocks with shared weights); together they must stay near the file's own size.
MAX_SHARING = 16
# A tensor takes some 80 bytes of it.
MAX_DIRECTORY_BYTES = 4 << 20


@dataclass(frozen=True)
class Storages:
    """Where each storage's bytes lie: key -> (start, length) in the mapped file."""

    path: Path
    mapped: mmap.mmap
    spans: dict[str, tuple[int, int]]

    def materialise(self, top: dict[Any, Any]) -> dict[str, Any]:
        """Replace the top level's tensor references by tensors and strip ``_orig_mod.`` from its keys."""
        self._check_total([value for value in top.values() if isinstance(value, TensorRef)])
        result: dict[str, Any] = {}
        for key, value in top.items():
            name = str(key).removeprefix("_orig_mod.").replace("._orig_mod.", ".")
            if name in result:
                raise InputError(f"{self.path} holds {name} twice", "get the file again")
            result[name] = self.tensor(value) if isinstance(value, TensorRef) else value
        return result

    def tensor(self, ref: TensorRef) -> "Tensor":
        """A view of the file's bytes.

        Raises:
            InputError: the storage is missing or has another size, or the shape does not lie inside it.
        """
        import torch

        dtype = getattr(torch, ref.storage.dtype)
        item = _item_size(ref.storage)
        start, length = self.spans.get(ref.storage.key, (0, -1))
        if length < 0:
            raise InputError(f"{self.path} lacks the storage {ref.storage.key!r}", "get the file again")
        if length != ref.storage.numel * item:
            declared = ref.storage.numel * item
            raise InputError(
                f"{self.path}: the storage {ref.storage.key!r} holds {length} bytes, not {declared} as declared",
                "get the file again",
            )
        count = math.prod(ref.size)
        last = ref.offset + sum((n - 1) * step for n, step in zip(ref.size, ref.stride, strict=False))
        fits = len(ref.size) == len(ref.stride) and count <= ref.storage.numel and last < ref.storage.numel
        if count and not fits:
            raise InputError(
                f"{self.path}: a tensor of shape {_short(ref.size)} does not lie inside its storage of "
                f"{ref.storage.numel} numbers",
                "get the file again",
            )
        if not count:
            return torch.empty(0, dtype=dtype)
        if start % item:
            storage = torch.frombuffer(bytearray(self.mapped[start : start + length]), dtype=dtype)
        else:
            storage = torch.frombuffer(self.mapped, dtype=dtype, count=ref.storage.numel, offset=start)
        return storage.as_strided(ref.size, ref.stride, ref.offset)

    def _check_total(self, refs: list[TensorRef]) -> None:
        total = sum(math.prod(ref.size) * _item_size(ref.storage) for ref in refs)
        if total > MAX_SHARING * len(self.mapped):
            raise InputError(
                f"{self.path} declares {total / 1e9:.0f} GB of tensors in a file of {len(self.mapped) / 1e9:.3f} GB",
                "get the file again",
            )


def _item_size(storage: StorageRef) -> int:
    return _ITEM_SIZES.get(storage.dtype, 1)


def _short(size: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in size[:8]) + (" ..." if len(size) > 8 else "")


def read_torch_file(path: Path) -> dict[str, Any]:
    """The top-level dictionary of a ``torch.save`` file; ``_orig_mod.`` of compiled modules is taken off its keys.

    Its values are tensors (views of the mapped file: no memory but what is used), strings, numbers, containers and
    ``Record``; tensors inside a record stay ``TensorRef``.

    Raises:
        InputError: no such file, another format, a damaged or hostile one.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist", "give the checkpoint's file or folder")
    if path.stat().st_size < 16:
        raise InputError(f"{path} is no checkpoint: it is almost empty", "get the file again")
    try:
        top, storages = open_torch_file(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, struct.error) as error:
        text = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is damaged ({text})", "get the file again") from None
    if type(top) is not dict:
        raise InputError(f"{path} holds a {type(top).__name__}, not named tensors", "give a checkpoint's state dict")
    return storages.materialise(top)


def open_torch_file(path: Path) -> tuple[Any, Storages]:
    """The pickle's content as inert data, and where the storages are.

    Raises:
        InputError: refused content, or neither of the two formats.
        OSError, zipfile.BadZipFile: a file that cannot be read.
    """
    with path.open("rb") as file:
        # Copy on write: torch wants a writable buffer, and nothing may reach the file.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    if mapped[:4] == b"PK\x03\x04":
        return _open_zip(path, mapped)
    return _open_legacy(path, mapped)


def _open_zip(path: Path, mapped: mmap.mmap) -> tuple[Any, Storages]:
    spans: dict[str, tuple[int, int]] = {}
    _check_directory(path, mapped)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        pickles = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise InputError(f"{path} is no torch checkpoint: it has no single data.pkl", "give the checkpoint's file")
        root = pickles[0].filename.removesuffix("data.pkl")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise InputError(f"{path}: {entry.filename[:80]} is compressed, which torch never does", "refused")
            spans[entry.filename.removeprefix(root)] = _span(path, mapped, entry)
    if (order := _bytes(mapped, spans, "byteorder", 16)) not in (None, b"little"):
        raise InputError(f"{path} has the byte order {order!r}", "only little-endian checkpoints are read")
    data = _bytes(mapped, spans, "data.pkl", MAX_PICKLE_BYTES)
    top = interpret(io.BytesIO(data or b""))
    keys = {name.removeprefix("data/"): span for name, span in spans.items() if name.startswith("data/")}
    return top, Storages(path, mapped, keys)


def _check_directory(path: Path, mapped: mmap.mmap) -> None:
    """Bound the archive's list of entries, of which ``zipfile`` makes objects ten times as large."""
    last = len(mapped) - 22
    end = mapped.rfind(b"PK\x05\x06", max(0, last - (1 << 16)), last + 4)
    sizes = [struct.unpack_from("<L", mapped, end + 12)[0]] if end >= 0 else []
    # In the 64-bit form the size stands in another record, which a third one just before this points to.
    if end >= 76 and mapped[end - 20 : end - 16] == b"PK\x06\x07":
        pointed = struct.unpack_from("<Q", mapped, end - 12)[0]
        records = {end - 76, pointed if pointed <= last - 34 else end - 76}
        sizes += [struct.unpack_from("<Q", mapped, record + 40)[0] for record in records]
    size = max((size for size in sizes if size != 0xFFFFFFFF), default=0)
    if size > MAX_DIRECTORY_BYTES:
        raise InputError(f"{path} lists its entries in {size} bytes", "no checkpoint has so many")


def _span(path: Path, mapped: mmap.mmap, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where a stored entry's bytes begin: behind its local header, whose name and extra field have own lengths."""
    header = mapped[entry.header_offset : entry.header_offset + 30]
    if len(header) != 30 or header[:4] != b"PK\x03\x04":
        raise InputError(f"{path} is damaged at {entry.filename[:80]}", "get the file again")
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    start = entry.header_offset + 30 + name_length + extra_length
    if start + entry.file_size > len(mapped):
        raise InputError(f"{path} is cut short at {entry.filename[:80]}", "get the file again")
    return start, entry.file_size


def _bytes(mapped: mmap.mmap, spans: dict[str, tuple[int, int]], name: str, limit: int) -> bytes | None:
    if name not in spans:
        return None
    start, length = spans[name]
    if length > limit:
        raise InputError(f"the checkpoint's {name} is larger than {limit} bytes", "it is no state dict")
    return mapped[start : start + length]


def _open_legacy(path: Path, mapped: mmap.mmap) -> tuple[Any, Storages]:
    """Magic number, protocol, system facts, the object, the storages' keys; then each one's length and bytes."""
    stream = io.BytesIO(mapped[:MAX_PICKLE_BYTES])
    try:
        magic = interpret(stream)
    except InputError:
        magic = None
    if magic != _LEGACY_MAGIC:
        raise InputError(f"{path} is no torch checkpoint", "give a pytorch_model.bin or a hypermod.pt")
    interpret(stream), interpret(stream)
    top, keys = interpret(stream), interpret(stream)
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise InputError(f"{path} is damaged: its storages have no list of keys", "get the file again")
    sizes = _storage_sizes(top)
    spans, position = {}, stream.tell()
    for key in keys:
        if key not in sizes:
            raise InputError(f"{path} holds the unused storage {key[:40]!r}", "get the file again")
        (count,) = struct.unpack("<q", mapped[position : position + 8].ljust(8, b"\xff"))
        length = count * sizes[key]
        position += 8
        if count < 0 or position + length > len(mapped):
            raise InputError(f"{path} is cut short at the storage {key[:40]!r}", "get the file again")
        spans[key] = position, length
        position += length
    return top, Storages(path, mapped, spans)


def _storage_sizes(top: Any) -> dict[str, int]:
    """Item size of every storage that is referred to, also inside records; a walk without recursion."""
    sizes, seen, todo = {}, set(), [top]
    while todo:
        value = todo.pop()
        if isinstance(value, TensorRef):
            sizes[value.storage.key] = _item_size(value.storage)
        elif isinstance(value, (dict, list, tuple, Record)) and id(value) not in seen:
            seen.add(id(value))
            inner = value.attributes if isinstance(value, Record) else value
            todo += inner.values() if isinstance(inner, dict) else inner
    return sizes
