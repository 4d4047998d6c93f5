"""The main job: a task description in, a PEFT adapter directory out."""

from pathlib import Path
from typing import TYPE_CHECKING

from shared.card import AdapterResult, publish_adapter
from shared.clock import Stages
from shared.lora import LoraWeights
from t2l.encoder import count_tokens
from t2l.model import T2LModel

if TYPE_CHECKING:
    from t2l.encoder import TextEncoder


def write_task_adapter(
    model: T2LModel,
    weights: LoraWeights,
    description: str,
    output: Path,
    *,
    hypernetwork: str,
    scale: float = 1.0,
    dtype: str = "bfloat16",
    force: bool = False,
) -> int:
    """Write one generated adapter; returns the size of its weights in bytes."""
    return publish_adapter(
        output,
        weights.scaled(scale),
        base=model.config.base,
        kind="t2l",
        title=description if len(description) <= 80 else description[:77] + "...",
        hypernetwork=hypernetwork,
        source={"description": description, "text_encoder": model.config.text_encoder},
        dtype=dtype,
        force=force,
    )


def generate_task_adapter(
    model: T2LModel,
    encoder: "TextEncoder",
    description: str,
    output: Path,
    *,
    hypernetwork: str,
    stages: Stages,
    scale: float = 1.0,
    dtype: str = "bfloat16",
    force: bool = False,
) -> AdapterResult:
    """Describe a task, get its adapter.

    Raises:
        InputError: an empty description, or ``output`` exists.
    """
    with stages("generate"):
        weights = model.generate(encoder, [description])[0]
        tokens = count_tokens(encoder, description)
    with stages("write"):
        size = write_task_adapter(
            model, weights, description, output, hypernetwork=hypernetwork, scale=scale, dtype=dtype, force=force
        )
    return AdapterResult(
        adapter=str(output),
        base_model=model.config.base.name_or_path,
        hypernetwork=hypernetwork,
        rank=weights.r,
        target_modules=sorted({name.rpartition(".")[2] for name in weights}),
        bytes=size,
        tokens=tokens,
        chunks=1,
        seconds=stages.seconds,
    )
