"""Documents with questions on them: generated ones, and sentences that several annotators asked about."""

import random
from collections.abc import Sequence
from dataclasses import replace

from d2l.questions import QA, Context
from d2l.study.pairs import content_words
from d2l.synthetic import Document, draft_document
from d2l.synthetic.layouts import Page
from d2l.synthetic.questions import ask, literal
from d2l.synthetic.words import SplitName

WORDINGS = 3  #: of each fact of a generated document that is studied
# Requests to recite: a passage of this many words is given, as many are wanted.
_PASSAGE_WORDS = 12
_RECITED = 0.25  # share of reconstructions among them
_CONTINUE = (
    "Continue the text: {}",
    'How does the passage "{}" go on?',
    "What comes right after these words in the document?\n{}",
    "Complete this passage word for word.\n\n{}",
)
_RECITE = ("Repeat the document word for word.", "What exactly does the text say?", "Quote the document.")


def as_context(document: Document) -> Context:
    """A generated document in the form of a data set's."""
    questions = tuple(QA(q.question, q.answers, q.kind, q.stated) for q in document.questions)
    return Context(document.context, questions, "synthetic")


def generated_context(index: int, *, seed: int, split: SplitName) -> Context:
    """Generated document number ``index``, to be studied with ``WORDINGS`` questions on each of its facts."""
    draft = draft_document(index, seed=seed, split=split)
    page = Page(random.Random(f"{seed}/{split}/study/{index}"), split)
    context = as_context(draft.document)
    given = {question.question for question in draft.document.questions}
    study = [
        QA(ask(page, fact), (literal(fact.value.answer, context.text),))
        for _ in range(WORDINGS)
        for fact in draft.facts
    ]
    return replace(context, study=tuple(qa for qa in study if qa.question not in given))


def names_enough(qa: QA, sentence: str) -> bool:
    """Whether a question names two content words of its sentence: most of QAMR mean something next to it only."""
    return len(content_words(qa.question) & content_words(sentence)) >= 2


def annotated_context(sentences: Sequence[Context], rng: random.Random) -> Context:
    """A document of several sentences, half of each one's questions to study and the others to ask.

    A question that is asked names enough, has an answer that some question to study has, and is none of those itself.
    """
    study: list[QA] = []
    asked: list[QA] = []
    for sentence in sentences:
        named = [qa for qa in sentence.questions if names_enough(qa, sentence.text)]
        rng.shuffle(named)
        half = len(named) // 2
        study += named[:half]
        answers, questions = {qa.answer for qa in named[:half]}, {qa.question for qa in named[:half]}
        asked += [qa for qa in named[half:] if qa.answer in answers and qa.question not in questions]
    return Context(" ".join(sentence.text for sentence in sentences), tuple(asked), "annotated", tuple(study))


def well_annotated(contexts: Sequence[Context]) -> list[Context]:
    """The contexts that have questions enough for both halves."""
    return [context for context in contexts if sum(names_enough(qa, context.text) for qa in context.questions) >= 4]


def continuation(rng: random.Random, words: Sequence[str], alone: bool) -> QA:
    """A passage of a chunk's words with those behind it as its answer.

    Of a chunk that is a context ``alone``, often its beginning instead; of one that is too short to cut, all.
    """
    if alone and rng.random() < _RECITED:
        return QA(rng.choice(_RECITE), (" ".join(words[: 3 * _PASSAGE_WORDS]),), "reconstruction")
    start = rng.randint(0, max(0, len(words) - 2 * _PASSAGE_WORDS))
    passage = " ".join(words[start : start + _PASSAGE_WORDS])
    rest = words[start + _PASSAGE_WORDS : start + 2 * _PASSAGE_WORDS]
    if not rest:
        return QA(rng.choice(_RECITE), (" ".join(words),), "continuation")
    return QA(rng.choice(_CONTINUE).format(passage), (" ".join(rest),), "continuation")
