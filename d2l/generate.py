"""The main job: documents in, a PEFT adapter directory out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from d2l.cache import ChunkCache
from d2l.model import D2LModel, DocumentLora
from d2l.questions import QA, STUDY, question_messages
from d2l.reader import STDIN, DocumentText
from d2l.study.document import PairCache, answered_share, write_pairs
from d2l.study.rows import study_prompts
from d2l.study.writer import QuestionWriter
from shared.base.chat import GenerationConfig, answer
from shared.config import read_json
from shared.errors import InputError
from shared.hypernetwork.network import HyperNetworkConfig
from shared.lora.adapter import PROVENANCE_FILE
from shared.lora.card import WrittenAdapter, save_adapter
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights

# Upper bound of a safetensors header's bytes for one factor: its name, type, shape and place.
HEADER_BYTES = 256


@dataclass(frozen=True)
class RankBudget:
    """How large an adapter may become.

    Attributes:
        max_rank: largest rank.
        max_bytes: largest size of the written weights file.
    """

    max_rank: int | None = None
    max_bytes: int | None = None

    def rank(self, config: HyperNetworkConfig, itemsize: int = 2) -> int | None:
        """The largest rank within the budget, ``None`` if there is no limit.

        Args:
            itemsize: bytes of a number as it will be written.

        Raises:
            InputError: not even rank 1 fits.
        """
        limits = [] if self.max_rank is None else [self.max_rank]
        if self.max_bytes is not None:
            layers = (*config.targets, *config.bias_targets)
            per_rank = itemsize * sum(t.in_features + t.out_features for t in layers)
            header = 2 * HEADER_BYTES * len(layers)
            limits.append((self.max_bytes - header) // per_rank)
            if limits[-1] < 1:
                raise InputError(
                    f"the adapter cannot be that small: rank 1 takes {per_rank + header:,} bytes", "raise --max-bytes"
                )
        return min(limits, default=None)


@dataclass(frozen=True)
class InternalizeOptions:
    """How a document becomes an adapter.

    Attributes:
        chunk_tokens: longest chunk; the hypernetwork's own by default.
        memory: bytes for the activations of the chunks that are encoded at a time.
        budget: cut the adapter to a largest size.
        scale: factor on the whole update.
        dtype: of the written factors.
        study: largest number of pairs for each chunk that the question writer asks; ``None``: ``STUDY`` where the
            hypernetwork came with a writer, or was never trained, else none; 0: none. A base without a trained writer
            writes from a few examples in its prompt.
        questions: the user's own questions on the documents with their answers, studied beside those.
    """

    chunk_tokens: int | None = None
    memory: int = 1_000_000_000
    budget: RankBudget = RankBudget()
    scale: float = 1.0
    dtype: str = "bfloat16"
    study: int | None = None
    questions: tuple[QA, ...] = ()


@dataclass(frozen=True)
class WrittenDocumentAdapter(WrittenAdapter):
    """What ``d2l`` reports.

    Attributes:
        tokens: with the template around each chunk.
        energy_kept: share that the rank limit left of what the documents' own text reads out.
        cached_chunks: chunks that were encoded before.
        pairs: questions with answers that the documents were studied with.
        pairs_answered: share of a sample of them that the adapter answers word for word; ``None`` without any.
        trained: whether the hypernetwork ever was; see ``d2l.untrained``.
        changes: names of documents added, replaced and removed since the adapter that was replaced, if there was one.
    """

    tokens: int = 0
    chunks: int = 0
    energy_kept: float = 1.0
    pages: int = 0
    characters: int = 0
    cached_chunks: int = 0
    pairs: int = 0
    pairs_answered: float | None = None
    trained: bool = True
    changes: dict[str, list[str]] | None = None


@dataclass(frozen=True)
class DocumentAdapter:
    """The adapter of one or more documents, in memory."""

    model: D2LModel
    documents: list[DocumentText]
    lora: DocumentLora
    options: InternalizeOptions
    pairs: list[QA] = field(default_factory=list)
    pairs_answered: float | None = None

    @property
    def weights(self) -> LoraWeights:
        """The update, its scale included."""
        return self.lora.weights.scaled(self.options.scale)

    def ask(self, question: str, config: GenerationConfig | None = None) -> str:
        """What the base model with the adapter answers, with nothing of the document in its prompt."""
        base = self.model.base
        with apply_lora(base.model, self.weights.to(base.device)):
            messages = question_messages(question, system=self.model.config.question_system)
            return answer(base, messages, config or GenerationConfig())

    def save(self, path: str | Path, *, force: bool = False) -> WrittenDocumentAdapter:
        """Write a PEFT adapter directory.

        Raises:
            InputError: ``path`` exists and ``force`` is off.
        """
        path, lora, config = Path(path), self.lora, self.model.config
        names = [Path(document.path).name for document in self.documents]
        files = [
            {"name": name, "sha256": d.sha256, "pages": d.num_pages, "characters": d.num_characters}
            for name, d in zip(names, self.documents, strict=True)
        ]
        changes = changed_files(path, files)
        written = save_adapter(
            path,
            self.weights,
            base=config.base,
            kind="d2l",
            title=f"Document adapter of {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}",
            hypernetwork=self.model.name,
            source={
                "files": files,
                "tokens": lora.num_tokens,
                "chunks": lora.num_chunks,
                "energy_kept": lora.energy_kept,
                "pairs": len(self.pairs),
                "pairs_answered": self.pairs_answered,
            },
            dtype=self.options.dtype,
            question_system=config.question_system,
            force=force,
        )
        return WrittenDocumentAdapter(
            **vars(written),
            tokens=lora.num_tokens,
            chunks=lora.num_chunks,
            energy_kept=round(lora.energy_kept, 4),
            pages=sum(d.num_pages or 0 for d in self.documents),
            characters=sum(d.num_characters for d in self.documents),
            cached_chunks=lora.num_cached,
            pairs=len(self.pairs),
            pairs_answered=self.pairs_answered,
            trained=self.model.trained,
            changes=changes,
        )


def internalize(
    model: D2LModel,
    documents: list[DocumentText],
    options: InternalizeOptions = InternalizeOptions(),
    *,
    use_cache: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> DocumentAdapter:
    """The adapter of one or more documents: a forward pass over them, and passes over questions about them.

    Args:
        use_cache: keep encoded chunks and written questions in ``HYPERLORA_HOME``, and use those of earlier runs and of
            runs that were cut short.
        on_progress: called with a stage ("encoding", "asking", "studying"), what is done of it, and all of it.

    Raises:
        InputError: the budget is too small, questions for a hypernetwork that cannot study, or a question with its
            answer that is longer than the base model can read.
    """

    def told(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: on_progress(stage, done, total) if on_progress else None

    cut = [model.chunk(document.text, options.chunk_tokens) for document in documents]
    rank = options.budget.rank(model.config.hypernetwork, getattr(torch, options.dtype).itemsize)
    pairs = list(options.questions)
    study_prompts(model.base, pairs, system=model.config.question_system)  # refuse too long ones before the work
    writer, number = _writer(model, options)
    if writer is not None:
        kept = PairCache(writer.identity) if use_cache else None
        for document, chunks in zip(documents, cut, strict=True):
            title = Path(document.path).stem.replace("_", " ").replace("-", " ") if document.path != STDIN else None
            pairs += write_pairs(
                writer, document.text, number, len(chunks), title=title, cache=kept, on_progress=told("asking")
            )
    cache = ChunkCache(model.cache_key()) if use_cache else None
    lora = model.generate(
        [chunk for chunks in cut for chunk in chunks],
        max_rank=rank,
        batch_tokens=model.batch_tokens(options.memory),
        cache=cache,
        pairs=pairs,
        on_progress=told("encoding"),
        on_study=told("studying"),
    )
    if cache:
        cache.prune()
    share = None
    if pairs:
        prompts = study_prompts(model.base, pairs, system=model.config.question_system)
        share = round(answered_share(model.base, lora.weights.scaled(options.scale), prompts), 4)
    return DocumentAdapter(model, documents, lora, options, pairs, share)


def _writer(model: D2LModel, options: InternalizeOptions) -> tuple[QuestionWriter | None, int]:
    """Who asks about the documents, and how many pairs a chunk."""
    if options.study == 0 or (options.study is None and not model.can_study):
        return None, 0
    if not model.can_study:
        raise InputError("this hypernetwork cannot study: its head has no memory", "leave --study out")
    if model.writer is None and options.study is None and model.trained:
        return None, 0
    return model.writer or QuestionWriter(model.base), options.study or STUDY


def changed_files(adapter: Path, files: list[dict[str, Any]]) -> dict[str, list[str]] | None:
    """Names of documents added, replaced and removed since an adapter was made; ``None`` if there is none to compare.

    The adapter's ``provenance.json`` is the manifest; the chunk cache saves the work on documents that stayed.
    """
    if not (adapter / PROVENANCE_FILE).exists():
        return None
    try:
        old = _hashes_by_name(read_json(adapter / PROVENANCE_FILE, "adapter")["source"]["files"])
    except (InputError, KeyError, TypeError):
        return None
    new = _hashes_by_name(files)
    return {
        "added": sorted(set(new) - set(old)),
        "replaced": sorted(name for name in set(new) & set(old) if new[name] != old[name]),
        "removed": sorted(set(old) - set(new)),
    }


def _hashes_by_name(files: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Sorted hashes by name: documents of different folders may share a name."""
    result: dict[str, list[str]] = {}
    for file in files:
        result.setdefault(file["name"], []).append(file["sha256"])
    return {name: sorted(hashes) for name, hashes in result.items()}
