"""The task hypernetwork: descriptions in, LoRA weights out."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from shared.base.model import BaseModel
from shared.base.targets import check_targets
from shared.errors import InputError
from shared.hypernetwork.checkpoint import load_weights, read_checkpoint_config, save_checkpoint
from shared.hypernetwork.network import ContextFeatures, HyperNetwork, HyperNetworkConfig
from shared.hypernetwork.vocabulary import Vocabulary
from shared.lora.weights import LoraWeights
from t2l.config import T2LConfig
from t2l.distance import TrainingDistances
from t2l.encoder import encode_descriptions, stack_features
from t2l.mlp.hypernetwork import MLPHyperNetwork

if TYPE_CHECKING:
    from shared.importing.source import BaseArchitecture
    from t2l.encoder import TextEncoder


class T2LModel:
    """A hypernetwork for the adapters of one base model, which it does not need in order to run.

    Attributes:
        distances: of descriptions from those of the training, ``None`` where they are not known.
        vocabulary: the base model's, for a hypernetwork that copies words; read when first needed.
    """

    def __init__(
        self,
        config: T2LConfig,
        hypernetwork: HyperNetwork | MLPHyperNetwork,
        distances: TrainingDistances | None = None,
    ) -> None:
        self.config, self.hypernetwork, self.distances = config, hypernetwork, distances
        self.vocabulary: Vocabulary | None = None

    @property
    def copies_words(self) -> bool:
        """Whether it needs the base model's tokenizer and input embeddings."""
        return isinstance(self.config.hypernetwork, HyperNetworkConfig) and self.config.hypernetwork.copy is not None

    @classmethod
    def from_pretrained(cls, path: Path) -> "T2LModel":
        """Load a checkpoint directory; ``distances`` is ``None`` where it lacks the training descriptions.

        Raises:
            InputError: no T2L checkpoint, or damaged weights.
        """
        config = T2LConfig.from_dict(read_checkpoint_config(path))
        hypernetwork = config.build_network()
        load_weights(path, hypernetwork)
        return cls(config, hypernetwork.eval(), TrainingDistances.read(path, config.hypernetwork.feature_size))

    def save_pretrained(self, path: Path, *, card: str, dtype: str = "bfloat16", force: bool = False) -> None:
        save_checkpoint(
            path,
            self.config.to_dict(),
            self.hypernetwork.state_dict(),
            card=card,
            dtype=dtype,
            files={} if self.distances is None else self.distances.files(),
            force=force,
        )

    def check_base(self, base: "BaseModel | BaseArchitecture") -> None:
        """Raises InputError if ``base`` is not the model this hypernetwork was made for."""
        self.config.base.check(base.spec, "this hypernetwork")
        if not self.config.base.fingerprint:
            check_targets(base.model, self.config.hypernetwork.targets, self.config.base.name_or_path)

    def use_base(self, base: BaseModel) -> None:
        """Check a loaded base model, and take words from it.

        Raises:
            InputError: not the model this hypernetwork was made for.
        """
        self.check_base(base)
        if self.copies_words:
            self.vocabulary = Vocabulary.of(base)

    def encode(self, encoder: "TextEncoder", descriptions: list[str]) -> list[Tensor]:
        """Features of each description, (1 + tokens, width) float32, the sentence embedding first.

        Raises:
            InputError: an empty description, or an encoder of another width.
        """
        rows = encode_descriptions(encoder, descriptions)
        width, expected = rows[0].shape[-1], self.config.hypernetwork.feature_size
        if width != expected:
            raise InputError(
                f"the text encoder's embedding has {width} numbers, the hypernetwork reads {expected}",
                f"it was trained with {self.config.text_encoder}",
            )
        return rows

    def generate(self, encoder: "TextEncoder", descriptions: list[str]) -> list[LoraWeights]:
        """One unbatched ``LoraWeights`` per description, the bias LoRA included.

        Raises:
            InputError: an empty description, or an encoder of another width.
        """
        return self.generate_from_rows(self.encode(encoder, descriptions), descriptions)

    def generate_from_rows(self, rows: list[Tensor], descriptions: list[str]) -> list[LoraWeights]:
        """The same from what ``encode`` returns.

        Raises:
            InputError, HyperLoraError: words are copied and the base model is not there.
        """
        features = stack_features(rows, self.config.features)
        if self.copies_words:
            self.vocabulary = self.vocabulary or Vocabulary.read(self.config.base.name_or_path)
            features = replace(features, words=self.vocabulary.source(descriptions))
        return self.generate_from(features)

    @torch.no_grad()
    def generate_from(self, features: ContextFeatures) -> list[LoraWeights]:
        """The same from a batch of encoded descriptions."""
        chunks = self.hypernetwork(features)
        return self.hypernetwork.combine(chunks, chunks.batch_size or 1).detach().unbind()

    def distances_of(self, rows: list[Tensor]) -> list[float | None]:
        """How far each encoded description is from those of the training; ``None`` where they are not known."""
        if self.distances is None:
            return [None] * len(rows)
        return self.distances.nearest(torch.stack([row[0] for row in rows])).tolist()
