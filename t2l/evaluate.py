"""Does the description make the model do the task? Scores with and without the adapter."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from shared.base_model import BaseModel
from shared.errors import InputError
from shared.evaluation import exact_match, mean, provenance, rouge_l
from shared.generation import GenerationConfig, chat_ids, generate
from shared.lora import LoraWeights
from shared.lora_layer import apply_lora
from t2l.data import Example, Task, user_message
from t2l.model import T2LModel

if TYPE_CHECKING:
    from t2l.encoder import TextEncoder

# base: the input alone. base+description: the unseen description in the prompt. adapter: its adapter, input alone.
# other: the adapter of the next task's description.
MODES = ("base", "base+description", "adapter", "other")


@dataclass(frozen=True)
class TasksResult:
    """Score of each task by mode (exact match or ROUGE-L, 0 to 1), and the means."""

    tasks: dict[str, dict[str, float]]
    mean: dict[str, float]
    examples: int
    provenance: dict[str, object]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def evaluate_tasks(
    model: T2LModel,
    encoder: "TextEncoder",
    base: BaseModel,
    tasks: list[Task],
    *,
    limit: int = 20,
    max_input_tokens: int = 1024,
    facts: dict[str, object] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> TasksResult:
    """Score the test examples of each task by greedy generation.

    Raises:
        InputError: no tasks.
    """
    if not tasks:
        raise InputError("no task of that split")
    descriptions = [task.held_out_descriptions[0] for task in tasks]
    adapters = [w.to(base.device) for w in model.generate(encoder, descriptions)]
    table: dict[str, dict[str, float]] = {}
    examples = 0
    for number, task in enumerate(tasks):
        chosen = [e for e in task.test if len(base.tokenizer(e.input)["input_ids"]) <= max_input_tokens][:limit]
        if not chosen:
            continue
        examples += len(chosen)
        text = descriptions[number]
        settings: dict[str, tuple[LoraWeights | None, str]] = {
            "base": (None, ""),
            "base+description": (None, f"{text}\n\n"),
            "adapter": (adapters[number], ""),
            "other": (adapters[(number + 1) % len(tasks)], ""),
        }
        table[task.name] = {mode: _score(base, task, chosen, *settings[mode]) for mode in MODES}
        if on_progress:
            on_progress(number + 1, len(tasks))
    means = {mode: mean([scores[mode] for scores in table.values()]) for mode in MODES}
    return TasksResult(table, means, examples, provenance(base_model=base.spec.to_dict(), **(facts or {})))


def _score(base: BaseModel, task: Task, examples: list[Example], lora: LoraWeights | None, lead: str) -> float:
    metric = exact_match if task.metric == "exact" else rouge_l
    longest = max(len(base.tokenizer(e.output)["input_ids"]) for e in examples)
    config = GenerationConfig(max_new_tokens=min(96, longest + 8))
    scores = []
    with nullcontext() if lora is None else apply_lora(base.model, lora):
        # Inputs of similar length together, so that little of a batch is padding.
        ordered = sorted(examples, key=lambda e: len(e.input))
        for start in range(0, len(ordered), 8):
            batch = ordered[start : start + 8]
            prompts = [chat_ids(base, user_message(lead + e.input)) for e in batch]
            replies = generate(base, prompts, config)
            scores += [metric(reply, e.outputs) for reply, e in zip(replies, batch, strict=True)]
    return mean(scores)
