"""What a rank budget costs: cutting the joint memory against dropping chunks and against averaging them.

Long synthetic validation documents with their questions, and needles in noise, both of several chunks.

python -m benchmarks.budget --ranks 32,64,128,256 --documents 8 --needles 10 --json budget.json

Methods, all with the same bias LoRA and the same rank: ``cut`` keeps the directions that the document's own keys read
out most (what ``--max-rank`` does); ``svd`` truncates the product by plain SVD; ``drop`` keeps the first chunks that
fit; ``average`` solves each chunk alone at that rank and takes the mean of the updates, cut to the rank again.
"""

import argparse
import json
import tempfile
from pathlib import Path

from cli.loading import load_d2l
from d2l.cache import ChunkCache
from d2l.evaluation.scoring import AnswerScore, score_questions
from d2l.model import D2LModel
from d2l.questions import Context
from d2l.synthetic import long_document, needle_document
from d2l.training.contexts import as_context
from shared.lora.weights import LoraWeights, mean_weights
from shared.metrics import mean, spread
from shared.provenance import provenance

METHODS = ("cut", "svd", "drop", "average")


def adapter(model: D2LModel, cache: ChunkCache, text: str, method: str, rank: int | None) -> LoraWeights:
    """The document's adapter at a rank; ``None``: all of it."""
    chunks, network = model.chunk(text), model.hypernetwork
    if method == "cut":
        return model.generate(chunks, max_rank=rank, cache=cache).weights
    if method == "svd":
        return model.generate(chunks, cache=cache).weights.truncate(rank).weights
    if method == "drop":
        kept, rows = [], network.config.bias_r
        for chunk in chunks:
            rows += network.head.num_rows(chunk.num_keys)
            if rows > rank and kept:
                break
            kept.append(chunk)
        return model.generate(kept, max_rank=rank, cache=cache).weights
    # The bias is in every chunk's adapter, so the mean holds it once.
    each = [model.generate([chunk], max_rank=rank, cache=cache).weights for chunk in chunks]
    return mean_weights(each).truncate(rank).weights


def validation_contexts(
    words: int, documents: int, questions: int, needles: int
) -> tuple[list[Context], list[Context]]:
    """Synthetic validation documents of so many words, and needles in noise of the same length."""
    texts = [
        as_context(long_document(index, seed=1000, split="validation", target_words=words))
        for index in range(documents)
    ]
    hidden = [
        as_context(needle_document(index, seed=1000, num_words=words, split="validation")) for index in range(needles)
    ]
    # Evenly over the document: the first sections are what ``drop`` keeps.
    return [Context(c.text, spread(c.questions, questions)) for c in texts], hidden


def means(rows: list[AnswerScore]) -> dict[str, float]:
    """NLL per answer token, F1, and the share of replies that contain the answer."""
    return {
        "nll": sum(row.nll for row in rows) / sum(row.tokens for row in rows),
        "f1": mean([row.f1 for row in rows]),
        "contained": mean([row.recall for row in rows]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="32,64,128,256")
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--words", type=int, default=450, help="words of a document")
    parser.add_argument("--questions", type=int, default=6, help="of each document")
    parser.add_argument("--needles", type=int, default=10, help="needle documents of as many words")
    parser.add_argument("--hypernet")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load_d2l(options.hypernet, None, "auto", "auto")
    documents, needles = validation_contexts(options.words, options.documents, options.questions, options.needles)
    table = []
    with tempfile.TemporaryDirectory() as folder:
        cache = ChunkCache(model.cache_key(), Path(folder))

        def score(context: Context, method: str, rank: int | None) -> list[AnswerScore]:
            lora = adapter(model, cache, context.text, method, rank)
            return score_questions(model.base, context.questions, lora, system=model.config.question_system)

        for method, rank in [("cut", None), *((m, int(r)) for r in options.ranks.split(",") for m in METHODS)]:
            record = {
                "rank": rank or mean([model.rank(model.chunk(c.text)) for c in documents]),
                "method": method if rank else "all",
                **means([row for c in documents for row in score(c, method, rank)]),
                "needles": mean([row.recall for c in needles for row in score(c, method, rank)]),
            }
            table.append(record)
            print(*(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in record.items()), flush=True)
    if options.json:
        facts = {
            "documents": len(documents),
            "needles": len(needles),
            "words": options.words,
            "hypernetwork": model.name,
        }
        options.json.write_text(json.dumps({"rows": table, "provenance": provenance(**facts)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
