"""Text encoders as the published Text-to-LoRA uses them: a plain transformers model, one state per description."""

from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from shared.base.model import local_source
from shared.errors import HyperLoraError, InputError
from t2l.descriptions import add_full_stop

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The reference cuts longer descriptions off.
MAX_TOKENS = 1 << 13


@dataclass(frozen=True)
class PlainEncoder:
    """A transformers model and where its embedding is.

    Attributes:
        pooling: ``cls`` takes the last hidden state of the first token, ``last_token`` that of the last one.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    pooling: Literal["cls", "last_token"]

    @torch.no_grad()
    def embed(self, descriptions: list[str]) -> list[Tensor]:
        """One (1, width) float32 row per description, of root mean square 1.

        Raises:
            InputError: an empty description, or one longer than the encoder reads.
        """
        rows = []
        for description in descriptions:
            ids = self.tokenizer(add_full_stop(description.strip()))["input_ids"]
            limit = min(MAX_TOKENS, getattr(self.model.config, "max_position_embeddings", MAX_TOKENS))
            if len(ids) > limit:
                raise InputError(f"the description has {len(ids)} tokens", f"the text encoder reads {limit} at most")
            # One at a time: without padding, every model and pooling gives the same as alone.
            batch = torch.tensor([ids], device=self.model.device)
            states = self.model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state[0].float()
            state = states[:1] if self.pooling == "cls" else states[-1:]
            rows.append((nn.functional.normalize(state, dim=-1) * state.shape[-1] ** 0.5).cpu())
        return rows


def load_plain_encoder(
    name: str,
    pooling: Literal["cls", "last_token"],
    *,
    dtype: torch.dtype = torch.float32,
    trust_remote_code: bool = False,
) -> PlainEncoder:
    """A text encoder by path or Hub id.

    Raises:
        InputError: no such model, or one that needs code of its own without ``trust_remote_code``.
        HyperLoraError: the Hub cannot be reached.
    """
    if (Path(name).is_absolute() or name.startswith(".")) and not Path(name).is_dir():
        raise InputError(f"text encoder {name} does not exist")
    from transformers import AutoModel, AutoTokenizer

    source = local_source(name)
    options = {"trust_remote_code": trust_remote_code}
    try:
        model = AutoModel.from_pretrained(source, dtype=dtype, **options)
        if trust_remote_code:
            repair_remote_model(model)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, KeyError) as error:
        text = " ".join(str(error).split())
        if "trust_remote_code" in text:
            raise InputError(
                f"the text encoder {name} needs code of its own", "pass --trust-remote-code if you trust its author"
            ) from error
        raise HyperLoraError(
            f"cannot load the text encoder {name}", f"say where it is with --text-encoder ({text[:200]})"
        ) from error
    return PlainEncoder(model.eval().requires_grad_(False), tokenizer, pooling)


def repair_remote_model(model: "PreTrainedModel") -> None:
    """Make an encoder whose own code was written for transformers 4 (gte-large-en-v1.5) right on transformers 5.

    Its non-persistent buffers are computed as its own constructor does, and it gets back the method it may call.

    transformers 5 builds every model without memory and then fills what the checkpoint holds: buffers that a checkpoint
    does not hold, such as position numbers and rotary tables, come back as whatever lay in memory. It also dropped a
    method that this code calls. See https://github.com/huggingface/sentence-transformers/issues/3717.

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
