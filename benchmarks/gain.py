"""Whether the learned gain is right at every document length: the document's update times a factor, by length.

python benchmarks/gain.py --words 60,240,960,2400 --factors 0.5,0.75,1,1.25,1.5,2 --documents 4 --json gain.json

The factor scales what the document adds; the bias LoRA, which every adapter has, stays as it is. Synthetic validation
documents of so many words, with questions spread evenly over them, and needles in noise of the same length.
"""

import argparse
import json
from pathlib import Path

from budget import means, score, validation_contexts

from cli.loading import load_d2l
from shared.evaluation import mean, provenance
from shared.lora import LoraFactors, LoraWeights


def with_gain(weights: LoraWeights, bias_r: int, factor: float) -> LoraWeights:
    """LoRA weights whose last ``bias_r`` columns of B are as they were and whose others are ``factor`` times that."""
    scaled = {}
    for name, f in weights.items():
        lora_B = f.lora_B.clone()
        lora_B[:, : lora_B.shape[1] - bias_r] *= factor
        scaled[name] = LoraFactors(f.lora_A, lora_B)
    return LoraWeights(scaled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", default="60,240,960,2400")
    parser.add_argument("--factors", default="0.5,0.75,1,1.25,1.5,2")
    parser.add_argument("--documents", type=int, default=4)
    parser.add_argument("--questions", type=int, default=8, help="of each document, at most")
    parser.add_argument("--needles", type=int, default=4, help="needle documents of each length")
    parser.add_argument("--hypernet")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    name, model = load_d2l(options.hypernet, None, "auto", "auto")
    bias_r, table = model.hypernetwork.config.bias_r, []
    for words in map(int, options.words.split(",")):
        documents, needles = validation_contexts(words, options.documents, options.questions, options.needles)
        adapters = [model.generate(model.chunk(c.text)).weights for c in (*documents, *needles)]
        chunks = mean([len(model.chunk(c.text)) for c in documents])
        for factor in map(float, options.factors.split(",")):
            scores = [
                score(model, context, with_gain(weights, bias_r, factor))
                for context, weights in zip((*documents, *needles), adapters, strict=True)
            ]
            rows = [row for rows in scores[: len(documents)] for row in rows]
            record = {
                "words": words,
                "chunks": chunks,
                "factor": factor,
                **means(rows),
                "needles": mean([row.recall for rows in scores[len(documents) :] for row in rows]),
            }
            table.append(record)
            print(*(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in record.items()), flush=True)
    if options.json:
        facts = {"documents": options.documents, "needles": options.needles, "hypernetwork": name}
        options.json.write_text(json.dumps({"rows": table, "provenance": provenance(**facts)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
