"""Averages the weights of two trained hypernetworks (Wortsman et al. 2022, arXiv:2109.01903).

python -m benchmarks.research.average BEFORE AFTER --share 0.75 -o OUT    # 0.25 of BEFORE, 0.75 of AFTER
"""

import argparse
import dataclasses
from pathlib import Path

import torch

from shared.errors import InputError
from shared.hypernetwork.checkpoint import CARD_FILE, grow_from, load_weights, read_checkpoint_config, save_checkpoint
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig


def average(before: Path, after: Path, share: float) -> dict[str, torch.Tensor]:
    """State of (1 - share) * before + share * after, float32.

    ``before`` may be what ``after`` has grown from: fewer layers, words copied in fewer pieces and without triggers.
    What it lacks is then as in ``after``, but for the rows that triggers write, which are zero: that is what a
    hypernetwork without triggers does.

    Raises:
        InputError: hypernetworks of different shapes.
    """
    config, other = (
        HyperNetworkConfig.from_dict(read_checkpoint_config(path)["hypernetwork"]) for path in (before, after)
    )
    grounded = dataclasses.replace(
        other.grounded,
        **{name: getattr(config.grounded, name) for name in ("horizon", "recall_layers", "initial_gain")},
    )
    smaller = dataclasses.replace(other, copy=config.copy, targets=config.targets, grounded=grounded)
    grown = bool(config.copy) == bool(other.copy) and set(config.targets) <= set(other.targets)
    if config != smaller or not grown:
        raise InputError(f"{before} and {after} have different shapes")
    first, second = HyperNetwork(other), HyperNetwork(other)
    load_weights(after, second)
    if config == other:
        load_weights(before, first)
    else:
        state = second.state_dict()
        first.load_state_dict({key: t * 0 if "trigger_rows" in key else t for key, t in state.items()})
        grow_from(before, first)
    later = second.state_dict()
    return {key: (1 - share) * value + share * later[key] for key, value in first.state_dict().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second one")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    state = average(options.before, options.after, options.share)
    card = (options.after / CARD_FILE).read_text(encoding="utf-8")
    config = read_checkpoint_config(options.after)
    save_checkpoint(options.output, config, state, card=card, dtype="bfloat16", force=True)


if __name__ == "__main__":
    main()
