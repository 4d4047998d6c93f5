"""Configuration of a document hypernetwork."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from shared.base.model import BaseModelSpec
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.network import HyperNetworkConfig


@dataclass(frozen=True)
class EncoderConfig(Config):
    """Which activations of the frozen base model are the context features.

    Attributes:
        type: ``early_exit``: the hidden states that enter block ``layer_idx``, behind the final norm;
            ``per_layer_activations``: those that enter each block, the last ones behind the final norm;
            ``embed_only``: those that enter block 0, without a norm.
        layer_idx: block whose input an early exit takes (equal to the number of blocks: the last one's output).
    """

    type: Literal["early_exit", "per_layer_activations", "embed_only"] = "early_exit"
    layer_idx: int = 8


@dataclass(frozen=True)
class D2LConfig(Config):
    """A document hypernetwork: its base model, encoder, core, and how documents are cut.

    Attributes:
        chunk_tokens: longest chunk; the length it was trained at.
        chunking: ``sentences`` cuts the text near sentence borders, ``tokens`` cuts the templated ids into equal pieces
            as the published models do.
        question_system: system message of questions; ``None`` leaves it to the chat template, as every runtime does.
    """

    base: BaseModelSpec
    encoder: EncoderConfig
    hypernetwork: HyperNetworkConfig
    chunk_tokens: int = 128
    chunking: Literal["sentences", "tokens"] = "sentences"
    question_system: str | None = None
    kind: Literal["d2l"] = "d2l"

    former: ClassVar[dict[str, str]] = {"chunk_gain": "delete it from the file; the memory needs no such factor"}

    def __post_init__(self) -> None:
        if self.chunk_tokens < 8:
            raise InputError("--chunk-tokens must be at least 8")
        per_layer = self.encoder.type == "per_layer_activations"
        if per_layer != self.hypernetwork.per_layer_features:
            raise InputError("encoder.type per_layer_activations goes with hypernetwork.per_layer_features")
        if self.encoder.type == "early_exit" and not 0 <= self.encoder.layer_idx <= self.base.num_hidden_layers:
            raise InputError(f"encoder.layer_idx must be 0 to {self.base.num_hidden_layers}")
