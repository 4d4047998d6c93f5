"""The task hypernetwork: descriptions in, LoRA weights out."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from shared.base_model import BaseModel
from shared.checkpoint import load_weights, read_checkpoint_config, save_checkpoint
from shared.hypernetwork import ContextFeatures, HyperNetwork
from shared.lora import LoraWeights
from t2l.config import T2LConfig
from t2l.encoder import encode_descriptions, stack_features

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class T2LModel:
    """A hypernetwork for the adapters of one base model, which it does not need in order to run."""

    def __init__(self, config: T2LConfig, hypernetwork: HyperNetwork) -> None:
        self.config, self.hypernetwork = config, hypernetwork

    @classmethod
    def from_pretrained(cls, path: Path) -> "T2LModel":
        """Load a checkpoint directory.

        Raises:
            InputError: no T2L checkpoint, or damaged weights.
        """
        config = T2LConfig.from_dict(read_checkpoint_config(path))
        hypernetwork = HyperNetwork(config.hypernetwork)
        load_weights(path, hypernetwork)
        return cls(config, hypernetwork.eval())

    def save_pretrained(self, path: Path, *, card: str, dtype: str = "bfloat16", force: bool = False) -> None:
        save_checkpoint(
            path, self.config.to_dict(), self.hypernetwork.state_dict(), card=card, dtype=dtype, force=force
        )

    def check_base(self, base: BaseModel) -> None:
        """Raises InputError if ``base`` is not the model this hypernetwork was made for."""
        self.config.base.check(base.spec, "this hypernetwork")

    @torch.no_grad()
    def generate(self, encoder: "SentenceTransformer", descriptions: list[str]) -> list[LoraWeights]:
        """One unbatched ``LoraWeights`` per description, the bias LoRA included."""
        rows = encode_descriptions(encoder, descriptions)
        return self.generate_from(stack_features(rows, self.config.features))

    @torch.no_grad()
    def generate_from(self, features: ContextFeatures) -> list[LoraWeights]:
        """The same from encoded descriptions."""
        chunks = self.hypernetwork(features)
        return self.hypernetwork.combine(chunks, chunks.batch_size or 1).detach().unbind()
