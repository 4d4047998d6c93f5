"""The document hypernetwork: text in, LoRA weights out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from d2l.chunking import Chunk, chunk_text, chunk_tokens_equally
from d2l.config import D2LConfig
from d2l.encoder import encode_chunks
from shared.base.model import BaseModel
from shared.base.targets import check_targets
from shared.hypernetwork.checkpoint import load_weights, read_checkpoint_config, save_checkpoint
from shared.hypernetwork.network import HyperNetwork
from shared.lora.weights import LoraWeights

if TYPE_CHECKING:
    from d2l.cache import ChunkCache


@dataclass(frozen=True)
class DocumentLora:
    """LoRA weights of one document.

    Attributes:
        weights: unbatched, all chunks and the bias joined along the rank.
        num_chunks, num_tokens: what it was made from; tokens include the template around each chunk.
        num_cached: chunks whose factors came from the cache.
        energy_kept: share that a largest rank left; of a grounded memory, of what the document's own keys read out,
            else of the squared norm of the update.
    """

    weights: LoraWeights
    num_chunks: int
    num_tokens: int
    num_cached: int = 0
    energy_kept: float = 1.0


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
        targets = self.config.hypernetwork.targets
        keys, outputs = sum(t.in_features for t in targets), sum(t.out_features for t in targets)
        # Recorded and stacked in the model's precision; gathered, whitened and weighted in float32.
        per_token = itemsize * (2 * keys + 64 * self.base.spec.hidden_size) + 4 * (4 * keys + 3 * outputs)
        return max(1, memory // per_token)

    def chunk(self, text: str, chunk_tokens: int | None = None) -> list[Chunk]:
        """Cut a document as this hypernetwork was trained to see it."""
        cut = chunk_tokens_equally if self.config.chunking == "tokens" else chunk_text
        return cut(self.base.tokenizer, text, chunk_tokens or self.config.chunk_tokens)

    @torch.no_grad()
    def generate(
        self,
        chunks: list[Chunk],
        *,
        max_rank: int | None = None,
        batch_tokens: int = 2048,
        cache: "ChunkCache | None" = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> DocumentLora:
        """One forward pass over every chunk, in batches of at most ``batch_tokens`` tokens (padding included).

        Args:
            max_rank: cut the update to this rank.
            cache: where factors of chunks are looked up and kept.
            on_progress: called with tokens done and tokens in all after each batch.
        """
        if self.hypernetwork.grounded_head is not None:
            self.hypernetwork.memory_rank(max_rank)  # refuse an impossible one before the work
        total = sum(len(chunk.ids) for chunk in chunks)
        num_cached = 0

        def made() -> Iterator[tuple[int, LoraWeights]]:
            """Factors of each chunk with its position: those from the cache first, then the others as they come."""
            nonlocal num_cached
            missing, done = [], 0
            for position, chunk in enumerate(chunks):
                part = cache.get(chunk) if cache else None
                if part is None:
                    missing.append(position)
                    continue
                num_cached, done = num_cached + 1, done + len(chunk.ids)
                yield position, part
            if on_progress:
                on_progress(done, total)
            for batch in batches([chunks[position] for position in missing], batch_tokens):
                parts = self.encode(batch)
                if cache:
                    cache.put(batch, parts)
                done += sum(len(chunk.ids) for chunk in batch)
                if on_progress:
                    on_progress(done, total)
                yield from zip((missing.pop(0) for _ in batch), parts, strict=True)

        scale = self.config.chunk_scale(len(chunks))
        limit = self.hypernetwork.streams_beyond
        if limit is not None and sum(self.num_rows(chunk) for chunk in chunks) > limit:
            joined = self.hypernetwork.join_stream((part.scaled(scale) for _, part in made()), max_rank)
        else:
            parts = dict(made())
            factors = LoraWeights.concat([parts[position] for position in range(len(chunks))])
            joined = self.hypernetwork.join(factors.scaled(scale), max_rank)
        weights = joined.weights.to("cpu")
        # A rank above the layers' own is the same update in more bytes.
        cut = weights.truncate(min(weights.full_rank, max_rank or weights.full_rank))
        return DocumentLora(cut.weights, len(chunks), total, num_cached, joined.energy_kept * cut.energy_kept)

    def num_rows(self, chunk: Chunk) -> int:
        """Rank of a chunk's factors."""
        config = self.config.hypernetwork
        by_token = config.head == "grounded" and config.grounded.slots == "tokens"
        return min(config.r, chunk.num_keys) if by_token else config.r

    def rank(self, chunks: list[Chunk]) -> int:
        """Rank of the adapter of a document's chunks, without a limit."""
        config = self.config.hypernetwork
        own = max(min(t.in_features, t.out_features) for t in (*config.targets, *config.bias_targets))
        return min(own, sum(self.num_rows(chunk) for chunk in chunks) + config.bias_r)

    @torch.no_grad()
    def encode(self, chunks: list[Chunk]) -> list[LoraWeights]:
        """Factors of a batch of chunks, unbatched and on the CPU, without their padding.

        They leave the device as they come: a long document needs no more memory there than one batch.
        """
        dtype = self.base.placement.dtype
        features = encode_chunks(self.base, self.config, chunks).features
        with torch.autocast(self.base.device.type, dtype, enabled=dtype != torch.float32):
            weights = self.hypernetwork(features)
        weights = weights.to(device="cpu", dtype=torch.float32)
        if self.hypernetwork.grounded_head is not None:
            weights = _half(weights)
        parts = weights.unbind()
        return [part.first(self.num_rows(chunk)) for part, chunk in zip(parts, chunks, strict=True)]


def _half(weights: LoraWeights) -> LoraWeights:
    """Half the bytes, unless that would overflow. The joint solve takes differences of keys: bf16 is too coarse."""
    largest = max(f.lora_A.abs().max().item() for f in weights.values())
    return weights.to(torch.float16) if largest < torch.finfo(torch.float16).max else weights


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
