"""Losses of the frozen base model with generated LoRA weights."""

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


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, top_k: int = 16) -> Tensor:
    """KL(teacher || student) over the teacher's top-k tokens, the rest lumped into one (Doc-to-LoRA, section 3).

    Both logits are (n, vocabulary). Returns the mean over positions, in nats.
    """
    teacher = teacher_logits.log_softmax(-1)
    top, index = teacher.topk(min(top_k, teacher.shape[-1]), dim=-1)
    student = student_logits.log_softmax(-1).gather(-1, index)

    def with_rest(log_probs: Tensor) -> Tensor:
        rest = (1 - log_probs.exp().sum(-1, keepdim=True)).clamp_min(1e-6).log()
        return torch.cat([log_probs, rest], dim=-1)

    return F.kl_div(with_rest(student), with_rest(top), log_target=True, reduction="batchmean")
