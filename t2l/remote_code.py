"""Text encoders that bring their own modelling code, written for transformers 4 (gte-large-en-v1.5), on transformers 5.

transformers 5 builds every model without memory and then fills what the checkpoint holds: buffers that a checkpoint
does not hold, such as position numbers and rotary tables, come back as whatever lay in memory. It also dropped a method
that this code calls. See https://github.com/huggingface/sentence-transformers/issues/3717.
"""

from types import MethodType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def repair_remote_model(model: "PreTrainedModel") -> None:
    """Compute a model's non-persistent buffers as its own constructor does, and give back the method it may call.

    The model's code must be trusted: its constructor runs.
    """
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        fresh = type(model)(model.config)
    for name, module in fresh.named_modules():
        for key in module._non_persistent_buffers_set & set(module._buffers):
            if module._buffers[key] is not None:
                setattr(model.get_submodule(name), key, module._buffers[key].to(model.device))
    if not hasattr(model, "get_extended_attention_mask"):
        model.get_extended_attention_mask = MethodType(_extended_attention_mask, model)


def _extended_attention_mask(model: "PreTrainedModel", attention_mask: Tensor, *_: object, **__: object) -> Tensor:
    """(batch, T) with 1 = keep -> (batch, 1, 1, T) to be added to attention scores."""
    dropped = 1.0 - attention_mask[:, None, None, :].to(model.dtype)
    return dropped * torch.finfo(model.dtype).min
