"""LoRA factors that are trained themselves, as without a hypernetwork."""

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from shared.base.model import BaseModel
from shared.base.targets import Target
from shared.errors import InputError
from shared.lora.weights import LoraFactors, LoraWeights

WARMUP_STEPS = 10


def empty_lora(targets: Sequence[Target], r: int, seed: int = 0) -> LoraWeights:
    """Factors of rank ``r`` for some layers, without effect: A random, B zero (Hu et al. 2021)."""
    generator = torch.Generator().manual_seed(seed)
    return LoraWeights(
        {
            t.name: LoraFactors(
                torch.randn(r, t.in_features, generator=generator) * t.in_features**-0.5,
                torch.zeros(t.out_features, r),
            )
            for t in targets
        }
    )


def train_lora(
    base: BaseModel,
    initial: LoraWeights,
    loss: Callable[[LoraWeights], Tensor],
    *,
    steps: int,
    lr: float,
    max_seconds: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[LoraWeights, list[float]]:
    """AdamW steps on unbatched factors; the rate warms up over ten steps and then falls to zero linearly.

    Args:
        initial: factors to start from; they stay as they are.
        loss: of one step, called with the factors in the base model's dtype; it draws its own batch.
        max_seconds: stop after this time.

    Returns:
        The trained factors on the CPU, and the loss before each step.
    """
    started = time.monotonic()
    weights = initial.to(device=base.device, dtype=torch.float32, copy=True)
    parameters = [t.requires_grad_() for f in weights.values() for t in (f.lora_A, f.lora_B)]
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0)
    losses: list[float] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / WARMUP_STEPS) * (1 - step / steps)
        value = loss(weights.to(base.placement.dtype))
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(value.item())
        if on_progress:
            on_progress(step + 1, steps)
        if max_seconds is not None and time.monotonic() - started > max_seconds:
            break
    return weights.detach().to("cpu"), losses


class PlainLora(nn.Module):
    """Trainable LoRA factors as a module, for ``shared.training.loop.fit``.

    Args:
        scaling: factor on the update, as of a hypernetwork's.
    """

    def __init__(self, targets: Sequence[Target], r: int, scaling: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        self.names, self.scaling = [t.name for t in targets], scaling
        initial = empty_lora(targets, r, seed)
        self.lora_A = nn.ParameterList(initial[name].lora_A for name in self.names)
        self.lora_B = nn.ParameterList(initial[name].lora_B for name in self.names)

    @torch.no_grad()
    def start_from(self, weights: LoraWeights) -> None:
        """Take the factors of an adapter for the same layers, of this rank or a smaller one.

        Rank above the adapter's own has no effect yet: there lora_A stays random and lora_B is zero.

        Raises:
            InputError: the adapter has other layers or a higher rank.
        """
        if set(weights) != set(self.names) or weights.r > self.lora_A[0].shape[0]:
            raise InputError("the adapter to start from has other layers or a higher rank than this run")
        for name, lora_A, lora_B in zip(self.names, self.lora_A, self.lora_B, strict=True):
            lora_A[: weights.r] = weights[name].lora_A
            lora_B.zero_()[:, : weights.r] = weights[name].lora_B / self.scaling

    def forward(self) -> LoraWeights:
        """The factors, unbatched, with the scaling folded in."""
        return LoraWeights(
            {
                name: LoraFactors(lora_A, lora_B * self.scaling)
                for name, lora_A, lora_B in zip(self.names, self.lora_A, self.lora_B, strict=True)
            }
        )
