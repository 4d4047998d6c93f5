"""The least-squares memory of one layer: rows of keys and values in, LoRA factors out.

With keys as the rows of K and values as the columns of V, the update that writes each row's value at its key is

    delta W = V (K P K' + ridge)^-1 K P      P = (C + ridge)^-1, C: keys' second moment on general text

A state equal to one row's key writes that row's value and none of the others'; a key that several rows share is written
once and not once for each (MEMIT, Meng et al. 2022, arXiv:2210.07229). Keys come half whitened, K P^1/2, so that what
follows is plain ridge regression. Two forms give the same update: over the rows (rows x rows), or over the keys' second
moments (in x in), which do not grow with the number of rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.errors import HyperLoraError

_OVERSAMPLED, _ITERATIONS = 32, 6
_BLOCK = 256
#: Relative error of an update up to which float32 is good enough: a quarter of what rounding to bfloat16 does.
_TOLERANCE = 2.0**-10


@dataclass
class MemoryStatistics:
    """All that the memory of one layer needs to know of its rows, however many there were.

    Attributes:
        gram: K'K of the half-whitened keys, (in_features, in_features), float64; what is right of the diagonal is not
            summed.
        cross: V K, (out_features, in_features), float64.
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

    def scale(self, factor: float) -> None:
        """Multiply the weight of all rows so far by a factor: their keys and values by its root."""
        self.gram *= factor
        self.cross *= factor

    def add(self, keys: Tensor, values: Tensor) -> None:
        """keys (rows, in_features), values (out_features, rows); many rows at a time are faster."""
        keys, values = keys.to(self.gram.device).float(), values.to(self.gram.device).float()
        for start in range(0, keys.shape[-1], _BLOCK):
            columns = slice(start, start + _BLOCK)
            self.gram[start:, columns] += keys[:, start:].mT @ keys[:, columns]
        self.cross += values @ keys
        self.rows += int((keys.square().sum(-1) > 0).sum())


@dataclass(frozen=True)
class SolvedMemory:
    """LoRA factors of one layer's memory.

    Attributes:
        lora_A, lora_B: (*batch*, r, in_features) and (*batch*, out_features, r), float32.
        kept, total: squared length of what the rows' own keys read out of it, after and before truncation; equal if
            nothing was cut.
    """

    lora_A: Tensor
    lora_B: Tensor
    kept: float = 1.0
    total: float = 1.0


def solve_rows(
    keys: Tensor, values: Tensor, whitening: Tensor, ridge: Tensor, max_rank: int | None = None
) -> SolvedMemory:
    """The memory of some rows, by their Gram matrix.

    Args:
        keys: K P^1/2, (*batch*, rows, in_features); rows of zeros are padding.
        values: V, (*batch*, out_features, rows).
        whitening: M of ``half_whitened``, (in_features, rank).
        ridge: relative to the Gram matrix's mean diagonal, a scalar.
        max_rank: cut to this rank (unbatched only): the directions of the output in which the rows' own keys read out
            most are kept, for those keys the best approximation of that rank.

    Returns:
        Factors of rank ``rows``, or ``out_features`` if there are more rows, or ``max_rank``.
    """
    keys, values = keys.float(), values.float()
    with torch.autocast(keys.device.type, enabled=False):
        whitening = whitening.to(keys)
        gram = keys @ keys.mT
        lengths = gram.diagonal(dim1=-2, dim2=-1)
        # Positive (ridge > 0) for every key; the floor only guards a chunk without any token to use.
        mean = (lengths.sum(-1) / (lengths > 0).sum(-1).clamp_min(1)).clamp_min(1e-6)
        ridge = ridge.to(gram) * mean[..., None, None]
        # The ridge keeps the condition number small; a product with the inverse is faster than triangular solves.
        # Cholesky, half the work of LU, also because a batched LU on two threads fails in some builds of MKL.
        inverse = torch.cholesky_inverse(_cholesky(gram + ridge * torch.eye(gram.shape[-1], device=gram.device)))
        rank = min(keys.shape[-2], values.shape[-2])
        if max_rank is not None and max_rank < rank:
            # (K K' + ridge)^-1 K K' is I - ridge (K K' + ridge)^-1: what the rows read out needs no product with K K'.
            solved = values @ inverse
            readout = (values - ridge * solved).double()
            basis, kept, total = _main_directions(readout @ readout.mT, max_rank)
            return SolvedMemory(half_whitened(basis.mT @ solved @ keys, whitening), basis, kept, total)
        if keys.shape[-2] <= values.shape[-2]:
            return SolvedMemory(inverse @ half_whitened(keys, whitening), values)
        return SolvedMemory(*_full_rank(half_whitened(values @ inverse @ keys, whitening)))


@torch.no_grad()
def solve_statistics(
    statistics: MemoryStatistics, whitening: Tensor, ridge: Tensor, max_rank: int | None = None
) -> SolvedMemory:
    """The memory of ``solve_rows`` from statistics of the rows, unbatched: V K (K'K + ridge)^-1 P^1/2.

    In float32 where that is as good as the numbers that are written, else in float64.
    """
    mean = statistics.gram.trace() / max(1, statistics.rows)
    ridge = (ridge.to(mean) * mean).clamp_min(1e-9)
    update = _regression(statistics, ridge, torch.float32)
    if update is None:
        update = _regression(statistics, ridge, torch.float64)
    whitening = whitening.to(update)
    if max_rank is not None and max_rank < len(update):
        # With K'K = (K'K + ridge) - ridge, what the rows read out needs no product with K'K. In float64: the directions
        # to leave out have a billionth of the energy.
        exact = update.double()
        readout = exact @ statistics.cross.mT - ridge * (exact @ exact.mT)
        basis, kept, total = _main_directions(readout, max_rank)
        return SolvedMemory(half_whitened(basis.to(update).mT @ update, whitening).float(), basis, kept, total)
    return SolvedMemory(*_full_rank(half_whitened(update, whitening).float()))


def _regression(statistics: MemoryStatistics, ridge: Tensor, dtype: torch.dtype) -> Tensor | None:
    """V K (K'K + ridge)^-1, (out_features, in_features); ``None`` where float32 is not accurate enough.

    The error is estimated on a combination of the outputs, by a step of iterative refinement with a float64 residual.

    Raises:
        HyperLoraError: float64 is not either.
    """
    exact = statistics.gram.clone()
    exact.diagonal().add_(ridge)
    matrix, cross = exact.to(dtype), statistics.cross.to(dtype)
    if dtype == torch.float64:
        return torch.cholesky_solve(cross.mT, _cholesky(matrix)).mT
    root, failed = torch.linalg.cholesky_ex(matrix)
    if failed:
        return None
    half = torch.linalg.solve_triangular(root, cross.mT, upper=False)
    update = torch.linalg.solve_triangular(root.mT, half, upper=True).mT
    probe = torch.linspace(-1, 1, len(update), dtype=torch.float64, device=exact.device).cos()
    found = update.double().mT @ probe
    lower = exact.tril()
    residual = statistics.cross.mT @ probe - lower @ found - lower.tril(-1).mT @ found
    error = torch.cholesky_solve(residual.float()[:, None], root).norm()
    return update if error <= _TOLERANCE * found.norm() else None


def _cholesky(matrix: Tensor) -> Tensor:
    """The lower factor of a positive definite matrix.

    Raises:
        HyperLoraError: it is not; with its ridge, that is so only where numbers are out of range.
    """
    try:
        return torch.linalg.cholesky(matrix)
    except torch.linalg.LinAlgError:
        raise _unsolvable() from None


def _unsolvable() -> HyperLoraError:
    return HyperLoraError(
        "the memory cannot be solved: numbers in it are too large or not finite",
        "get the hypernetwork again, or try --dtype float32",
    )


def _main_directions(moment: Tensor, rank: int) -> tuple[Tensor, float, float]:
    """Leading eigenvectors of a (out, out) second moment, float32 columns, and their share: (basis, kept, total)."""
    try:
        eigenvalues, eigenvectors = torch.linalg.eigh(moment)
    except torch.linalg.LinAlgError:
        raise _unsolvable() from None
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


@torch.no_grad()
def leading_directions(keys: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Leading eigenvalues and eigenvectors of the second moment K'K / n of some keys, in ascending order.

    By randomised subspace iteration on K itself (Halko et al. 2011, arXiv:0909.4061): a layer of 4,864 inputs takes
    seconds, where the full decomposition of its second moment takes minutes. The same keys give the same result, and in
    float64, since float32 would round it by the number of threads.

    Args:
        keys: (n, in_features).

    Returns:
        (rank,) and (in_features, rank); where there are fewer directions, the first are zeros.
    """
    count, width = keys.shape
    size = min(rank + _OVERSAMPLED, count, width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, lengths, directions = torch.svd_lowrank(keys.double(), size, niter=_ITERATIONS)
    found = min(rank, size)
    eigenvalues, eigenvectors = keys.new_zeros(rank), keys.new_zeros(width, rank)
    eigenvalues[rank - found :] = (lengths[:found].flip(0).square() / count).to(keys)
    eigenvectors[:, rank - found :] = directions[:, :found].flip(1).to(keys)
    return eigenvalues, eigenvectors
