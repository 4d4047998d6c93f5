"""Chunks that were encoded before: factors on disk, by the chunk's tokens and the hypernetwork."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from d2l.chunking import Chunk
from d2l.model import D2LModel
from shared.lora.weights import LoraFactors, LoraWeights
from shared.paths import home

MAX_BYTES = 8_000_000_000
# Raise it when the same weights give other factors than before: files of another format are never read again.
FORMAT = 3


class ChunkCache:
    """Factors of single chunks, as ``HyperNetwork.forward`` gives them.

    A run that was interrupted goes on where it stopped, and an edited document has only its changed chunks encoded. The
    files reveal as much of a document as its adapter does: they are readable by the user alone.

    Args:
        directory: for one hypernetwork, base model, dtype and kind of device (see ``for_model``).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def for_model(cls, model: D2LModel, checkpoint: Path) -> "ChunkCache":
        """The cache of a checkpoint directory, recognised by its configuration and its files' sizes and times."""
        files = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in checkpoint.glob("*.safetensors"))
        placement = model.base.placement
        facts = [
            FORMAT,
            model.config.to_dict(),
            model.base.spec.fingerprint,
            files,
            str(placement.dtype),
            placement.device.type,
        ]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        return cls(home() / "chunks" / key)

    def _file(self, chunk: Chunk) -> Path:
        text = json.dumps([chunk.ids, chunk.start, chunk.stop])
        return self.directory / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"

    def get(self, chunk: Chunk) -> LoraWeights | None:
        """Unbatched factors of a chunk, or ``None``; a damaged file counts as absent."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self._file(chunk)
        try:
            tensors = load_file(file)
            names = sorted({key.rpartition(".")[0] for key in tensors})
            os.utime(file)  # the oldest are dropped first
            return LoraWeights({n: LoraFactors(tensors[f"{n}.lora_A"], tensors[f"{n}.lora_B"]) for n in names})
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def put(self, chunks: Sequence[Chunk], factors: Sequence[LoraWeights]) -> None:
        """Keep factors; a full disk or a read-only home only means that they will be computed again."""
        from safetensors.torch import save

        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for chunk, weights in zip(chunks, factors, strict=True):
                file = self._file(chunk)
                tensors = {f"{n}.lora_A": f.lora_A.contiguous() for n, f in weights.items()}
                tensors |= {f"{n}.lora_B": f.lora_B.contiguous() for n, f in weights.items()}
                temporary = file.with_suffix(f".{os.getpid()}")
                temporary.write_bytes(save(tensors))
                temporary.replace(file)
        except OSError:
            pass

    def prune(self, max_bytes: int = MAX_BYTES) -> None:
        """Remove the least recently used chunks of all hypernetworks beyond ``max_bytes``."""
        files = []
        for file in self.directory.parent.glob("*/*"):
            try:
                files.append((file.stat().st_mtime, file.stat().st_size, file))
            except OSError:
                continue  # another process removed it
        total = sum(size for _, size, _ in files)
        for _, size, file in sorted(files):
            if total <= max_bytes:
                break
            file.unlink(missing_ok=True)
            total -= size
