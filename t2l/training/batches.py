"""The batches that train a task hypernetwork."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from shared.base.chat import chat_ids
from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.features import ContextFeatures
from t2l.encoder import DescriptionCache
from t2l.tasks import Example, Task, example_rows, group_key, user_message


@dataclass(frozen=True)
class T2LDataConfig(Config):
    """What a training step consists of.

    Attributes:
        tasks: directory of tasks, of which only the ``PUBLISHABLE`` families of its training split are used; ``None``:
            generated tasks alone.
        procedural: number of generated tasks (``t2l.procedural``).
        relabelled: number of label tasks whose label words are random (``t2l.procedural.relabelling``); they count as
            procedural.
        procedural_descriptions: training descriptions that are used of each of those, at most.
        procedural_share: share of a step's tasks that are procedural.
        tasks_per_step, examples_per_task: one description of each task, and how many examples of each.
        family_group: tasks are drawn in groups of this many that share their inputs (one family, or one procedural
            source), and get the same inputs where they have them in common: then only the description can tell their
            outputs apart.
        max_input_tokens, max_output_tokens: longer examples are left out (outputs: cut).
        descriptions: safetensors file of encoded descriptions, made if it lacks any; in the run's directory by default.
        embedding_noise: standard deviation of the noise on the features, which have unit root mean square.
    """

    tasks: str | None = None
    procedural: int = 600
    relabelled: int = 0
    procedural_descriptions: int = 8
    procedural_share: float = 0.65
    tasks_per_step: int = 12
    examples_per_task: int = 1
    family_group: int = 3
    max_input_tokens: int = 128
    max_output_tokens: int = 16
    descriptions: str | None = None
    embedding_noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.tasks_per_step, self.examples_per_task, self.family_group, self.procedural_descriptions) < 1:
            raise InputError(
                "tasks_per_step, examples_per_task, family_group and procedural_descriptions must be at least 1"
            )
        if min(self.procedural, self.relabelled) < 0 or not 0 <= self.procedural_share <= 1:
            raise InputError("procedural and relabelled must be at least 0, procedural_share between 0 and 1")

    def procedural_tasks(self, real: Sequence[Task]) -> list[Task]:
        """The procedural tasks to train on, each with as many descriptions as are used.

        Args:
            real: tasks of which some are relabelled.
        """
        if not self.procedural and not self.relabelled:
            return []
        from t2l.procedural import procedural_tasks, relabelled_tasks

        tasks = procedural_tasks(self.procedural) + relabelled_tasks(real, self.relabelled)
        return [replace(task, descriptions=task.descriptions[: self.procedural_descriptions]) for task in tasks]


@dataclass
class T2LBatch:
    """One training step's tensors.

    Attributes:
        features: of the descriptions, one per task.
        ids, mask, targets: inputs with outputs, (rows, T); ``targets`` marks the output tokens.
        task_index: each row's task, (rows,).
        other_index: a task whose description is wrong for the row, (rows,): one of the row's own group that does not
            want the same output, if there is one, else the next such task.
    """

    features: ContextFeatures
    ids: Tensor
    mask: Tensor
    targets: Tensor
    task_index: Tensor
    other_index: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device) -> "T2LBatch":
        tensors = (self.ids, self.mask, self.targets, self.task_index, self.other_index)
        return T2LBatch(self.features.to(device), *(t.to(device) for t in tensors))


class _Pooled:
    """A task with its examples that are short enough, by input."""

    def __init__(self, task: Task, examples: list[Example]) -> None:
        self.task = task
        self.examples = {example.input: example for example in examples}


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
        fits: dict[str, bool] = {}
        # Real tasks and procedural ones, by what the tasks of a group share.
        self.pools: tuple[dict[str, list[_Pooled]], dict[str, list[_Pooled]]] = ({}, {})
        for task in tasks:
            examples = [e for e in (task.train if split == "train" else task.test) if self._fits(e.input, fits)]
            if examples:
                key = group_key(task)
                self.pools[key.startswith("procedural/")].setdefault(key, []).append(_Pooled(task, examples))
        if not any(self.pools):
            raise InputError("no task has an example that is short enough", "raise data.max_input_tokens")
        self.holders = {
            key: Counter(text for pooled in group for text in pooled.examples)
            for pool in self.pools
            for key, group in pool.items()
        }

    def _fits(self, text: str, known: dict[str, bool]) -> bool:
        """Whether an input is short enough; most are those of several tasks and tokenised once."""
        if text not in known:
            limit = self.config.max_input_tokens
            known[text] = len(text) <= 6 * limit and len(chat_ids(self.base, user_message(text))) <= limit
        return known[text]

    def batch(self, step: int) -> T2LBatch:
        """Batch number ``step``."""
        config = self.config
        rng = random.Random(f"{config.seed}/{self.split}/{step}")
        real, procedural = self.pools
        share = config.procedural_share if real and procedural else float(bool(procedural))
        num_procedural = round(config.tasks_per_step * share)
        groups = self._groups(rng, real, config.tasks_per_step - num_procedural)
        groups += self._groups(rng, procedural, num_procedural)
        # The contrast is on the first rows only, so no kind of task always comes first.
        rng.shuffle(groups)
        chosen = [member for group in groups for member in group]
        others = self._others(groups)
        rows, index, other_index, descriptions = [], [], [], []
        for position, (pooled, examples) in enumerate(chosen):
            task = pooled.task
            descriptions.append(rng.choice(task.descriptions if self.split == "train" else task.held_out_descriptions))
            for example in examples:
                rows.append(example)
                index.append(position)
                other_index.append(_wrong_task(example, chosen, others[position]))
        features = self.cache.features(descriptions, self.features)
        if config.embedding_noise and self.split == "train":
            generator = torch.Generator().manual_seed(rng.getrandbits(32))
            noise = torch.randn(features.hidden_states.shape, generator=generator) * config.embedding_noise
            features = replace(features, hidden_states=features.hidden_states + noise)
        ids, mask, targets = example_rows(self.base, rows, config.max_output_tokens)
        return T2LBatch(features, ids, mask, targets, torch.tensor(index), torch.tensor(other_index))

    def _groups(
        self, rng: random.Random, pool: dict[str, list[_Pooled]], count: int
    ) -> list[list[tuple[_Pooled, list[Example]]]]:
        """So many different tasks with their examples, in groups that share their inputs.

        A group is a random task, some of its inputs, and the tasks of its kind that have most of these inputs with
        other outputs.
        """
        left = {key: list(group) for key, group in pool.items()}
        anchors = [(key, pooled) for key, group in pool.items() for pooled in group]
        rng.shuffle(anchors)
        groups = []
        for key, anchor in anchors:
            if count == 0:
                break
            if anchor not in left[key]:
                continue
            size = min(self.config.family_group, count, len(left[key]))
            left[key].remove(anchor)
            texts = rng.sample(list(anchor.examples), len(anchor.examples))
            texts.sort(key=lambda text: -min(size, self.holders[key][text]))
            texts = texts[: self.config.examples_per_task]
            group = [(anchor, [anchor.examples[text] for text in texts])]
            taken = {text: {anchor.examples[text].output} for text in texts}
            partners = rng.sample(left[key], len(left[key])) if size > 1 else []
            while len(group) < size:
                partner = max(partners, key=lambda p: _new_outputs(p, taken))
                partners.remove(partner)
                left[key].remove(partner)
                group.append((partner, _matching(rng, partner, texts)))
                for text in set(texts) & set(partner.examples):
                    taken[text].add(partner.examples[text].output)
            groups.append(group)
            count -= len(group)
        return groups

    @staticmethod
    def _others(groups: list[list[tuple[_Pooled, list[Example]]]]) -> list[list[int]]:
        """For every task the positions of the other tasks: first those of its group, then the ones behind it."""
        bounds, total = [], 0
        for group in groups:
            bounds.append((total, total + len(group)))
            total += len(group)
        others = []
        for start, stop in bounds:
            for position in range(start, stop):
                in_turn = [(position + shift) % total for shift in range(1, total)]
                others.append(sorted(in_turn, key=lambda other: not start <= other < stop))
        return others


def _new_outputs(pooled: _Pooled, taken: dict[str, set[str]]) -> int:
    """How many of the inputs a task has for which it wants an output that no other task of the group wants."""
    return sum(t in pooled.examples and pooled.examples[t].output not in outputs for t, outputs in taken.items())


def _matching(rng: random.Random, pooled: _Pooled, texts: list[str]) -> list[Example]:
    """A task's examples of these inputs, where it has no such ones any others."""
    found = [pooled.examples[text] for text in texts if text in pooled.examples]
    rest = [example for text, example in pooled.examples.items() if text not in texts]
    return found + rng.sample(rest, min(len(texts) - len(found), len(rest)))


def _wrong_task(example: Example, chosen: list[tuple[_Pooled, list[Example]]], others: list[int]) -> int:
    """The first of the other tasks that is not known to want the same output for the input; any one if all do."""
    for other in others:
        same = chosen[other][0].examples.get(example.input)
        if same is None or same.output != example.output:
            return other
    return others[0] if others else 0
