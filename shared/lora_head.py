"""Heads that turn the Perceiver's output queries into LoRA factors.

Shapes: *batch*; *layers* adapted decoder blocks; *modules* target modules in each, sorted by name; *r* rank;
*latent_size*. Factors are rank-major here, (batch, layers, r, in) and (batch, layers, r, out), one pair per module;
``HyperNetwork`` turns them into PEFT's orientation.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.config import Config
from shared.errors import InputError

LAYER_NORM_EPS = 1e-5


@dataclass(frozen=True)
class GroundedConfig(Config):
    """Grounded factors: how a slot picks context tokens and how strongly it writes.

    Attributes:
        whitening_rank: directions of the key covariance that whitening removes; 0 turns it off.
        whitening_ridge: ridge of the covariance, as a share of its mean eigenvalue.
        initial_gain: initial length of a slot's value vector, relative to the residual stream's.
        position_frequencies: Fourier features of a token's relative position in its chunk, for choosing tokens only.
        tie_values: a slot's value is always chosen by the weights of its key (the token after the key's own); otherwise
            it only starts so, and may learn to choose another token.
        value_rank: rank of a learned map per layer that is added to the identity on the values; 0 for none.
        initial_sharpness: standard deviation of the initial choosing logits, different for every slot.
        decorrelation_ridge: ridge of the slots' Gram matrix, relative to its mean diagonal; small values make a slot
            silent on the keys of the document's other slots.
    """

    whitening_rank: int = 64
    whitening_ridge: float = 0.05
    initial_gain: float = 0.05
    position_frequencies: int = 4
    tie_values: bool = False
    value_rank: int = 16
    initial_sharpness: float = 2.0
    decorrelation_ridge: float = 0.1

    def __post_init__(self) -> None:
        if self.whitening_rank < 0 or self.position_frequencies < 0:
            raise InputError("whitening_rank and position_frequencies must not be negative")


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


@dataclass(frozen=True)
class GroundedSource:
    """What grounded factors are pooled from.

    Attributes:
        keys: inputs of each target module at the context tokens, module -> (batch, layers, T, in_features).
        values: input embedding of the token after each token, (batch, T, hidden_size).
        mask: tokens that may be pooled, (batch, T) bool.
    """

    keys: dict[str, Tensor]
    values: Tensor
    mask: Tensor


class GroundedHead(nn.Module):
    """Grounded factors: keys and values come from the context's own activations, the slots only choose.

    A module that writes to the residual stream is a key-value memory (Geva et al. 2021, arXiv:2012.14913; MEMIT,
    Meng et al. 2022, arXiv:2210.07229): its input at a token is a key, what it adds is a value. For a slot with weights
    alpha over the context tokens, A is the whitened mean key and B the mean embedding of the tokens that came next:

        K = alpha k(t)        A = (K P K' + ridge)^-1 K P     P = (C + ridge)^-1, C: keys' second moment, general text
        e = beta e(t+1)       B = gain * (1 + M) e / |(1 + M) e|     M a learned map of low rank

    so a state equal to one slot's key writes that slot's value with length ``gain`` and none of the other slots' (the
    least-squares memory of MEMIT). ``solve`` takes the slots of all chunks of a document together: a key that several
    chunks share is written once and not once for each of them, so the update does not grow with the document.
    """

    def __init__(
        self, config: GroundedConfig, *, num_layers: int, sizes: dict[str, tuple[int, int]], r: int, latent_size: int
    ) -> None:
        super().__init__()
        self.config, self.modules_ = config, list(sizes)
        shape = (num_layers, len(sizes), r)
        self.query = nn.Linear(latent_size, 2 * latent_size, bias=False)
        self.key = nn.Linear(latent_size, 2 * latent_size, bias=False)
        self.position = nn.Linear(2 * config.position_frequencies + 1, 2 * latent_size, bias=False)
        self.norm = nn.RMSNorm(latent_size, eps=1e-6)
        self.key_norm = nn.RMSNorm(latent_size, eps=1e-6)
        # Every slot has a query of its own: the Perceiver's outputs start so alike that all slots would follow each
        # other to one token. The second half moves the value away from the key's token and starts at nothing.
        self.slot_query = nn.Parameter(torch.randn(*shape, 2 * latent_size) * config.initial_sharpness)
        with torch.no_grad():
            self.query.weight[latent_size:] = 0
            self.slot_query[..., latent_size:] = 0
        width = next(iter(sizes.values()))[1]
        if config.value_rank:
            self.value_in = nn.Parameter(torch.randn(num_layers, width, config.value_rank) * width**-0.5)
            self.value_out = nn.Parameter(torch.zeros(num_layers, config.value_rank, width))
        # Log gains: multiplicative, so one learning rate suits layers of any magnitude.
        self.log_gain = nn.Parameter(torch.full(shape, config.initial_gain).log())
        self.gate = nn.Linear(latent_size, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        # Set by ``calibrate`` from the base model's activations; saved with the weights.
        self.register_buffer("value_scale", torch.ones(num_layers, len(sizes)))
        for module, (in_features, _) in sizes.items():
            self.register_buffer(f"whitening_{module}", torch.zeros(num_layers, in_features, config.whitening_rank))

    @torch.no_grad()
    def calibrate(self, module: str, second_moment: Tensor, value_scale: Tensor) -> None:
        """Set the whitening and the gain's unit from statistics of general text.

        Args:
            second_moment: mean of k k' of each layer, (layers, in_features, in_features).
            value_scale: mean length of the residual stream behind each layer, (layers,).

        (C + ridge)^-1 is kept in low-rank form: up to a factor that cancels it is I - U diag(s / (s + ridge)) U', with
        the leading eigenpairs (s, U) of C.
        """
        self.value_scale[:, self.modules_.index(module)] = value_scale.to(self.value_scale)
        rank = self.config.whitening_rank
        if not rank:
            return
        eigenvalues, eigenvectors = torch.linalg.eigh(second_moment.double())
        ridge = self.config.whitening_ridge * eigenvalues.mean(-1, keepdim=True)
        s, u = eigenvalues[:, -rank:].clamp_min(0), eigenvectors[:, :, -rank:]
        getattr(self, f"whitening_{module}").copy_(u * (s / (s + ridge)).sqrt()[:, None, :])

    def attention(self, queries: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of keys and of values over the context tokens, each (batch, layers, modules, r, T)."""
        size = context.shape[-1]
        q = self.query(self.norm(queries)) + self.slot_query
        k = (self.key(self.norm(context)) + self.position(self._position_features(mask))).unflatten(-1, (2, size))
        k = self.key_norm(k).flatten(-2)
        logits = [
            torch.einsum("blmrd,btd->blmrt", q[..., part], k[..., part]).float() / size**0.5
            for part in (slice(0, size), slice(size, None))
        ]
        keep = mask[:, None, None, None, :]
        alpha = logits[0].masked_fill(~keep, -torch.inf).softmax(-1)
        if self.config.tie_values:
            return alpha, alpha
        return alpha, (logits[0] + logits[1]).masked_fill(~keep, -torch.inf).softmax(-1)

    def _position_features(self, mask: Tensor) -> Tensor:
        """Fourier features of the relative position among the tokens that may be pooled, (batch, T, features)."""
        count = mask.cumsum(-1).float()
        position = (count - 1) / (count[:, -1:] - 1).clamp_min(1)
        frequencies = torch.arange(1, self.config.position_frequencies + 1, device=mask.device) * torch.pi
        angles = position[..., None] * frequencies
        return torch.cat([position[..., None] - 0.5, angles.sin(), angles.cos()], dim=-1)

    def forward(self, queries: Tensor, context: Tensor, source: GroundedSource) -> dict[str, tuple[Tensor, Tensor]]:
        """queries (batch, layers, modules, r, latent_size), context (batch, T, latent_size).

        Returns whitened keys (``solve`` turns them into A) and B of each module, rank-major.
        """
        alpha, beta = self.attention(queries, context, source.mask)
        gain = self.log_gain.exp() * self.value_scale[..., None] * (2 * self.gate(queries)[..., 0].float().sigmoid())
        values = torch.einsum("blmrt,bth->blmrh", beta.to(source.values.dtype), source.values).float()
        if self.config.value_rank:
            mapped = torch.einsum("blmrh,lhk->blmrk", values, self.value_in)
            values = values + torch.einsum("blmrk,lkh->blmrh", mapped, self.value_out)
        values = F.normalize(values, dim=-1) * gain[..., None]
        result = {}
        for index, module in enumerate(self.modules_):
            keys = source.keys[module]
            pooled = torch.einsum("blrt,blti->blri", alpha[:, :, index].to(keys.dtype), keys)
            whitened = _half_whitened(pooled.float(), getattr(self, f"whitening_{module}").float())
            result[module] = whitened, values[:, :, index]
        return result

    def solve(self, module: str, layer: int, keys: Tensor) -> Tensor:
        """Rows of A from the whitened keys of all slots that are to work together.

        Args:
            layer: position among the adapted layers.
            keys: K P^1/2 as ``forward`` gives it, (*batch*, slots, in_features).

        Returns:
            (K P K' + ridge)^-1 K P, same shape, float32.
        """
        keys = keys.float()
        with torch.autocast(keys.device.type, enabled=False):
            gram = keys @ keys.mT
            # Positive (ridge > 0) for every key; the floor only guards a chunk without any token to pool.
            diagonal = gram.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-6)
            eye = torch.eye(gram.shape[-1], device=gram.device)
            ridge = self.config.decorrelation_ridge * diagonal[..., None, None] * eye
            whitening = getattr(self, f"whitening_{module}")[layer].to(keys)
            return torch.linalg.solve(gram + ridge, _half_whitened(keys, whitening))


def _half_whitened(keys: Tensor, whitening: Tensor) -> Tensor:
    """K P^1/2 for P = I - M M', M with orthogonal columns. keys (*batch*, rows, in), whitening M (*layers*, in, rank).

    P^1/2 = I - M diag(1 / (1 + sqrt(1 - |m|^2))) M'.
    """
    # Whitening subtracts large common components: bf16 would leave its rounding errors in their place.
    with torch.autocast(keys.device.type, enabled=False):
        share = 1 / (1 + (1 - whitening.square().sum(-2)).clamp_min(0).sqrt())
        return keys - ((keys @ whitening) * share[..., None, :]) @ whitening.mT
