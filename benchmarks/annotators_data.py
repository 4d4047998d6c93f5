"""Documents of several sentences with questions by several annotators, half to study and half to ask (QAMR, Michael et
al. 2018).

python -m benchmarks.annotators_data QAMR.jsonl OUT.jsonl --sentences 6 --documents 20

QAMR.jsonl has one question a line with context, question and answer, about twenty for each sentence. A question that is
asked names at least two content words of its sentence (most of the data's mean something next to their sentence only),
has an answer that some question to study has, and is none of those itself.
"""

import argparse
import json
import random
from pathlib import Path

from d2l.questions import read_docqa
from d2l.training.contexts import annotated_context


def records(path: Path, sentences: int, documents: int, asked: int, seed: int) -> list[dict]:
    """Lines of the output: every question with its document, those to study marked."""
    contexts, rng, lines = read_docqa(path), random.Random(seed), []
    rng.shuffle(contexts)
    for start in range(0, min(documents * sentences, len(contexts)), sentences):
        part = contexts[start : start + sentences]
        document = annotated_context(part, rng)
        text, study, test = document.text, document.study, list(document.questions)
        rng.shuffle(test)
        for qa, is_study in [*((qa, True) for qa in study), *((qa, False) for qa in test[:asked])]:
            lines.append({"context": text, "question": qa.question, "answers": list(qa.answers), "study": is_study})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--sentences", type=int, default=6)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--asked", type=int, default=12, help="questions of each document, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lines = records(options.data, options.sentences, options.documents, options.asked, options.seed)
    options.output.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
