"""The passages of a document that match a question: by their words and by their meaning, ranks fused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d2l.chunking import chunk_text

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

PASSAGE_TOKENS = 128
#: Of reciprocal rank fusion (Cormack et al. 2009): how little the first places count above the next.
_FUSION = 60


@dataclass(frozen=True)
class Passage:
    """A piece of a document.

    Attributes:
        number: its place in the document, from 1.
    """

    number: int
    text: str


class PassageIndex:
    """Finds passages.

    Args:
        passages: in the document's order.
        embed: texts -> unit vectors, (n, d).
    """

    def __init__(self, passages: Sequence[str], embed: "Callable[[list[str]], Tensor]") -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.passages, self.embed = [Passage(n, text) for n, text in enumerate(passages, 1)], embed
        # Numbers, prices and names are words too; a document without any has nothing to count.
        self.words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w[\w.,'-]*\w\b|\b\w\b")
        try:
            self.counts = self.words.fit_transform(passages)
        except ValueError:
            self.counts = None
        self.vectors = embed(list(passages))

    def find(self, question: str, number: int) -> list[Passage]:
        """The best passages for a question, in the document's order."""
        scores = (self.embed([question]) @ self.vectors.T)[0].tolist()
        rankings = [_ranking(scores)]
        if self.counts is not None:
            lexical = (self.words.transform([question]) @ self.counts.T).toarray()[0].tolist()
            if any(lexical):
                rankings.append(_ranking(lexical))
        fused = [sum(1 / (_FUSION + ranking[i]) for ranking in rankings) for i in range(len(self.passages))]
        best = sorted(range(len(fused)), key=lambda i: (-fused[i], i))[:number]
        return [self.passages[i] for i in sorted(best)]


def _ranking(scores: Sequence[float]) -> list[int]:
    """The place of each, from 1; equals share one."""
    places = {score: place for place, score in reversed(list(enumerate(sorted(scores, reverse=True), 1)))}
    return [places[score] for score in scores]


def cut_passages(tokenizer: "PreTrainedTokenizerBase", text: str, tokens: int = PASSAGE_TOKENS) -> list[str]:
    """A document in passages of whole sentences."""
    chunks = chunk_text(tokenizer, text, tokens)
    return [tokenizer.decode(chunk.ids[chunk.start : chunk.stop]).strip() for chunk in chunks]


def with_passages(question: str, passages: Sequence[Passage]) -> str:
    """A question behind its passages, each under its number."""
    return "\n\n".join([*(f"[{p.number}] {p.text}" for p in passages), question])
