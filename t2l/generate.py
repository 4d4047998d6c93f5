"""The main job: task descriptions in, PEFT adapter directories out."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from shared.base.chat import GenerationConfig, answer
from shared.base.device import choose_placement
from shared.base.model import BaseModel, load_base_model
from shared.lora.card import WrittenAdapter, save_adapter
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.paths import ADAPTERS_FILE, whole_directory
from shared.provenance import Stages
from t2l.descriptions import AdapterRequest
from t2l.model import T2LModel, TaskLora
from t2l.tasks import user_message

BATCH_SIZE = 32


@dataclass(frozen=True)
class TaskAdapterOptions:
    """How adapters are written.

    Attributes:
        scale: factor on the update.
        force: replace what is there.
    """

    scale: float = 1.0
    dtype: str = "bfloat16"
    force: bool = False


@dataclass(frozen=True)
class WrittenTaskAdapter(WrittenAdapter):
    """What ``t2l`` reports of one adapter.

    Attributes:
        examples, gradient_steps: as in ``TaskLora``.
        distance: of the description from those of the training (1 - cosine to the nearest), ``None`` if not known.
        distance_threshold: within it are 95% of unseen wordings of the training's own tasks.
        pick: the candidates and their losses, if it was picked from several.
    """

    description: str = ""
    examples: int = 0
    gradient_steps: int = 0
    distance: float | None = None
    distance_threshold: float | None = None
    pick: dict[str, Any] | None = None


@dataclass(frozen=True)
class BatchAdapter:
    """One adapter of a batch; ``distance`` and ``is_zero`` as in ``WrittenTaskAdapter``."""

    adapter: str
    description: str
    rank: int
    bytes: int
    distance: float | None
    is_zero: bool


@dataclass(frozen=True)
class WrittenBatch:
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
    path: Path,
    model: T2LModel,
    lora: TaskLora,
    options: TaskAdapterOptions = TaskAdapterOptions(),
    pick: dict[str, Any] | None = None,
) -> WrittenTaskAdapter:
    """Write the adapter of one description.

    Args:
        pick: how it was chosen among several, for the provenance.

    Raises:
        InputError: ``path`` exists.
    """
    text = lora.description
    source = {"description": text, "text_encoder": model.config.text_encoder, "distance": lora.distance}
    source |= {"examples": lora.examples, "gradient_steps": lora.gradient_steps}
    written = save_adapter(
        path,
        lora.weights.scaled(options.scale),
        base=model.config.base,
        kind="t2l",
        title=(text if len(text) <= 80 else text[:77] + "...") or f"A task of {lora.examples} examples",
        hypernetwork=model.name,
        source=source if pick is None else source | {"pick": pick},
        dtype=options.dtype,
        force=options.force,
    )
    return WrittenTaskAdapter(
        **vars(written),
        description=text,
        examples=lora.examples,
        gradient_steps=lora.gradient_steps,
        distance=lora.distance,
        distance_threshold=model.distances.threshold if model.distances else None,
        pick=pick,
    )


def write_task_adapters(
    path: Path,
    model: T2LModel,
    requests: list[AdapterRequest],
    options: TaskAdapterOptions = TaskAdapterOptions(),
    on_progress: Callable[[int, int], None] | None = None,
) -> WrittenBatch:
    """Describe many tasks, get a directory of their adapters and an index of them; whole or not at all.

    Each adapter equals that of its description alone up to the rounding of batched sums.

    Raises:
        InputError: an empty description, or ``path`` exists.
    """
    started, stages = time.perf_counter(), Stages()
    adapters: list[BatchAdapter] = []
    with whole_directory(path, force=options.force, what="directory of adapters") as temporary:
        for start in range(0, len(requests), BATCH_SIZE):
            part = requests[start : start + BATCH_SIZE]
            with stages("generate"):
                loras = model.generate([request.description for request in part])
            for request, lora in zip(part, loras, strict=True):
                with stages("write"):
                    written = write_task_adapter(temporary / request.name, model, lora, options)
                target = str(path / request.name)
                facts = lora.description, written.rank, written.bytes, lora.distance, written.is_zero
                adapters.append(BatchAdapter(target, *facts))
                if on_progress:
                    on_progress(len(adapters), len(requests))
        index = [asdict(entry) | {"adapter": Path(entry.adapter).name} for entry in adapters]
        text = json.dumps({"adapters": index}, indent=1, ensure_ascii=False)
        (temporary / ADAPTERS_FILE).write_text(text + "\n", encoding="utf-8")
    return WrittenBatch(
        output=str(path),
        base_model=model.config.base.name_or_path,
        hypernetwork=model.name,
        adapters=adapters,
        distance_threshold=model.distances.threshold if model.distances else None,
        adapters_per_second=len(adapters) / (time.perf_counter() - started),
        seconds=stages.seconds,
    )


@dataclass(frozen=True)
class TaskAdapter:
    """A description's adapter in memory."""

    model: T2LModel
    lora: TaskLora

    @property
    def weights(self) -> LoraWeights:
        return self.lora.weights

    @cached_property
    def base(self) -> BaseModel:
        """The base model, loaded when it is first needed."""
        return load_base_model(self.model.config.base.name_or_path, placement=choose_placement())

    def ask(self, text: str, config: GenerationConfig | None = None) -> str:
        """What the base model with the adapter answers to an input of the task."""
        with apply_lora(self.base.model, self.weights.to(self.base.device)):
            return answer(self.base, user_message(text), config or GenerationConfig())

    def save(self, path: str | Path, options: TaskAdapterOptions = TaskAdapterOptions()) -> WrittenTaskAdapter:
        """Write a PEFT adapter directory.

        Raises:
            InputError: ``path`` exists.
        """
        return write_task_adapter(Path(path), self.model, self.lora, options)
