"""Labelled examples make a description's adapter better: gradient steps on them, from where the description led."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from shared.base.chat import chat_ids
from shared.base.model import BaseModel
from shared.errors import InputError
from shared.training.packed import Prompt
from shared.training.plain_lora import empty_lora
from shared.training.refine import RefineConfig, refine
from t2l.model import T2LModel, TaskLora
from t2l.tasks import Example, output_ids, user_message

LEARN = RefineConfig(least_steps=40, passes=1, lr=1e-3, batch_size=16, blocks=0.6, good_enough=0.01)


def learn_examples(
    model: T2LModel,
    base: BaseModel,
    lora: TaskLora | None,
    examples: Sequence[Example],
    config: RefineConfig = LEARN,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> TaskLora:
    """The adapter of a description, trained on examples; its rank stays.

    Args:
        lora: of the description; ``None`` starts from an adapter without effect, of the same layers and rank.
        examples: inputs as the task will get them, with their right outputs.

    Raises:
        InputError: an example that does not fit the base model's window.
    """
    prompts = [Prompt(chat_ids(base, user_message(e.input)), output_ids(base, e.output)) for e in examples]
    longest = max(map(len, prompts))
    if longest > base.context_window:
        raise InputError(
            f"an example has {longest} tokens, the window {base.context_window}", "leave it out or shorten it"
        )
    if lora is None:
        network = model.config.hypernetwork
        start = empty_lora(network.targets, network.r + network.bias_r, config.seed)
        lora = TaskLora("", start, None, 0)
    with torch.enable_grad():
        refined = refine(base, lora.weights, prompts, (), config, on_progress=on_progress)
    return replace(lora, weights=refined.weights, examples=len(examples), gradient_steps=len(refined.losses))
