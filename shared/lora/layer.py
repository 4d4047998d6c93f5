"""LoRA weights live in a model: inside ``with apply_lora(model, weights):`` and gone afterwards."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from shared.errors import InputError
from shared.lora.weights import LoraFactors, LoraWeights


class LoraLinear(nn.Module):
    """A linear layer plus its update: y = base_layer(x) + lora_B (lora_A x).

    Args:
        base_layer: the frozen layer, called as it is (quantised ones too).
        factors: unbatched, or one pair per sample of the batch that will come.
        rows: how many neighbouring samples each of the pairs is for, if not one.
    """

    def __init__(self, base_layer: nn.Module, factors: LoraFactors, rows: Sequence[int] | None = None) -> None:
        super().__init__()
        self.base_layer, self.rows = base_layer, rows
        # Plain attributes: they are the output of a hypernetwork and carry its graph, so they are no parameters.
        self.lora_A = factors.lora_A
        self.lora_B = factors.lora_B

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, sequence, in_features). Returns (batch, sequence, out_features) in the base layer's dtype."""
        y = self.base_layer(x)
        # The layers of a model that is spread over devices see their inputs on their own one.
        lora_A, lora_B = self.lora_A.to(x.device), self.lora_B.to(x.device)
        if self.rows is None:
            update = x.to(lora_A.dtype) @ lora_A.mT @ lora_B.mT
        else:
            # Pair by pair: factors of a large rank are not copied for every sample, nor are their gradients.
            parts = zip(x.to(lora_A.dtype).split(list(self.rows)), lora_A.unbind(), lora_B.unbind(), strict=True)
            update = torch.cat([part @ a.mT @ b.mT for part, a, b in parts])
        return (y + update).to(y.dtype)


@contextmanager
def apply_lora(
    model: nn.Module, weights: LoraWeights | None, rows: Sequence[int] | None = None, *, fold: bool = False
) -> Iterator[None]:
    """Put LoRA weights into a model for the duration of the block; with ``None`` the model stays as it is.

    Batched weights of size n apply sample by sample to inputs of batch size n; with ``rows``, n numbers, the i-th
    weights apply to the next ``rows[i]`` samples of an input of batch size ``sum(rows)``. The result is the same, bit
    for bit, as PEFT's for a saved adapter of the same dtype; ranks of zeros, with which a file pads layers of a lower
    rank, cost nothing. The model is restored on exit, also after an error.

    Args:
        fold: add unbatched updates to the layers' own weights, which pays for many answers: a layer is one product then
            and not three. Layers whose weights are not plain float32 would lose precision and stay as without it.

    Raises:
        InputError: the model lacks a layer, or a layer has another size.
    """
    replaced: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        for name, factors in (weights or {}).items():
            parent_name, _, leaf = name.rpartition(".")
            try:
                parent = model.get_submodule(parent_name)
                layer = getattr(parent, leaf)
            except AttributeError:
                raise InputError(
                    f"the base model has no layer {name}", "this adapter was made for another base model"
                ) from None
            shape = (getattr(layer, "out_features", None), getattr(layer, "in_features", None))
            wanted = (factors.lora_B.shape[-2], factors.lora_A.shape[-1])
            if shape != wanted:
                raise InputError(
                    f"{name} is {shape} (out, in) in the base model but {wanted} in the adapter",
                    "this adapter was made for another base model",
                )
            factors = _without_zeros(factors)
            new = _folded(layer, factors) if fold else None
            replaced.append((parent, leaf, layer))
            setattr(parent, leaf, LoraLinear(layer, factors, rows) if new is None else new)
        yield
    finally:
        for parent, leaf, layer in reversed(replaced):
            setattr(parent, leaf, layer)


@torch.no_grad()
def _folded(layer: nn.Module, factors: LoraFactors) -> nn.Linear | None:
    """A layer with its update in its weights; ``None`` where that is not exact in float32."""
    # accelerate's hooks move a layer's weights from elsewhere at each call.
    plain = type(layer) is nn.Linear and not hasattr(layer, "_hf_hook")
    if not plain or layer.weight.dtype != torch.float32 or factors.lora_A.dim() != 2:
        return None
    lora_A, lora_B = (t.to(layer.weight.device, torch.float32) for t in (factors.lora_A, factors.lora_B))
    new = nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
    new.weight = nn.Parameter(torch.addmm(layer.weight, lora_B, lora_A), requires_grad=False)
    new.bias = layer.bias
    return new.train(layer.training)


@torch.no_grad()
def _without_zeros(factors: LoraFactors) -> LoraFactors:
    """Unbatched factors without trailing ranks that write nothing; as they are where they learn."""
    lora_A, lora_B = factors.lora_A, factors.lora_B
    if lora_B.dim() != 2 or lora_A.requires_grad or lora_B.requires_grad or lora_B.device.type == "meta":
        return factors
    used = int(lora_B.any(0).nonzero().max().item()) + 1 if lora_B.any() else 1
    return factors if used == lora_B.shape[1] else LoraFactors(lora_A[:used], lora_B[:, :used])
