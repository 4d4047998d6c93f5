"""One LoRA for each training task, trained on its own examples: what mode ``reconstruction`` learns to write.

python -m benchmarks.research.oracles TASKS_DIRECTORY -o runs/oracles --steps 60
hyperlora train benchmarks/research/configs/t2l-reconstruction.yaml -o runs/t2l-reconstruction

An adapter that is there already is not trained again.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import yaml

from shared.base.device import choose_placement, tune_malloc
from shared.base.model import BaseModel, load_base_model
from shared.base.targets import Target, find_targets
from shared.lora.card import save_adapter
from t2l.evaluation.baselines import OracleConfig, train_oracle
from t2l.tasks import Task, read_tasks
from t2l.training.train import T2LTrainConfig, training_tasks


def write_oracles(
    base: BaseModel, tasks: list[Task], targets: tuple[Target, ...], r: int, output: Path, config: OracleConfig
) -> list[Path]:
    """Train and write the adapters ``output/TASK`` that are not there; tasks without examples are left out."""
    written = []
    for task in tasks:
        path = output / task.name
        if path.exists() or not task.train:
            continue
        weights, losses = train_oracle(base, targets, r, task.train, config)
        facts = {"task": task.name, "loss": losses[-1], **config.to_dict()}
        title, spec = f"A LoRA of {task.name}", base.spec
        save_adapter(
            path, weights, base=spec, kind="multitask", title=title, hypernetwork="none", source=facts, dtype="bfloat16"
        )
        print(f"{path}: {losses[0]:.2f} -> {losses[-1]:.2f} nats per token", flush=True)
        written.append(path)
    return written


def short_examples(base: BaseModel, tasks: list[Task], limit: int) -> list[Task]:
    """The tasks with those of their training examples whose input has at most so many tokens."""

    def short(text: str) -> bool:
        return len(text) <= 6 * limit and len(base.tokenizer(text)["input_ids"]) <= limit

    return [replace(task, train=tuple(e for e in task.train if short(e.input))) for task in tasks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "configs" / "t2l-reconstruction.yaml")
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    tune_malloc()
    config = T2LTrainConfig.from_dict(yaml.safe_load(options.config.read_text(encoding="utf-8")))
    base = load_base_model(placement=choose_placement())
    targets = tuple(find_targets(base.model, config.model.target_modules, config.model.layers))
    tasks = short_examples(base, training_tasks(config.data, read_tasks(options.tasks)), config.data.max_input_tokens)
    rank = config.model.r + config.model.bias_r
    write_oracles(base, tasks, targets, rank, options.output, OracleConfig(steps=options.steps))


if __name__ == "__main__":
    main()
