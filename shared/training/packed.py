"""Many short prompts in a few rows, through the last blocks of a base model only.

Prompts that begin alike (the chat template's head) share that beginning, and attend to it and to themselves alone:

    head | question answer | question answer | ...      the head once a row, padding behind its last prompt

A row is short, since its attention is computed over all pairs of its tokens.

What enters block ``first`` is recorded once; training that changes nothing before it then costs the blocks behind it.
Some architectures cannot be fed like that (sliding windows, states that are carried along): ``prompt_class`` compares
both ways and takes the plain one where they differ.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from shared.base.cache import common_prefix
from shared.base.chat import pad_answers
from shared.base.model import BaseModel
from shared.base.targets import find_decoder
from shared.training.losses import logits_at, logits_of

#: Root mean square difference of logits between the two ways, relative to their spread. bf16 rounds to 0.01 to 0.03 of
#: it, single logits to 0.1; a mask that is not kept gives 0.7.
TOLERANCE = 0.05
#: Of a row, beyond which the next one begins; a longer prompt has a row of its own.
ROW_TOKENS = 256


@dataclass(frozen=True)
class Prompt:
    """A question as it is asked, and the answer with the end token behind it; both are token ids."""

    question: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.question) + len(self.answer)


class PreparedPrompts(Protocol):
    """Prompts that can be put to the model again and again while its last blocks change."""

    wanted: Tensor

    def logits(self) -> Tensor:
        """Logits that predict the answers' tokens ``wanted`` (n,): (n, vocabulary) float32, prompt by prompt."""


class PlainPrompts:
    """Prompts side by side, padded, through the whole model."""

    def __init__(self, base: BaseModel, prompts: Sequence[Prompt], first: int = 0) -> None:
        self.base = base
        self.inputs = pad_answers(
            [p.question for p in prompts], [p.answer for p in prompts], base.tokenizer.pad_token_id, base.device
        )
        ids, _, positions = self.inputs
        self.wanted = ids[positions]

    def logits(self) -> Tensor:
        return logits_at(self.base, *self.inputs)


class PackedPrompts:
    """Prompts in rows of about ``ROW_TOKENS``, of which the states that enter block ``first`` are kept.

    They are those of the model as it is here, with the adapter that is in place.
    """

    def __init__(self, base: BaseModel, prompts: Sequence[Prompt], first: int) -> None:
        self.base, self.first = base, first
        head = common_prefix([prompt.question for prompt in prompts])
        rows: list[list[Prompt]] = []
        room = 0
        for prompt in prompts:
            room -= len(prompt) - len(head)
            if not rows or room < 0:
                rows.append([])
                room = ROW_TOKENS - len(prompt)
            rows[-1].append(prompt)
        packed = [_Row.of(head, row) for row in rows]
        width = max(len(row.ids) for row in packed)
        ids, positions, segment, answers = (
            torch.tensor([[*numbers, *[pad] * (width - len(numbers))] for numbers in column])
            for column, pad in zip(zip(*packed, strict=True), (base.tokenizer.pad_token_id, 0, -1, False), strict=True)
        )
        seen = ((segment[:, :, None] == segment[:, None]) | (segment[:, None] == 0)).tril()
        dtype = base.placement.dtype
        mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
        self.options = {
            "position_ids": positions.to(base.device),
            "attention_mask": mask[:, None].to(base.device),
            "use_cache": False,
        }
        token_ids = ids.to(base.device)
        self.answers = answers.to(base.device)
        self.wanted = token_ids[self.answers]
        self.states = self._entering(token_ids)

    @torch.no_grad()
    def _entering(self, ids: Tensor) -> Tensor:
        """States that enter block ``first``, (rows, T, hidden_size); the blocks from there on are not run."""
        found: list[Tensor] = []

        def hook(_module: nn.Module, args: tuple, kwargs: dict) -> None:
            found.append(args[0] if args else kwargs["hidden_states"])
            raise _Found

        handle = find_decoder(self.base.model).blocks[self.first].register_forward_pre_hook(hook, with_kwargs=True)
        try:
            self.base.model.base_model(input_ids=ids, **self.options)
        except _Found:
            pass
        finally:
            handle.remove()
        return found[0].detach().clone()

    def logits(self) -> Tensor:
        with _only_from(self.base.model, self.first):
            hidden = self.base.model.base_model(inputs_embeds=self.states, **self.options).last_hidden_state
        return logits_of(self.base, hidden, self.answers)


class _Row(NamedTuple):
    """One row of prompts, a number for each token; ``segments`` is 0 for the head and counts the prompts from 1."""

    ids: list[int]
    positions: list[int]
    segments: list[int]
    answers: list[bool]

    @classmethod
    def of(cls, head: list[int], prompts: Sequence[Prompt]) -> "_Row":
        row = cls([*head], [*range(len(head))], [0] * len(head), [False] * len(head))
        for number, prompt in enumerate(prompts, 1):
            own = prompt.question[len(head) :]
            length = len(own) + len(prompt.answer)
            row.ids.extend([*own, *prompt.answer])
            row.positions.extend(range(len(head), len(head) + length))
            row.segments.extend([number] * length)
            row.answers.extend([False] * len(own) + [True] * len(prompt.answer))
        return row


class _Found(Exception):
    """Raised inside a forward pass once the states are there."""


@contextmanager
def _only_from(model: nn.Module, first: int) -> Iterator[None]:
    """The model without the blocks before ``first``, for the duration of the block."""
    stack = find_decoder(model)
    parent_name, _, leaf = stack.name.rpartition(".")
    parent = model.get_submodule(parent_name)
    setattr(parent, leaf, stack.blocks[first:])
    try:
        yield
    finally:
        setattr(parent, leaf, stack.blocks)


@torch.no_grad()
def prompt_class(base: BaseModel, prompts: Sequence[Prompt], first: int) -> type[PackedPrompts] | type[PlainPrompts]:
    """``PackedPrompts`` if this base model gives the same logits that way, tried on some prompts."""
    plain = PlainPrompts(base, prompts).logits()
    try:
        packed = PackedPrompts(base, prompts, first).logits()
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError):
        return PlainPrompts  # an architecture that takes no such mask or no such states
    same = packed.shape == plain.shape and (packed - plain).square().mean().sqrt() <= TOLERANCE * plain.std()
    return PackedPrompts if same else PlainPrompts
