"""Writes the synthetic validation documents (unseen wordings, entities, layouts) as a docqa file.

python benchmarks/docqa.py synthetic-validation.jsonl --documents 100
hyperlora eval docqa --data synthetic-validation.jsonl
"""

import argparse
import json

from d2l.synthetic import needle_document, synthetic_document


def records(documents: int, seed: int, needles: int, words: int) -> list[dict]:
    """One record per question; ``needles`` contexts of ``words`` words instead of documents if given."""
    result = []
    for index in range(needles or documents):
        if needles:
            document = needle_document(index, seed=seed, num_words=words, split="validation")
        else:
            document = synthetic_document(index, seed=seed, split="validation")
        for number, q in enumerate(document.questions):
            result.append(
                {
                    "id": f"{'needle' if needles else 'synthetic'}-{index}-{number}",
                    "dataset": "needle" if needles else "synthetic",
                    "kind": q.kind,
                    "context": document.context,
                    "question": q.question,
                    "answer": q.answer,
                    "answers": list(q.answers),
                }
            )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--needles", type=int, default=0, help="so many needle contexts instead")
    parser.add_argument("--words", type=int, default=60, help="words of noise around a needle")
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    with open(options.output, "w", encoding="utf-8") as file:
        for record in records(options.documents, options.seed, options.needles, options.words):
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
