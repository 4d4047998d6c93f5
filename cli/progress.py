"""Progress on stderr; the only place where rich's live display is used."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli import output


@contextmanager
def spinner(message: str) -> Iterator[None]:
    """Show that something slow is going on, on a terminal only."""
    console = output.stderr()
    if output.is_quiet() or not console.is_terminal:
        yield
        return
    with console.status(message):
        yield


@contextmanager
def bar(description: str, unit: str | None = None) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, total) that moves a progress bar; with a unit it shows how many a second."""
    console = output.stderr()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([_SpeedColumn(unit)] if unit else []),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=output.is_quiet() or not console.is_terminal
    ) as live:
        task = live.add_task(description, total=None)
        yield lambda done, total: live.update(task, completed=done, total=total)


@contextmanager
def staged_bar(seconds: dict[str, float]) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function (stage, done, total) that moves a progress bar; a new stage starts it anew.

    Args:
        seconds: of each stage, filled here: what passed since the call before belongs to the stage that is told of.
    """
    console = output.stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=output.is_quiet() or not console.is_terminal
    ) as live:
        task = live.add_task("", total=None)
        current, since = "", time.monotonic()

        def move(stage: str, done: int, total: int) -> None:
            nonlocal current, since
            now = time.monotonic()
            seconds[stage] = seconds.get(stage, 0.0) + now - since
            since = now
            if stage != current:
                live.reset(task, description=stage, total=total)
                current = stage
            live.update(task, completed=done, total=total)

        yield move


class _SpeedColumn(ProgressColumn):
    """How many units a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} {self.unit}/s" if task.speed else "")


class ProgressReporter:
    """Shows training: a bar with loss and speed on a terminal, lines otherwise."""

    def __init__(self) -> None:
        self.console = output.stderr()
        self.live = Progress(
            TextColumn("step"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=output.is_quiet() or not self.console.is_terminal,
        )
        self.task = self.live.add_task("", total=None)

    def __enter__(self) -> "ProgressReporter":
        self.live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.live.stop()

    def step(self, step: int, max_steps: int, metrics: Mapping[str, float]) -> None:
        text = f"loss {metrics['loss']:.3f}  {metrics['samples_per_s']:.1f} samples/s"
        self.live.update(self.task, completed=step, total=max_steps, description=text)
        if not self.console.is_terminal:
            output.note(f"step {step}/{max_steps}  {text}")

    def evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        output.note(f"eval {step}  " + "  ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
