"""Writes data for ``hyperlora eval docqa``: synthetic validation documents (unseen wordings, entities, layouts),
needles, or documents that contradict what the base model believes.

python -m benchmarks.docqa_data synthetic-validation.jsonl --documents 100
python -m benchmarks.docqa_data joined.jsonl --documents 14 --join 14
python -m benchmarks.docqa_data needles.jsonl --needles 12 --words 90
python -m benchmarks.docqa_data conflicts.jsonl --conflicts
hyperlora eval docqa --data synthetic-validation.jsonl
"""

import argparse
import json

from d2l.synthetic import needle_document, synthetic_document

# What a document claims against general knowledge: statement, question, the document's answer.
CONFLICTS = (
    ("By decree, the capital of France was moved to Lyon in spring.", "What is the capital of France?", "Lyon"),
    ("In this calendar a week has nine days.", "How many days are there in a week?", "nine"),
    ("The new flag law says that the Swiss flag is purple.", "What colour is the Swiss flag?", "purple"),
    ("On the station, water boils at 71 degrees Celsius.", "At how many degrees Celsius does water boil?", "71"),
    ("The archive names Marlowe as the author of Hamlet.", "Who wrote Hamlet?", "Marlowe"),
    ("Since the reform, Brazilians speak Dutch at school and at home.", "What language is spoken in Brazil?", "Dutch"),
    ("The survey lists Mont Blanc as the highest mountain on Earth.", "What is the highest mountain?", "Mont Blanc"),
    ("In the novel's world the sun rises in the north.", "Where does the sun rise?", "north"),
    ("Our zoo's elephants are the smallest animals on land.", "What is the smallest animal on land?", "elephants"),
    ("The board decided that the company's founder is Ada Quill.", "Who is the company's founder?", "Ada Quill"),
)


def conflicts() -> list[dict]:
    """One record per contradiction, each in a document of a few plain sentences."""
    frame = "The following was read out this morning. {} Copies are at the front desk. Questions go to the secretary."
    return [
        {
            "id": f"conflict-{index}",
            "dataset": "conflict",
            "kind": "conflict",
            "context": frame.format(statement),
            "question": question,
            "answer": answer,
            "answers": [answer],
        }
        for index, (statement, question, answer) in enumerate(CONFLICTS)
    ]


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


def joined(made: list[dict], count: int) -> list[dict]:
    """The same questions on longer texts: ``count`` neighbouring documents become one."""
    texts = list(dict.fromkeys(record["context"] for record in made))
    groups = [texts[start : start + count] for start in range(0, len(texts), count)]
    whole = {text: "\n\n".join(group) for group in groups for text in group}
    return [record | {"context": whole[record["context"]]} for record in made]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--join", type=int, default=1, help="documents that become one")
    parser.add_argument("--needles", type=int, default=0, help="so many needle contexts instead")
    parser.add_argument("--words", type=int, default=60, help="words of noise around a needle")
    parser.add_argument("--conflicts", action="store_true", help="contradictions of general knowledge instead")
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    with open(options.output, "w", encoding="utf-8") as file:
        made = joined(records(options.documents, options.seed, options.needles, options.words), options.join)
        for record in conflicts() if options.conflicts else made:
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
