"""How far a description is from those that a hypernetwork was trained on.

A checkpoint's ``training_descriptions.safetensors`` holds no text: unit sentence embeddings of training descriptions,
and the distance within which 95% of unseen wordings of the same tasks are. ``hyperlora train`` writes it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from shared.errors import InputError

if TYPE_CHECKING:
    from t2l.encoder import DescriptionCache
    from t2l.tasks import Task

FILE = "training_descriptions.safetensors"
MAX_DESCRIPTIONS = 2000
QUANTILE = 0.95


@dataclass(frozen=True)
class TrainingDistances:
    """Training descriptions to compare with.

    Attributes:
        embeddings: unit sentence embeddings, (num, width) bfloat16.
        threshold: distance within which ``QUANTILE`` of unseen wordings of the training tasks are.
    """

    embeddings: Tensor
    threshold: float

    def nearest(self, embeddings: Tensor) -> Tensor:
        """Distance to the nearest training description, 1 - cosine. embeddings (n, width). Returns (n,)."""
        known = F.normalize(self.embeddings.float(), dim=-1)
        return 1 - (F.normalize(embeddings.float(), dim=-1) @ known.T).amax(1).clamp_max(1)

    def files(self) -> dict[str, dict[str, Tensor]]:
        """The tensors of the checkpoint's file, by its name."""
        return {FILE: {"embeddings": self.embeddings, "threshold": torch.tensor(self.threshold)}}

    @classmethod
    def read(cls, checkpoint: Path, width: int) -> "TrainingDistances | None":
        """What a checkpoint directory holds, ``None`` without the file (older and imported checkpoints).

        Raises:
            InputError: a damaged file, or embeddings of another width.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = checkpoint / FILE
        if not path.is_file():
            return None
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path} is damaged: {error}", "get the checkpoint again") from None
        shapes = {name: tuple(t.shape) for name, t in tensors.items()}
        num = shapes.get("embeddings", (0,))[0]
        if num < 1 or shapes != {"embeddings": (num, width), "threshold": ()}:
            raise InputError(f"{path} must hold embeddings (num, {width}) and a threshold", "get the checkpoint again")
        if not all(t.is_floating_point() and t.isfinite().all() for t in tensors.values()):
            raise InputError(f"{path} holds numbers that are not finite", "get the checkpoint again")
        return cls(tensors["embeddings"], tensors["threshold"].item())


def training_distances(
    tasks: "Sequence[Task]", cache: "DescriptionCache", *, limit: int = MAX_DESCRIPTIONS, seed: int = 0
) -> TrainingDistances | None:
    """Sample the training descriptions and calibrate on the held-out wordings of the same tasks.

    Args:
        tasks: those of the training, real and procedural ones.
        cache: has all their descriptions.
        limit: of descriptions; those of real tasks come first, what is left of them is for procedural ones.

    Returns:
        ``None`` if no task has a held-out wording.
    """
    rng = random.Random(f"{seed}/training descriptions")
    chosen: list[str] = []
    for procedural in (False, True):
        texts = [text for t in tasks if (t.family == "procedural") == procedural for text in t.descriptions]
        texts = list(dict.fromkeys(texts))
        chosen += rng.sample(texts, min(limit - len(chosen), len(texts)))
    held_out = list(dict.fromkeys(text for t in tasks for text in t.held_out_descriptions))
    if not chosen or not held_out:
        return None

    def embeddings(texts: list[str]) -> Tensor:
        return F.normalize(torch.stack([cache[text][0] for text in texts]).float(), dim=-1)

    known = TrainingDistances(embeddings(chosen).bfloat16(), 0.0)
    distances = known.nearest(embeddings(held_out))
    return TrainingDistances(known.embeddings, distances.quantile(QUANTILE).item())
