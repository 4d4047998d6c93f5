"""Whether the learned gain is right at every document length: the document's update times a factor, by length.

python -m benchmarks.research.gain --words 60,240,960 --factors 0.5,1,1.5,2 --documents 4 --json gain.json

The factor scales what the document adds; the bias LoRA, which every adapter has, stays as it is. Synthetic validation
documents of so many words, with questions spread evenly over them, and needles in noise of the same length.
"""

import argparse
import json
from pathlib import Path

from benchmarks.budget import means, validation_contexts
from cli.loading import load_d2l
from d2l.evaluation.scoring import score_questions
from shared.lora.weights import LoraWeights
from shared.metrics import mean
from shared.provenance import provenance


def with_gain(weights: LoraWeights, bias: LoraWeights | None, factor: float) -> LoraWeights:
    """``factor`` times what the document adds: weights = document + bias, however a rank limit has mixed the two."""
    scaled = weights.scaled(factor)
    return scaled if bias is None else LoraWeights.concat([scaled, bias.scaled(1 - factor)])


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
    model = load_d2l(options.hypernet, None, "auto", "auto")
    bias, system, table = model.hypernetwork.bias(), model.config.question_system, []
    for words in map(int, options.words.split(",")):
        documents, needles = validation_contexts(words, options.documents, options.questions, options.needles)
        adapters = [model.generate(model.chunk(c.text)).weights for c in (*documents, *needles)]
        chunks = mean([len(model.chunk(c.text)) for c in documents])
        for factor in map(float, options.factors.split(",")):
            scores = [
                score_questions(model.base, context.questions, with_gain(weights, bias, factor), system=system)
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
        facts = {"documents": options.documents, "needles": options.needles, "hypernetwork": model.name}
        options.json.write_text(json.dumps({"rows": table, "provenance": provenance(**facts)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
