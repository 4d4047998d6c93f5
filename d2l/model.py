"""The document hypernetwork: text in, LoRA weights out."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from d2l.cache import ChunkCache
from d2l.chunking import Chunk, chunk_text, chunk_tokens_equally, equal_together
from d2l.config import D2LConfig
from d2l.encoder import encode_chunks
from d2l.questions import QA
from d2l.study.anchors import anchors
from d2l.study.rows import PASSES, null_rows, study_prompts, study_rows
from d2l.study.writer import QuestionWriter
from shared.base.model import BaseModel, weights_digest
from shared.base.targets import check_targets
from shared.errors import InputError
from shared.hypernetwork.checkpoint import load_network, read_checkpoint_config
from shared.hypernetwork.head import ChunkFactors
from shared.hypernetwork.network import HyperNetwork
from shared.lora.weights import LoraWeights, TruncatedLora
from shared.training.refine import REFINE, Anchor, RefineConfig, RefinedLora, refine


@dataclass(frozen=True)
class DocumentLora:
    """LoRA weights of one document.

    Attributes:
        weights: unbatched, all chunks and the bias joined along the rank.
        num_chunks, num_tokens: what it was made from; tokens include the template around each chunk.
        num_cached: chunks whose factors came from the cache.
        energy_kept: share that a largest rank left; of a grounded memory, of what the document's own keys read out,
            else of the squared norm of the update.
        num_pairs: questions on it that it was studied with.
        gradient_steps: on these questions.
    """

    weights: LoraWeights
    num_chunks: int
    num_tokens: int
    num_cached: int = 0
    energy_kept: float = 1.0
    num_pairs: int = 0
    gradient_steps: int = 0


class D2LModel:
    """A hypernetwork bound to its base model.

    Args:
        hypernetwork: moved to the base model's device by the caller.
        name: what it is called in cards.
        path: its checkpoint directory, where the question writer is.
        trained: whether it ever was; see ``d2l.untrained``.

    Raises:
        InputError: the base model is not the one the hypernetwork was made for.
    """

    def __init__(
        self,
        config: D2LConfig,
        hypernetwork: HyperNetwork,
        base: BaseModel,
        name: str = "",
        path: Path | None = None,
        *,
        trained: bool = True,
    ) -> None:
        config.base.check(base.spec, "this hypernetwork")
        self.config, self.hypernetwork, self.base, self.name, self.path = config, hypernetwork, base, name, path
        self.trained = trained

    @classmethod
    def from_pretrained(cls, path: Path, base: BaseModel, name: str | None = None) -> "D2LModel":
        """Load a checkpoint directory for a base model.

        Args:
            name: what it is called in cards; the directory's name by default.

        Raises:
            InputError: no D2L checkpoint, damaged weights, or another base model.
        """
        config = D2LConfig.from_dict(read_checkpoint_config(path))
        config.base.check(base.spec, f"the hypernetwork {path.name}")
        if not config.base.fingerprint:
            check_targets(base.model, config.hypernetwork.targets, config.base.name_or_path)
        hypernetwork = load_network(path, lambda: HyperNetwork(config.hypernetwork))
        return cls(config, hypernetwork.to(base.device).eval(), base, name or path.name, path)

    def cache_key(self) -> str:
        """What decides a document's rows: configuration, weights of hypernetwork and base, template, dtype, device."""
        placement = self.base.placement
        facts = [
            self.config.to_dict(),
            weights_digest(self.hypernetwork),
            weights_digest(self.base.model),
            self.base.tokenizer.chat_template,
            str(placement.dtype),
            placement.device.type,
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

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
        cache: ChunkCache | None = None,
        pairs: Sequence[QA] = (),
        passes: int = PASSES,
        refined: RefineConfig | None = REFINE,
        on_progress: Callable[[int, int], None] | None = None,
        on_study: Callable[[int, int], None] | None = None,
        on_refine: Callable[[int, int], None] | None = None,
    ) -> DocumentLora:
        """One forward pass over every chunk, in batches of at most ``batch_tokens`` tokens (padding included).

        With pairs the document is studied: see ``d2l.study.rows`` and ``shared.training.refine``.

        Args:
            max_rank: cut the update to this rank.
            cache: where factors of chunks are looked up and kept.
            pairs: questions on the document with their answers.
            passes: over the pairs; each captures them with the adapter of the one before in place.
            refined: gradient steps on the pairs behind these passes; ``None``: none, the closed form alone.
            on_progress: called with tokens done and tokens in all after each batch.
            on_study: called with prompts done and all of them, over all passes.
            on_refine: called with gradient steps done and all of them.

        Raises:
            InputError: pairs, and a hypernetwork whose head has no memory; or the rank leaves nothing for the document.
        """
        groups = equal_together(chunks)
        total = sum(len(chunk.ids) for chunk in chunks)
        num_cached, done = 0, 0

        def factors() -> Iterator[ChunkFactors]:
            """Factors of each chunk, from the cache or from a forward pass; equal ones follow each other."""
            nonlocal num_cached, done
            times = iter(len(group) for group in groups)
            for batch in batches([group[0] for group in groups], batch_tokens):
                found = [cache.get(chunk) if cache else None for chunk in batch]
                missing = [chunk for chunk, part in zip(batch, found, strict=True) if part is None]
                made = self.encode(missing) if missing else []
                if cache and missing:
                    cache.put(missing, made)
                new = iter(made)
                repeats = [next(times) for _ in batch]
                done += sum(number * len(chunk.ids) for number, chunk in zip(repeats, batch, strict=True))
                if on_progress:
                    on_progress(done, total)
                for part, number in zip(found, repeats, strict=True):
                    num_cached += 0 if part is None else number
                    yield from [next(new) if part is None else part] * number

        joined = self.solve(factors(), pairs, passes=passes, max_rank=max_rank, on_study=on_study)
        weights, steps = joined.weights.to("cpu"), 0
        if pairs and refined:
            better = self.refine(weights, pairs, refined, on_progress=on_refine)
            weights, steps = better.weights, len(better.losses)
        return DocumentLora(weights, len(chunks), total, num_cached, joined.energy_kept, len(pairs), steps)

    def refine(self, weights: LoraWeights, pairs: Sequence[QA], config: RefineConfig, **options) -> RefinedLora:
        """Gradient steps on questions about a document, each with and without the request for a short answer.

        Args:
            weights: of the document, unbatched; options as in ``shared.training.refine.refine``.
        """
        turns = [study_prompts(self.base, pairs, turn, system=self.config.question_system) for turn in (0, 1)]
        # Callers that only make adapters turn gradients off.
        with torch.enable_grad():
            return refine(self.base, weights, [*turns[0], *turns[1]], self.anchors, config, **options)

    @torch.no_grad()
    def solve(
        self,
        factors: Iterable[ChunkFactors],
        pairs: Sequence[QA] = (),
        *,
        passes: int = PASSES,
        max_rank: int | None = None,
        on_study: Callable[[int, int], None] | None = None,
    ) -> TruncatedLora:
        """LoRA weights of all chunks' factors, studied with pairs; arguments as in ``generate``."""
        if pairs:
            return self._studied(factors, pairs, passes, max_rank, on_study)
        return self.hypernetwork.join(factors, max_rank)

    def _studied(
        self,
        factors: Iterable[ChunkFactors],
        pairs: Sequence[QA],
        passes: int,
        max_rank: int | None,
        on_study: Callable[[int, int], None] | None,
    ) -> TruncatedLora:
        """One memory of a document's own rows, those of its questions, and those that keep it silent elsewhere."""
        base, network, head = self.base, self.hypernetwork, self.hypernetwork.head
        if not self.can_study:
            raise InputError("this hypernetwork cannot study: its head has no memory", "leave the questions out")
        rank = head.own_rank(max_rank, self.config.hypernetwork.bias_r)
        collector = head.collector()
        for part in factors:
            collector.add(part)
        lora = network.finish(collector.solve(), reading=False)
        collector.scale(head.token_weights())
        for part in self.null_rows:
            collector.add(part)
        for number in range(passes):
            prompts = study_prompts(base, pairs, number % 2, system=self.config.question_system)

            def move(done: int, number: int = number, total: int = len(prompts)) -> None:
                if on_study:
                    on_study(number * total + done, passes * total)

            for part in study_rows(base, network, prompts, lora.weights, on_progress=move):
                collector.add(part)
            last = number == passes - 1
            solved = collector.solve(rank if last else None)
            lora = network.finish(solved, max_rank if last else None, reading=False)
        return lora

    @property
    def can_study(self) -> bool:
        """Whether questions can become rows of its memory."""
        return self.config.hypernetwork.head.needs_states

    @cached_property
    def null_rows(self) -> list[ChunkFactors]:
        """Rows of unrelated questions at which nothing is to be written; kept in ``HYPERLORA_HOME``."""
        silent = [anchor.prompt for anchor in self.anchors]
        return null_rows(self.base, self.hypernetwork, self.cache_key(), silent)

    @cached_property
    def anchors(self) -> list[Anchor]:
        """Unrelated questions with the base's own replies: the checkpoint's, or made once for ``HYPERLORA_HOME``."""
        return anchors(self.base, system=self.config.question_system, shipped=self.path)

    @cached_property
    def writer(self) -> QuestionWriter | None:
        """The question writer that came with the hypernetwork, if one did."""
        return None if self.path is None else QuestionWriter.load(self.path, self.base)

    def rank(self, chunks: list[Chunk]) -> int:
        """Rank of the adapter of a document's chunks, without a limit."""
        config = self.config.hypernetwork
        own = max(min(t.in_features, t.out_features) for t in (*config.targets, *config.bias_targets))
        return min(own, sum(self.hypernetwork.head.num_rows(chunk.num_keys) for chunk in chunks) + config.bias_r)

    @torch.no_grad()
    def encode(self, chunks: list[Chunk]) -> list[ChunkFactors]:
        """Factors of a batch of chunks, unbatched and on the CPU, without their padding.

        They leave the device as they come: a long document needs no more memory there than one batch.
        """
        dtype, head = self.base.placement.dtype, self.hypernetwork.head
        features = encode_chunks(self.base, self.config, chunks)
        with torch.autocast(self.base.device.type, dtype, enabled=dtype != torch.float32):
            factors = self.hypernetwork(features)
        parts = head.compress(factors.to(device="cpu", dtype=torch.float32)).unbind()
        return [part.first(head.num_rows(chunk.num_keys)) for part, chunk in zip(parts, chunks, strict=True)]


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
