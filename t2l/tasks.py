"""Tasks with descriptions and examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.config import read_json
from shared.errors import InputError
from shared.jsonl import numbered_records, read_jsonl

if TYPE_CHECKING:
    from torch import Tensor

    from shared.base.model import BaseModel

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

METRICS = ("exact", "rougeL")
MAX_EXAMPLES = 200  # labelled ones that a user's file may hold


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
    if not isinstance(descriptions, dict):
        raise InputError(f"{path / 'descriptions.json'} must hold a mapping from task to descriptions")
    tasks = []
    for record in records:
        name = record["task"]
        if not isinstance(name, str) or Path(name).name != name or "\0" in name:
            raise InputError(f"{path / 'tasks.jsonl'}: {str(name)[:80]!r} is not a task name")
        wordings = descriptions.get(name)
        if not isinstance(wordings, dict) or not all(_texts(wordings.get(part)) for part in ("train", "held_out")):
            raise InputError(f"{path / 'descriptions.json'} must have train and held_out descriptions of {name}")
        if record["metric"] not in list(METRICS):
            raise InputError(
                f"{path / 'tasks.jsonl'}: unknown metric {str(record['metric'])[:80]!r}", f"use {', '.join(METRICS)}"
            )
        words = {field: record.get(field, "") for field in ("family", "instruction", "split")}
        if not all(isinstance(word, str) for word in words.values()):
            raise InputError(f"{path / 'tasks.jsonl'}: family, instruction and split of {name} must be texts")
        if record.get("labels") and not _texts(record["labels"]):
            raise InputError(f"{path / 'tasks.jsonl'}: the labels of {name} must be a list of texts")
        file = path / "examples" / f"{name}.jsonl"
        examples = read_jsonl(file, ("input", "output", "split"))
        for example in examples:
            references = example.get("references") or []
            if not _texts([example[field] for field in ("input", "output", "split")]) or (
                references and not _texts(references)
            ):
                raise InputError(f"{file}: input, output and split must be texts, references a list of texts")
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
                tuple(wordings["train"]),
                tuple(wordings["held_out"]),
            )
        )
    return tasks


def _texts(value: Any) -> bool:
    """Whether a value is a list of texts with something in it."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _example(record: dict[str, Any]) -> Example:
    return Example(record["input"], tuple(dict.fromkeys([record["output"], *(record.get("references") or [])])))


def read_examples(source: str, limit: int | None = MAX_EXAMPLES) -> list[Example]:
    """Labelled examples of a JSONL file: objects with ``input`` and ``output``; further fields are ignored.

    Raises:
        InputError: missing file, more records than ``limit``, or a line that is no such object, with its number.
    """
    examples = []
    for number, record in numbered_records(source, ("input", "output")):
        for name in ("input", "output"):
            if not isinstance(record[name], str) or not record[name].strip():
                raise InputError(f"{source}, line {number}: the {name} must be a text that is not empty")
        examples.append(Example(record["input"], (record["output"],)))
    if limit is not None and len(examples) > limit:
        raise InputError(f"{source} has {len(examples)} examples, at most {limit} are read", "a few are enough")
    return examples


def group_key(task: Task) -> str:
    """What tasks with the same inputs have in common: the family, of procedural tasks their source of inputs."""
    parts = task.name.split("-")
    return f"procedural/{parts[2]}" if task.family == "procedural" and len(parts) == 4 else task.family


def output_ids(base: "BaseModel", output: str) -> list[int]:
    """Token ids of an answer with the end token."""
    from shared.base.chat import answer_ids

    return answer_ids(base.tokenizer, output)


def example_rows(
    base: "BaseModel", examples: Sequence[Example], max_output_tokens: int
) -> "tuple[Tensor, Tensor, Tensor]":
    """Inputs as chat prompts with their outputs behind: ids, mask and the outputs' positions, each (rows, T)."""
    from shared.base.chat import chat_ids, pad_answers

    prompts = [chat_ids(base, user_message(example.input)) for example in examples]
    outputs = [output_ids(base, example.output)[:max_output_tokens] for example in examples]
    return pad_answers(prompts, outputs, base.tokenizer.pad_token_id)


def user_message(text: str) -> list[dict[str, str]]:
    """The conversation in which the user sends an input and nothing else."""
    return [{"role": "user", "content": text}]
