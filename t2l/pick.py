"""Several candidates of an adapter; the one with the smallest loss on a few labelled examples is kept."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from shared.base.model import BaseModel
from shared.errors import InputError
from shared.lora.weights import LoraWeights
from t2l.evaluation.scoring import example_losses
from t2l.model import T2LModel
from t2l.tasks import Example

if TYPE_CHECKING:
    from t2l.encoder import TextEncoder


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
        chosen: its place among the candidates, from 0.
        base_loss: without an adapter.
        distance: of its description from the training's, ``None`` if not known.
    """

    weights: LoraWeights
    candidates: list[Candidate]
    chosen: int
    base_loss: float
    examples: int
    distance: float | None

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
    encoder: "TextEncoder",
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
        scale: factor on the update, as the adapter will be written.

    Raises:
        InputError: another base model, an empty description, or examples that do not fit the model's window.
    """
    model.use_base(base)
    encoded = model.encode(encoder, list(descriptions))
    total = len(descriptions) * config.n
    base_loss = _mean(example_losses(base, examples, None))
    candidates: list[Candidate] = []
    best: LoraWeights | None = None
    chosen = 0
    for index, (description, row) in enumerate(zip(descriptions, encoded, strict=True)):
        for number, features in enumerate(candidate_rows(row, config, index)):
            # One at a time: all candidates of a large base model would not fit in memory together.
            weights = model.generate_from_rows([features], [description])[0]
            loss = _mean(example_losses(base, examples, weights.scaled(scale)))
            # Not a number: an update that is too large for the base model's precision.
            if best is None or loss < candidates[chosen].loss or math.isnan(candidates[chosen].loss):
                best, chosen = weights, len(candidates)
            candidates.append(Candidate(description, config.noise if number else 0.0, loss))
            if on_progress:
                on_progress(len(candidates), total)
    distance = model.distances_of(encoded)[chosen // config.n]
    return Picked(best, candidates, chosen, base_loss, len(examples), distance)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
