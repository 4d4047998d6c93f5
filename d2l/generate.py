"""The main job: documents in, a PEFT adapter directory out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from d2l.model import D2LModel
from d2l.reader import DocumentText
from shared.card import AdapterResult, publish_adapter
from shared.clock import Stages
from shared.errors import InputError


@dataclass(frozen=True)
class InternalizeOptions:
    """How a document becomes an adapter.

    Attributes:
        chunk_tokens: longest chunk; the hypernetwork's own by default.
        batch_tokens: tokens encoded at a time, which bounds the memory.
        max_rank: truncate the adapter to this rank by SVD.
        scale: factor on the whole update.
        dtype: of the written factors.
    """

    chunk_tokens: int | None = None
    batch_tokens: int = 2048
    max_rank: int | None = None
    scale: float = 1.0
    dtype: str = "bfloat16"
    force: bool = False


def internalize(
    model: D2LModel,
    documents: list[DocumentText],
    output: Path,
    options: InternalizeOptions,
    *,
    hypernetwork: str,
    stages: Stages,
    on_progress: Callable[[int, int], None] | None = None,
) -> AdapterResult:
    """Write the adapter of one or more documents.

    Raises:
        InputError: an option out of range, or ``output`` exists.
    """
    if options.max_rank is not None and options.max_rank < 1:
        raise InputError("--max-rank must be at least 1")
    with stages("generate"):
        chunks = [chunk for document in documents for chunk in model.chunk(document.text, options.chunk_tokens)]
        lora = model.generate(chunks, batch_tokens=options.batch_tokens, on_progress=on_progress)
    with stages("write"):
        weights, energy = lora.weights.scaled(options.scale), 1.0
        if options.max_rank is not None:
            truncated = weights.truncate(options.max_rank)
            weights, energy = truncated.weights, truncated.energy_kept
        names = [Path(document.path).name for document in documents]
        size = publish_adapter(
            output,
            weights,
            base=model.config.base,
            kind="d2l",
            title=f"Document adapter of {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}",
            hypernetwork=hypernetwork,
            source={
                "files": [
                    {"name": name, "sha256": d.sha256, "pages": d.num_pages, "characters": d.num_characters}
                    for name, d in zip(names, documents, strict=True)
                ],
                "tokens": lora.num_tokens,
                "chunks": lora.num_chunks,
                "energy_kept": energy,
            },
            dtype=options.dtype,
            question_system=model.config.question_system,
            force=options.force,
        )
    return AdapterResult(
        adapter=str(output),
        base_model=model.config.base.name_or_path,
        hypernetwork=hypernetwork,
        rank=weights.r,
        target_modules=sorted({name.rpartition(".")[2] for name in weights}),
        bytes=size,
        tokens=lora.num_tokens,
        chunks=lora.num_chunks,
        seconds=stages.seconds,
        energy_kept=round(energy, 4),
        extra={
            "pages": sum(d.num_pages or 0 for d in documents),
            "characters": sum(d.num_characters for d in documents),
        },
    )
