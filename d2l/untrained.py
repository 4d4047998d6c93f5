"""Document adapters for a base model that no hypernetwork was trained for.

The memory head starts as ridge regression from the base's own states to the embeddings of the tokens behind them, and
study rows make it answer; neither needs training. What is left to know of a base are the usual directions and lengths
of its states: measured once on a short general text, then read from ``HYPERLORA_HOME``.
"""

import contextlib
import hashlib
import json
from pathlib import Path

import torch
from torch import nn

from d2l.calibration import calibrate
from d2l.config import D2LConfig, EncoderConfig
from d2l.model import D2LModel
from shared.base.model import BaseModel, BaseModelSpec, weights_digest
from shared.base.targets import Target, check_linear, find_decoder, find_targets
from shared.errors import HyperLoraError, InputError
from shared.hypernetwork.checkpoint import load_weights, save_checkpoint
from shared.hypernetwork.memory import MemoryHeadConfig
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig
from shared.hypernetwork.perceiver import PerceiverConfig
from shared.hypernetwork.published import UNTRAINED
from shared.hypernetwork.registry import HypernetworkEntry
from shared.paths import home

CHUNK_TOKENS = 128
#: Share of the layers, the last ones, that have a memory.
LAYER_SHARE = 1 / 3
# Measured, see docs/any-base.md: gains and ridge that trained hypernetworks came near to as well.
HEAD = MemoryHeadConfig(value_rank=0, initial_gain=0.05, initial_ridge=0.05, initial_study_gain=2.0, embedding="output")
# The Perceiver's choices start at weight 1 and stay there: the smallest one will do.
_PERCEIVER = PerceiverConfig(
    latent_size=8, num_latents=1, num_blocks=1, num_attention_heads=1, num_key_value_heads=1, head_dim=8
)


def load_untrained(base: BaseModel, *, root: Path | None = None) -> D2LModel:
    """A document hypernetwork without trained weights, calibrated for a base model.

    Args:
        root: folder of the calibrations.

    Raises:
        InputError: a base with nothing in its last layers that a memory can be written to.
    """
    config = untrained_config(base)
    facts = [config.to_dict(), general_text(), weights_digest(base.model), str(base.placement.dtype)]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    path = (root or home() / "calibrated") / digest[:32]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = HyperNetwork(config.hypernetwork)
    try:
        load_weights(path, network)
    except InputError:
        calibrate(network, config, base, general_text())
        _keep(path, config, network)
    return D2LModel(config, network.to(base.device).eval(), base, UNTRAINED, trained=False)


def load_model(entry: HypernetworkEntry | None, base: BaseModel, *, named: bool) -> D2LModel:
    """A document hypernetwork on a base model.

    Args:
        entry: ``None`` for the training-free mode.
        named: whether the user asked for that one; else a base that it was not made for is served without training.

    Raises:
        InputError: the hypernetwork is damaged, or was named and is for another base model.
    """
    if entry is None or not (named or BaseModelSpec.from_dict(entry.config["base"]).fits(base.spec)):
        return load_untrained(base)
    return D2LModel.from_pretrained(entry.path, base, entry.name)


def untrained_config(base: BaseModel) -> D2LConfig:
    """Memories on the last third of a base model's layers.

    Raises:
        InputError: none of them has a linear layer that writes to the residual stream.
    """
    network = HyperNetworkConfig(
        tuple(_targets(base.model)),
        head=HEAD,
        r=CHUNK_TOKENS,
        feature_size=base.spec.hidden_size,
        perceiver=_PERCEIVER,
        bias_r=0,
    )
    return D2LConfig(base.spec, EncoderConfig("embed_only"), network, CHUNK_TOKENS)


def _targets(model: nn.Module) -> list[Target]:
    """The last linear layer of the MLP of each of the last blocks, or of what else writes to the residual stream there
    (the attention of a mixture of experts). Blocks without it, or with one of another size than the last, are left out.
    """
    stack = find_decoder(model)
    check_linear(model, stack)
    depth, width = len(stack.blocks), model.config.get_text_config().hidden_size
    layers = range(depth - max(1, round(depth * LAYER_SHARE)), depth)
    writing = [
        (name.rpartition(".")[2], "attn" in name or "attention" in name)
        for layer in layers
        for name, module in stack.blocks[layer].named_modules()
        if getattr(module, "out_features", None) == width and hasattr(module, "in_features")
    ]
    # Of an MLP with several such layers (a gate as wide as the model), the last is the one that writes.
    names = [name for name, attends in writing if not attends] or [name for name, _ in writing]
    for name in dict.fromkeys(reversed(names)):
        try:
            found = find_targets(model, (name,), tuple(layers), where_present=True)
        except InputError:  # several of the same name in a block: those of experts
            continue
        return [t for t in found if (t.in_features, t.out_features) == (found[-1].in_features, width)]
    raise InputError(
        f"{type(model).__name__} has no linear layer of its own in its last blocks that a memory can be written to",
        "use a base model with an MLP or an attention in each block",
    )


def general_text() -> list[str]:
    """Short pieces of all kinds, from the package."""
    return (Path(__file__).parent / "general.txt").read_text(encoding="utf-8").strip().split("\n\n")


def _keep(path: Path, config: D2LConfig, network: HyperNetwork) -> None:
    """A full disk or a read-only home only means that the base is calibrated again."""
    card = f"# Calibration of {config.base.name_or_path}\n\nNothing here was trained.\n"
    with contextlib.suppress(HyperLoraError):
        save_checkpoint(path, config.to_dict(), network.state_dict(), card=card, force=True)
