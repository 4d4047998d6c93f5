"""Configuration of a task hypernetwork."""

from dataclasses import dataclass
from typing import Literal

from shared.base.model import BaseModelSpec
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig
from t2l.mlp.hypernetwork import MLPHyperNetwork, MLPHyperNetworkConfig


@dataclass(frozen=True)
class T2LConfig(Config):
    """A task hypernetwork: its base model, text encoder and core.

    Attributes:
        text_encoder: Hub id or path of the text encoder.
        hypernetwork: our Perceiver, or the published MLP.
        features: ``pooled`` is the sentence embedding alone, ``tokens`` the embedding followed by the token states.
        pooling: ``sentence``: the encoder is a sentence-transformers model and pools itself; else the last hidden state
            of a plain transformers model at its first token (``cls``) or its last one.
    """

    base: BaseModelSpec
    text_encoder: str
    hypernetwork: HyperNetworkConfig | MLPHyperNetworkConfig
    features: Literal["pooled", "tokens"] = "tokens"
    pooling: Literal["sentence", "cls", "last_token"] = "sentence"
    kind: Literal["t2l"] = "t2l"

    def __post_init__(self) -> None:
        if self.features == "tokens" and (
            self.pooling != "sentence" or isinstance(self.hypernetwork, MLPHyperNetworkConfig)
        ):
            raise InputError("features must be pooled for a plain text encoder and for the published hypernetwork")

    @property
    def copies_words(self) -> bool:
        """Whether the hypernetwork needs the base model's tokenizer and input embeddings."""
        return isinstance(self.hypernetwork, HyperNetworkConfig) and self.hypernetwork.head.needs_words

    def build_network(self) -> HyperNetwork | MLPHyperNetwork:
        """An untrained hypernetwork of this shape."""
        if isinstance(self.hypernetwork, MLPHyperNetworkConfig):
            return MLPHyperNetwork(self.hypernetwork)
        return HyperNetwork(self.hypernetwork)
