"""The task hypernetwork: descriptions in, LoRA weights out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from shared.base.model import BaseModel, read_architecture
from shared.base.targets import check_targets
from shared.errors import InputError
from shared.hypernetwork.checkpoint import load_network, read_checkpoint_config
from shared.hypernetwork.network import HyperNetwork
from shared.hypernetwork.vocabulary import Vocabulary
from shared.lora.weights import LoraWeights
from t2l.config import T2LConfig
from t2l.distance import TrainingDistances
from t2l.encoder import encode_descriptions, load_encoder_of, stack_features
from t2l.mlp.hypernetwork import MLPHyperNetwork

if TYPE_CHECKING:
    from t2l.encoder import TextEncoder


@dataclass(frozen=True)
class TaskLora:
    """LoRA weights of one description.

    Attributes:
        weights: unbatched, the bias LoRA included.
        distance: of the description from those of the training (1 - cosine to the nearest), ``None`` if not known.
        tokens: that the text encoder saw of it, its special ones included.
        examples, gradient_steps: labelled examples that it was trained on, and for how long.
    """

    description: str
    weights: LoraWeights
    distance: float | None
    tokens: int
    examples: int = 0
    gradient_steps: int = 0


class T2LModel:
    """A hypernetwork with its text encoder, for the adapters of one base model, which it does not need in order to run.

    Args:
        name: what it is called in cards.
        text_encoder: the text encoder, or where it is; by default the one that the configuration names.
        base: the base model, or where it is: a hypernetwork that copies words reads its tokenizer and embeddings.
        distances: of descriptions from those of the training, ``None`` where they are not known.
        dtype, trust_remote_code: with which the text encoder is loaded.
    """

    def __init__(
        self,
        config: T2LConfig,
        hypernetwork: HyperNetwork | MLPHyperNetwork,
        *,
        name: str = "",
        text_encoder: "TextEncoder | str | None" = None,
        base: BaseModel | str | None = None,
        distances: TrainingDistances | None = None,
        dtype: str = "auto",
        trust_remote_code: bool = False,
    ) -> None:
        self.config, self.hypernetwork, self.name, self.distances = config, hypernetwork, name, distances
        self._text_encoder, self._base = text_encoder, base
        self._options = {"dtype": dtype, "trust_remote_code": trust_remote_code}

    @classmethod
    def from_pretrained(
        cls,
        path: Path,
        *,
        name: str | None = None,
        base: BaseModel | str | None = None,
        text_encoder: str | None = None,
        dtype: str = "auto",
        trust_remote_code: bool = False,
    ) -> "T2LModel":
        """Load a checkpoint directory; the text encoder and the base model's words are read when first needed.

        Args:
            name: what it is called in cards; the directory's name by default.
            base: the base model, checked against the hypernetwork, or where it is; by default the one it names.
            text_encoder: where the text encoder is; by default the one that the checkpoint names.
            dtype: of a base model that is its own text encoder.

        Raises:
            InputError: no T2L checkpoint, damaged weights, or another base model.
        """
        config = T2LConfig.from_dict(read_checkpoint_config(path))
        hypernetwork = load_network(path, config.build_network)
        if base is not None:
            architecture = read_architecture(base) if isinstance(base, str) else base
            config.base.check(architecture.spec, "this hypernetwork")
            if not config.base.fingerprint:
                check_targets(architecture.model, config.hypernetwork.targets, config.base.name_or_path)
            if text_encoder is None and config.text_encoder == config.base.name_or_path:
                text_encoder = architecture.spec.name_or_path  # the base model is its own text encoder
        return cls(
            config,
            hypernetwork.eval(),
            name=name or path.name,
            text_encoder=text_encoder,
            base=base,
            distances=TrainingDistances.read(path, config.hypernetwork.feature_size),
            dtype=dtype,
            trust_remote_code=trust_remote_code,
        )

    @cached_property
    def encoder(self) -> "TextEncoder":
        """The text encoder.

        Raises:
            InputError, HyperLoraError: it is not there.
        """
        if isinstance(self._text_encoder, str | None):
            return load_encoder_of(self.config, self._text_encoder, **self._options)
        return self._text_encoder

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The base model's words, for a hypernetwork that copies some.

        Raises:
            InputError, HyperLoraError: the base model is not there.
        """
        if not self.config.copies_words:
            return None
        if isinstance(self._base, BaseModel):
            return Vocabulary.of(self._base)
        return Vocabulary.read(self._base or self.config.base.name_or_path)

    def load(self) -> None:
        """Read the text encoder and the base model's words now."""
        _ = self.encoder, self.vocabulary

    def encode(self, descriptions: Sequence[str]) -> list[Tensor]:
        """Features of each description, (1 + tokens, width) float32, the sentence embedding first.

        Raises:
            InputError: an empty description, or an encoder of another width.
        """
        rows = encode_descriptions(self.encoder, list(descriptions))
        width, expected = rows[0].shape[-1], self.config.hypernetwork.feature_size
        if width != expected:
            raise InputError(
                f"the text encoder's embedding has {width} numbers, the hypernetwork reads {expected}",
                f"it was trained with {self.config.text_encoder}",
            )
        return rows

    @torch.no_grad()
    def generate(self, descriptions: Sequence[str], features: list[Tensor] | None = None) -> list[TaskLora]:
        """The LoRA of each description.

        Args:
            features: of the descriptions, as ``encode`` gives them or changed; encoded here by default.

        Raises:
            InputError: an empty description, or an encoder of another width.
            HyperLoraError: the text encoder or the base model's words are not there.
        """
        rows = self.encode(descriptions) if features is None else features
        stacked = stack_features(rows, self.config.features)
        if self.vocabulary is not None:
            stacked = replace(stacked, words=self.vocabulary.source(list(descriptions)))
        distances: list[float | None] = [None] * len(rows)
        if self.distances is not None:
            distances = self.distances.nearest(torch.stack([row[0] for row in rows])).tolist()
        lengths = [len(self.encoder.tokenizer(text)["input_ids"]) for text in descriptions]
        weights = self.hypernetwork.write(stacked).detach().unbind()
        return [TaskLora(*one) for one in zip(descriptions, weights, distances, lengths, strict=True)]
