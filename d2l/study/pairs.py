"""Question-answer pairs that a language model writes about a window: the prompt, the reply's form, what is kept."""

import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from d2l.questions import QA
from d2l.study.windows import Window
from shared.metrics import normalize_answer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KIND = "written"
MIN_QUESTION_WORDS = 3
MAX_ANSWER_CHARACTERS = 160

_PAIR = re.compile(r"\s*(?:[-*\d.)]+\s*)?A:\s*(?P<answer>.*?)\s+Q:\s*(?P<question>[^\n?]*\?)")
_WORD = re.compile(r"\w+(?:[-'’.,]\w+)*")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a about after all also an and any are as at be because been before being between but by can could did do does
        doing done during each for from get gets had has have having he her hers him his how i if in into is it its
        many may me might more most much must my no not of on one or other our out over own same shall she should so
        some such than that the their theirs them then there these they this those through to under until up us use
        very was we were what when where which while who whom whose why will with would you your
        name give state tell kind type sort thing things someone something""",
    )
)


def prompt_text(window: Window) -> str:
    """What the writer reads; its reply is lines of ``pair_line``."""
    heading = f"Context: {window.context}\n" if window.context else ""
    return f"{heading}Text: {window.text}\n"


def prompt_ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Token ids of a plain prompt, behind the start token where the tokenizer has one: the first token draws attention,
    whatever it is, and the text's first word would lose its meaning there.
    """
    start = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    return start + tokenizer(text, add_special_tokens=False)["input_ids"]


def pair_line(pair: QA) -> str:
    """One line of a reply. The answer comes first: it is chosen from the text, then asked for (as in QAMR)."""
    return f"A: {pair.answer} Q: {pair.question}\n"


def fold(text: str) -> str:
    """For comparing spans: lower case, single spaces, straight quotation marks."""
    return " ".join(text.replace("’", "'").replace("“", '"').replace("”", '"').casefold().split())


def content_words(text: str) -> set[str]:
    """Lower-case words that name something, cut to their first six letters so that forms of a word meet."""
    return {word[:6] for word in _WORD.findall(text.casefold()) if word not in _STOP_WORDS}


def named_words(question: str, window: Window) -> int:
    """How many of a question's content words stand in the window or its headings."""
    return len(content_words(question) & content_words(f"{window.context}\n{window.text}"))


def find_answer(answer: str, text: str) -> int:
    """Place of the answer in the folded text, as whole words; -1 if it is not there."""
    wanted, inside = fold(answer), fold(text)
    found = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", inside) if wanted else None
    return found.start() if found else -1


def usable(question: str, answer: str, window: Window) -> bool:
    """The rules for one pair: a question of three words or more, an answer from the text that it does not give away."""
    if not question.endswith("?") or len(question.split()) < MIN_QUESTION_WORDS:
        return False
    if not normalize_answer(answer) or len(answer) > MAX_ANSWER_CHARACTERS or find_answer(answer, window.text) < 0:
        return False
    return f" {normalize_answer(answer)} " not in f" {normalize_answer(question)} "


def parse_pairs(reply: str, window: Window) -> list[QA]:
    """The usable pairs of a reply, without duplicates, in its order.

    Anything that is not such a line is passed over, and so are answers that do not stand literally in the window's
    text (case and white space folded), or that name nothing ("it").
    """
    pairs: dict[tuple[str, str], QA] = {}
    for line in reply.splitlines():
        for found in _PAIR.finditer(line):
            answer, question = found["answer"].strip().strip('"“”'), " ".join(found["question"].split())
            if content_words(answer) and usable(question, answer, window):
                pairs.setdefault((fold(question), fold(answer)), QA(question, (answer,), KIND))
    return list(pairs.values())


def specific(question: str, window: Window) -> str:
    """The question with the nearest heading that it does not name yet in front: "In <heading>: ..."."""
    for heading in reversed(window.context.split(" > ")):
        name = re.sub(r"^[\d.]+\s*", "", heading)
        if name and not content_words(name) <= content_words(question) and len(name) <= 60:
            return f"In {name}: {question}"
    return question


def drop_ambiguous(written: Sequence[Sequence[QA]], windows: Sequence[Window]) -> list[list[QA]]:
    """Pairs of a whole document without questions that have two different answers.

    Such a question ("What does it cost this week?") gets the nearest heading put in front that it does not name yet;
    where that does not help, all of its pairs go. Two answers are the same if one contains the other.

    Args:
        written: the pairs of each window.
    """
    clashing = _clashing(written)
    renamed = [
        [
            QA(specific(pair.question, window), pair.answers, pair.kind) if fold(pair.question) in clashing else pair
            for pair in pairs
        ]
        for pairs, window in zip(written, windows, strict=True)
    ]
    clashing = _clashing(renamed)
    return [[pair for pair in pairs if fold(pair.question) not in clashing] for pairs in renamed]


def _clashing(written: Sequence[Sequence[QA]]) -> set[str]:
    """Folded questions with answers that differ."""
    answers: dict[str, list[str]] = {}
    for pair in itertools.chain.from_iterable(written):
        answers.setdefault(fold(pair.question), []).append(f" {normalize_answer(pair.answer)} ")

    def differ(found: list[str]) -> bool:
        longest = max(found, key=len)
        return any(answer not in longest for answer in found)

    return {question for question, found in answers.items() if differ(found)}
