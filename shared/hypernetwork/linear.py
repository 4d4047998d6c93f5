"""Heads that turn the Perceiver's output queries into LoRA factors.

Shapes: *batch*; *layers* adapted decoder blocks; *modules* target modules in each, sorted by name; *r* rank;
*latent_size*. Factors are rank-major here, (batch, layers, r, in) and (batch, layers, r, out), one pair per module;
``HyperNetwork`` turns them into PEFT's orientation.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-5


class PreHeadBlock(nn.Module):
    """Residual MLP block y = x + LN(W2 silu(W1 LN(x) + b1) + b2), with separate linear maps per layer if asked."""

    def __init__(self, size: int, hidden_size: int, num_layers: int | None) -> None:
        super().__init__()
        lead = () if num_layers is None else (num_layers,)
        self.norm_in = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        self.norm_out = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        # Input dimension first, as in the published per-layer weights: x @ weight.
        self.weight_in = nn.Parameter(torch.randn(*lead, size, hidden_size) * size**-0.5)
        self.bias_in = nn.Parameter(torch.zeros(*lead, hidden_size))
        self.weight_out = nn.Parameter(torch.randn(*lead, hidden_size, size) * hidden_size**-0.5)
        self.bias_out = nn.Parameter(torch.zeros(*lead, size))

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, layers, modules, r, latent_size). Returns the same shape."""
        y = _layerwise(self.norm_in(x), self.weight_in, self.bias_in)
        return x + self.norm_out(_layerwise(F.silu(y), self.weight_out, self.bias_out))


def _layerwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x @ weight + bias with one weight for all layers, or one for each."""
    if weight.dim() == 2:
        return x @ weight + bias
    return torch.einsum("blmri,lio->blmro", x, weight) + bias[None, :, None, None, :]


class LinearHead(nn.Module):
    """The published head: one linear map per layer and module from the normalised query to a row of A and of B.

    Each row holds A's numbers first, B's behind them, then padding up to the largest module.
    """

    def __init__(self, num_layers: int, sizes: dict[str, tuple[int, int]], latent_size: int) -> None:
        """sizes: in and out features of each module, the largest over the layers."""
        super().__init__()
        self.sizes = sizes
        width = max(in_features + out_features for in_features, out_features in sizes.values())
        self.weight = nn.Parameter(torch.randn(num_layers, len(sizes), latent_size, width))
        with torch.no_grad():
            for index, (in_features, out_features) in enumerate(sizes.values()):
                self.weight[:, index, :, :in_features] *= in_features**-0.5
                self.weight[:, index, :, in_features:] *= out_features**-0.5

    def forward(self, queries: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """queries (batch, layers, modules, r, latent_size). Returns A and B of each module, rank-major."""
        rows = torch.einsum("blmrd,lmdo->blmro", F.normalize(queries, dim=-1, eps=0.0), self.weight)
        result = {}
        for index, (module, (in_features, out_features)) in enumerate(self.sizes.items()):
            row = rows[:, :, index]
            result[module] = row[..., :in_features], row[..., in_features : in_features + out_features]
        return result
