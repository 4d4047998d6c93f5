"""Grounded factors: the context's own activations are the keys and values, the hypernetwork only chooses among them.

Shapes: *batch*; *layers* adapted decoder blocks; *modules* target modules in each, sorted by name; *T* context tokens;
*rows* of a chunk's factors; *latent_size*. Factors are rank-major here, (batch, layers, rows, in or out).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.config import Config
from shared.errors import InputError


@dataclass(frozen=True)
class GroundedConfig(Config):
    """What becomes a row of the memory, and how strongly it is written.

    Attributes:
        slots: ``tokens``: every content token of a chunk is a row, with learned weights; ``chosen``: each of ``r``
            slots pools one row by attention over the tokens.
        whitening_rank: directions of the key covariance that whitening removes; 0 turns it off.
        whitening_ridge: ridge of the covariance, as a share of its mean eigenvalue.
        initial_gain: initial length of a row's value vector, relative to the residual stream's.
        value_rank: rank of a learned map per layer that is added to the identity on the values; 0 for none.
        horizon: (``tokens``) a row's value is a learned mixture of the embeddings of so many tokens behind its own. It
            starts as the next one alone.
        recall_layers: (``tokens``) so many of the first adapted layers start with the whole horizon in equal parts:
            asked about something that the document names, they recall what it said next.
        decorrelation_ridge: ridge of the rows' Gram matrix, relative to its mean diagonal; small values make a row
            silent on the keys of the document's other rows. ``tokens`` only starts with it and learns its own.
        position_frequencies: (``chosen``) Fourier features of a token's relative position in its chunk.
        tie_values: (``chosen``) a slot's value is always chosen by the weights of its key (the token after the key's
            own); otherwise it only starts so, and may learn to choose another token.
        initial_sharpness: (``chosen``) standard deviation of the initial choosing logits, different for every slot.
    """

    slots: Literal["tokens", "chosen"] = "tokens"
    whitening_rank: int = 64
    whitening_ridge: float = 0.05
    initial_gain: float = 0.05
    value_rank: int = 16
    horizon: int = 1
    recall_layers: int = 0
    decorrelation_ridge: float = 0.1
    position_frequencies: int = 4
    tie_values: bool = False
    initial_sharpness: float = 2.0

    def __post_init__(self) -> None:
        if self.whitening_rank < 0 or self.position_frequencies < 0:
            raise InputError("whitening_rank and position_frequencies must not be negative")
        if self.horizon < 1 or self.recall_layers < 0:
            raise InputError("horizon must be at least 1 and recall_layers not negative")
        if self.horizon > 1 and self.slots != "tokens":
            raise InputError("a horizon of several tokens goes with slots: tokens")


@dataclass(frozen=True)
class GroundedSource:
    """What grounded factors are made from.

    Attributes:
        keys: inputs of each target module at the context tokens, module -> (batch, layers, T, in_features).
        values: input embedding of the token after each token, (batch, T, hidden_size).
        mask: tokens that may be used, (batch, T) bool.
    """

    keys: dict[str, Tensor]
    values: Tensor
    mask: Tensor


@dataclass
class MemoryStatistics:
    """All that the least-squares memory of one layer needs to know of its rows, however many there were.

    Attributes:
        gram: K'K of the whitened keys, (in_features, in_features), float64.
        cross: V'K, (out_features, in_features), float64.
        rows: rows that are not zero.
    """

    gram: Tensor
    cross: Tensor
    rows: int = 0

    @classmethod
    def empty(cls, in_features: int, out_features: int, device: torch.device) -> "MemoryStatistics":
        """On ``device``, or on the CPU where the device has no float64."""
        options = {"dtype": torch.float64, "device": "cpu" if device.type == "mps" else device}
        return cls(torch.zeros(in_features, in_features, **options), torch.zeros(out_features, in_features, **options))

    def add(self, keys: Tensor, values: Tensor) -> None:
        """keys (rows, in_features), values (out_features, rows), as ``GroundedHead.forward`` gives them."""
        keys, values = keys.to(self.gram.device).float(), values.to(self.gram.device).float()
        self.gram += keys.mT @ keys
        self.cross += values @ keys
        self.rows += int((keys.square().sum(-1) > 0).sum())


@dataclass(frozen=True)
class SolvedMemory:
    """LoRA factors of one layer's memory.

    Attributes:
        lora_A, lora_B: (*batch*, r, in_features) and (*batch*, out_features, r), float32.
        kept, total: squared length of what the document's own keys read out of it, after and before truncation; equal
            if nothing was cut.
    """

    lora_A: Tensor
    lora_B: Tensor
    kept: float = 1.0
    total: float = 1.0


class GroundedHead(nn.Module):
    """The part that all grounded heads share: calibration, values, and the joint least-squares memory.

    A module that writes to the residual stream is a key-value memory (Geva et al. 2021, arXiv:2012.14913; MEMIT,
    Meng et al. 2022, arXiv:2210.07229): its input at a token is a key, what it adds is a value. With the keys of all
    rows of all chunks of a document as the rows of K and their values as the columns of V, the update is

        delta W = V (K P K' + ridge)^-1 K P     P = (C + ridge)^-1, C: keys' second moment on general text

    so a state equal to one row's key writes that row's value and none of the others'; a key that several chunks share
    is written once and not once for each of them. A value is the embedding of the token that came next, through a
    learned map of low rank, with a learned length.
    """

    def __init__(
        self, config: GroundedConfig, *, num_layers: int, sizes: dict[str, tuple[int, int]], rows: int
    ) -> None:
        """rows: lengths of values to learn per layer and module."""
        super().__init__()
        self.config, self.modules_ = config, list(sizes)
        width = next(iter(sizes.values()))[1]
        if config.value_rank:
            self.value_in = nn.Parameter(torch.randn(num_layers, width, config.value_rank) * width**-0.5)
            self.value_out = nn.Parameter(torch.zeros(num_layers, config.value_rank, width))
        # Log gains: multiplicative, so one learning rate suits layers of any magnitude.
        self.log_gain = nn.Parameter(torch.full((num_layers, len(sizes), rows), config.initial_gain).log())
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

    def _values(self, pooled: Tensor, gain: Tensor) -> Tensor:
        """Values of rows: pooled embeddings (batch, layers, modules, rows, hidden), mapped and given their lengths."""
        values = pooled.float()
        if self.config.value_rank:
            mapped = torch.einsum("blmrh,lhk->blmrk", values, self.value_in)
            values = values + torch.einsum("blmrk,lkh->blmrh", mapped, self.value_out)
        return F.normalize(values, dim=-1) * gain[..., None]

    def _whitened(self, module: str, keys: Tensor) -> Tensor:
        """K P^1/2 of keys (batch, layers, rows, in_features), float32."""
        return half_whitened(keys.float(), getattr(self, f"whitening_{module}").float())

    def ridge(self, module: str, layer: int) -> Tensor | float:
        """Ridge of the joint solve, relative to the Gram matrix's mean diagonal."""
        return self.config.decorrelation_ridge

    def solve(self, module: str, layer: int, keys: Tensor, values: Tensor, max_rank: int | None = None) -> SolvedMemory:
        """The memory of the rows that are to work together.

        Args:
            layer: position among the adapted layers.
            keys: K P^1/2 as ``forward`` gives it, (*batch*, rows, in_features); rows of zeros are padding.
            values: V, (*batch*, out_features, rows).
            max_rank: cut to this rank (unbatched only): the directions of the output in which the document's own keys
                read out most are kept, for those keys the best approximation of that rank.

        Returns:
            Factors of rank ``rows``, or ``out_features`` if there are more rows, or ``max_rank``.
        """
        keys, values = keys.float(), values.float()
        with torch.autocast(keys.device.type, enabled=False):
            whitening = getattr(self, f"whitening_{module}")[layer].to(keys)
            gram = keys @ keys.mT
            lengths = gram.diagonal(dim1=-2, dim2=-1)
            # Positive (ridge > 0) for every key; the floor only guards a chunk without any token to use.
            mean = (lengths.sum(-1) / (lengths > 0).sum(-1).clamp_min(1)).clamp_min(1e-6)
            ridge = torch.as_tensor(self.ridge(module, layer)).to(gram) * mean[..., None, None]
            # The ridge keeps the condition number small; a product with the inverse is faster than triangular solves.
            # Cholesky, half the work of LU, also because a batched LU on two threads fails in some builds of MKL.
            inverse = torch.cholesky_inverse(
                torch.linalg.cholesky(gram + ridge * torch.eye(gram.shape[-1], device=gram.device))
            )
            rank = min(keys.shape[-2], values.shape[-2])
            if max_rank is not None and max_rank < rank:
                readout = (values @ inverse @ gram).double()
                basis, kept, total = _main_directions(readout @ readout.mT, max_rank)
                update = basis.mT @ values @ inverse @ keys
                return SolvedMemory(half_whitened(update, whitening), basis, kept, total)
            if keys.shape[-2] <= values.shape[-2]:
                return SolvedMemory(inverse @ half_whitened(keys, whitening), values)
            return SolvedMemory(*_full_rank(half_whitened(values @ inverse @ keys, whitening)))

    @torch.no_grad()
    def solve_statistics(
        self, module: str, layer: int, statistics: MemoryStatistics, max_rank: int | None = None
    ) -> SolvedMemory:
        """The same from statistics of the rows, unbatched: V (K'K + ridge)^-1 K P^1/2 in the keys' own space."""
        gram = statistics.gram
        mean = gram.trace() / max(1, statistics.rows)
        ridge = (torch.as_tensor(self.ridge(module, layer)).to(gram) * mean).clamp_min(1e-9)
        root = torch.linalg.cholesky(gram + ridge * torch.eye(len(gram)).to(gram))
        update = torch.cholesky_solve(statistics.cross.mT, root).mT
        whitening = getattr(self, f"whitening_{module}")[layer].to(update)
        if max_rank is not None and max_rank < len(update):
            basis, kept, total = _main_directions(update @ gram @ update.mT, max_rank)
            return SolvedMemory(half_whitened((basis.double().mT @ update), whitening).float(), basis, kept, total)
        return SolvedMemory(*_full_rank(half_whitened(update, whitening).float()))


def _main_directions(moment: Tensor, rank: int) -> tuple[Tensor, float, float]:
    """Leading eigenvectors of a (out, out) second moment, float32 columns, and their share: (basis, kept, total)."""
    eigenvalues, eigenvectors = torch.linalg.eigh(moment)
    eigenvalues = eigenvalues.clamp_min(0)
    return eigenvectors[:, -rank:].float(), eigenvalues[-rank:].sum().item(), eigenvalues.sum().item()


def _full_rank(update: Tensor) -> tuple[Tensor, Tensor]:
    """delta W (*batch*, out, in) as factors of rank ``out``: itself and the identity."""
    return update, torch.eye(update.shape[-2], device=update.device).expand(*update.shape[:-2], -1, -1)


def half_whitened(keys: Tensor, whitening: Tensor) -> Tensor:
    """K P^1/2 for P = I - M M', M with orthogonal columns. keys (*batch*, rows, in), whitening M (*layers*, in, rank).

    P^1/2 = I - M diag(1 / (1 + sqrt(1 - |m|^2))) M'.
    """
    # Whitening subtracts large common components: bf16 would leave its rounding errors in their place.
    with torch.autocast(keys.device.type, enabled=False):
        share = 1 / (1 + (1 - whitening.square().sum(-2)).clamp_min(0).sqrt())
        return keys - ((keys @ whitening) * share[..., None, :]) @ whitening.mT
