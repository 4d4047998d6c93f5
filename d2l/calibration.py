"""What a memory has to know of its base model: the usual directions of its states, and how long they are."""

from collections.abc import Sequence

import torch

from d2l.config import D2LConfig
from d2l.encoder import record_inputs
from shared.base.chat import pad_batch
from shared.base.model import BaseModel
from shared.base.targets import find_decoder
from shared.hypernetwork.network import HyperNetwork

PIECE_TOKENS, BATCH_SIZE = 256, 8
#: States of a layer that are kept: 4,864 inputs of ten layers take 1.6 GB.
MAX_STATES = 8192


@torch.no_grad()
def calibrate(hypernetwork: HyperNetwork, config: D2LConfig, base: BaseModel, text: Sequence[str]) -> None:
    """Set a memory head's whitening and gain units from the base model's states on some general text.

    Args:
        text: pieces, of which the first ``PIECE_TOKENS`` tokens are read, and of all ``MAX_STATES`` states.
    """
    if not config.hypernetwork.head.needs_states:
        return
    stack = find_decoder(base.model)
    entries = [*stack.blocks, stack.final_norm]
    targets = config.hypernetwork.targets
    modules = {t.name: base.model.get_submodule(t.name) for t in targets}
    modules |= {f"residual.{t.layer}": entries[t.layer + 1] for t in targets}
    states: dict[str, list[torch.Tensor]] = {t.name: [] for t in targets}
    lengths: dict[int, list[torch.Tensor]] = {t.layer: [] for t in targets}
    count = 0
    for start in range(0, len(text), BATCH_SIZE):
        rows = [base.tokenizer(piece)["input_ids"][:PIECE_TOKENS] for piece in text[start : start + BATCH_SIZE]]
        ids, mask = pad_batch(rows, base.tokenizer.pad_token_id)
        mask[:, 0] = True
        seen = record_inputs(base, ids.to(base.device), mask.to(base.device), modules)
        keep = mask.clone()
        keep[:, 0] = False  # the first token is an attention sink with activations of its own kind
        keep = keep.to(base.device)
        for t in targets:
            states[t.name].append(seen[t.name][keep].float().cpu())
        for layer, found in lengths.items():
            found.append(seen[f"residual.{layer}"][keep].float().norm(dim=-1).cpu())
        count += int(keep.sum())
        if count >= MAX_STATES:
            break
    value_scale = torch.stack([torch.cat(lengths[layer]).mean() for layer in config.hypernetwork.grid.layers])
    for module in config.hypernetwork.grid.modules:
        keys = [torch.cat(states[t.name])[:MAX_STATES] for t in targets if t.module == module]
        hypernetwork.head.calibrate(module, keys, value_scale)
