"""The question writer: question-answer pairs about every sentence of a document, by the base model itself.

A document is studied through questions before anyone asks one (doc2query, Nogueira et al. 2019). A small LoRA makes the
base model a writer of such lines; a base without one writes them from a few examples in its prompt.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from d2l.questions import QA, question_messages
from d2l.study.pairs import content_words, drop_ambiguous, parse_pairs, prompt_ids, prompt_text
from d2l.study.reply import QUESTION_TOKENS, Form, Reply, spans_of, step_all
from d2l.study.windows import Window, cut_windows
from shared.base.cache import cache_argument, can_share_prefix, common_prefix, new_cache
from shared.base.chat import GenerationConfig, chat_ids, generate, pad_batch
from shared.base.model import BaseModel
from shared.errors import InputError
from shared.lora.adapter import read_factors
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import token_f1
from shared.safetensors_file import write_safetensors
from shared.work_folder import whole_file

if TYPE_CHECKING:
    from transformers import DynamicCache

__all__ = ["QuestionWriter", "Window", "check_pairs", "cut_windows", "drop_ambiguous", "parse_pairs", "save_writer"]

WRITER_FILE = "writer.safetensors"
MAX_PAIRS = 6  #: of a reply, as in training
BATCH_SIZE = 48  #: on one CPU core three times the rows take about twice the time, up to here
_LEAST_PREFIX = 32  # tokens; for fewer a pass of their own does not pay
_TOKENS_PER_PAIR = QUESTION_TOKENS  # on average it is about half of that

FEW_SHOT = """\
Context: Harbour report > 2. Northern line
Text: The ferry Ilse leaves Kirkvik at 6:40 am and carries 120 passengers. Captain Anna Holm took over in March.
A: 6:40 am Q: When does the ferry Ilse leave Kirkvik?
A: Kirkvik Q: From which port does the ferry Ilse on the northern line leave?
A: 120 passengers Q: How many passengers does the ferry Ilse carry?
A: Captain Anna Holm Q: Who took over the ferry Ilse in March?
A: March Q: When did Captain Anna Holm take over?

Context: Price list > 3. Western stores > Product Last week This week
Text: tomato soup $2.10 $1.95
brown rice $3.40 $3.60
A: $2.10 Q: What did tomato soup cost in the western stores last week?
A: $1.95 Q: What does tomato soup cost in the western stores this week?
A: $3.40 Q: What was the price of brown rice in the western stores last week?
A: $3.60 Q: What is the price of brown rice in the western stores this week?

Text: Marie Curie, born in Warsaw, won the Nobel Prize in Physics in 1903 for her work on radiation.
A: Marie Curie Q: Who won the Nobel Prize in Physics in 1903?
A: Warsaw Q: Where was Marie Curie born?
A: Nobel Prize in Physics Q: Which prize did Marie Curie win in 1903?
A: 1903 Q: In what year did Marie Curie win the Nobel Prize in Physics?
A: her work on radiation Q: For what did Marie Curie win the Nobel Prize?

"""

#: What the examples are about.
_EXAMPLES = content_words("ferry Ilse Kirkvik Anna Holm tomato soup brown rice Marie Curie Warsaw Nobel Prize Physics")


def copied(pair: QA, window: Window) -> bool:
    """Whether a base that was never trained to write has asked of its examples ("Which Nobel Prize did ...?"), or for
    what the question itself names ("What was Boris Ferrari's name?").
    """
    asked, given = content_words(pair.question), content_words(f"{window.context}\n{window.text}")
    return bool(asked & _EXAMPLES - given) or content_words(pair.answer) <= asked


class QuestionWriter:
    """Writes pairs about windows of a document.

    Args:
        lora: the writer's weights, unbatched; ``None`` puts ``FEW_SHOT`` in front of each prompt instead.
        temperature, top_p: of the sampled replies (the first one of a window is greedy).
    """

    def __init__(
        self, base: BaseModel, lora: LoraWeights | None = None, *, temperature: float = 0.8, top_p: float = 0.95
    ) -> None:
        self.base, self.temperature, self.top_p = base, temperature, top_p
        self.lora = None if lora is None else lora.to(device=base.device, dtype=base.placement.dtype)
        self._form = Form.of(base.tokenizer)

    @classmethod
    def load(cls, checkpoint: Path, base: BaseModel) -> "QuestionWriter | None":
        """The writer of a checkpoint directory; ``None`` if it has none.

        Raises:
            InputError: the file is no adapter, a damaged one, or one for another base model.
        """
        path = checkpoint / WRITER_FILE
        if not path.exists():
            return None
        writer = cls(base, LoraWeights.padded(read_factors(path)))
        with apply_lora(base.model, writer.lora):  # names and sizes of all layers
            pass
        return writer

    @property
    def identity(self) -> str:
        """sha256 over what decides the replies, for keys of caches: the LoRA's tensors, or the prompt's examples."""
        digest = hashlib.sha256()
        if self.lora is None:
            digest.update(f"2 {FEW_SHOT}".encode())  # the rules for what is kept
            return digest.hexdigest()
        for name, tensor in sorted(self.lora.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.float().cpu().numpy().tobytes())
        return digest.hexdigest()

    @torch.no_grad()
    def write(
        self,
        windows: Sequence[Window],
        *,
        samples: int = 3,
        max_pairs: int = MAX_PAIRS,
        seed: int = 0,
        batch_size: int = BATCH_SIZE,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[list[QA]]:
        """Pairs about each window, those of the greedy reply first; duplicates are left out.

        A reply depends on its window, ``seed`` and its number only: every row draws from a stream of its own. Batching
        changes the logits by rounding alone.

        Args:
            samples: replies a window; several wordings of one fact are what makes a memory of it general.
            max_pairs: of one reply.
            batch_size: replies that are decoded at a time.
            on_progress: called with the windows done and all of them.
        """
        replies = self.replies(
            windows, samples=samples, max_pairs=max_pairs, seed=seed, batch_size=batch_size, on_progress=on_progress
        )
        pairs = [
            list({(qa.question, qa.answer): qa for reply in own for qa in parse_pairs(reply, window)}.values())
            for own, window in zip(replies, windows, strict=True)
        ]
        if self.lora is not None:
            return pairs
        return [[qa for qa in own if not copied(qa, window)] for own, window in zip(pairs, windows, strict=True)]

    @torch.no_grad()
    def replies(
        self,
        windows: Sequence[Window],
        *,
        samples: int = 1,
        max_pairs: int = MAX_PAIRS,
        seed: int = 0,
        batch_size: int = BATCH_SIZE,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[list[str]]:
        """The raw replies to each window (see ``write``)."""
        if min(samples, max_pairs, batch_size) < 1:
            raise InputError("samples, max_pairs and batch_size must be at least 1")
        examples = FEW_SHOT if self.lora is None else ""
        prompts = [prompt_ids(self.base.tokenizer, examples + prompt_text(window)) for window in windows]
        order = sorted(range(len(windows)), key=lambda index: len(prompts[index]))
        at_a_time = max(1, batch_size // samples)
        found: list[list[str]] = [[] for _ in windows]
        with apply_lora(self.base.model, self.lora):
            for start in range(0, len(order), at_a_time):
                chosen = order[start : start + at_a_time]
                rows = [
                    Reply(self._form, spans, stream, top_p=self.top_p, max_pairs=max_pairs)
                    for i in chosen
                    for spans in [spans_of(self.base.tokenizer, windows[i].text)]
                    for stream in _streams(seed, windows[i], samples)
                ]
                texts = self._decode([prompts[i] for i in chosen], rows, max_pairs)
                for place, index in enumerate(chosen):
                    found[index] = texts[place * samples : (place + 1) * samples]
                if on_progress:
                    on_progress(min(start + at_a_time, len(order)), len(order))
        return found

    def _decode(self, prompts: list[list[int]], rows: list[Reply], max_pairs: int) -> list[str]:
        """The replies, an equal number of neighbouring ones for each prompt, which is read once for all of them.

        What all prompts begin with, the examples, is read once as well. Rows leave the batch when they end.
        """
        base, cache, samples = self.base, new_cache(self.base.model), len(rows) // len(prompts)
        shared = common_prefix(prompts) if can_share_prefix(base.model) else []
        if len(shared) < _LEAST_PREFIX:
            shared = []
        ids, mask = pad_batch([prompt[len(shared) :] for prompt in prompts], base.tokenizer.pad_token_id, left=True)
        if len(shared) + ids.shape[1] >= base.context_window:
            return [""] * len(rows)
        if shared:
            self._step(torch.tensor([shared]), torch.ones(1, len(shared), dtype=torch.bool), cache)
            cache.reorder_cache(torch.zeros(len(prompts), dtype=torch.long))
            mask = torch.cat([mask.new_ones(len(prompts), len(shared)), mask], dim=1)
        logits = self._step(ids, mask, cache)
        cache.reorder_cache(torch.arange(len(prompts)).repeat_interleave(samples))
        logits, mask = logits.repeat_interleave(samples, 0), mask.repeat_interleave(samples, 0)
        active = list(rows)
        for _ in range(min(_TOKENS_PER_PAIR * max_pairs, base.context_window - mask.shape[1])):
            step_all(active, logits, self.temperature)
            keep = [index for index, row in enumerate(active) if not row.done]
            if not keep:
                break
            if len(keep) < len(active):
                index = torch.tensor(keep)
                cache.reorder_cache(index)
                active, mask = [active[i] for i in keep], mask[index]
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            logits = self._step(torch.tensor([[row.ids[-1]] for row in active]), mask, cache)
        return [base.tokenizer.decode(row.ids, skip_special_tokens=True) for row in rows]

    def _step(self, ids: Tensor, mask: Tensor, cache: "DynamicCache") -> Tensor:
        """Logits behind the last token, (batch, vocabulary) float32. ids: the new tokens; mask: of all so far."""
        device = self.base.device
        name = cache_argument(self.base.model)
        positions = (mask.long().cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        out = self.base.model(
            input_ids=ids.to(device),
            # A state-space model masks its new inputs, not those that its state holds.
            attention_mask=(mask[:, -ids.shape[1] :] if name == "cache_params" else mask).long().to(device),
            position_ids=positions.to(device),
            use_cache=True,
            logits_to_keep=1,
            **{name: cache},
        )
        return out.logits[:, -1].float()


def _streams(seed: int, window: Window, samples: int) -> list[random.Random | None]:
    """Random numbers of a window's replies; the first one is greedy and needs none."""
    name = f"{seed}/{window.context}/{window.text}"
    return [random.Random(f"{name}/{number}") if number else None for number in range(samples)]


def save_writer(checkpoint: Path, lora: LoraWeights) -> Path:
    """Write a writer's LoRA beside a checkpoint's other files, bf16 under PEFT's names."""
    state = lora.state_dict()
    with whole_file(checkpoint / WRITER_FILE) as new:
        write_safetensors(new, state, dict.fromkeys(state, torch.bfloat16))
    return checkpoint / WRITER_FILE


def check_pairs(
    base: BaseModel,
    windows: Sequence[Window],
    written: Sequence[Sequence[QA]],
    *,
    threshold: float = 0.3,
    batch_size: int = 32,
) -> list[list[bool]]:
    """Which pairs the base model, with the window in its prompt, answers like the pair itself.

    Args:
        written: the pairs of each window.
        threshold: smallest token F1 between its greedy answer and the pair's.
    """
    flat = [(window, pair) for window, pairs in zip(windows, written, strict=True) for pair in pairs]
    prompts = []
    for window, pair in flat:
        text = f"{window.context}\n{window.text}".strip()
        prompts.append(chat_ids(base, question_messages(pair.question, context=text, short=True)))
    order = sorted(range(len(flat)), key=lambda index: len(prompts[index]))
    kept = [False] * len(flat)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        answers = generate(base, [prompts[i] for i in chosen], GenerationConfig(max_new_tokens=16))
        for index, answer in zip(chosen, answers, strict=True):
            kept[index] = token_f1(answer, flat[index][1].answers) >= threshold
    masks = iter(kept)
    return [[next(masks) for _ in pairs] for pairs in written]
