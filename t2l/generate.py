"""The main job: task descriptions in, PEFT adapter directories out."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.lora.card import AdapterResult, publish_adapter
from shared.lora.weights import LoraWeights
from shared.paths import ADAPTERS_FILE, whole_directory
from shared.provenance import Stages
from t2l.descriptions import AdapterRequest
from t2l.encoder import count_tokens
from t2l.model import T2LModel

if TYPE_CHECKING:
    from t2l.encoder import TextEncoder

BATCH_SIZE = 32


@dataclass(frozen=True)
class TaskAdapterOptions:
    """How adapters are written.

    Attributes:
        hypernetwork: its name, for the card.
        scale: factor on the update.
        force: replace what is there.
    """

    hypernetwork: str
    scale: float = 1.0
    dtype: str = "bfloat16"
    force: bool = False


@dataclass(frozen=True)
class TaskAdapterResult(AdapterResult):
    """What ``t2l`` reports of one adapter.

    Attributes:
        distance: of the description from those of the training (1 - cosine to the nearest), ``None`` if not known.
        distance_threshold: within it are 95% of unseen wordings of the training's own tasks.
        pick: the candidates and their losses, if it was picked from several.
    """

    description: str = ""
    distance: float | None = None
    distance_threshold: float | None = None
    pick: dict[str, Any] | None = None


@dataclass(frozen=True)
class BatchAdapter:
    """One adapter of a batch; ``distance`` as in ``TaskAdapterResult``."""

    adapter: str
    description: str
    rank: int
    bytes: int
    distance: float | None


@dataclass(frozen=True)
class BatchResult:
    """What ``t2l`` reports of a batch.

    Attributes:
        adapters_per_second: without the time to import and load.
    """

    output: str
    base_model: str
    hypernetwork: str
    adapters: list[BatchAdapter]
    distance_threshold: float | None
    adapters_per_second: float
    seconds: dict[str, float] = field(default_factory=dict)


def write_task_adapter(
    model: T2LModel,
    weights: LoraWeights,
    description: str,
    output: Path,
    options: TaskAdapterOptions,
    distance: float | None = None,
    pick: dict[str, Any] | None = None,
) -> int:
    """Write one generated adapter; returns the size of its weights in bytes.

    Args:
        distance: of the description from those of the training, for the provenance.
        pick: how it was chosen, likewise.
    """
    source = {"description": description, "text_encoder": model.config.text_encoder, "distance": distance}
    return publish_adapter(
        output,
        weights.scaled(options.scale),
        base=model.config.base,
        kind="t2l",
        title=description if len(description) <= 80 else description[:77] + "...",
        hypernetwork=options.hypernetwork,
        source=source if pick is None else source | {"pick": pick},
        dtype=options.dtype,
        force=options.force,
    )


def generate_task_adapter(
    model: T2LModel,
    encoder: "TextEncoder",
    description: str,
    output: Path,
    options: TaskAdapterOptions,
    stages: Stages,
) -> TaskAdapterResult:
    """Describe a task, get its adapter.

    Raises:
        InputError: an empty description, or ``output`` exists.
    """
    with stages("generate"):
        rows = model.encode(encoder, [description])
        weights = model.generate_from_rows(rows, [description])[0]
    return publish_result(model, encoder, weights, description, model.distances_of(rows)[0], output, options, stages)


def publish_result(
    model: T2LModel,
    encoder: "TextEncoder",
    weights: LoraWeights,
    description: str,
    distance: float | None,
    output: Path,
    options: TaskAdapterOptions,
    stages: Stages,
    pick: dict[str, Any] | None = None,
) -> TaskAdapterResult:
    """Write a generated adapter and report it."""
    with stages("write"):
        size = write_task_adapter(model, weights, description, output, options, distance, pick)
    return TaskAdapterResult(
        adapter=str(output),
        base_model=model.config.base.name_or_path,
        hypernetwork=options.hypernetwork,
        rank=weights.r,
        target_modules=sorted({name.rpartition(".")[2] for name in weights}),
        bytes=size,
        tokens=count_tokens(encoder, description),
        chunks=1,
        seconds=stages.seconds,
        description=description,
        distance=distance,
        distance_threshold=model.distances.threshold if model.distances else None,
        pick=pick,
    )


def generate_task_adapters(
    model: T2LModel,
    encoder: "TextEncoder",
    requests: list[AdapterRequest],
    output: Path,
    options: TaskAdapterOptions,
    stages: Stages,
    on_progress: Callable[[int, int], None] | None = None,
) -> BatchResult:
    """Describe many tasks, get a directory of their adapters and an index of them; whole or not at all.

    Each adapter equals that of ``generate_task_adapter`` up to the rounding of batched sums.

    Raises:
        InputError: an empty description, or ``output`` exists.
    """
    started = time.perf_counter()
    adapters: list[BatchAdapter] = []
    with whole_directory(output, force=options.force, what="directory of adapters") as temporary:
        for request, weights, distance in _generated(model, encoder, requests, stages):
            with stages("write"):
                made = temporary / request.name
                written = write_task_adapter(model, weights, request.description, made, options, distance)
            target = str(output / request.name)
            adapters.append(BatchAdapter(target, request.description, weights.r, written, distance))
            if on_progress:
                on_progress(len(adapters), len(requests))
        index = [asdict(entry) | {"adapter": Path(entry.adapter).name} for entry in adapters]
        text = json.dumps({"adapters": index}, indent=1, ensure_ascii=False)
        (temporary / ADAPTERS_FILE).write_text(text + "\n", encoding="utf-8")
    return BatchResult(
        output=str(output),
        base_model=model.config.base.name_or_path,
        hypernetwork=options.hypernetwork,
        adapters=adapters,
        distance_threshold=model.distances.threshold if model.distances else None,
        adapters_per_second=len(adapters) / (time.perf_counter() - started),
        seconds=stages.seconds,
    )


def _generated(
    model: T2LModel, encoder: "TextEncoder", requests: list[AdapterRequest], stages: Stages
) -> Iterator[tuple[AdapterRequest, LoraWeights, float | None]]:
    """Each request's adapter and distance, ``BATCH_SIZE`` of them generated at a time."""
    for start in range(0, len(requests), BATCH_SIZE):
        part = requests[start : start + BATCH_SIZE]
        with stages("generate"):
            texts = [request.description for request in part]
            rows = model.encode(encoder, texts)
            weights, distances = model.generate_from_rows(rows, texts), model.distances_of(rows)
        yield from zip(part, weights, distances, strict=True)
