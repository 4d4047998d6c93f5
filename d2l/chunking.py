"""Cuts a document into chunks, each wrapped as one user message of the base model's chat template."""

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.base.chat import render_chat

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

    @property
    def num_keys(self) -> int:
        """Own tokens that have another own token behind them (of a single token: that one)."""
        return max(1, self.stop - self.start - 1)


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
    """Cut a document into chunks of at most ``chunk_tokens`` content tokens, about equal in length.

    Borders lie between sentences where a sentence is not longer than a chunk itself. Long documents are cut into
    segments of 4 to 8 chunks first, at places that depend on the text around them only, so that an insertion changes
    the chunks near it and leaves the others as they were. Each chunk is tokenised as the document it is to the
    hypernetwork: tokens of separately tokenised sentences would differ (" The" is one token behind a full stop, "The"
    another at the start), and those are states that no training document has.
    """
    if not tokenizer.is_fast:  # no character offsets
        return chunk_tokens_equally(tokenizer, text, chunk_tokens)
    text = text.strip()
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    pieces = [
        (i, min(i + chunk_tokens, stop))
        for start, stop in _sentence_tokens(text, offsets)
        for i in range(start, stop, chunk_tokens)
    ]
    groups = [
        group for part in _segments(text, offsets, pieces, chunk_tokens) for group in _balance(part, chunk_tokens)
    ]
    template = template_pieces(tokenizer)
    chunks = []
    for start, stop in groups:
        if (start, stop) != (0, len(ids)):
            own = text[offsets[start][0] : offsets[stop - 1][1]].strip()
            content = tokenizer(own, add_special_tokens=False)["input_ids"]
        else:
            content = ids
        # A cut inside a word can make its pieces longer than they were in one.
        chunks.append(template.wrap(content if len(content) <= chunk_tokens else ids[start:stop]))
    return chunks


def _sentence_tokens(text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges of token indices of the sentences; a token belongs to the sentence of its last character."""
    ranges, position, start = [], 0, 0
    for sentence in split_sentences(text):
        position += len(sentence)
        stop = start
        while stop < len(offsets) and offsets[stop][1] <= position:
            stop += 1
        if stop > start:
            ranges.append((start, stop))
        start = stop
    return ranges if start == len(offsets) else [*ranges, (start, len(offsets))]


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


def _segments(
    text: str, offsets: list[tuple[int, int]], pieces: list[tuple[int, int]], limit: int
) -> list[list[tuple[int, int]]]:
    """Neighbouring pieces in runs of 4 to 8 ``limit`` tokens (the last: up to 8), cut where the content says.

    The best border in reach is the one before a heading or a new paragraph, then before a new line; among equals it is
    the one with the smallest checksum of the sentence behind it, which an insertion elsewhere does not change.
    """

    def rank(index: int) -> tuple[int, int]:
        start, stop = offsets[pieces[index][0]][0], offsets[pieces[index][1] - 1][1]
        sentence = text[start:stop].lstrip()
        around = text[max(0, start - 8) : stop - len(sentence)]
        breaks = around[len(around.rstrip()) :].count("\n") + sentence.startswith("#")
        return -min(2, breaks), zlib.crc32(sentence.strip().encode())

    segments, begin = [], 0
    while pieces and pieces[-1][1] - pieces[begin][0] > 8 * limit:
        origin = pieces[begin][0]
        reach = [i for i in range(begin + 1, len(pieces)) if 4 * limit <= pieces[i][0] - origin <= 8 * limit]
        cut = min(reach, key=rank)
        segments.append(pieces[begin:cut])
        begin = cut
    return [*segments, pieces[begin:]]


def _balance(pieces: list[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """Join neighbouring pieces into the fewest ranges of at most ``limit`` tokens, about equal in length."""
    if not pieces:
        return [(0, 0)]
    origin, total = pieces[0][0], pieces[-1][1] - pieces[0][0]
    number = max(1, -(-total // limit))
    while True:
        groups = [pieces[0]]
        for start, stop in pieces[1:]:
            begin = groups[-1][0]
            # Close the group where that leaves its end nearer to the target than one piece more would.
            over = (start + stop) / 2 - origin > total / number * len(groups)
            if over or stop - begin > limit:
                groups.append((start, stop))
            else:
                groups[-1] = (begin, stop)
        if len(groups) <= number:
            return groups
        number += 1
