"""Trains a task hypernetwork to write existing adapters."""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from shared.errors import InputError
from shared.hypernetwork.network import ContextFeatures, HyperNetwork
from shared.lora.adapter import read_adapter
from shared.lora.weights import LoraFactors, LoraWeights
from t2l.encoder import DescriptionCache
from t2l.tasks import Task
from t2l.training.batches import T2LDataConfig


@dataclass
class ReconstructionBatch:
    """Descriptions and the adapters they belong to."""

    features: ContextFeatures
    adapters: LoraWeights

    def __len__(self) -> int:
        return len(self.features)

    def to(self, device: torch.device) -> "ReconstructionBatch":
        return ReconstructionBatch(self.features.to(device), self.adapters.to(device))


class ReconstructionModule(nn.Module):
    """Squared error of delta W, relative to the target's norm; factors are not compared, they are not unique.

    |B A - D C|^2 expands to traces of (r, r) products, so no delta W is ever formed.
    """

    def __init__(self, hypernetwork: HyperNetwork) -> None:
        super().__init__()
        self.hypernetwork = hypernetwork

    def forward(self, batch: ReconstructionBatch, other: bool = False) -> dict[str, Tensor]:
        """The loss of a batch; ``other`` compares with the adapter of the next task."""
        shift = int(other)
        generated = self.hypernetwork.write(batch.features)
        error, norm = 0.0, 0.0
        for name, f in generated.items():
            g = batch.adapters[name]
            a, b = f.lora_A.float(), f.lora_B.float()
            c, d = g.lora_A.roll(-shift, 0), g.lora_B.roll(-shift, 0)
            own = ((b.mT @ b) * (a @ a.mT)).sum((-1, -2))
            other = ((d.mT @ d) * (c @ c.mT)).sum((-1, -2))
            cross = ((b.mT @ d) * (a @ c.mT)).sum((-1, -2))
            error, norm = error + own - 2 * cross + other, norm + other
        relative = (error / norm).mean()
        return {"loss": relative, "nll": relative.detach()}


def reconstruction_batches(
    adapters: Path,
    tasks: list[Task],
    cache: DescriptionCache,
    config: T2LDataConfig,
    features: str,
    names: list[str],
    split: str = "train",
):
    """A function that makes batch number i from a folder of adapters; of ``test`` with unseen descriptions of them.

    Raises:
        InputError: no adapter of any task, or adapters of another shape.
    """
    pairs = [(task, read_adapter(adapters / task.name).weights) for task in tasks if (adapters / task.name).is_dir()]
    if not pairs:
        raise InputError(f"{adapters} holds no adapter named as a task")
    for task, weights in pairs:
        if set(weights) != set(names) or weights.r != pairs[0][1].r:
            raise InputError(f"the adapter {adapters / task.name} does not have the hypernetwork's layers and rank")

    def make_batch(step: int) -> ReconstructionBatch:
        rng = random.Random(f"{config.seed}/reconstruction/{split}/{step}")
        chosen = rng.sample(pairs, min(config.tasks_per_step, len(pairs)))
        unseen = split == "test"
        descriptions = [rng.choice(t.held_out_descriptions if unseen else t.descriptions) for t, _ in chosen]
        one_rank = [LoraWeights({n: w[n] for n in names}) for _, w in chosen]
        stacked = LoraWeights(
            {
                n: LoraFactors(
                    torch.stack([w[n].lora_A for w in one_rank]), torch.stack([w[n].lora_B for w in one_rank])
                )
                for n in names
            }
        )
        return ReconstructionBatch(cache.features(descriptions, features), stacked)

    return make_batch
