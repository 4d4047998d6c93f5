"""Proposes a task description from a few examples, with the base model itself."""

import re
from collections.abc import Sequence

from shared.base.chat import GenerationConfig, Message, chat_ids, generate
from shared.base.model import BaseModel
from shared.errors import HyperLoraError, InputError
from t2l.tasks import Example, user_message

MAX_EXAMPLES = 8
MAX_CHARACTERS = 200
_MAX_NEW_TOKENS = 60
# Longer inputs and outputs are cut: what the task is shows in their beginnings.
_MAX_INPUT, _MAX_OUTPUT = 300, 200
# A proposal this long that an example holds, too, was copied from it.
_MIN_COPIED = 20

_REQUEST = """Below are inputs and the outputs that an assistant gave. Write one sentence, an instruction, that tells \
an assistant what to do with such an input. Do not mention these examples and do not add an explanation.

{examples}

The instruction in one sentence:"""

_LABEL = re.compile(
    r"(the |one[- ]line |one[- ]sentence )*(task|description|instruction|answer|sentence|output|assistant|prompt)"
    r"( (description|instruction|in one sentence|for the assistant))*\s*:\s*",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(r"((sure|certainly|of course|okay|ok)\b[,.!:]+ *)?(here('s| is)\b[^:]*:\s*)?", re.IGNORECASE)
_LIST_MARK = re.compile(r"([-*\u2022#>]+|\d+[.)])\s+")
_QUOTES = "\"'`*\u201c\u201d\u2018\u2019\u00ab\u00bb "
# The end of a sentence and the start of another; not the dots of "e.g. X" or "U.S. X".
_SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<![A-Z]\.)(?<!\bMr\.)(?<!\bDr\.)(?<!\bMs\.)(?<!\bMrs\.)[\"'\u201d\u2019]?\s+(?=[\"'\u201c]?[A-Z])"
)


def describe_messages(examples: Sequence[Example]) -> list[Message]:
    """The conversation that asks for a description of examples."""
    shown = [f"Input: {_cut(e.input, _MAX_INPUT)}\nOutput: {_cut(e.output, _MAX_OUTPUT)}" for e in examples]
    return user_message(_REQUEST.format(examples="\n\n".join(shown)))


def one_line(reply: str) -> str:
    """The first sentence of a reply, without list marks, quotes and announcements; empty if nothing is left."""
    for line in reply.splitlines():
        text = line.strip()
        previous = None
        while text != previous:  # a label in quotes behind a list mark, in any order
            previous = text
            for pattern in (_LIST_MARK, _PREAMBLE, _LABEL):
                found = pattern.match(text)
                text = text[found.end() :] if found else text
            text = text.strip(_QUOTES)
        text = " ".join(text.replace("**", "").split())
        if text:
            return _cut(_SENTENCE_END.split(text)[0].strip(_QUOTES), MAX_CHARACTERS)
    return ""


def describe_examples(base: BaseModel, examples: Sequence[Example], n: int = 1, seed: int = 0) -> list[str]:
    """Descriptions of the task that examples show: the first greedy, the others sampled; at most ``n``, all different.

    Those copied from an example are dropped, unless there are no others: then the first is kept.

    Raises:
        InputError: ``n`` below 1, or the first example alone exceeds the model's window.
        HyperLoraError: the model wrote nothing that is a description.
    """
    import torch

    if n < 1:
        raise InputError("--n must be at least 1")
    examples = list(examples[:MAX_EXAMPLES])
    prompt = _prompt(base, examples)
    replies = generate(base, [prompt], GenerationConfig(_MAX_NEW_TOKENS))
    if n > 1:
        torch.manual_seed(seed)
        sampling = GenerationConfig(_MAX_NEW_TOKENS, temperature=0.8, top_p=0.95)
        replies += generate(base, [prompt] * (n - 1), sampling)
    proposals = [text for text in dict.fromkeys(map(one_line, replies)) if text]
    if not proposals:
        raise HyperLoraError("the base model proposed no description", "try --n 4, or write the description yourself")
    return [text for text in proposals if not _is_copied(text, examples)] or proposals[:1]


def _is_copied(proposal: str, examples: Sequence[Example]) -> bool:
    """Whether an example's input or output holds a proposal of some length, whatever its case and white space."""
    text = proposal.rstrip(" .").casefold()  # it may be cut
    shown = (" ".join(part.split()).casefold() for e in examples for part in (e.input, e.output))
    return len(text) >= _MIN_COPIED and any(text in part for part in shown)


def _prompt(base: BaseModel, examples: list[Example]) -> list[int]:
    """Token ids of the request with as many of the examples as fit the window, at least one."""
    while True:
        ids = chat_ids(base, describe_messages(examples))
        if len(examples) == 1 or len(ids) + _MAX_NEW_TOKENS <= base.context_window:
            return ids
        examples = examples[:-1]


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` characters of a text, up to the end of a word."""
    if len(text) <= limit:
        return text
    return text[: limit - 3].rsplit(None, 1)[0].rstrip(" ,;:") + "..."
