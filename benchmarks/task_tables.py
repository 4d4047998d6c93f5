"""The tables of task adapters, each from the JSON files of benchmarks/results."""

from benchmarks.cells import figure, interval, result, table

TASK_MODES = {
    "base": "base",
    "base+description": "base, description in the prompt",
    "base+3 examples": "base, three examples in the prompt",
    "adapter": "**adapter**",
    "other": "adapter of another task's description",
    "random": "adapter of random words",
    "multitask": "one LoRA for all tasks",
    "oracle": "a LoRA trained on the task itself",
}


def _tasks(name: str) -> str:
    found = result(name)["modes"]
    measures = ("score", "label_accuracy", "balanced_accuracy")
    rows = []
    for mode, title in TASK_MODES.items():
        if mode in found:
            rows.append((title, *(interval(found[mode][m]) for m in measures)))
    return table(("", "score", "label accuracy", "balanced accuracy"), rows)


def tasks_seen() -> str:
    return _tasks("tasks-seen")


def tasks_unseen() -> str:
    return _tasks("tasks-unseen")


def tasks_differences() -> str:
    seen, unseen = (result(f"tasks-{part}")["differences"] for part in ("seen", "unseen"))
    rows = []
    for name in seen:
        first, second = name.split(" - ")
        title = f"{TASK_MODES[first]} - {TASK_MODES[second]}"
        rows.append((title, interval(seen[name]["score"]), interval(unseen[name]["score"] if name in unseen else None)))
    return table(("difference in score", "tasks of the training", "unseen tasks"), rows)


def tasks_each() -> str:
    modes = ("base+description", "base+3 examples", "other", "adapter")
    found = result("tasks-unseen")["tasks"]
    rows = ((f"`{task}`", *(figure(scores[m]["score"]) for m in modes)) for task, scores in found.items())
    return table(("unseen task", *(TASK_MODES[m] for m in modes)), rows)


def examples() -> str:
    """Labelled examples in the adapter, beside as many in the prompt.

    Not every task has so many examples, nor the window room for them: a cell of fewer tasks says so.
    """
    found, tasks = result("tasks-examples")["modes"], result("tasks-examples")["tasks"].values()

    def cell(mode: str) -> str:
        if mode not in found:
            return "-"
        number = sum(mode in of_task for of_task in tasks)
        return interval(found[mode]["score"]) + ("" if number == len(tasks) else f", {number} of {len(tasks)} tasks")

    numbers = sorted({int(mode.split("+")[1].split()[0]) for mode in found if mode.startswith("adapter+")})
    rows = [("no example", *map(cell, ("adapter", "base", "base+description")))]
    for n in (3, *numbers):
        rows.append(
            (f"{n} examples", *map(cell, (f"adapter+{n} examples", f"{n} examples alone", f"base+{n} examples")))
        )
    return table(("", "**adapter of the description**", "adapter without description", "base, in its prompt"), rows)
