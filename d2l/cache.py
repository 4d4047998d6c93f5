"""Chunks that were encoded before: factors on disk, by the chunk's tokens and the hypernetwork."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from d2l.chunking import Chunk
from shared.hypernetwork.head import ChunkFactors, LayerRows
from shared.paths import home
from shared.work_folder import drop_oldest, mark_used, remove_left_overs, whole_file

MAX_BYTES = 8_000_000_000
# Raise it when the same weights give other factors than before: files of another format are never read again.
FORMAT = 5
_DIGEST_BYTES = 32  # sha256 of a file's safetensors, in front of them


class ChunkCache:
    """Factors of single chunks, as ``D2LModel.encode`` gives them.

    A run that was interrupted goes on where it stopped, and an edited document has only its changed chunks encoded. The
    files reveal as much of a document as its adapter does: they are readable by the user alone.

    A document whose factors are larger than the cache has its first chunks kept: were it the last ones, its next run
    would find none where it begins, and drop those it needs later.

    Args:
        key: ``D2LModel.cache_key``; each has a directory of its own.
        root: folder of these directories, by default in ``HYPERLORA_HOME``.
        max_bytes: of all hypernetworks' chunks together, and an eighth more while a run is at work.
    """

    def __init__(self, key: str, root: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._used = self._since_prune = 0
        #: Whether chunks of this run were left out for want of room.
        self.is_full = False
        self.directory = (root or home() / "chunks") / hashlib.sha256(f"{FORMAT} {key}".encode()).hexdigest()[:32]
        remove_left_overs(self.directory.parent)  # a run that finds all of its chunks writes nothing here

    @staticmethod
    def name(chunk: Chunk) -> str:
        """What a chunk's factors are found by."""
        text = json.dumps([chunk.ids, chunk.start, chunk.stop])
        return hashlib.sha256(text.encode()).hexdigest()

    def _file(self, chunk: Chunk) -> Path:
        return self._named(self.name(chunk))

    def _named(self, name: str) -> Path:
        return self.directory / f"{name}.rows"

    def get(self, chunk: Chunk) -> ChunkFactors | None:
        """Unbatched factors of a chunk, or ``None``; a damaged file counts as absent."""
        return self.find(self.name(chunk))

    def find(self, name: str) -> ChunkFactors | None:
        """As ``get``, by the chunk's name."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        file = self._named(name)
        try:
            data = file.read_bytes()
            digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
            if hashlib.sha256(content).digest() != digest:
                return None
            tensors = load(content)
            names = sorted({key.rpartition(".")[0] for key in tensors})
            mark_used(file)
            self._used += len(data)
            return ChunkFactors({n: LayerRows(tensors[f"{n}.keys"], tensors[f"{n}.values"]) for n in names})
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def put(self, chunks: Sequence[Chunk], factors: Sequence[ChunkFactors]) -> None:
        """Keep factors; a full disk or a read-only home only means that they will be computed again."""
        from safetensors.torch import save

        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for chunk, part in zip(chunks, factors, strict=True):
                file = self._file(chunk)
                tensors = {f"{n}.keys": rows.keys.contiguous() for n, rows in part.items()}
                tensors |= {f"{n}.values": rows.values.contiguous() for n, rows in part.items()}
                content = save(tensors)
                if self._used + len(content) > self.max_bytes:
                    self.is_full = True
                    return
                with whole_file(file, self.directory.parent) as new:
                    new.write_bytes(hashlib.sha256(content).digest() + content)
                self._used += len(content)
                self._since_prune += len(content)
                if self._since_prune > self.max_bytes // 8:
                    self.prune()
        except OSError:
            pass

    def prune(self) -> None:
        """Remove the least recently used chunks of all hypernetworks beyond ``max_bytes``."""
        self._since_prune = 0
        drop_oldest(self.directory.parent.glob("*/*"), self.max_bytes)
