"""Losses of the frozen base model with generated LoRA weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from shared.base.model import BaseModel

IGNORE = -100


def logits_at(base: BaseModel, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
    """Logits that predict the tokens at some positions of a batch.

    Args:
        ids, mask: (batch, T).
        positions: (batch, T) bool; a position is predicted from the state before it, so the first is never chosen.

    Returns:
        (number of positions, vocabulary), float32, in row-major order. Only these rows go through the output layer.
    """
    hidden = base.model.base_model(input_ids=ids, attention_mask=mask.long(), use_cache=False).last_hidden_state
    return logits_of(base, hidden, positions)


def logits_of(base: BaseModel, hidden: Tensor, positions: Tensor) -> Tensor:
    """The output layer of ``logits_at``: last states (batch, T, hidden_size) to logits at ``positions``."""
    picked = hidden[:, :-1][positions[:, 1:]]
    logits = base.model.get_output_embeddings()(picked).float()
    config = base.model.config.get_text_config()
    # Output transforms that some architectures apply in their own forward (Cohere, Granite, Gemma 2).
    logits = logits * (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return cap * torch.tanh(logits / cap) if cap else logits


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log likelihood in nats per token. logits (n, vocabulary), targets (n,)."""
    return F.cross_entropy(logits, targets)


def row_losses(logits: Tensor, ids: Tensor, positions: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Negative log likelihood of each row's chosen tokens, in nats per token.

    Args:
        logits: of ``logits_at`` for the same positions.
        ids, positions: (batch, T); every row has a position.

    Returns:
        (batch,).
    """
    tokens = F.cross_entropy(logits, ids[positions], reduction="none", label_smoothing=label_smoothing)
    row = positions.nonzero()[:, 0]
    return tokens.new_zeros(len(ids)).index_add(0, row, tokens / positions.sum(1)[row])


@dataclass(frozen=True)
class TopTokens:
    """The likeliest tokens of a teacher at n positions, and how likely all others are together.

    Attributes:
        index: their ids, (n, k).
        log_probs: theirs and that of all others, (n, k + 1).
    """

    index: Tensor
    log_probs: Tensor

    @classmethod
    def of(cls, logits: Tensor, k: int) -> "TopTokens":
        """logits (n, vocabulary)."""
        log_probs, index = logits.log_softmax(-1).topk(min(k, logits.shape[-1]), dim=-1)
        return cls(index, _with_rest(log_probs))

    @staticmethod
    def concat(parts: Sequence["TopTokens"]) -> "TopTokens":
        """The positions of all parts behind each other."""
        return TopTokens(torch.cat([part.index for part in parts]), torch.cat([part.log_probs for part in parts]))

    def loss(self, student_logits: Tensor) -> Tensor:
        """KL(teacher || student) over these tokens, the rest lumped into one (Doc-to-LoRA, section 3).

        student_logits (n, vocabulary). Returns the mean over positions, in nats.
        """
        student = student_logits.log_softmax(-1).gather(-1, self.index)
        return F.kl_div(_with_rest(student), self.log_probs, log_target=True, reduction="batchmean")


def _with_rest(log_probs: Tensor) -> Tensor:
    """Log probabilities (n, k) with that of all other tokens behind them, (n, k + 1)."""
    rest = (1 - log_probs.exp().sum(-1, keepdim=True)).clamp_min(1e-6).log()
    return torch.cat([log_probs, rest], dim=-1)


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, top_k: int = 16) -> Tensor:
    """KL to a teacher's likeliest tokens, see ``TopTokens``. Both logits are (n, vocabulary)."""
    return TopTokens.of(teacher_logits, top_k).loss(student_logits)
