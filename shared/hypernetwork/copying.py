"""Copied values: a task's own words, taken from its description, are what its adapter can write.

A description names the words that answer it ("Reply with Positive or Negative."). A hypernetwork that has to squeeze
them through its latents can write those it was trained on; copied, they are exact, whatever they are. This is the
memory of ``shared.hypernetwork.memory`` with the key left to the hypernetwork: a description says what to write, not
in which state.

Shapes: *batch*; *W* tokens of the description, as the base model cuts it; *layers*, *modules*, *r*, *latent_size* as in
``shared.hypernetwork.linear``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.features import MAX_PIECES, CopySource


@dataclass(frozen=True)
class CopyConfig(Config):
    """How words of the input become columns of B.

    Attributes:
        modules: target modules that write to the residual stream and get copied values.
        key_size: width in which words are chosen.
        window: a word is told from others by its own embedding and those of this many neighbours on either side.
        initial_gain: initial length of a copied value; its direction is the word's input embedding.
        initial_sharpness: standard deviation of the initial choosing logits, different for every slot.
        pieces: tokens that a word may be cut into where it begins an answer, with no space before it: " plum" is one
            token, "pl" and "um" are two. Each of the first ``pieces`` can be copied, at most ``MAX_PIECES``.
        trigger_rank: rank of the map from a chosen word, its neighbours and the token written before it to the row of
            A: when a word is written then follows from what it is (a state that speaks of sport calls for "Sports")
            and from what it continues ("um" behind "pl"). 0 for none: when is up to the latents alone.
    """

    modules: tuple[str, ...] = ("down_proj",)
    key_size: int = 64
    window: int = 2
    initial_gain: float = 1.0
    initial_sharpness: float = 2.0
    pieces: int = 1
    trigger_rank: int = 0

    def __post_init__(self) -> None:
        if not self.modules or self.key_size < 1 or self.window < 0 or self.trigger_rank < 0:
            raise InputError(
                "copying needs a module, a key_size of at least 1, a window and a trigger_rank of at least 0"
            )
        if not 1 <= self.pieces <= MAX_PIECES:
            raise InputError(f"copy.pieces must be between 1 and {MAX_PIECES}")


@dataclass(frozen=True)
class CopiedWords:
    """What the slots of one copying module chose.

    Attributes:
        values: columns of B, (batch, layers, r, hidden_size) float32.
        triggers: what is added to the rows of A, (batch, layers, r, in_features) float32; ``None`` without triggers.
    """

    values: Tensor
    triggers: Tensor | None


class CopyHead(nn.Module):
    """Each of r slots chooses among the words by attention: B = gain * sum_w beta_w unit(e_w).

    Args:
        in_features: of each copying module, in the order of ``config.modules``.
    """

    def __init__(
        self,
        config: CopyConfig,
        *,
        num_layers: int,
        in_features: Sequence[int],
        hidden_size: int,
        r: int,
        latent_size: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.query = nn.Linear(latent_size, config.key_size, bias=False)
        self.key = nn.Linear((2 * config.window + 1) * hidden_size, config.key_size, bias=False)
        # Tells the forms of a word apart.
        self.form = nn.Parameter(torch.zeros(1 + config.pieces, config.key_size))
        self.norm = nn.RMSNorm(latent_size, eps=1e-6)
        self.key_norm = nn.RMSNorm(config.key_size, eps=1e-6)
        # Slots that start alike would all follow each other to one word. A slot is the same in all layers: one word,
        # written many times.
        self.slot_query = nn.Parameter(torch.randn(r, config.key_size) * config.initial_sharpness)
        self.log_gain = nn.Parameter(torch.full((num_layers, len(config.modules), r), config.initial_gain).log())
        rank = config.trigger_rank
        if rank:
            self.trigger = nn.Linear((2 * config.window + 1) * hidden_size, rank, bias=False)
            self.trigger_before = nn.Linear(hidden_size, rank, bias=False)
            self.trigger_norm = nn.RMSNorm(rank, eps=1e-6)
            nn.init.zeros_(self.trigger_before.weight)
            # Zero: at first, words trigger nothing.
            self.trigger_rows = nn.ParameterList(
                nn.Parameter(torch.zeros(num_layers, rank, size)) for size in in_features
            )

    def neighbourhoods(self, source: CopySource) -> Tensor:
        """Unit embeddings of every word and its neighbours on either side, (batch, W, (2 window + 1) hidden_size)."""
        window = self.config.window
        words = F.normalize(source.embeddings[:, :, 0].float(), dim=-1) * source.mask[:, :, :1]
        width = words.shape[1]
        padded = F.pad(words, (0, 0, window, window))
        return torch.cat([padded[:, shift : shift + width] for shift in range(2 * window + 1)], dim=-1)

    def attention(self, queries: Tensor, near: Tensor, source: CopySource) -> Tensor:
        """Weights of all forms of every word, (batch, layers, modules, r, W, forms)."""
        size, width = self.config.key_size, near.shape[1]
        k = self.key_norm(self.key(near)[:, :, None] + self.form)
        q = self.query(self.norm(queries)) + self.slot_query
        logits = torch.einsum("blmrd,bwfd->blmrwf", q, k).float() / size**0.5
        keep = source.mask[:, None, None, None]
        return logits.masked_fill(~keep, -torch.inf).flatten(-2).softmax(-1).unflatten(-1, (width, -1))

    def forward(self, queries: Tensor, source: CopySource) -> list[CopiedWords]:
        """queries (batch, layers, modules, r, latent_size) of the modules that copy.

        Returns what each module copies, in the order of ``config.modules``.
        """
        source = source.with_pieces(self.config.pieces)
        near = self.neighbourhoods(source)
        weights = self.attention(queries, near, source)
        values = F.normalize(source.embeddings.float(), dim=-1)
        chosen = torch.einsum("blmrwf,bwfh->blmrh", weights, values) * self.log_gain.exp()[..., None]
        if not self.config.trigger_rank:
            return [CopiedWords(value, None) for value in chosen.unbind(2)]
        before = self.trigger_before(F.normalize(source.before.float(), dim=-1))
        calls = self.trigger_norm(self.trigger(near)[:, :, None] + before) / self.config.trigger_rank**0.5
        calls = torch.einsum("blmrwf,bwft->blmrt", weights, calls.float())
        return [
            CopiedWords(value, torch.einsum("blrt,lti->blri", call, rows.float()))
            for value, call, rows in zip(chosen.unbind(2), calls.unbind(2), self.trigger_rows, strict=True)
        ]
