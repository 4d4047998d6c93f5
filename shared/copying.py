"""Copied values: a task's own words, taken from its description, are what its adapter can write.

A description names the words that answer it ("Reply with Positive or Negative."). A hypernetwork that has to squeeze
them through its latents can write those it was trained on; copied, they are exact, whatever they are. This is the
grounded memory of ``shared.grounded`` with the key left to the hypernetwork: a description says what to write, not in
which state.

Shapes: *batch*; *W* tokens of the description, as the base model cuts it; *layers*, *modules*, *r*, *latent_size* as in
``shared.lora_head``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.config import Config
from shared.errors import InputError


@dataclass(frozen=True)
class CopyConfig(Config):
    """How words of the input become columns of B.

    Attributes:
        modules: target modules that write to the residual stream and get copied values.
        key_size: width in which words are chosen.
        window: a word is told from others by its own embedding and those of so many neighbours on either side.
        initial_gain: initial length of a copied value; its direction is the word's input embedding.
        initial_sharpness: standard deviation of the initial choosing logits, different for every slot.
    """

    modules: tuple[str, ...] = ("down_proj",)
    key_size: int = 64
    window: int = 2
    initial_gain: float = 1.0
    initial_sharpness: float = 2.0

    def __post_init__(self) -> None:
        if not self.modules or self.key_size < 1 or self.window < 0:
            raise InputError("copying needs a module, a key_size of at least 1 and a window of at least 0")


@dataclass(frozen=True)
class CopySource:
    """The words that may be copied.

    Attributes:
        embeddings: input embeddings of each token as it stands in the text, and of the token by which the same word
            would begin an answer (no space before it), (batch, W, 2, hidden_size).
        mask: (batch, W) bool, True = a token.
    """

    embeddings: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "CopySource":
        return CopySource(self.embeddings.to(device), self.mask.to(device))


class CopyHead(nn.Module):
    """Each of r slots chooses among the words by attention: B = gain * sum_w beta_w unit(e_w)."""

    def __init__(self, config: CopyConfig, *, num_layers: int, hidden_size: int, r: int, latent_size: int) -> None:
        super().__init__()
        self.config = config
        self.query = nn.Linear(latent_size, config.key_size, bias=False)
        self.key = nn.Linear((2 * config.window + 1) * hidden_size, config.key_size, bias=False)
        # Tells the two forms of a word apart.
        self.form = nn.Parameter(torch.zeros(2, config.key_size))
        self.norm = nn.RMSNorm(latent_size, eps=1e-6)
        self.key_norm = nn.RMSNorm(config.key_size, eps=1e-6)
        # Slots that start alike would all follow each other to one word. A slot is the same in all layers: one word,
        # written many times.
        self.slot_query = nn.Parameter(torch.randn(r, config.key_size) * config.initial_sharpness)
        self.log_gain = nn.Parameter(torch.full((num_layers, len(config.modules), r), config.initial_gain).log())

    def attention(self, queries: Tensor, source: CopySource) -> Tensor:
        """Weights of both forms of every word, (batch, layers, modules, r, W, 2)."""
        size, window = self.config.key_size, self.config.window
        words = F.normalize(source.embeddings[:, :, 0].float(), dim=-1) * source.mask[..., None]
        width = words.shape[1]
        padded = F.pad(words, (0, 0, window, window))
        near = torch.cat([padded[:, shift : shift + width] for shift in range(2 * window + 1)], dim=-1)
        k = self.key_norm(self.key(near)[:, :, None] + self.form)
        q = self.query(self.norm(queries)) + self.slot_query
        logits = torch.einsum("blmrd,bwfd->blmrwf", q, k).float() / size**0.5
        keep = source.mask[:, None, None, None, :, None]
        return logits.masked_fill(~keep, -torch.inf).flatten(-2).softmax(-1).unflatten(-1, (width, 2))

    def forward(self, queries: Tensor, source: CopySource) -> Tensor:
        """queries (batch, layers, modules, r, latent_size) of the modules that copy.

        Returns values, (batch, layers, modules, r, hidden_size) float32.
        """
        values = F.normalize(source.embeddings.float(), dim=-1)
        chosen = torch.einsum("blmrwf,bwfh->blmrh", self.attention(queries, source), values)
        return chosen * self.log_gain.exp()[..., None]
