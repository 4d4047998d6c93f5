"""Encoders of the task embedding in the published Text-to-LoRA hypernetwork, at inference.

Each maps (batch, feature_size) to a batch of encoded tasks. Parameter names and formulas: ``TaskEncoder``,
``DiscreteOneHotTaskEncoder``, ``VQTaskEncoder`` and ``SoftmaxTaskEncoder`` of https://github.com/SakanaAI/text-to-lora;
the vector quantisation is that of VQ-VAE-2 (Razavi et al. 2019).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-5
DROPOUT = 0.05  # of training


class LinearTaskEncoder(nn.Module):
    """A linear map and a LayerNorm. All released checkpoints have this one."""

    def __init__(self, feature_size: int, size: int, num_codes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(feature_size, size), nn.LayerNorm(size, eps=LAYER_NORM_EPS))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, feature_size). Returns (batch, size)."""
        return self.mlp(x)


class DiscreteTaskEncoder(nn.Module):
    """The one-hot vector of the most likely of ``num_codes`` classes."""

    def __init__(self, feature_size: int, size: int, num_codes: int) -> None:
        super().__init__()
        self.mlp = _mlp(feature_size, 4 * num_codes, num_codes)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, feature_size). Returns (batch, num_codes)."""
        logits = self.mlp(x)
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)


class VQTaskEncoder(nn.Module):
    """The nearest of ``num_codes`` code vectors, normalised."""

    def __init__(self, feature_size: int, size: int, num_codes: int) -> None:
        super().__init__()
        self.mlp = _mlp(feature_size, 4 * size, size)
        self.ln = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        self.embed = nn.Parameter(torch.randn(size, num_codes))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, feature_size). Returns (batch, size)."""
        distances = torch.cdist(self.mlp(x), self.embed.mT)
        return self.ln(self.embed.mT[distances.argmin(dim=-1)])


class SoftmaxTaskEncoder(nn.Module):
    """A softmax mixture of ``num_codes`` code vectors, normalised."""

    def __init__(self, feature_size: int, size: int, num_codes: int) -> None:
        super().__init__()
        self.mlp = _mlp(feature_size, 4 * size, num_codes)
        self.embed = nn.Parameter(torch.randn(num_codes, size))
        self.ln = nn.LayerNorm(size, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, feature_size). Returns (batch, size)."""
        return self.ln(self.mlp(x).softmax(dim=-1) @ self.embed)


TASK_ENCODERS = {
    "linear": LinearTaskEncoder,
    "discrete": DiscreteTaskEncoder,
    "vq": VQTaskEncoder,
    "softmax": SoftmaxTaskEncoder,
}


def _mlp(in_size: int, hidden_size: int, out_size: int) -> nn.Sequential:
    """The dropout holds the place of the published parameter names ``mlp.0`` and ``mlp.3``."""
    return nn.Sequential(
        nn.Linear(in_size, hidden_size), nn.SiLU(), nn.Dropout(DROPOUT), nn.Linear(hidden_size, out_size)
    )
