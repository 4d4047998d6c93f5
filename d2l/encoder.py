"""Context features of chunks: activations of the frozen base model itself, one copy in memory."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from d2l.chunking import Chunk
from d2l.config import D2LConfig
from shared.base.chat import pad_batch
from shared.base.model import BaseModel
from shared.base.targets import find_decoder
from shared.hypernetwork.features import ContextFeatures, MemorySource
from shared.hypernetwork.network import HyperNetworkConfig

if TYPE_CHECKING:
    from transformers import DynamicCache


class _Recorded(Exception):
    """Raised inside a forward pass once everything wanted has been seen; the layers behind are not run."""


@torch.no_grad()
def record_inputs(
    base: BaseModel,
    ids: Tensor,
    mask: Tensor,
    modules: Mapping[str, nn.Module],
    prefix: "DynamicCache | None" = None,
) -> dict[str, Tensor]:
    """Run the decoder on (batch, T) ids and return the input of each named module, (batch, T, in_features).

    The pass ends as soon as all of them have been seen.

    Args:
        prefix: keys and values of tokens in front of every row, of one row; ``mask`` is for the others.
    """
    seen: dict[str, Tensor] = {}

    def hook_for(name: str):
        def hook(_module: nn.Module, args: tuple, kwargs: dict) -> None:
            # A model spread over devices has its blocks elsewhere than the hypernetwork.
            states = args[0] if args else kwargs["hidden_states"]
            # Some models flatten batch and sequence for their MLPs.
            seen[name] = states.reshape(*ids.shape, states.shape[-1]).to(base.device)
            if len(seen) == len(modules):
                raise _Recorded

        return hook

    handles = [m.register_forward_pre_hook(hook_for(n), with_kwargs=True) for n, m in modules.items()]
    options: dict = {"use_cache": False}
    mask = mask.long()
    if prefix is not None:
        cache = copy.deepcopy(prefix)
        mask = torch.cat([mask.new_ones(len(ids), cache.get_seq_length()), mask], dim=1)
        cache.batch_repeat_interleave(len(ids))
        options = {"use_cache": True, "past_key_values": cache}
    try:
        base.model.base_model(input_ids=ids, attention_mask=mask, **options)
    except _Recorded:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return seen


def token_values(base: BaseModel, config: HyperNetworkConfig, ids: Tensor) -> Tensor:
    """What writes each of (batch, T) tokens into the residual stream, (batch, T, hidden)."""
    head = base.model.get_output_embeddings()
    if config.head.embedding == "input" or getattr(head, "weight", None) is None:
        return base.model.get_input_embeddings()(ids)
    rows = head.weight[ids.to(head.weight.device)].to(base.device)
    if config.head.embedding == "normed":
        rows = rows * find_decoder(base.model).final_norm.weight.to(rows)
    return rows


def encode_chunks(base: BaseModel, config: D2LConfig, chunks: list[Chunk]) -> ContextFeatures:
    """Context features of a batch of chunks; padding on the right is masked out."""
    stack = find_decoder(base.model)
    hypernetwork = config.hypernetwork
    entries = [*stack.blocks, stack.final_norm]
    modules: dict[str, nn.Module] = {}
    if config.encoder.type == "early_exit":
        modules["block"] = entries[config.encoder.layer_idx]
    elif config.encoder.type == "embed_only":
        modules["block"] = entries[0]
    else:
        modules |= {f"block.{layer}": entries[layer] for layer in hypernetwork.grid.layers}
    if hypernetwork.head.needs_states:
        modules |= {t.name: base.model.get_submodule(t.name) for t in hypernetwork.targets}

    ids, mask = pad_batch([chunk.ids for chunk in chunks], base.tokenizer.pad_token_id)
    ids, mask = ids.to(base.device), mask.to(base.device)
    inputs = record_inputs(base, ids, mask, modules)
    with torch.no_grad():
        if config.encoder.type == "early_exit":
            hidden = stack.final_norm(inputs["block"]).to(base.device)
        elif config.encoder.type == "embed_only":
            hidden = inputs["block"]
        else:
            layers = hypernetwork.grid.layers
            # The published encoder is the stack without its last block, so its last state has passed the final norm.
            last = len(stack.blocks) - 1
            states = {n: inputs[f"block.{n}"] for n in layers}
            if last in states:
                states[last] = stack.final_norm(states[last]).to(base.device)
            hidden = torch.stack(list(states.values()), dim=1)
        source = None
        if hypernetwork.head.needs_states:
            values = token_values(base, hypernetwork, ids).roll(-1, dims=1)
            pooled = torch.zeros_like(mask)
            for row, chunk in enumerate(chunks):
                # A key is the state at a content token that predicts the next one. The template's last token would be
                # the same key in every document.
                pooled[row, chunk.start : chunk.start + chunk.num_keys] = True
            keys = {
                module: torch.stack([inputs[t.name] for t in hypernetwork.targets if t.module == module], dim=1)
                for module in hypernetwork.grid.modules
            }
            source = MemorySource(keys, values, pooled)
    return ContextFeatures(hidden, mask, source)
