"""Bootstrap intervals of means over tasks, with tasks and the examples within them resampled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Interval:
    """A mean over tasks and its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


def _balanced_statistic(labels: Tensor, num_labels: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of (values, index) that gives the mean over the labels among the resampled examples of their means.

    labels: (examples,) int64. values: (examples,), index: (resamples, examples). Returns (resamples,).
    """
    one_hot = torch.nn.functional.one_hot(labels, num_labels).double()

    def statistic(values: Tensor, index: Tensor) -> Tensor:
        drawn = one_hot[index]
        counts = drawn.sum(1)
        recall = (drawn * values[index][..., None]).sum(1) / counts.clamp_min(1)
        return recall.sum(1) / (counts > 0).sum(1)

    return statistic


class Bootstrap:
    """Resamples of tasks that all modes share, so that their differences are paired.

    The statistic of a drawn task is that of a random resample of its examples: a task drawn twice brings two.

    Args:
        sizes: number of examples of each task.
        labels: of each task the label number of each example for balanced accuracy; ``None`` for plain means.
    """

    def __init__(
        self, sizes: Sequence[int], labels: Sequence[Sequence[int]] | None = None, resamples: int = 2000, seed: int = 0
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.index = [torch.randint(size, (resamples, size), generator=generator) for size in sizes]
        self.statistics = [
            None if labels is None else _balanced_statistic(torch.tensor(labels[task]), 1 + max(labels[task]))
            for task in range(len(sizes))
        ]
        shape = (resamples, len(sizes))
        self.tasks = torch.randint(len(sizes), shape, generator=generator)
        self.inner = torch.randint(resamples, shape, generator=generator)

    def task_means(self, values: Sequence[Sequence[float]]) -> Tensor:
        """The statistic of each task as measured, (tasks,)."""
        whole = [torch.arange(len(v))[None] for v in values]
        return torch.stack([self._of_task(t, v, whole[t])[0] for t, v in enumerate(values)])

    def __call__(self, values: Sequence[Sequence[float]], minus: Sequence[Sequence[float]] | None = None) -> Interval:
        """The mean over tasks, or the mean difference of two modes.

        Args:
            values: of each task a value per example.
            minus: the same of another mode, to be taken away.
        """
        measured, resampled = self.task_means(values), self._resampled(values)
        if minus is not None:
            measured, resampled = measured - self.task_means(minus), resampled - self._resampled(minus)
        low, high = torch.quantile(resampled, torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
        return Interval(measured.mean().item(), low, high)

    def _resampled(self, values: Sequence[Sequence[float]]) -> Tensor:
        """Means over drawn tasks, (resamples,)."""
        inner = torch.stack([self._of_task(task, v, self.index[task]) for task, v in enumerate(values)])
        return inner[self.tasks, self.inner].mean(1)

    def _of_task(self, task: int, values: Sequence[float], index: Tensor) -> Tensor:
        statistic, tensor = self.statistics[task], torch.tensor(values, dtype=torch.double)
        return tensor[index].mean(-1) if statistic is None else statistic(tensor, index)
