"""Chat prompts and answers."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from shared.base.cache import can_share_prefix
from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]
# Logits divided by less, or times more, are infinite in half precision.
MIN_TEMPERATURE, MAX_PENALTY = 1e-3, 100
# Of a prompt's tokens, so many that it pays to keep their states.
_LEAST_SHARED = 32
# Prompts behind a text that are answered at a time, and tokens of it that are kept for them.
_BATCH, _BATCH_TOKENS = 8, 16384
_MARKER = "\u2603MARKER\u2603"


@dataclass(frozen=True)
class GenerationConfig(Config):
    """How an answer is decoded; temperature 0 is greedy."""

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise InputError("--max-new-tokens must be at least 1")
        if not 0 <= self.temperature < math.inf or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise InputError("sampling options out of range", "temperature >= 0, 0 < top-p <= 1, top-k >= 0")
        if 0 < self.temperature < MIN_TEMPERATURE:
            raise InputError(
                f"a temperature of {self.temperature:g} is too small to divide by", "--temperature 0 is greedy"
            )
        if not 1 / MAX_PENALTY <= self.repetition_penalty <= MAX_PENALTY:
            raise InputError("the repetition penalty is out of range", f"between {1 / MAX_PENALTY:g} and {MAX_PENALTY}")


def chat_ids(base: BaseModel, messages: list[Message]) -> list[int]:
    """Token ids of a conversation with the tokenizer's own chat template, ready for the answer."""
    if base.tokenizer.chat_template is None:
        text = "\n".join(message["content"] for message in messages if message["content"]) + "\n"
        return base.tokenizer(text)["input_ids"]
    return base.tokenizer(render_chat(base.tokenizer, messages), add_special_tokens=False)["input_ids"]


def render_chat(tokenizer: "PreTrainedTokenizerBase", messages: list[Message]) -> str:
    """A conversation as text by the tokenizer's chat template, with the generation prompt.

    Where the template refuses a system message (Gemma 2, older Mistral), it stands before the first user message with
    an empty line between, as Doc-to-LoRA was trained.
    """
    from jinja2.exceptions import TemplateError

    options = {"tokenize": False, "add_generation_prompt": True}
    try:
        return tokenizer.apply_chat_template(messages, **options)
    except TemplateError:
        if len(messages) < 2 or messages[0]["role"] != "system":
            raise
        system, user, *rest = messages
        # A marker in place of the text: a template that trims messages must trim the user's, not the empty line.
        text = tokenizer.apply_chat_template([{**user, "content": f" {_MARKER} "}, *rest], **options)
        trims = f" {_MARKER} " not in text
        content = user["content"].strip() if trims else user["content"]
        return text.replace(_MARKER if trims else f" {_MARKER} ", f"{system['content']}\n\n{content}")


def answer_ids(tokenizer: "PreTrainedTokenizerBase", answer: str) -> list[int]:
    """Token ids of an answer, closed by the end-of-turn token."""
    return tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]


def pad_batch(rows: list[list[int]], pad_id: int, *, left: bool = False) -> tuple[Tensor, Tensor]:
    """Pad token ids. Returns ids (batch, longest) int64 and attention mask (batch, longest) bool."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for index, row in enumerate(rows):
        where = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, where] = torch.tensor(row, dtype=torch.long)
        mask[index, where] = True
    return ids, mask


def pad_answers(
    prompts: list[list[int]], answers: list[list[int]], pad_id: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor, Tensor]:
    """Prompts with their answers behind, as the losses want them.

    Returns:
        Ids (batch, longest) int64, attention mask and the answers' positions, both (batch, longest) bool.
    """
    ids, mask = pad_batch([p + a for p, a in zip(prompts, answers, strict=True)], pad_id)
    positions = torch.zeros_like(mask)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        positions[row, len(prompt) : len(prompt) + len(answer)] = True
    return ids.to(device), mask.to(device), positions.to(device)


class _Callback:
    """A transformers streamer that hands over text as soon as whole words are decoded."""

    def __init__(self, tokenizer, on_text: Callable[[str], None]) -> None:
        self.tokenizer, self.on_text = tokenizer, on_text
        self.ids: list[int] = []
        self.printed, self.is_prompt = "", True

    def put(self, value: Tensor) -> None:
        if self.is_prompt:
            self.is_prompt = False
            return
        self.ids += value.flatten().tolist()
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        # A trailing replacement character is the first part of a multi-token character.
        if not text.endswith("\ufffd"):
            self._emit(text)

    def end(self) -> None:
        self._emit(self.tokenizer.decode(self.ids, skip_special_tokens=True))

    def _emit(self, text: str) -> None:
        if len(text) > len(self.printed):
            self.on_text(text[len(self.printed) :])
            self.printed = text


@torch.no_grad()
def generate(
    base: BaseModel,
    prompts: list[list[int]],
    config: GenerationConfig,
    on_text: Callable[[str], None] | None = None,
) -> list[str]:
    """Answers to tokenised prompts, one batch, padded on the left.

    Args:
        on_text: called with pieces of the answer as they come (one prompt only).

    Raises:
        InputError: prompt and answer do not fit the model's window.
    """
    longest = max(map(len, prompts))
    if longest + config.max_new_tokens > base.context_window:
        raise InputError(
            f"{longest} prompt tokens + {config.max_new_tokens} new ones exceed the window of {base.context_window}",
            "shorten the text, or turn it into an adapter with hyperlora d2l",
        )
    ids, mask = pad_batch(prompts, base.tokenizer.pad_token_id, left=True)
    return _decoded(base, _generated(base, ids, mask, config, on_text), ids.shape[1])


def generate_behind_a_text(base: BaseModel, prompts: list[list[int]], config: GenerationConfig) -> list[str]:
    """Answers to tokenised prompts that begin alike: what they share is read once.

    Raises:
        InputError: as ``generate``.
    """
    shared = min(map(len, prompts)) - 1
    for number, column in enumerate(zip(*prompts, strict=False)):
        if len(set(column)) > 1:
            shared = min(shared, number)
            break
    if len(prompts) < 2 or shared < _LEAST_SHARED:
        return [generate(base, [prompt], config)[0] for prompt in prompts]
    ids, mask = pad_batch([prompts[0][:shared]], base.tokenizer.pad_token_id)
    one = config.replace(max_new_tokens=1)
    # The states of all but the token that this adds.
    read = _generated(base, ids, mask, one, return_dict_in_generate=True).past_key_values
    # Padding stands behind what they share: a sliding window would count it, and a state would read it.
    alone = any(read.is_sliding) or not can_share_prefix(base.model)
    size = 1 if alone else max(1, min(_BATCH, _BATCH_TOKENS // shared))
    replies = []
    for start in range(0, len(prompts), size):
        part = prompts[start : start + size]
        states = copy.deepcopy(read)
        if len(part) > 1:
            states.batch_repeat_interleave(len(part))
        ids, mask = pad_batch([prompt[shared:] for prompt in part], base.tokenizer.pad_token_id, left=True)
        text = torch.tensor([prompts[0][:shared]]).expand(len(part), -1)
        ids, mask = torch.cat([text, ids], dim=1), torch.cat([torch.ones_like(text, dtype=torch.bool), mask], dim=1)
        out = _generated(base, ids, mask, config, past_key_values=states)
        replies += _decoded(base, out, ids.shape[1])
    return replies


def _generated(
    base: BaseModel,
    ids: Tensor,
    mask: Tensor,
    config: GenerationConfig,
    on_text: Callable[[str], None] | None = None,
    **options: Any,
) -> Any:
    sampling = {"do_sample": False}
    if config.temperature > 0:
        sampling = {
            "do_sample": True,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "top_k": config.top_k or None,
        }
    return base.model.generate(
        input_ids=ids.to(base.device),
        attention_mask=mask.to(base.device).long(),
        max_new_tokens=config.max_new_tokens,
        repetition_penalty=config.repetition_penalty,
        pad_token_id=base.tokenizer.pad_token_id,
        streamer=_Callback(base.tokenizer, on_text) if on_text else None,
        **sampling,
        **options,
    )


def _decoded(base: BaseModel, out: Tensor, prompt_length: int) -> list[str]:
    for module in base.model.modules():
        if getattr(module, "rope_deltas", None) is not None:
            module.rope_deltas = None  # Qwen-VL would shift the positions of later passes by those of this batch
    answers = base.tokenizer.batch_decode(out[:, prompt_length:], skip_special_tokens=True)
    return [answer.strip() for answer in answers]


def answer(
    base: BaseModel,
    messages: list[Message],
    config: GenerationConfig,
    on_text: Callable[[str], None] | None = None,
) -> str:
    """The model's next message in a conversation."""
    return generate(base, [chat_ids(base, messages)], config, on_text)[0]
