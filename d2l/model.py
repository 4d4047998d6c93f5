"""The document hypernetwork: text in, LoRA weights out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from d2l.chunking import Chunk, chunk_text, chunk_tokens_equally
from d2l.config import D2LConfig
from d2l.encoder import encode_chunks
from shared.base_model import BaseModel
from shared.checkpoint import load_weights, read_checkpoint_config, save_checkpoint
from shared.hypernetwork import HyperNetwork
from shared.lora import LoraWeights
from shared.targets import check_targets


@dataclass(frozen=True)
class DocumentLora:
    """LoRA weights of one document.

    Attributes:
        weights: unbatched, all chunks and the bias joined along the rank.
        num_chunks, num_tokens: what was encoded; tokens include the template around each chunk.
    """

    weights: LoraWeights
    num_chunks: int
    num_tokens: int


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
        on_progress: Callable[[int, int], None] | None = None,
    ) -> DocumentLora:
        """One forward pass over every chunk, in batches of at most ``batch_tokens`` tokens (padding included).

        Args:
            on_progress: called with chunks done and chunks in all after each batch.
        """
        parts, tokens, done = [], 0, 0
        for batch in batches(chunks, batch_tokens):
            encoded = encode_chunks(self.base, self.config, batch)
            features = encoded.features
            if self.base.placement.dtype != torch.float32:
                with torch.autocast(self.base.device.type, self.base.placement.dtype):
                    weights = self.hypernetwork(features)
            else:
                weights = self.hypernetwork(features)
            # Factors leave the device as they come: a long document needs no more memory than one batch.
            parts.append(weights.to(device="cpu", dtype=torch.float32).group(1).unbind()[0])
            tokens += encoded.num_tokens
            done += len(batch)
            if on_progress:
                on_progress(done, len(chunks))
        weights = self.hypernetwork.widen(LoraWeights.concat(parts).scaled(self.config.chunk_scale(len(chunks))))
        bias = self.hypernetwork.bias()
        if bias is not None:
            weights = LoraWeights.concat([weights, bias.to(device="cpu", dtype=torch.float32)])
        return DocumentLora(weights, len(chunks), tokens)


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
