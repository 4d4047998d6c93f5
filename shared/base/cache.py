"""Keys, values and states that a base model keeps of tokens it has read, and how prompts share them."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.errors import InputError

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel


def new_cache(model: "PreTrainedModel") -> "DynamicCache":
    """An empty cache with layers of the model's kinds: attention, sliding windows, linear attention."""
    from transformers import DynamicCache

    return DynamicCache(config=model.config.get_text_config())


def cache_argument(model: "PreTrainedModel") -> str:
    """What the model's forward pass calls its cache.

    Raises:
        InputError: it has none of transformers' own kind (RWKV, xLSTM).
    """
    taken = inspect.signature(model.forward).parameters
    for name in ("past_key_values", "cache_params"):
        if name in taken:
            return name
    raise InputError(
        f"{type(model).__name__} keeps its state in a way of its own, so it cannot write questions",
        "give questions with --questions, and --study 0",
    )


def common_prefix(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Tokens that all prompts begin with, and that leave each at least one of its own."""
    first, last = min(prompts, key=tuple), max(prompts, key=tuple)
    longest = min(map(len, prompts)) - 1
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), longest)
    return list(first[: min(length, longest)])


def can_share_prefix(model: "PreTrainedModel") -> bool:
    """Whether several tokens can follow those in a cache.

    Linear attention and state-space layers continue their state by one token at a time only.
    """
    return not getattr(model, "_is_stateful", False)
