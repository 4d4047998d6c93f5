"""Study rows: a document's questions and answers, put as they will be asked, become rows of its memory.

The state in which a question has been put is not the state in which the fact was read, so a memory of the text's own
states recites and does not answer. Question-and-answer pairs go through the base model as ``hyperlora ask`` puts them,
with the document's adapter in place; the states that predict an answer's tokens are keys, these tokens are the values,
and the rows join those of the text in one solve (MEMIT, Meng et al. 2022, arXiv:2210.07229; pairs from a writer as in
doc2query, Nogueira et al. 2019, and self-study, Eyuboglu et al. 2025). A second pass captures the states again with the
studied adapter in place.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from d2l.cache import ChunkCache
from d2l.chunking import Chunk
from d2l.encoder import record_inputs, token_values
from d2l.questions import QA, question_messages
from shared.base.cache import can_share_prefix, common_prefix, new_cache
from shared.base.chat import answer_ids, chat_ids, pad_answers
from shared.base.model import BaseModel
from shared.errors import InputError
from shared.hypernetwork.features import MemorySource
from shared.hypernetwork.head import ChunkFactors
from shared.hypernetwork.network import HyperNetwork
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.training.packed import Prompt

PASSES = 2
BATCH_SIZE = 32
#: Padding included; only answers of whole paragraphs make batches smaller than ``BATCH_SIZE``.
BATCH_TOKENS = 4096
#: Of the base's own reply to a question that no document answers.
NULL_TOKENS = 5


def study_prompts(base: BaseModel, pairs: Sequence[QA], turn: int = 0, *, system: str | None = None) -> list[Prompt]:
    """Pairs as prompts, every other one with the request for a short answer; over two turns each has both forms.

    Args:
        turn: 0 or 1: which of the pairs have the request.

    Raises:
        InputError: a question with its answer is longer than the base model can read.
    """
    prompts = []
    for number, qa in enumerate(pairs):
        messages = question_messages(qa.question, system=system, short=(number + turn) % 2 == 0)
        prompt = Prompt(chat_ids(base, messages), answer_ids(base.tokenizer, qa.answer))
        if len(prompt) > base.context_window:
            raise InputError(
                f"the question {qa.question[:60]!r} and its answer have {len(prompt)} tokens; the base model reads "
                f"{base.context_window}",
                "split it into several questions",
            )
        prompts.append(prompt)
    return prompts


def prompt_batches(prompts: Sequence[Prompt], batch_size: int = BATCH_SIZE) -> Iterator[list[Prompt]]:
    """Neighbouring prompts, at most ``batch_size`` and ``BATCH_TOKENS`` after padding, at least one each."""
    batch: list[Prompt] = []
    longest = 0
    for prompt in prompts:
        longest = max(longest, len(prompt))
        if batch and (len(batch) == batch_size or longest * (len(batch) + 1) > BATCH_TOKENS):
            yield batch
            batch, longest = [], len(prompt)
        batch.append(prompt)
    if batch:
        yield batch


@torch.no_grad()
def capture(
    base: BaseModel,
    network: HyperNetwork,
    prompts: Sequence[Prompt],
    lora: LoraWeights | None,
    *,
    batch_size: int = BATCH_SIZE,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[MemorySource]:
    """Keys and next tokens of prompts with an adapter in place, batch by batch; ``mask`` marks what predicts answers.

    Args:
        lora: unbatched; ``None`` for the base model alone.
        on_progress: called with the number of prompts done after each batch.
    """
    targets, grid = network.config.targets, network.config.grid
    shared = common_prefix([p.question for p in prompts]) if can_share_prefix(base.model) else []
    # Prompts of similar length together, so that little of a batch is padding.
    ordered, done = sorted(prompts, key=len), 0
    with apply_lora(base.model, lora and lora.to(base.device, base.placement.dtype)):
        modules = {t.name: base.model.get_submodule(t.name) for t in targets}
        prefix = None
        if shared:
            prefix = new_cache(base.model)
            base.model.base_model(
                input_ids=torch.tensor([shared], device=base.device), past_key_values=prefix, use_cache=True
            )
        for part in prompt_batches(ordered, batch_size):
            ids, mask, positions = pad_answers(
                [p.question[len(shared) :] for p in part],
                [p.answer for p in part],
                base.tokenizer.pad_token_id,
                base.device,
            )
            inputs = record_inputs(base, ids, mask, modules, prefix)
            keys = {
                module: torch.stack([inputs[t.name] for t in targets if t.module == module], dim=1)
                for module in grid.modules
            }
            values = token_values(base, network.config, ids).roll(-1, dims=1)
            done += len(part)
            if on_progress:
                on_progress(done)
            yield MemorySource(keys, values, positions.roll(-1, dims=1))


def study_rows(
    base: BaseModel, network: HyperNetwork, prompts: Sequence[Prompt], lora: LoraWeights | None, **options
) -> Iterator[ChunkFactors]:
    """Rows of prompts, on the CPU, captured with an adapter in place; options as in ``capture``."""
    for source in capture(base, network, prompts, lora, **options):
        yield network.head.study_rows(source).to(device="cpu", dtype=torch.float32)


def null_rows(
    base: BaseModel, network: HyperNetwork, key: str, silent: Sequence[Prompt], *, root: Path | None = None
) -> list[ChunkFactors]:
    """Rows of questions that no document answers, at the base's own first words, with values of zero.

    They keep a loaded document from answering what it was not asked. The states are those of the base with the bias
    LoRA of a studied document alone, so they are the same for every one: made once, then read from ``HYPERLORA_HOME``.

    Args:
        key: decides the rows beside the prompts, ``D2LModel.cache_key``.
        silent: the questions with the base's own replies, of which the first ``NULL_TOKENS`` tokens count.
        root: folder of the kept rows.
    """
    cache = ChunkCache(f"null rows 2 {key}", root)
    asked = [Prompt(prompt.question, prompt.answer[:NULL_TOKENS]) for prompt in silent]
    chunk = Chunk(
        [token for prompt in asked for token in (*prompt.question, *prompt.answer)], 0, 0
    )  # what else decides
    kept = cache.get(chunk)
    if kept is not None:
        return [kept]
    if not asked:  # a base that answers nothing has nothing to be kept from
        return []
    bias = network.bias(reading=False)
    with torch.no_grad():
        parts = [network.head.null_rows(source) for source in capture(base, network, asked, bias and bias.detach())]
    rows = network.head.compress(ChunkFactors.concat(parts).to(device="cpu", dtype=torch.float32))
    cache.put([chunk], [rows])
    return [rows]
