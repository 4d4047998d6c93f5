"""Cuts a document into chunks, each wrapped as one user message of the base model's chat template."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.generation import render_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A sentence ends at . ! ? (and closing quotes) before white space, or at the end of a line.
_SENTENCE = re.compile(r".+?(?:[.!?][\"')\]]*(?=\s)|\n|$)\s*", re.DOTALL)


@dataclass(frozen=True)
class Chunk:
    """Token ids of one piece of a document; ids[start:stop] are the document's own, the rest is the template."""

    ids: list[int]
    start: int
    stop: int


@dataclass(frozen=True)
class TemplatePieces:
    """Token ids that the chat template puts before and behind a user message (empty system message)."""

    prefix: list[int]
    suffix: list[int]

    def wrap(self, content: list[int]) -> Chunk:
        start = len(self.prefix)
        return Chunk(self.prefix + content + self.suffix, start, start + len(content))


def template_pieces(tokenizer: "PreTrainedTokenizerBase") -> TemplatePieces:
    """Derive the pieces from the tokenizer's own template by rendering a marker as the message."""
    marker = "\u2603MARKER\u2603"
    text = render_context(tokenizer, marker)
    before, _, behind = text.partition(marker)

    def encode(piece: str) -> list[int]:
        return tokenizer(piece, add_special_tokens=False)["input_ids"]

    return TemplatePieces(encode(before), encode(behind))


def render_context(tokenizer: "PreTrainedTokenizerBase", text: str) -> str:
    """The document as the user message behind an empty system message, with the generation prompt."""
    if tokenizer.chat_template is None:
        return (tokenizer.bos_token or "") + text
    return render_chat(tokenizer, [{"role": "system", "content": ""}, {"role": "user", "content": text}])


def split_sentences(text: str) -> list[str]:
    """Sentences and lines of a text; joined they give the text back."""
    return _SENTENCE.findall(text)


def chunk_text(tokenizer: "PreTrainedTokenizerBase", text: str, chunk_tokens: int) -> list[Chunk]:
    """Cut a document into the fewest chunks of at most ``chunk_tokens`` content tokens, about equal in length.

    Borders lie between sentences where a sentence is not longer than a chunk itself.
    """
    pieces: list[list[int]] = []
    for sentence in split_sentences(text):
        ids = tokenizer(sentence, add_special_tokens=False)["input_ids"]
        pieces += [ids[i : i + chunk_tokens] for i in range(0, len(ids), chunk_tokens)]
    total = sum(map(len, pieces))
    number = max(1, -(-total // chunk_tokens))
    while True:
        groups = _balance(pieces, total / number, chunk_tokens)
        if groups is not None:
            break
        number += 1
    template = template_pieces(tokenizer)
    return [template.wrap([token for piece in group for token in piece]) for group in groups]


def chunk_tokens_equally(tokenizer: "PreTrainedTokenizerBase", text: str, chunk_tokens: int) -> list[Chunk]:
    """Cut the templated ids of a document into ceil(n / chunk_tokens) equal pieces, as Doc-to-LoRA was trained.

    The template's head is repeated in front of every piece but the first and its tail behind every piece but the last,
    so a chunk can be longer than ``chunk_tokens`` (https://github.com/SakanaAI/doc-to-lora).
    """
    ids = tokenizer(render_context(tokenizer, text.strip()), add_special_tokens=False)["input_ids"]
    template = template_pieces(tokenizer)
    number = max(1, -(-len(ids) // chunk_tokens))
    size = -(-len(ids) // number)
    chunks = []
    for begin in range(0, len(ids), size):
        piece, last = ids[begin : begin + size], begin + size >= len(ids)
        start = 0 if begin else len(template.prefix)
        stop = len(piece) - len(template.suffix) if last else len(piece)
        shift = len(template.prefix) if begin else 0
        wrapped = (template.prefix if begin else []) + piece + ([] if last else template.suffix)
        chunks.append(Chunk(wrapped, start + shift, max(start, stop) + shift))
    return chunks


def _balance(pieces: list[list[int]], target: float, limit: int) -> list[list[list[int]]] | None:
    """Fill groups up to the next multiple of ``target`` tokens; ``None`` if one would exceed ``limit``."""
    groups: list[list[list[int]]] = [[]]
    size, done = 0, 0
    for piece in pieces:
        # Close the group where that leaves its end nearer to the target than one piece more would.
        over = size > 0 and done + size + len(piece) / 2 > target * len(groups)
        if size and (over or size + len(piece) > limit):
            groups.append([])
            done, size = done + size, 0
        groups[-1].append(piece)
        size += len(piece)
    return groups if len(groups) <= max(1, round((done + size) / target)) else None
