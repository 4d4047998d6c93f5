"""Scores one task in one setting: greedy answers, and the likelihoods of a closed set of labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from shared.base.chat import GenerationConfig, Message, chat_ids, generate, pad_batch
from shared.base.model import BaseModel
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import output_match, rouge_l
from t2l.tasks import Example, Task, output_ids

MAX_NEW_TOKENS = 64
#: Tokens beyond the longest right answer: enough for an article or a full stop, which the metrics forgive.
_SPARE_TOKENS = 4


@dataclass(frozen=True)
class Setting:
    """What the model gets: an adapter or ``None``, and the conversation of an input."""

    lora: LoraWeights | None
    messages: Callable[[str], list[Message]]


@dataclass(frozen=True)
class ExampleScores:
    """Of each example the score of the greedy answer, and whether the likeliest label is right (1 or 0)."""

    score: list[float]
    label: list[float] | None


def score_examples(
    base: BaseModel, task: Task, examples: Sequence[Example], setting: Setting, batch_size: int = 16
) -> ExampleScores:
    """Score examples of a task, in their order; the metric is the task's own."""
    # Generated tasks are often about case or punctuation and have one right output, to the letter.
    match = partial(output_match, verbatim=task.family == "procedural")
    metric = match if task.metric == "exact" else rouge_l
    longest = max(len(output_ids(base, output)) for e in examples for output in e.outputs)
    config = GenerationConfig(max_new_tokens=min(MAX_NEW_TOKENS, longest + _SPARE_TOKENS))
    prompts = [chat_ids(base, setting.messages(e.input)) for e in examples]
    labels = [output_ids(base, label) for label in task.labels] if task.labels else None
    scores, right = [0.0] * len(examples), [0.0] * len(examples)
    # Inputs of similar length together, so that little of a batch is padding.
    ordered = sorted(range(len(examples)), key=lambda i: len(prompts[i]))
    with apply_lora(base.model, setting.lora):
        for start in range(0, len(ordered), batch_size):
            part = ordered[start : start + batch_size]
            batch = [prompts[i] for i in part]
            for i, reply in zip(part, generate(base, batch, config), strict=True):
                scores[i] = metric(reply, examples[i].outputs)
            if labels:
                best = label_log_likelihoods(base, batch, labels).argmax(1).tolist()
                for i, label in zip(part, best, strict=True):
                    right[i] = float(task.labels[label] in examples[i].outputs)
    return ExampleScores(scores, right if labels else None)


@torch.no_grad()
def label_log_likelihoods(base: BaseModel, prompts: list[list[int]], labels: list[list[int]]) -> Tensor:
    """Log likelihood of each label behind each prompt, in nats, summed over the label's tokens.

    The prompts go through the model once; the labels share their cache.

    Args:
        labels: token ids with the end token.

    Returns:
        (prompts, labels) float32, on the CPU.
    """
    n, count, device = len(prompts), len(labels), base.device
    ids, mask = pad_batch(prompts, base.tokenizer.pad_token_id, left=True)
    mask = mask.long().to(device)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    out = base.model(
        input_ids=ids.to(device), attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1
    )
    targets, target_mask = pad_batch(labels, base.tokenizer.pad_token_id)
    targets, target_mask = targets.to(device), target_mask.to(device)
    first = out.logits[:, -1].float().log_softmax(-1)[:, targets[:, 0]]
    # Every label's last token is only predicted, never read.
    read = targets[:, :-1]
    if not read.shape[1]:
        return first.cpu()
    cache = out.past_key_values
    cache.batch_repeat_interleave(count)
    rest = base.model(
        input_ids=read.repeat(n, 1),
        attention_mask=torch.cat([mask.repeat_interleave(count, 0), target_mask[:, :-1].long().repeat(n, 1)], 1),
        position_ids=(mask.sum(1, keepdim=True) + torch.arange(read.shape[1], device=device)).repeat_interleave(
            count, 0
        ),
        past_key_values=cache,
        use_cache=True,
    ).logits
    picked = rest.float().log_softmax(-1).gather(-1, targets[:, 1:].repeat(n, 1)[..., None])[..., 0]
    return (first + (picked * target_mask[:, 1:].repeat(n, 1)).sum(1).view(n, count)).cpu()
