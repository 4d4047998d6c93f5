"""Document question answering: contexts with their questions, read from files, and how a question is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import InputError
from shared.jsonl import read_jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHORT_ANSWER = "Answer in a few words."

# Sets whose licence allows publishing weights trained on them (CC BY, CC BY-SA, MIT); the others are for evaluation.
PUBLISHABLE = [
    "adversarial_qa_dbert",
    "adversarial_qa_dbidaf",
    "adversarial_qa_droberta",
    "cosmos_qa",
    "duorc_ParaphraseRC",
    "duorc_SelfRC",
    "qasc",
    "quartz",
    "quoref",
    "ropes",
    "wiki_bio",
    "wiki_hop",
]


@dataclass(frozen=True)
class QA:
    """A question on a context.

    Attributes:
        answers: all accepted answers, the main one first.
        stated: the answer in whole sentences, if there is such a one.
    """

    question: str
    answers: tuple[str, ...]
    kind: str = "extractive"
    stated: str = ""

    @property
    def answer(self) -> str:
        return self.answers[0]


@dataclass(frozen=True)
class Context:
    """A document and its questions."""

    text: str
    questions: tuple[QA, ...]
    dataset: str = ""


def read_docqa(path: Path) -> list[Context]:
    """Contexts of a document-QA file: JSONL with one question per line, or SQuAD's JSON.

    Raises:
        InputError: neither of the two formats, or no questions.
    """
    if path.suffix == ".json":
        return _read_squad(path)
    contexts: dict[str, list[dict]] = {}
    for record in read_jsonl(path, ("context", "question", "answer")):
        contexts.setdefault(record["context"], []).append(record)
    return [
        Context(
            text,
            tuple(QA(r["question"], tuple(r.get("answers") or [r["answer"]]), r.get("kind", "")) for r in records),
            records[0].get("dataset", ""),
        )
        for text, records in contexts.items()
    ]


def _read_squad(path: Path) -> list[Context]:
    from shared.config import read_json

    data = read_json(path, "data file")
    result = []
    try:
        for article in data["data"]:
            for paragraph in article["paragraphs"]:
                questions = tuple(
                    QA(qa["question"], tuple(dict.fromkeys(a["text"] for a in qa["answers"])))
                    for qa in paragraph["qas"]
                    if qa["answers"]
                )
                if questions:
                    result.append(Context(paragraph["context"], questions, "squad"))
    except (KeyError, TypeError):
        raise InputError(
            f"{path} is not in SQuAD format", "use SQuAD JSON, or JSONL with context, question, answer"
        ) from None
    if not result:
        raise InputError(f"{path} holds no questions with answers")
    return result


def question_messages(question: str, *, system: str | None = None, short: bool = False) -> list[dict[str, str]]:
    """The conversation that asks a question; ``short`` adds the request for a short answer."""
    content = f"{question}\n{SHORT_ANSWER}" if short else question
    messages = [{"role": "user", "content": content}]
    return messages if system is None else [{"role": "system", "content": system}, *messages]


def answer_ids(tokenizer: "PreTrainedTokenizerBase", answer: str) -> list[int]:
    """Token ids of an answer, closed by the end-of-turn token."""
    return tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
