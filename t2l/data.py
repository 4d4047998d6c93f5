"""Tasks with descriptions and examples, and the batches that train a task hypernetwork."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shared.base_model import BaseModel
from shared.config import Config, read_json
from shared.errors import InputError
from shared.generation import chat_ids, pad_batch
from shared.hypernetwork import ContextFeatures
from shared.jsonl import read_jsonl
from t2l.encoder import DescriptionCache

# Families whose licence allows publishing weights trained on them; the others are for evaluation and experiments.
PUBLISHABLE = [
    "adversarial_qa",
    "amazon_polarity",
    "common_gen",
    "commonsense_qa",
    "cosmos_qa",
    "dbpedia_14",
    "duorc",
    "kilt_hotpotqa",
    "paws",
    "qasc",
    "quartz",
    "quoref",
    "ropes",
    "wiki_bio",
    "wiki_hop",
    "procedural",
]


@dataclass(frozen=True)
class Example:
    """One input without instruction, and all its right outputs, the main one first."""

    input: str
    outputs: tuple[str, ...]

    @property
    def output(self) -> str:
        return self.outputs[0]


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        family: the data set it was made from; a family is in training as a whole or not at all.
        metric: ``exact`` or ``rougeL``.
        labels: the closed set of outputs, if there is one.
        instruction: one plain instruction, for baselines with it in the prompt.
        descriptions, held_out_descriptions: for training, and unseen ones for testing.
    """

    name: str
    family: str
    metric: str
    labels: tuple[str, ...] | None
    instruction: str
    split: str
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    descriptions: tuple[str, ...]
    held_out_descriptions: tuple[str, ...]


def read_tasks(path: Path) -> list[Task]:
    """Tasks of a data directory: ``tasks.jsonl``, ``descriptions.json`` and ``examples/<task>.jsonl``.

    Raises:
        InputError: a missing or malformed file.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a directory of tasks")
    records = read_jsonl(path / "tasks.jsonl", ("task", "metric"))
    descriptions = read_json(path / "descriptions.json", "task descriptions")
    tasks = []
    for record in records:
        name = record["task"]
        if Path(name).name != name:
            raise InputError(f"{path / 'tasks.jsonl'}: {name!r} is not a task name")
        if name not in descriptions:
            raise InputError(f"{path / 'descriptions.json'} has no descriptions of {name}")
        examples = read_jsonl(path / "examples" / f"{name}.jsonl", ("input", "output", "split"))
        tasks.append(
            Task(
                name,
                record.get("family", name),
                record["metric"],
                tuple(record["labels"]) if record.get("labels") else None,
                record.get("instruction", ""),
                record.get("split", "train"),
                tuple(_example(e) for e in examples if e["split"] == "train"),
                tuple(_example(e) for e in examples if e["split"] == "test"),
                tuple(descriptions[name]["train"]),
                tuple(descriptions[name]["held_out"]),
            )
        )
    return tasks


def _example(record: dict[str, Any]) -> Example:
    return Example(record["input"], tuple(dict.fromkeys([record["output"], *record.get("references", [])])))


@dataclass(frozen=True)
class T2LDataConfig(Config):
    """What a training step consists of.

    Attributes:
        tasks: directory of tasks; only the ``PUBLISHABLE`` families of its training split are used.
        tasks_per_step, examples_per_task: one description of each task, so many examples of each.
        max_input_tokens, max_output_tokens: longer examples are left out (outputs: cut).
        descriptions: safetensors file of encoded descriptions; made if it lacks any.
    """

    tasks: str = "tasks"
    tasks_per_step: int = 8
    examples_per_task: int = 2
    max_input_tokens: int = 160
    max_output_tokens: int = 32
    descriptions: str = "descriptions.safetensors"
    embedding_noise: float = 0.0
    seed: int = 0


@dataclass
class T2LBatch:
    """One training step's tensors.

    Attributes:
        features: of the descriptions, one per task.
        ids, mask, targets: inputs with outputs, (rows, T); ``targets`` marks the output tokens.
        task_index: each row's task, (rows,).
    """

    features: ContextFeatures
    ids: Tensor
    mask: Tensor
    targets: Tensor
    task_index: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device) -> "T2LBatch":
        features = ContextFeatures(self.features.hidden_states.to(device), self.features.attention_mask.to(device))
        tensors = (self.ids, self.mask, self.targets, self.task_index)
        return T2LBatch(features, *(t.to(device) for t in tensors))


class T2LData:
    """Makes batch number i, the same in every run with the same configuration."""

    def __init__(
        self,
        config: T2LDataConfig,
        tasks: list[Task],
        cache: DescriptionCache,
        base: BaseModel,
        features: str,
        split: str = "train",
    ) -> None:
        self.config, self.cache, self.base, self.features, self.split = config, cache, base, features, split
        limit = config.max_input_tokens * 6
        self.tasks: list[tuple[Task, list[Example]]] = []
        for task in tasks:
            examples = [
                e
                for e in (task.train if split == "train" else task.test)
                if len(e.input) <= limit and len(chat_ids(base, user_message(e.input))) <= config.max_input_tokens
            ]
            if examples:
                self.tasks.append((task, examples))
        if not self.tasks:
            raise InputError("no task has an example that is short enough", "raise data.max_input_tokens")

    def batch(self, step: int) -> T2LBatch:
        """Batch number ``step``."""
        config = self.config
        rng = random.Random(f"{config.seed}/{self.split}/{step}")
        chosen = rng.sample(self.tasks, min(config.tasks_per_step, len(self.tasks)))
        rows, counts, index, descriptions = [], [], [], []
        for position, (task, examples) in enumerate(chosen):
            texts = task.descriptions if self.split == "train" else task.held_out_descriptions
            descriptions.append(rng.choice(texts))
            for example in rng.sample(examples, min(config.examples_per_task, len(examples))):
                prompt = chat_ids(self.base, user_message(example.input))
                output = self.base.tokenizer(example.output, add_special_tokens=False)["input_ids"]
                output = (output + [self.base.tokenizer.eos_token_id])[: config.max_output_tokens]
                rows.append(prompt + output)
                counts.append(len(output))
                index.append(position)
        features = self.cache.features(descriptions, self.features)
        if config.embedding_noise and self.split == "train":
            generator = torch.Generator().manual_seed(rng.getrandbits(32))
            noise = torch.randn(features.hidden_states.shape, generator=generator) * config.embedding_noise
            features = ContextFeatures(features.hidden_states + noise, features.attention_mask)
        ids, mask = pad_batch(rows, self.base.tokenizer.pad_token_id)
        targets = torch.zeros_like(mask)
        for row, (tokens, count) in enumerate(zip(rows, counts, strict=True)):
            targets[row, len(tokens) - count : len(tokens)] = True
        return T2LBatch(features, ids, mask, targets, torch.tensor(index))


def user_message(text: str) -> list[dict[str, str]]:
    """The conversation in which the user sends an input and nothing else."""
    return [{"role": "user", "content": text}]
