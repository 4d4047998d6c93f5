"""Seeded tasks made by procedures: hundreds of descriptions over shared inputs, so that the description decides.

A task is a source of inputs, an operation or a choice of labels, and an output format. The inputs hold data only;
tasks on the same source share many of their inputs. Nothing here is a network or a data set: every task is a
function of its arguments.
"""

from random import Random

from t2l.procedural.catalogue import HELD_OUT_KINDS, Pools, build, plans, spread
from t2l.procedural.relabelling import relabelled_tasks
from t2l.tasks import Task

__all__ = ["held_out_procedural_tasks", "procedural_tasks", "relabelled_tasks"]


def procedural_tasks(
    count: int | None = None, *, seed: int = 0, examples: int = 40, test_examples: int = 10
) -> list[Task]:
    """Training tasks, the same for the same arguments.

    Args:
        count: number of tasks, spread over the kinds of tasks; all if None.
        examples, test_examples: per task, at most (few inputs are known for some, such as countries).
    """
    return _tasks("train", count, seed, examples, test_examples)


def held_out_procedural_tasks(
    count: int | None = None, *, seed: int = 0, examples: int = 40, test_examples: int = 10
) -> list[Task]:
    """Tasks of kinds that ``procedural_tasks`` never has; arguments as there."""
    return _tasks("held_out", count, seed, examples, test_examples)


def _tasks(split: str, count: int | None, seed: int, examples: int, test_examples: int) -> list[Task]:
    of_split = [plan for plan in plans(seed) if (plan.kind in HELD_OUT_KINDS) == (split == "held_out")]
    chosen = spread(of_split, count, Random(f"{seed}/{split}/count"))
    pools = Pools(seed, examples, test_examples)
    return [build(plan, pools, split, seed, examples, test_examples) for plan in chosen]
