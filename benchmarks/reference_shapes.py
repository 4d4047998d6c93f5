"""Time and memory of the published Doc-to-LoRA shape on the shape of its base, with random weights.

python -m benchmarks.reference_shapes --layers 4 --tokens 512,2048 --json reference-shapes.json

The hypernetwork has the main recipe's sizes (8 latents, 9 blocks, 4 pre-head blocks, latent size 512, rank 8,
down_proj), the base those of gemma-2-2b cut to a few blocks, both in one process and the base once. The cost of the
published encoder grows with the blocks, one Perceiver pass for each, so seconds are given for a block as well. A plain
forward pass of the base over the same tokens stands beside it.
"""

import argparse
import json
import resource
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Gemma2Config

from benchmarks.speed import forward, quickest
from d2l.chunking import Chunk
from d2l.config import D2LConfig, EncoderConfig
from d2l.model import D2LModel
from shared.base.device import choose_placement
from shared.base.model import BaseModel, describe_base
from shared.base.targets import find_targets
from shared.hypernetwork.checkpoint import save_checkpoint
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig
from shared.hypernetwork.perceiver import PerceiverConfig
from shared.provenance import provenance

BLOCKS, CHUNK = 26, 512  #: of gemma-2-2b, and the tokens of a chunk in the training script


@dataclass(frozen=True)
class _Padding:
    """All of a tokenizer that encoding ids needs."""

    pad_token_id: int = 0


def megabytes() -> float:
    """Largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build(layers: int, device: str, dtype: str) -> tuple[BaseModel, D2LConfig]:
    """The base with random weights, and the hypernetwork's configuration for it."""
    placement = choose_placement(device, dtype)
    shape = Gemma2Config(num_hidden_layers=layers, vocab_size=1024, pad_token_id=0)
    model = AutoModelForCausalLM.from_config(shape, dtype=placement.dtype).to(placement.device).eval()
    model.requires_grad_(False)
    base = BaseModel(model, _Padding(), describe_base(model, "gemma-2-2b-cut"), placement)
    network = HyperNetworkConfig(
        tuple(find_targets(model, ("down_proj",), None)),
        feature_size=shape.hidden_size,
        per_layer_features=True,
        perceiver=PerceiverConfig(latent_size=512, num_latents=8, num_blocks=9),
        num_pre_head_layers=4,
        scaling=16.0,
    )
    return base, D2LConfig(base.spec, EncoderConfig("per_layer_activations"), network, CHUNK, "tokens", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4, help="decoder blocks of the base")
    parser.add_argument("--tokens", default="512,2048", help="lengths of the documents")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    base, config = build(options.layers, options.device, options.dtype)
    before = megabytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "published-shape"
        save_checkpoint(path, config.to_dict(), HyperNetwork(config.hypernetwork).state_dict(), card="")
        (load,) = quickest(options.turns, lambda: D2LModel.from_pretrained(path, base))
        model = D2LModel.from_pretrained(path, base)
        size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
    rows = []
    for tokens in map(int, options.tokens.split(",")):
        ids = torch.randint(4, 1024, (tokens,)).tolist()
        chunks = [Chunk(part, 0, len(part)) for part in (ids[i : i + CHUNK] for i in range(0, tokens, CHUNK))]
        plain, adapter = quickest(
            options.turns,
            lambda chunks=chunks: forward(base, chunks, 2 * CHUNK),
            lambda chunks=chunks: model.generate(chunks, batch_tokens=2 * CHUNK),
        )
        rows.append(
            {
                "tokens": tokens,
                "forward": plain,
                "adapter": adapter,
                "ratio": adapter / plain,
                "hypernetwork_per_block": (adapter - plain) / options.layers,
                "peak_mb": megabytes(),
            }
        )
        print(*(f"{k} {v:.3f}" for k, v in rows[-1].items()), flush=True)
    found = {
        "layers": options.layers,
        "hypernetwork_mb": size,
        "load_seconds": load,
        "base_mb": before,
        "documents": rows,
        "provenance": provenance(threads=torch.get_num_threads(), dtype=str(base.placement.dtype)),
    }
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(f"hypernetwork {size:.0f} MB, loaded in {load:.1f} s; {before:.0f} MB before it")


if __name__ == "__main__":
    main()
