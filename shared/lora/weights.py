"""LoRA algebra: the one place of orientation, scaling, rank and key names.

PEFT's orientation everywhere (Hu et al. 2021, https://github.com/huggingface/peft): ``lora_A`` is
(r, in_features), ``lora_B`` is (out_features, r), and the update is delta W = lora_B @ lora_A. Every scalar
is folded into ``lora_B``, so ``scaling`` is 1 for whatever leaves this module.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shared.errors import InputError
from shared.threads import each_on_one_thread

PEFT_PREFIX = "base_model.model."


@dataclass(frozen=True)
class LoraFactors:
    """The two factors of one linear layer's update.

    Attributes:
        lora_A: (*batch*, r, in_features).
        lora_B: (*batch*, out_features, r). The batch dimension is absent or shared by both.
    """

    lora_A: Tensor
    lora_B: Tensor

    def delta(self) -> Tensor:
        """delta W, (*batch*, out_features, in_features)."""
        return self.lora_B @ self.lora_A

    def norm(self) -> float:
        """Frobenius norm of an unbatched delta W, without forming it."""
        a, b = self.lora_A.double(), self.lora_B.double()
        return ((b.mT @ b) * (a @ a.mT)).sum().clamp_min(0).sqrt().item()


@dataclass(frozen=True)
class TruncatedLora:
    """A LoRA of smaller rank and the share of the squared Frobenius norm of all delta W that it keeps."""

    weights: "LoraWeights"
    energy_kept: float


class LoraWeights(Mapping[str, LoraFactors]):
    """LoRA factors of several linear layers, by the layer's full module name in the base model.

    Args:
        factors: one entry per layer, all of the same rank and all with or all without a batch dimension.

    Raises:
        ValueError: no layer, shapes that do not fit, or ranks that differ.
    """

    def __init__(self, factors: Mapping[str, LoraFactors]) -> None:
        self._factors = dict(factors)
        if not self._factors:
            raise ValueError("LoraWeights needs at least one layer")
        shapes = set()
        for name, f in self._factors.items():
            if f.lora_A.dim() not in (2, 3) or f.lora_A.dim() != f.lora_B.dim():
                raise ValueError(f"{name}: factors must both have two or three dimensions")
            if f.lora_A.shape[-2] != f.lora_B.shape[-1] or f.lora_A.shape[:-2] != f.lora_B.shape[:-2]:
                raise ValueError(f"{name}: lora_A {tuple(f.lora_A.shape)} does not fit lora_B {tuple(f.lora_B.shape)}")
            shapes.add(tuple(f.lora_A.shape[:-1]))
        if len(shapes) > 1:
            raise ValueError(f"batch size and rank must be the same for all layers, not {sorted(shapes)}")

    def __getitem__(self, name: str) -> LoraFactors:
        return self._factors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._factors)

    def __len__(self) -> int:
        return len(self._factors)

    @property
    def r(self) -> int:
        """The rank."""
        return next(iter(self.values())).lora_A.shape[-2]

    @property
    def batch_size(self) -> int | None:
        """Length of the batch dimension, ``None`` without one."""
        lora_A = next(iter(self.values())).lora_A
        return lora_A.shape[0] if lora_A.dim() == 3 else None

    @property
    def full_rank(self) -> int:
        """The largest rank that a delta W can have: a higher one is the same update in more bytes."""
        return max(min(f.lora_A.shape[-1], f.lora_B.shape[-2]) for f in self.values())

    @property
    def num_parameters(self) -> int:
        return sum(f.lora_A.numel() + f.lora_B.numel() for f in self.values())

    @property
    def is_finite(self) -> bool:
        """Whether every number of every factor is finite."""
        return all(t.isfinite().all().item() for f in self.values() for t in (f.lora_A, f.lora_B))

    @property
    def modules(self) -> list[str]:
        """Last parts of the layers' names, sorted: ``down_proj``, ..."""
        return sorted({name.rpartition(".")[2] for name in self})

    @property
    def layers(self) -> list[int]:
        """Decoder blocks: the last number in each layer's name."""
        return sorted({block for name in self if (block := block_of(name)) is not None})

    def _map(self, fn) -> "LoraWeights":
        return LoraWeights({name: fn(f) for name, f in self.items()})

    def to(self, *args, **kwargs) -> "LoraWeights":
        """``Tensor.to`` on every factor."""
        return self._map(lambda f: LoraFactors(f.lora_A.to(*args, **kwargs), f.lora_B.to(*args, **kwargs)))

    def detach(self) -> "LoraWeights":
        return self._map(lambda f: LoraFactors(f.lora_A.detach(), f.lora_B.detach()))

    def scaled(self, scale: float) -> "LoraWeights":
        """The update times ``scale``, folded into ``lora_B``.

        Raises:
            InputError: not a finite number, or one that makes numbers of the update that are not.
        """
        hint = "1 is the adapter as it is"
        if not math.isfinite(scale):
            raise InputError(f"the scale {scale} is not a finite number", hint)
        scaled = self._map(lambda f: LoraFactors(f.lora_A, f.lora_B * scale))
        if not scaled.is_finite and self.is_finite:
            raise InputError(f"the scale {scale:g} is too large for this adapter", hint)
        return scaled

    def index_select(self, index: Tensor) -> "LoraWeights":
        """Pick samples of the batch. index: (new batch,) int64. Returns a batch of that size."""
        return self._map(lambda f: LoraFactors(f.lora_A[index], f.lora_B[index]))

    def first(self, r: int) -> "LoraWeights":
        """The first ``r`` ranks."""
        return self._map(lambda f: LoraFactors(f.lora_A[..., :r, :], f.lora_B[..., :r]))

    def unbind(self) -> list["LoraWeights"]:
        """One unbatched ``LoraWeights`` per sample of the batch."""
        return [self._map(lambda f, i=i: LoraFactors(f.lora_A[i], f.lora_B[i])) for i in range(self.batch_size or 0)]

    @staticmethod
    def concat(parts: Sequence["LoraWeights"]) -> "LoraWeights":
        """Join along the rank: the update is the sum of the parts' updates.

        All parts have the same layers; an unbatched part is repeated for each sample of a batched one.

        Raises:
            InputError: the parts adapt different layers.
        """
        names = list(parts[0])
        if any(set(part) != set(names) for part in parts):
            raise InputError("these LoRA weights adapt different layers and cannot be joined")
        sizes = {part.batch_size for part in parts} - {None}

        def expand(t: Tensor) -> Tensor:
            return t.expand(next(iter(sizes)), *t.shape) if sizes and t.dim() == 2 else t

        return LoraWeights(
            {
                name: LoraFactors(
                    torch.cat([expand(p[name].lora_A) for p in parts], dim=-2),
                    torch.cat([expand(p[name].lora_B) for p in parts], dim=-1),
                )
                for name in names
            }
        )

    def truncate(self, r: int) -> TruncatedLora:
        """Best approximation of rank ``r`` of every delta W, by SVD of the *product* in factored form.

        With lora_B = Qb Rb and lora_A' = Qa Ra, the SVD of the small Rb Ra' gives that of lora_B @ lora_A without
        ever forming the (out_features, in_features) matrix. A layer that is no wider than ``r`` keeps its whole update,
        as itself beside the identity. At ``r >= self.r`` the weights come back unchanged.
        """
        if r < 1:
            raise InputError(f"the rank must be at least 1, not {r}")
        if self.batch_size is not None:
            raise ValueError("truncate one adapter at a time, not a batch")
        if r >= self.r:
            return TruncatedLora(self, 1.0)
        layers = list(self.values())
        cut = each_on_one_thread(lambda f: _truncated(f, r), layers, layers[0].lora_A.device)
        kept, total = sum(part.kept for part in cut), sum(part.total for part in cut)
        factors = {name: part.factors for name, part in zip(self, cut, strict=True)}
        return TruncatedLora(LoraWeights.padded(factors), kept / total if total else 1.0)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors under the names PEFT gives them in ``adapter_model.safetensors``."""
        if self.batch_size is not None:
            raise ValueError("write one adapter at a time, not a batch")
        state = {}
        for name, f in self.items():
            state[f"{PEFT_PREFIX}{name}.lora_A.weight"] = f.lora_A.contiguous()
            state[f"{PEFT_PREFIX}{name}.lora_B.weight"] = f.lora_B.contiguous()
        return state

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> "LoraWeights":
        """Read PEFT's names. Scalings are not in the tensors: fold them in with ``scaled``.

        Raises:
            InputError: a tensor that is no plain LoRA factor, or a factor without its partner.
        """
        return cls._checked(factor_pairs(state))

    @classmethod
    def padded(cls, factors: Mapping[str, LoraFactors]) -> "LoraWeights":
        """Unbatched factors of different ranks, with zeros up to the largest one: the same updates.

        Raises:
            InputError: no layer, or shapes that do not fit.
        """
        r = max((f.lora_A.shape[-2] for f in factors.values()), default=0)
        pad = torch.nn.functional.pad

        def widened(f: LoraFactors) -> LoraFactors:
            missing = r - f.lora_A.shape[-2]
            return LoraFactors(pad(f.lora_A, (0, 0, 0, missing)), pad(f.lora_B, (0, missing))) if missing else f

        return cls._checked({name: widened(f) for name, f in factors.items()})

    @classmethod
    def _checked(cls, factors: Mapping[str, LoraFactors]) -> "LoraWeights":
        try:
            return cls(factors)
        except ValueError as error:
            raise InputError(f"the adapter's tensors do not fit together: {error}") from None


@dataclass(frozen=True)
class _Truncated:
    """One layer's factors, and the squared length of its update behind and before the cut."""

    factors: LoraFactors
    kept: float
    total: float


def _truncated(f: LoraFactors, r: int) -> _Truncated:
    if r >= min(f.lora_A.shape[-1], f.lora_B.shape[-2]):
        energy = (f.lora_B.double() @ f.lora_A.double()).square().sum().item()
        return _Truncated(_whole(f), energy, energy)
    q_b, r_b = torch.linalg.qr(f.lora_B.double())
    q_a, r_a = torch.linalg.qr(f.lora_A.double().mT)
    u, s, vt = torch.linalg.svd(r_b @ r_a.mT, full_matrices=False)
    root, energy = s[:r].sqrt(), s.square()
    lora_A, lora_B = root[:, None] * (vt[:r] @ q_a.mT), (q_b @ u[:, :r]) * root
    cut = LoraFactors(lora_A.to(f.lora_A.dtype), lora_B.to(f.lora_B.dtype))
    return _Truncated(cut, energy[:r].sum().item(), energy.sum().item())


def _whole(f: LoraFactors) -> LoraFactors:
    """A layer's update as one factor, with the identity for the other: its rank is the smaller of its sizes."""
    update = (f.lora_B.double() @ f.lora_A.double()).to(f.lora_A.dtype)
    identity = torch.eye(min(update.shape), dtype=update.dtype, device=update.device)
    return LoraFactors(update, identity) if update.shape[0] <= update.shape[1] else LoraFactors(identity, update)


def block_of(name: str) -> int | None:
    """The decoder block of a layer: the last number in its full module name, ``None`` without one."""
    numbers = re.findall(r"(?<=\.)\d+(?=\.)", name)
    return int(numbers[-1]) if numbers else None


def factor_pairs(state: Mapping[str, Tensor]) -> dict[str, LoraFactors]:
    """The factors of each layer, whatever their ranks, under PEFT's names.

    Raises:
        InputError: a tensor that is no plain LoRA factor, or a factor without its partner.
    """
    halves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        name, dot, half = key.removesuffix(".weight").removeprefix(PEFT_PREFIX).rpartition(".")
        if not dot or half not in ("lora_A", "lora_B") or not key.endswith(".weight") or tensor.dim() < 2:
            raise InputError(f"the adapter holds {key!r}, which is not a plain LoRA factor")
        halves.setdefault(name, {})[half] = tensor
    broken = [name for name, pair in halves.items() if len(pair) != 2]
    if broken:
        raise InputError(f"the adapter holds only one of the two factors of {broken[0]}")
    return {name: LoraFactors(**pair) for name, pair in halves.items()}


def mean_weights(parts: Iterable[LoraWeights]) -> LoraWeights:
    """The average update of several adapters (as a concatenation, hence exact)."""
    parts = list(parts)
    return LoraWeights.concat(parts).scaled(1 / len(parts))
