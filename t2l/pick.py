"""Several candidates of an adapter; the one with the smallest loss on a few labelled examples is kept."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from shared.base.chat import chat_ids
from shared.base.model import BaseModel
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import mean
from shared.training.losses import logits_at, row_losses
from t2l.model import T2LModel, TaskLora
from t2l.tasks import Example, example_rows, output_ids, user_message


@dataclass(frozen=True)
class PickConfig:
    """What is tried.

    Attributes:
        n: candidates of each description; the first is the description as it is, the others have noise.
        noise: standard deviation of the noise on the description's features, relative to their root mean square.
    """

    n: int = 4
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1 or self.noise < 0:
            raise InputError("--n must be at least 1 and --noise at least 0")


@dataclass(frozen=True)
class Candidate:
    """A description, the noise on its features, and the loss in nats per output token (the mean over the examples)."""

    description: str
    noise: float
    loss: float


@dataclass(frozen=True)
class Picked:
    """The best candidate.

    Attributes:
        lora: its weights, with the distance of the description as it was given.
        chosen: its place among the candidates, from 0.
        base_loss: without an adapter.
    """

    lora: TaskLora
    candidates: list[Candidate]
    chosen: int
    base_loss: float
    examples: int

    @property
    def best(self) -> Candidate:
        return self.candidates[self.chosen]

    def facts(self) -> dict[str, Any]:
        """As JSON, without the weights."""
        return {
            "chosen": self.chosen,
            "candidates": [asdict(candidate) for candidate in self.candidates],
            "base_loss": self.base_loss,
            "examples": self.examples,
        }


def candidate_rows(row: Tensor, config: PickConfig, index: int = 0) -> list[Tensor]:
    """The features of a description's candidates, each (1 + tokens, width): as they are, then with seeded noise.

    Args:
        index: the description's place among several, so that each has noise of its own.
    """
    scale = config.noise * row.square().mean().sqrt()
    rows = [row]
    for number in range(1, config.n):
        generator = torch.Generator().manual_seed(random.Random(f"{config.seed}/{index}/{number}").getrandbits(63))
        rows.append(row + scale * torch.randn(row.shape, generator=generator))
    return rows


def pick_adapter(
    model: T2LModel,
    base: BaseModel,
    descriptions: Sequence[str],
    examples: Sequence[Example],
    config: PickConfig,
    *,
    scale: float = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Picked:
    """Generate the candidates of all descriptions and score each on the examples.

    Args:
        model: with ``base`` as its base model.
        scale: factor on the update, as the adapter will be written.

    Raises:
        InputError: an empty description, or examples that do not fit the model's window.
    """
    encoded = model.encode(descriptions)
    total = len(descriptions) * config.n
    base_loss = mean(example_losses(base, examples, None))
    candidates: list[Candidate] = []
    best: TaskLora | None = None
    chosen = 0
    for index, (description, row) in enumerate(zip(descriptions, encoded, strict=True)):
        distance: float | None = None
        for number, features in enumerate(candidate_rows(row, config, index)):
            # One at a time: all candidates of a large base model would not fit in memory together.
            lora = model.generate([description], [features])[0]
            distance = distance if number else lora.distance
            loss = mean(example_losses(base, examples, lora.weights.scaled(scale)))
            # Not a number: an update that is too large for the base model's precision.
            if best is None or loss < candidates[chosen].loss or math.isnan(candidates[chosen].loss):
                best, chosen = replace(lora, distance=distance), len(candidates)
            candidates.append(Candidate(description, config.noise if number else 0.0, loss))
            if on_progress:
                on_progress(len(candidates), total)
    return Picked(best, candidates, chosen, base_loss, len(examples))


@torch.no_grad()
def example_losses(
    base: BaseModel, examples: Sequence[Example], lora: LoraWeights | None, batch_size: int = 16
) -> list[float]:
    """Negative log likelihood of each example's output behind its input, in nats per token, in their order.

    Args:
        lora: unbatched, or ``None`` for the plain base model.

    Raises:
        InputError: an example that does not fit the model's window.
    """
    lengths = [len(chat_ids(base, user_message(e.input))) + len(output_ids(base, e.output)) for e in examples]
    if max(lengths) > base.context_window:
        raise InputError(
            f"example {lengths.index(max(lengths)) + 1} has {max(lengths)} tokens, the window {base.context_window}",
            "leave it out or shorten it",
        )
    losses = [0.0] * len(examples)
    ordered = sorted(range(len(examples)), key=lambda i: lengths[i])
    with apply_lora(base.model, lora and lora.to(base.device, base.placement.dtype)):
        for start in range(0, len(ordered), batch_size):
            part = ordered[start : start + batch_size]
            rows = example_rows(base, [examples[i] for i in part], base.context_window)
            ids, mask, targets = (t.to(base.device) for t in rows)
            found = row_losses(logits_at(base, ids, mask, targets), ids, targets)
            for i, loss in zip(part, found.tolist(), strict=True):
                losses[i] = loss
    return losses
