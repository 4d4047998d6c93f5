"""What an adapter is compared with: examples in the prompt, wrong and random descriptions, a LoRA of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch

from shared.base.chat import Message
from shared.base.model import BaseModel
from shared.base.targets import Target
from shared.config import Config
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.training.losses import logits_at, row_losses
from shared.training.plain_lora import empty_lora, train_lora
from t2l.tasks import Example, Task, example_rows, group_key, user_message

NUM_SHOTS = 3
#: Words that say nothing about a task.
_WORDS = """
amber anchor apron basalt beetle bramble candle canyon cedar chimney clover copper cradle dune ember falcon
feather ferry fiddle gravel hammock harbour hazel kettle lantern ledge maple marble meadow mitten moss orchard otter
paddle pebble pigeon plum quarry raft ribbon saddle shawl slate sparrow thicket tunnel velvet walnut willow
"""


def few_shot_messages(shots: Sequence[Example], text: str) -> list[Message]:
    """Examples as turns of a chat, then the input."""
    turns = [
        message
        for shot in shots
        for message in (*user_message(shot.input), {"role": "assistant", "content": shot.output})
    ]
    return [*turns, *user_message(text)]


def random_text(seed: str, words: int = 12) -> str:
    """A sentence of words that describe no task, the same for the same seed."""
    chosen = Random(f"{seed}/words").sample(_WORDS.split(), words)
    return " ".join(chosen).capitalize() + "."


def other_task(task: Task, pool: Sequence[Task]) -> Task:
    """The task whose description is wrong for this one: the next of the same family, else the next of all.

    Of several in the family it is the first of those that want the same output for the fewest of the inputs.
    """
    place = next(i for i, t in enumerate(pool) if t.name == task.name)
    in_turn = [*pool[place + 1 :], *pool[:place]]
    if not in_turn:
        raise InputError("the description of another task needs a second task", "raise --max-tasks")
    family = [t for t in in_turn if group_key(t) == group_key(task)]
    if not family:
        return in_turn[0]
    wanted = {e.input: e.output for e in task.test}

    def same_outputs(other: Task) -> int:
        return sum(wanted.get(e.input) == e.output for e in other.test)

    return min(family, key=same_outputs)


@dataclass(frozen=True)
class OracleConfig(Config):
    """How a task's own LoRA is trained: AdamW steps on batches of its training examples."""

    steps: int = 60
    lr: float = 4e-3
    batch_size: int = 4
    max_output_tokens: int = 64


def train_oracle(
    base: BaseModel,
    targets: Sequence[Target],
    r: int,
    examples: Sequence[Example],
    config: OracleConfig,
    seed: int = 0,
) -> tuple[LoraWeights, list[float]]:
    """A LoRA of rank ``r`` trained on a task's examples alone: what an adapter of that shape can reach with data.

    Returns:
        The factors on the CPU, and the loss before each step in nats per token.

    Raises:
        InputError: no examples.
    """
    if not examples:
        raise InputError("no training example is short enough for a LoRA of the task's own", "raise --max-input-tokens")
    rng = Random(seed)
    queue: list[Example] = []

    def loss(weights: LoraWeights) -> torch.Tensor:
        while len(queue) < config.batch_size:
            queue.extend(rng.sample(list(examples), len(examples)))
        rows = [queue.pop(0) for _ in range(config.batch_size)]
        ids, mask, positions = (t.to(base.device) for t in example_rows(base, rows, config.max_output_tokens))
        with apply_lora(base.model, weights):
            logits = logits_at(base, ids, mask, positions)
        return row_losses(logits, ids, positions).mean()

    return train_lora(base, empty_lora(targets, r, seed), loss, steps=config.steps, lr=config.lr)
