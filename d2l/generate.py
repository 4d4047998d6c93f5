"""The main job: documents in, a PEFT adapter directory out."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from d2l.budget import RankBudget
from d2l.cache import ChunkCache
from d2l.check import Fidelity, check, hold_back
from d2l.chunking import equal_together
from d2l.model import D2LModel, DocumentLora
from d2l.questions import QA, question_messages
from d2l.reader import DocumentText
from d2l.study.document import answered_share, pairs_of_all, share_of_all
from d2l.study.kept import keep_studied
from d2l.study.rows import study_prompts
from shared.base.chat import GenerationConfig, answer
from shared.config import read_json
from shared.errors import InputError
from shared.lora.adapter import PROVENANCE_FILE
from shared.lora.card import WrittenAdapter, save_adapter
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.text import whole_text
from shared.training.refine import REFINE, RefineConfig


@dataclass(frozen=True)
class InternalizeOptions:
    """How a document becomes an adapter.

    Attributes:
        chunk_tokens: longest chunk; the hypernetwork's own by default.
        memory: bytes for the activations of the chunks that are encoded at a time.
        budget: cut the adapter to a largest size.
        scale: factor on the whole update.
        dtype: of the written factors.
        study: largest number of pairs for each chunk, see ``d2l.study.document.document_pairs``.
        questions: the user's own questions on the documents with their answers, studied beside those.
        refined: gradient steps on all these questions; ``None``: none.
        checked: hold a few written questions back and ask them at the end.
    """

    chunk_tokens: int | None = None
    memory: int = 1_000_000_000
    budget: RankBudget = RankBudget()
    scale: float = 1.0
    dtype: str = "bfloat16"
    study: int | None = None
    questions: tuple[QA, ...] = ()
    refined: RefineConfig | None = REFINE
    checked: bool = True


@dataclass(frozen=True)
class WrittenDocumentAdapter(WrittenAdapter):
    """What ``d2l`` reports.

    Attributes:
        tokens: with the template around each chunk.
        energy_kept: share that the rank limit left of what the documents' own text reads out.
        cached_chunks: chunks that were encoded before.
        pairs: questions with answers that the documents were studied with.
        asked_about: share of the documents' text that these were written on; long ones are sampled.
        gradient_steps: on these questions.
        pairs_answered: share of a sample of them that the adapter answers word for word; ``None`` without any.
        fidelity: how it answers questions that it was not studied with; ``None`` where none were held back.
        trained: whether the hypernetwork ever was; see ``d2l.untrained``.
        changes: names of documents added, replaced and removed since the adapter that was replaced, if there was one.
        not_read: parts of the documents, and files, that are not in it.
    """

    tokens: int = 0
    chunks: int = 0
    energy_kept: float = 1.0
    pages: int = 0
    characters: int = 0
    cached_chunks: int = 0
    pairs: int = 0
    asked_about: float = 1.0
    gradient_steps: int = 0
    pairs_answered: float | None = None
    fidelity: Fidelity | None = None
    trained: bool = True
    changes: dict[str, list[str]] | None = None
    not_read: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DocumentAdapter:
    """The adapter of one or more documents, in memory.

    Attributes:
        rows: what its rows are found by in the caches; see ``d2l.combine``.
    """

    model: D2LModel
    documents: list[DocumentText]
    lora: DocumentLora
    options: InternalizeOptions
    pairs: list[QA] = field(default_factory=list)
    held_back: list[QA] = field(default_factory=list)
    asked_about: float = 1.0
    pairs_answered: float | None = None
    unread: list[str] = field(default_factory=list)
    fidelity: Fidelity | None = None
    rows: dict[str, Any] | None = None

    @property
    def asked(self) -> list[QA]:
        """All questions on the documents: those it was studied with, and those of the check."""
        return [*self.pairs, *self.held_back]

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
        names = [whole_text(Path(document.path).name) for document in self.documents]
        files = [
            {
                "name": name,
                "sha256": d.sha256,
                "pages": d.num_pages,
                "characters": d.num_characters,
                "reading": d.reading.to_dict(),
            }
            for name, d in zip(names, self.documents, strict=True)
        ]
        read = [f"{name}: {d.reading.lines()[0]}" for name, d in zip(names, self.documents, strict=True)]
        not_read = [
            f"{name}: {part}" for name, d in zip(names, self.documents, strict=True) for part in d.reading.left_out
        ]
        not_read += [f"not read: {name}" for name in self.unread]
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
                "read": read,
                "not_read": not_read,
                "tokens": lora.num_tokens,
                "chunks": lora.num_chunks,
                "energy_kept": lora.energy_kept,
                "pairs": len(self.pairs),
                "asked_about": self.asked_about,
                "gradient_steps": lora.gradient_steps,
                "pairs_answered": self.pairs_answered,
                "fidelity": self.fidelity and asdict(self.fidelity),
                "rows": self.rows if self.options.scale == 1 else None,
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
            asked_about=self.asked_about,
            gradient_steps=lora.gradient_steps,
            pairs_answered=self.pairs_answered,
            fidelity=self.fidelity,
            trained=self.model.trained,
            changes=changes,
            not_read=not_read,
        )


def internalize(
    model: D2LModel,
    documents: list[DocumentText],
    options: InternalizeOptions = InternalizeOptions(),
    *,
    use_cache: bool = False,
    unread: Sequence[str] = (),
    on_progress: Callable[[str, int, int], None] | None = None,
) -> DocumentAdapter:
    """The adapter of one or more documents: a forward pass over them, and passes over questions about them.

    Args:
        use_cache: keep encoded chunks and written questions in ``HYPERLORA_HOME``, and use those of earlier runs and of
            runs that were cut short.
        unread: names of files that could not be read, for the record.
        on_progress: called with a stage ("asking", "encoding", "studying", "refining", "checking"), what is done of
            it, and all of it.

    Raises:
        InputError: the budget is too small, questions for a hypernetwork that cannot study, or a question with its
            answer that is longer than the base model can read.
    """

    def told(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: on_progress(stage, done, total) if on_progress else None

    chunks = [chunk for document in documents for chunk in model.chunk(document.text, options.chunk_tokens)]
    network, itemsize = model.config.hypernetwork, getattr(torch, options.dtype).itemsize
    # What cannot be is refused before the work: a budget that is too small, questions that are too long.
    options.budget.rank(network, itemsize)
    study_prompts(model.base, options.questions, system=model.config.question_system)
    written = pairs_of_all(model, documents, options.study, use_cache=use_cache, on_progress=told("asking"))
    studied, held_back = hold_back(written) if options.checked else (written, [])
    pairs = [*options.questions, *studied]
    cache = ChunkCache(model.cache_key()) if use_cache else None
    lora = model.generate(
        chunks,
        max_rank=options.budget.rank(network, itemsize, reading=not pairs),
        batch_tokens=model.batch_tokens(options.memory),
        cache=cache,
        pairs=pairs,
        refined=options.refined,
        on_progress=told("encoding"),
        on_study=told("studying"),
        on_refine=told("refining"),
    )
    rows = None
    if cache:
        cache.prune()
        if not cache.is_full:  # else not all of them can be found
            rows = {
                "cache": cache.directory.name,
                "chunks": [cache.name(chunk) for group in equal_together(chunks) for chunk in group],
                "studied": keep_studied(pairs) if pairs else None,
            }
    adapter = DocumentAdapter(model, documents, lora, options, pairs, held_back, unread=list(unread), rows=rows)
    if not pairs:
        return adapter
    asked = share_of_all(model, documents, options.study) if written else 1.0
    system, report = model.config.question_system, told("checking")
    report(0, 2)
    share = round(answered_share(model.base, adapter.weights, study_prompts(model.base, pairs, system=system)), 4)
    report(1, 2)
    fidelity = None
    if held_back:
        text = "\n\n".join(document.text for document in documents)
        fidelity = check(model.base, adapter.weights, held_back, system=system, text=text, anchors=model.anchors)
    report(2, 2)
    return replace(adapter, asked_about=round(asked, 4), pairs_answered=share, fidelity=fidelity)


def changed_files(adapter: Path, files: list[dict[str, Any]]) -> dict[str, list[str]] | None:
    """Names of documents added, replaced and removed since an adapter was made; ``None`` if there is none to compare.

    The adapter's ``provenance.json`` is the manifest; the chunk cache saves the work on documents that stayed.
    """
    if not (adapter / PROVENANCE_FILE).exists():
        return None
    try:
        old = _hashes_by_name(read_json(adapter / PROVENANCE_FILE, "adapter")["source"]["files"])
    except (InputError, KeyError, TypeError, AttributeError):
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
