"""Averages the weights of two trained hypernetworks of one shape (Wortsman et al. 2022, arXiv:2109.01903).

python benchmarks/average.py BEFORE AFTER --share 0.75 -o OUT    # 0.25 of BEFORE, 0.75 of AFTER
"""

import argparse
from pathlib import Path

import torch

from shared.checkpoint import CARD_FILE, load_weights, read_checkpoint_config, save_checkpoint
from shared.errors import InputError
from shared.hypernetwork import HyperNetwork, HyperNetworkConfig


def average(before: Path, after: Path, share: float) -> dict[str, torch.Tensor]:
    """State of (1 - share) * before + share * after, float32.

    Raises:
        InputError: hypernetworks of different shapes.
    """
    config, other = (
        HyperNetworkConfig.from_dict(read_checkpoint_config(path)["hypernetwork"]) for path in (before, after)
    )
    if config != other:
        raise InputError(f"{before} and {after} have different shapes")
    states = []
    for path in (before, after):
        network = HyperNetwork(config)
        load_weights(path, network)
        states.append(network.state_dict())
    return {key: (1 - share) * value + share * states[1][key] for key, value in states[0].items()}


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
