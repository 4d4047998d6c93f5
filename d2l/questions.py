"""Document question answering: contexts with their questions, read from files, and how a question is asked."""

from dataclasses import dataclass
from pathlib import Path

from shared.errors import InputError
from shared.jsonl import numbered_records

SHORT_ANSWER = "Answer in a few words."

#: Ways to answer questions on a document that ``compare`` measures.
APPROACHES = ("none", "context", "retrieval", "distillation", "d2l", "d2l+study", "d2l+refine")

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
    """A document and its questions.

    Attributes:
        study: questions that it may be studied with; none of them is among ``questions``.
    """

    text: str
    questions: tuple[QA, ...]
    dataset: str = ""
    study: tuple[QA, ...] = ()


def read_docqa(path: Path) -> list[Context]:
    """Contexts of a document-QA file: JSONL with one question per line, or SQuAD's JSON.

    Questions of a JSONL file with ``"study": true`` are for studying and not asked.

    Raises:
        InputError: neither of the two formats, a question without an answer, or no questions.
    """
    if path.suffix == ".json":
        return _read_squad(path)
    questions: dict[str, list[QA]] = {}
    study: dict[str, list[QA]] = {}
    datasets: dict[str, str] = {}
    for number, record in numbered_records(str(path), ("context", "question")):
        text = record["context"]
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{path}, line {number}: the context must be a text that is not empty")
        asked, studied = questions.setdefault(text, []), study.setdefault(text, [])
        (studied if record.get("study") is True else asked).append(_question(record, f"{path}, line {number}"))
        datasets.setdefault(text, str(record.get("dataset", "")))
    return [
        Context(text, tuple(asked), datasets[text], tuple(study[text])) for text, asked in questions.items() if asked
    ]


def read_questions(path: Path) -> list[QA]:
    """Questions on one document: JSONL with ``question`` and ``answer``, or ``answers``, all accepted ones.

    Raises:
        InputError: missing file, or a line that is no such object, with its number.
    """
    return [_question(record, f"{path}, line {n}") for n, record in numbered_records(str(path), ("question",))]


def _question(record: dict, where: str) -> QA:
    answers = record.get("answers") or ([record["answer"]] if "answer" in record else None)
    if not isinstance(answers, list) or not all(isinstance(text, str) and text.strip() for text in answers):
        raise InputError(f"{where}: needs an answer, a text, or answers, a list of texts")
    if not isinstance(record["question"], str) or not record["question"].strip():
        raise InputError(f"{where}: the question must be a text that is not empty")
    return QA(record["question"], tuple(answers), str(record.get("kind", "")))


def _read_squad(path: Path) -> list[Context]:
    from shared.config import read_json

    data = read_json(path, "data file")
    result = []
    try:
        for article in data["data"]:
            for paragraph in article["paragraphs"]:
                questions = tuple(
                    _question(
                        {
                            "question": qa["question"],
                            "answers": list(dict.fromkeys(a["text"] for a in qa["answers"])),
                            "kind": QA.kind,
                        },
                        str(path),
                    )
                    for qa in paragraph["qas"]
                    if qa["answers"]
                )
                if not isinstance(paragraph["context"], str):
                    raise TypeError
                if questions:
                    result.append(Context(paragraph["context"], questions, "squad"))
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path} is not in SQuAD format", "use SQuAD JSON, or JSONL with context, question, answer"
        ) from None
    if not result:
        raise InputError(f"{path} holds no questions with answers")
    return result


def question_messages(
    question: str, *, context: str | None = None, system: str | None = None, short: bool = False
) -> list[dict[str, str]]:
    """The conversation that asks a question.

    Args:
        context: put before the question, with an empty line between.
        short: add the request for a short answer.
    """
    content = question if context is None else f"{context}\n\n{question}"
    content = f"{content}\n{SHORT_ANSWER}" if short else content
    messages = [{"role": "user", "content": content}]
    return messages if system is None else [{"role": "system", "content": system}, *messages]
