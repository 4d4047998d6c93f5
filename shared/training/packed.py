"""Many short prompts as one sequence, through the last blocks of a base model only.

Prompts that begin alike (the chat template's head) share that beginning, and attend to it and to themselves alone:

    head | question answer | question answer | ...      no padding, the head once

What enters block ``first`` is recorded once; training that changes nothing before it then costs the blocks behind it.
Some architectures cannot be fed like that (sliding windows, states that are carried along): ``open_tail`` compares both
ways and takes the plain one where they differ.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

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
    """Prompts in one sequence, of which the states that enter block ``first`` are kept.

    They are those of the model as it is here, with the adapter that is in place.
    """

    def __init__(self, base: BaseModel, prompts: Sequence[Prompt], first: int) -> None:
        self.base, self.first = base, first
        head = common_prefix([prompt.question for prompt in prompts])
        ids, positions, segments, answers = [*head], [*range(len(head))], [0] * len(head), [False] * len(head)
        for number, prompt in enumerate(prompts, 1):
            own = prompt.question[len(head) :]
            ids += own + prompt.answer
            length = len(own) + len(prompt.answer)
            positions += range(len(head), len(head) + length)
            segments += [number] * length
            answers += [False] * len(own) + [True] * len(prompt.answer)
        segment = torch.tensor(segments)
        seen = ((segment[:, None] == segment[None]) | (segment[None] == 0)).tril()
        dtype = base.placement.dtype
        mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
        self.options = {
            "position_ids": torch.tensor([positions], device=base.device),
            "attention_mask": mask[None, None].to(base.device),
            "use_cache": False,
        }
        token_ids = torch.tensor([ids], device=base.device)
        self.answers = torch.tensor([answers], device=base.device)
        self.wanted = token_ids[self.answers]
        self.states = self._entering(token_ids)

    @torch.no_grad()
    def _entering(self, ids: Tensor) -> Tensor:
        """States that enter block ``first``, (1, T, hidden_size); the blocks from there on are not run."""
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
