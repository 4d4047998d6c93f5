"""Cuts a document into chunks, each wrapped as one user message of the base model's chat template."""

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from shared.base.chat import render_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A sentence ends at . ! ? (and closing quotes) before white space, or at the end of a line.
_SENTENCE = re.compile(r".+?(?:[.!?][\"')\]]*(?=\s)|\n|$)\s*", re.DOTALL)

# Characters that are tokenised at a time, at least, so that the memory for their tokens is bounded.
BLOCK = 100_000
_LINE_START = re.compile(r"\n(?=\S)")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?= )")
_WORD_END = re.compile(r"\w(?= )")
_start = attrgetter("start")


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


def equal_together(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    """Chunks in their order, those that are equal as one group at the place of the first.

    Each group is encoded once: the same chunk in two places of a batch is rounded in two ways, and rows from a cache,
    which knows a chunk by its tokens, would not be those of the run that wrote it.
    """
    groups: dict[tuple[tuple[int, ...], int, int], list[Chunk]] = {}
    for chunk in chunks:
        groups.setdefault((tuple(chunk.ids), chunk.start, chunk.stop), []).append(chunk)
    return list(groups.values())


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
    template = template_pieces(tokenizer)
    numbers: dict[int, int] = {}  # one object for each token, not for each of its places in the document
    chunks = []
    for segment in _segments(text, _pieces(tokenizer, text, chunk_tokens), chunk_tokens):
        for group in _balance(segment, chunk_tokens):
            own = text[group[0].begin : group[-1].end].strip()
            content = tokenizer(own, add_special_tokens=False)["input_ids"]
            if len(content) > chunk_tokens:  # a cut inside a word can make its pieces longer than they were in one
                content = [token for piece in group for token in piece.ids]
            chunks.append(template.wrap([numbers.setdefault(token, token) for token in content]))
    return chunks or [template.wrap([])]


class _Piece(NamedTuple):  # there may be millions, and a frozen dataclass takes four times as long to make
    """A sentence, or a part of one that is longer than a chunk: tokens [start, stop), characters [begin, end)."""

    start: int
    stop: int
    begin: int
    end: int
    ids: list[int]


def _pieces(tokenizer: "PreTrainedTokenizerBase", text: str, limit: int) -> Iterator[_Piece]:
    """Sentences of at most ``limit`` tokens; a long text is tokenised block by block."""
    tokens = place = 0
    for block in _blocks(text):
        encoded = tokenizer(block, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        for first, last in _sentence_tokens(block, offsets):
            for i in range(first, last, limit):
                j = min(i + limit, last)
                yield _Piece(tokens + i, tokens + j, place + offsets[i][0], place + offsets[j - 1][1], ids[i:j])
        tokens, place = tokens + len(ids), place + len(block)


def _blocks(text: str) -> Iterator[str]:
    """Parts of a long text between which no tokenizer has a token: before a line's first letter, or else a space."""
    start = 0
    while len(text) - start > 2 * BLOCK:
        window = text[start + BLOCK : start + 2 * BLOCK]
        found = _LINE_START.search(window) or _SENTENCE_END.search(window) or _WORD_END.search(window)
        stop = start + BLOCK + (found.end() if found else BLOCK)
        yield text[start:stop]
        start = stop
    yield text[start:]


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


def _segments(text: str, pieces: Iterable[_Piece], limit: int) -> Iterator[list[_Piece]]:
    """Neighbouring pieces in runs of 4 to 8 ``limit`` tokens (the last: up to 8), cut where the content says.

    The best border in reach is the one before a heading or a new paragraph, then before a new line; among equals it is
    the one with the smallest checksum of the sentence behind it, which an insertion elsewhere does not change.
    """

    def rank(piece: _Piece) -> int:
        begin, end = piece.begin, piece.end
        sentence = text[begin:end].lstrip()
        around = text[max(0, begin - 8) : end - len(sentence)]
        breaks = around[len(around.rstrip()) :].count("\n") + sentence.startswith("#")
        return zlib.crc32(sentence.rstrip().encode()) - (min(2, breaks) << 32)

    run: list[_Piece] = []
    for piece in pieces:
        run.append(piece)
        while piece.stop - run[0].start > 8 * limit:
            first = bisect_left(run, run[0].start + 4 * limit, key=_start)
            ranks = [rank(candidate) for candidate in run[first:] if candidate.start - run[0].start <= 8 * limit]
            cut = first + min(range(len(ranks)), key=ranks.__getitem__)
            yield run[:cut]
            run = run[cut:]
    if run:
        yield run


def _balance(pieces: list[_Piece], limit: int) -> list[list[_Piece]]:
    """Join neighbouring pieces into the fewest groups of at most ``limit`` tokens, about equal in length."""
    origin, total = pieces[0].start, pieces[-1].stop - pieces[0].start
    number = max(1, -(-total // limit))
    while True:
        groups = [[pieces[0]]]
        for piece in pieces[1:]:
            # Close the group where that leaves its end nearer to the target than one piece more would.
            over = (piece.start + piece.stop) / 2 - origin > total / number * len(groups)
            if over or piece.stop - groups[-1][0].start > limit:
                groups.append([piece])
            else:
                groups[-1].append(piece)
        if len(groups) <= number:
            return groups
        number += 1
