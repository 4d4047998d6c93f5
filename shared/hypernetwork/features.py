"""What a hypernetwork sees of its input."""

from dataclasses import dataclass

import torch
from torch import Tensor

#: Tokens of a word without a space before it that a source of words holds.
MAX_PIECES = 3


@dataclass(frozen=True)
class MemorySource:
    """What the rows of a memory are made from.

    Attributes:
        keys: inputs of each target module at the context tokens, module -> (batch, layers, T, in_features).
        values: input embedding of the token after each token, (batch, T, hidden_size).
        mask: tokens that may be used, (batch, T) bool.
    """

    keys: dict[str, Tensor]
    values: Tensor
    mask: Tensor


@dataclass(frozen=True)
class CopySource:
    """The words that may be copied, each in ``1 + MAX_PIECES`` forms: as it stands in the text, and the tokens that it
    is cut into where it begins an answer.

    Attributes:
        embeddings: input embeddings, (batch, W, forms, hidden_size).
        before: input embeddings of the token that is written before, zero if there is none, of the same shape.
        mask: (batch, W, forms) bool, True = a token.
    """

    embeddings: Tensor
    before: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "CopySource":
        return CopySource(self.embeddings.to(device), self.before.to(device), self.mask.to(device))

    def with_pieces(self, pieces: int) -> "CopySource":
        """Only the first ``pieces`` of the tokens that a word is cut into."""
        kept = slice(1 + pieces)
        return CopySource(self.embeddings[:, :, kept], self.before[:, :, kept], self.mask[:, :, kept])


@dataclass(frozen=True)
class ContextFeatures:
    """The features of a batch of contexts.

    Attributes:
        hidden_states: (batch, T, feature_size), or (batch, layers, T, feature_size) in layer-to-layer mode.
        attention_mask: (batch, T) bool, True = keep.
        states: keys and values, for a head that writes them into a memory.
        words: the input's words, for a head that copies them.
    """

    hidden_states: Tensor
    attention_mask: Tensor
    states: MemorySource | None = None
    words: CopySource | None = None

    def __len__(self) -> int:
        return self.hidden_states.shape[0]

    def to(self, device: torch.device) -> "ContextFeatures":
        """Without ``states``, which are made where they are used."""
        words = self.words.to(device) if self.words else None
        return ContextFeatures(self.hidden_states.to(device), self.attention_mask.to(device), words=words)
