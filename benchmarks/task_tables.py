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
    """Labelled examples in the adapter, beside as many in the prompt. Two runs on one sample of tasks, some of which
    have no 128 examples.
    """
    found: dict[str, dict] = {}
    tasks: dict[str, int] = {}
    for name in ("tasks-examples", "tasks-examples-128"):
        found |= result(name)["modes"]
        for mode in result(name)["modes"]:
            tasks[mode] = sum(mode in modes for modes in result(name)["tasks"].values())
    numbers = sorted({int(mode.split("+")[1].split()[0]) for mode in found if mode.startswith("adapter+")})
    rows = [
        ("no example", tasks["base"], *(interval(found[m]["score"]) for m in ("adapter", "base", "base+description")))
    ]
    for number in (3, *numbers):
        modes = (f"adapter+{number} examples", f"{number} examples alone", f"base+{number} examples")
        values = (interval(found.get(mode, {}).get("score")) for mode in modes)
        rows.append((f"{number} examples", tasks[modes[2]] if number == 3 else tasks[modes[0]], *values))
    head = ("", "tasks", "**adapter of the description**", "adapter without description", "base, in its prompt")
    return table(head, rows)
