"""Does the description make the model do the task? Adapters against prompts, other LoRAs and wrong descriptions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import torch

from shared.base.chat import chat_ids
from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError
from shared.lora.weights import LoraWeights
from shared.metrics import mean
from t2l.evaluation.baselines import NUM_SHOTS, OracleConfig, few_shot_messages, other_task, random_text, train_oracle
from t2l.evaluation.bootstrap import Bootstrap, Interval
from t2l.evaluation.scoring import ExampleScores, Setting, score_examples
from t2l.learn import LEARN, learn_examples
from t2l.model import T2LModel, TaskLora
from t2l.tasks import Example, Task, user_message

#: The adapter minus each of these, as far as measured.
COMPARED = ("base+description", "base+3 examples", "multitask", "other", "random")
METRICS = ("score", "label_accuracy", "balanced_accuracy", "balanced_label_accuracy")


@dataclass(frozen=True)
class TasksEvalConfig(Config):
    """What is measured.

    Attributes:
        limit: test examples per task.
        descriptions: held-out descriptions per task; scores are means over them.
        max_input_tokens: longer inputs are left out.
        shots: numbers of labelled examples that adapters are also trained on, with and without a description, and that
            are put into the prompt where they fit.
        oracle: this many tasks also get a LoRA trained on their own examples, in the way of ``oracle_training``.
        resamples: of the bootstrap.
    """

    limit: int = 20
    descriptions: int = 1
    max_input_tokens: int = 512
    batch_size: int = 16
    shots: tuple[int, ...] = ()
    oracle: int = 0
    oracle_training: OracleConfig = OracleConfig()
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class TasksResult:
    """Scores from 0 to 1 by metric; ``None`` where no task has a closed set of labels.

    ``score`` is exact match or ROUGE-L of greedy answers, ``label_accuracy`` that of the likeliest label, and the
    balanced ones are means over the labels that occur.

    Attributes:
        tasks: by task, mode and metric.
        modes: mean over tasks by mode and metric.
        differences: paired, by the two modes ("adapter - other") and metric.
        examples: number of examples that every mode was scored on.
    """

    tasks: dict[str, dict[str, dict[str, float | None]]]
    modes: dict[str, dict[str, Interval | None]]
    differences: dict[str, dict[str, Interval | None]]
    examples: int


@dataclass(frozen=True)
class _Measured:
    """One task's scores: the gold output of every example, and the scores of every example by mode."""

    task: Task
    outputs: list[str]
    modes: Mapping[str, ExampleScores]

    def values(self, mode: str, metric: str) -> list[float] | None:
        """A value per example, of which the metric is the mean, plain or balanced."""
        scores = self.modes[mode]
        if not self.task.labels and metric != "score":
            return None
        return scores.score if metric in ("score", "balanced_accuracy") else scores.label

    @property
    def label_numbers(self) -> list[int]:
        known = sorted(set(self.outputs))
        return [known.index(output) for output in self.outputs]


def evaluate_tasks(
    model: T2LModel,
    base: BaseModel,
    tasks: Sequence[Task],
    config: TasksEvalConfig | None = None,
    *,
    pool: Sequence[Task] | None = None,
    multitask: LoraWeights | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> TasksResult:
    """Score the test examples of each task in every mode.

    Args:
        pool: tasks among which the wrong description of each task is looked for; by default ``tasks``.
        multitask: the LoRA of all tasks, the baseline that reads no description.

    Raises:
        InputError: no tasks, or none with an example that is short enough.
    """
    config = config or TasksEvalConfig()
    if not tasks:
        raise InputError("no task of that split")
    trainable = [task.name for task in tasks if _short_training_examples(base, task, config)] if config.oracle else []
    oracles = set(Random(f"{config.seed}/oracle").sample(trainable, min(config.oracle, len(trainable))))
    multitask = multitask.to(base.device) if multitask else None
    measured: list[_Measured] = []
    for number, task in enumerate(tasks):
        shots, examples = choose_examples(base, task, config)
        if examples:
            settings = _settings(model, task, shots, pool or tasks, config, base.device)
            settings |= _learned(model, base, task, settings["adapter"][0].lora, config)
            if multitask:
                settings["multitask"] = [Setting(multitask, user_message)]
            if task.name in oracles:
                rank = settings["adapter"][0].lora.r
                settings["oracle"] = [Setting(_oracle(model, base, task, rank, config), user_message)]
            modes = {
                mode: _averaged([score_examples(base, task, examples, one, config.batch_size) for one in several])
                for mode, several in settings.items()
            }
            measured.append(_Measured(task, [e.output for e in examples], modes))
        if on_progress:
            on_progress(number + 1, len(tasks))
    if not measured:
        raise InputError("no task has an example that is short enough", "raise --max-input-tokens")
    return _summary(measured, config)


def choose_examples(base: BaseModel, task: Task, config: TasksEvalConfig) -> tuple[list[Example], list[Example]]:
    """Three examples for the few-shot prompt, and those to score.

    The three are training examples; of a task without any they are test examples, which are not scored. Then all are
    drawn at random: such a task is a file in its data set's own order, which may be that of the labels.
    """

    def short(examples: Sequence[Example], count: int) -> list[Example]:
        found: list[Example] = []
        for example in examples:
            if len(found) == count:
                break
            if len(base.tokenizer(example.input)["input_ids"]) <= config.max_input_tokens:
                found.append(example)
        return found

    source = task.train or task.test
    shuffled = Random(f"{config.seed}/{task.name}/shots").sample(source, len(source))
    if not task.train:
        chosen = short(shuffled, NUM_SHOTS + config.limit)
        return chosen[:NUM_SHOTS], chosen[NUM_SHOTS:]
    return short(shuffled, NUM_SHOTS), short(task.test, config.limit)


def _settings(
    model: T2LModel,
    task: Task,
    shots: Sequence[Example],
    pool: Sequence[Task],
    config: TasksEvalConfig,
    device: torch.device,
) -> dict[str, list[Setting]]:
    """Settings by mode; several where a mode depends on the description."""
    texts = task.held_out_descriptions[: config.descriptions]
    others = other_task(task, pool).held_out_descriptions[: config.descriptions]
    generated = model.generate([*texts, *others, random_text(f"{config.seed}/{task.name}")])
    adapters = [Setting(lora.weights.to(device), user_message) for lora in generated]
    return {
        "base": [Setting(None, user_message)],
        "base+description": [Setting(None, partial(_described, text)) for text in texts],
        "base+3 examples": [Setting(None, partial(few_shot_messages, shots))],
        "adapter": adapters[: len(texts)],
        "other": adapters[len(texts) : -1],
        "random": adapters[-1:],
    }


def _learned(
    model: T2LModel, base: BaseModel, task: Task, lora: LoraWeights, config: TasksEvalConfig
) -> dict[str, list[Setting]]:
    """Settings with labelled examples that are not scored: learned from the description on or alone, or prompted."""
    result: dict[str, list[Setting]] = {}
    described = TaskLora("", lora.to("cpu"), None, 0)
    for number in config.shots:
        examples = learning_examples(base, task, number, config)
        if len(examples) < number:
            continue
        for name, start in ((f"adapter+{number} examples", described), (f"{number} examples alone", None)):
            learned = learn_examples(model, base, start, examples, LEARN.replace(seed=config.seed))
            result[name] = [Setting(learned.weights.to(base.device), user_message)]
        turns = few_shot_messages(examples, "")
        if len(chat_ids(base, turns)) + 2 * config.max_input_tokens < base.context_window:
            result[f"base+{number} examples"] = [Setting(None, partial(few_shot_messages, examples))]
    return result


def learning_examples(base: BaseModel, task: Task, number: int, config: TasksEvalConfig) -> list[Example]:
    """Examples to learn from: of the training, or of a task without any its test examples that are not scored."""
    known = {(e.input, e.output) for part in choose_examples(base, task, config) for e in part}
    found = _short_training_examples(base, task, config)
    if not task.train:
        found = [e for e in task.test if len(base.tokenizer(e.input)["input_ids"]) <= config.max_input_tokens]
        found = [e for e in found if (e.input, e.output) not in known]
    return Random(f"{config.seed}/{task.name}/learn").sample(found, min(number, len(found)))


def _described(description: str, text: str) -> list[dict[str, str]]:
    return user_message(f"{description}\n\n{text}")


def _oracle(model: T2LModel, base: BaseModel, task: Task, r: int, config: TasksEvalConfig) -> LoraWeights:
    """A LoRA with the adapter's layers, trained on the task's examples."""
    examples, targets = _short_training_examples(base, task, config), model.config.hypernetwork.targets
    weights, _ = train_oracle(base, targets, r, examples, config.oracle_training, config.seed)
    return weights.to(base.device)


def _short_training_examples(base: BaseModel, task: Task, config: TasksEvalConfig) -> list[Example]:
    return [e for e in task.train if len(base.tokenizer(e.input)["input_ids"]) <= config.max_input_tokens]


def _averaged(scores: Sequence[ExampleScores]) -> ExampleScores:
    """Means over descriptions, example by example."""

    def average(lists: Sequence[list[float]]) -> list[float]:
        return [mean(values) for values in zip(*lists, strict=True)]

    labels = [s.label for s in scores if s.label is not None]
    return ExampleScores(average([s.score for s in scores]), average(labels) if labels else None)


def _summary(measured: list[_Measured], config: TasksEvalConfig) -> TasksResult:
    """Means over tasks with bootstrap intervals; a mode of some tasks only (the oracle) is compared on those."""
    modes = list(dict.fromkeys(mode for m in measured for mode in m.modes))
    tables: dict[str, dict[str, dict[str, float | None]]] = {
        m.task.name: {mode: dict.fromkeys(METRICS) for mode in m.modes} for m in measured
    }
    prepared: dict[tuple[bool, tuple[str, ...]], Bootstrap] = {}

    def bootstrap(part: list[_Measured], metric: str) -> Bootstrap:
        balanced = metric.startswith("balanced")
        key = (balanced, tuple(m.task.name for m in part))
        if key not in prepared:
            sizes, labels = [len(m.outputs) for m in part], [m.label_numbers for m in part] if balanced else None
            prepared[key] = Bootstrap(sizes, labels, config.resamples, config.seed)
        return prepared[key]

    def interval(metric: str, mode: str, minus: str | None = None) -> Interval | None:
        wanted = {mode} if minus is None else {mode, minus}
        part = [m for m in measured if wanted <= set(m.modes) and m.values(mode, metric) is not None]
        if not part:
            return None
        values = [m.values(mode, metric) for m in part]
        if minus is not None:
            return bootstrap(part, metric)(values, [m.values(minus, metric) for m in part])
        for m, value in zip(part, bootstrap(part, metric).task_means(values).tolist(), strict=True):
            tables[m.task.name][mode][metric] = value
        return bootstrap(part, metric)(values)

    pairs = [("adapter", other) for other in COMPARED if other in modes]
    pairs += [("oracle", "adapter")] if "oracle" in modes else []
    pairs += [("random", "multitask")] if "multitask" in modes else []
    return TasksResult(
        tasks=tables,
        modes={mode: {metric: interval(metric, mode) for metric in METRICS} for mode in modes},
        differences={f"{a} - {b}": {metric: interval(metric, a, b) for metric in METRICS} for a, b in pairs},
        examples=sum(len(m.outputs) for m in measured),
    )
