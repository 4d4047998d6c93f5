"""The document hypernetwork: text in, LoRA weights out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from d2l.chunking import Chunk, chunk_text, chunk_tokens_equally
from d2l.config import D2LConfig
from d2l.encoder import encode_chunks
from shared.base_model import BaseModel
from shared.checkpoint import load_weights, read_checkpoint_config, save_checkpoint
from shared.hypernetwork import HyperNetwork
from shared.lora import LoraWeights
from shared.targets import check_targets

if TYPE_CHECKING:
    from d2l.cache import ChunkCache


@dataclass(frozen=True)
class DocumentLora:
    """LoRA weights of one document.

    Attributes:
        weights: unbatched, all chunks and the bias joined along the rank.
        num_chunks, num_tokens: what it was made from; tokens include the template around each chunk.
        num_cached: chunks whose factors came from the cache.
    """

    weights: LoraWeights
    num_chunks: int
    num_tokens: int
    num_cached: int = 0


class D2LModel:
    """A hypernetwork bound to its base model.

    Args:
        hypernetwork: moved to the base model's device by the caller.

    Raises:
        InputError: the base model is not the one the hypernetwork was made for.
    """

    def __init__(self, config: D2LConfig, hypernetwork: HyperNetwork, base: BaseModel) -> None:
        config.base.check(base.spec, "this hypernetwork")
        self.config, self.hypernetwork, self.base = config, hypernetwork, base

    @classmethod
    def from_pretrained(cls, path: Path, base: BaseModel) -> "D2LModel":
        """Load a checkpoint directory for a base model.

        Raises:
            InputError: no D2L checkpoint, damaged weights, or another base model.
        """
        config = D2LConfig.from_dict(read_checkpoint_config(path))
        config.base.check(base.spec, f"the hypernetwork {path.name}")
        if not config.base.fingerprint:
            check_targets(base.model, config.hypernetwork.targets, config.base.name_or_path)
        hypernetwork = HyperNetwork(config.hypernetwork)
        load_weights(path, hypernetwork)
        return cls(config, hypernetwork.to(base.device).eval(), base)

    def save_pretrained(self, path: Path, *, card: str, dtype: str = "bfloat16", force: bool = False) -> None:
        save_checkpoint(
            path, self.config.to_dict(), self.hypernetwork.state_dict(), card=card, dtype=dtype, force=force
        )

    def batch_tokens(self, memory: int) -> int:
        """Tokens that may be encoded at a time in about ``memory`` bytes of activations (weights not counted)."""
        itemsize = self.base.placement.dtype.itemsize
        keys = sum(
            t.in_features for t in self.config.hypernetwork.targets
        )  # recorded, stacked, and one copy on the way
        return max(1, memory // (itemsize * (3 * keys + 64 * self.base.spec.hidden_size)))

    def chunk(self, text: str, chunk_tokens: int | None = None) -> list[Chunk]:
        """Cut a document as this hypernetwork was trained to see it."""
        cut = chunk_tokens_equally if self.config.chunking == "tokens" else chunk_text
        return cut(self.base.tokenizer, text, chunk_tokens or self.config.chunk_tokens)

    @torch.no_grad()
    def generate(
        self,
        chunks: list[Chunk],
        *,
        batch_tokens: int = 2048,
        cache: "ChunkCache | None" = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> DocumentLora:
        """One forward pass over every chunk, in batches of at most ``batch_tokens`` tokens (padding included).

        Args:
            cache: where factors of chunks are looked up and kept.
            on_progress: called with tokens done and tokens in all after each batch.
        """
        parts = [cache.get(chunk) if cache else None for chunk in chunks]
        missing = [index for index, part in enumerate(parts) if part is None]
        num_cached = len(chunks) - len(missing)
        total = sum(len(chunk.ids) for chunk in chunks)
        done = total - sum(len(chunks[index].ids) for index in missing)
        if on_progress:
            on_progress(done, total)
        dtype = self.base.placement.dtype
        for batch in batches([chunks[index] for index in missing], batch_tokens):
            features = encode_chunks(self.base, self.config, batch).features
            with torch.autocast(self.base.device.type, dtype, enabled=dtype != torch.float32):
                weights = self.hypernetwork(features)
            # Factors leave the device as they come: a long document needs no more memory there than one batch. In
            # float32, since the joint solve takes differences of keys: keys rounded to bf16 gave other answers.
            made = weights.to(device="cpu", dtype=torch.float32).unbind()
            if cache:
                cache.put(batch, made)
            for part in made:
                parts[missing.pop(0)] = part
            done += sum(len(chunk.ids) for chunk in batch)
            if on_progress:
                on_progress(done, total)
        factors = LoraWeights.concat(parts)
        weights = self.hypernetwork.join(factors.scaled(self.config.chunk_scale(len(chunks))))
        return DocumentLora(weights, len(chunks), total, num_cached)


def batches(chunks: list[Chunk], batch_tokens: int) -> list[list[Chunk]]:
    """Neighbouring chunks, together at most ``batch_tokens`` tokens after padding, at least one each."""
    result: list[list[Chunk]] = []
    longest = 0
    for chunk in chunks:
        longest = max(longest, len(chunk.ids))
        if result and longest * (len(result[-1]) + 1) <= batch_tokens:
            result[-1].append(chunk)
        else:
            result.append([chunk])
            longest = len(chunk.ids)
    return result
