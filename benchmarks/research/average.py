"""Averages the weights of two trained hypernetworks (Wortsman et al. 2022, arXiv:2109.01903).

python -m benchmarks.research.average BEFORE AFTER --share 0.75 -o OUT    # 0.25 of BEFORE, 0.75 of AFTER
"""

import argparse
from pathlib import Path

import torch

from shared.errors import InputError
from shared.hypernetwork.checkpoint import CARD_FILE, read_checkpoint_config, save_checkpoint
from shared.hypernetwork.network import HyperNetwork


def average(before: Path, after: Path, share: float) -> dict[str, torch.Tensor]:
    """State of (1 - share) * before + share * after, float32.

    Raises:
        InputError: hypernetworks of different shapes.
    """
    first, second = HyperNetwork.read(before), HyperNetwork.read(after)
    if first.config != second.config:
        raise InputError(f"{before} and {after} have different shapes")
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
