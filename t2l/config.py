"""Configuration of a task hypernetwork."""

from dataclasses import dataclass
from typing import Literal

from shared.base_model import BaseModelSpec
from shared.config import Config
from shared.hypernetwork import HyperNetworkConfig


@dataclass(frozen=True)
class T2LConfig(Config):
    """A task hypernetwork: its base model, text encoder and core.

    Attributes:
        text_encoder: Hub id or path of a sentence-transformers model.
        features: ``pooled`` is the sentence embedding alone, ``tokens`` the embedding followed by the token states.
    """

    base: BaseModelSpec
    text_encoder: str
    hypernetwork: HyperNetworkConfig
    features: Literal["pooled", "tokens"] = "tokens"
    kind: Literal["t2l"] = "t2l"
