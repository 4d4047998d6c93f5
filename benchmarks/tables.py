"""The tables of the pages, each from the JSON files of benchmarks/results."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

#: How the results' modes are called on the pages.
MODES = {
    "none": "nothing",
    "bias": "bias LoRA alone",
    "other": "another document's adapter",
    "adapter": "**adapter**",
    "context": "text in the prompt",
    "context+bias": "text in the prompt + bias LoRA",
}
APPROACHES = {
    "none": "nothing",
    "context": "full text in the prompt",
    "retrieval": "two best chunks in the prompt",
    "distillation": "context distillation",
    "d2l": "adapter, one pass",
    "d2l+study": "adapter, studied in closed form",
    "d2l+refine": "**adapter, studied**",
}
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
METHODS = {"all": "whole", "cut": "cut", "svd": "plain SVD", "drop": "first chunks", "average": "mean of chunks"}

Row = Iterable[object]


@cache
def result(name: str) -> dict:
    """One file of benchmarks/results, by its stem."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def figure(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def interval(value: dict | None) -> str:
    """A mean with its 95% interval."""
    if value is None or value["mean"] is None:
        return "-"
    return f"{value['mean']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"


def of(share: float, count: int) -> str:
    """A share as what it was counted from."""
    return f"{round(share * count)} of {count}"


def docqa() -> str:
    found = result("docqa-synthetic")
    rows = []
    for name, title in MODES.items():
        s = found["modes"][name]
        right = of(s["exact_match"], found["questions"])
        rows.append((title, right, figure(s["f1"]), of(s["recall"], found["questions"]), figure(s["nll"])))
    return table(("with", "exactly right", "F1", "answer in the reply", "NLL"), rows)


def study() -> str:
    """Adapters without and with study beside the text in the prompt, where the data has it."""
    sets = {
        "study-annotators": "6 sentences, pairs by other annotators",
        "study-generated": "generated documents, written pairs",
        "study-real": "Wikipedia paragraphs, adversarial questions, written pairs",
    }
    modes, rows = ("none", "adapter", "study", "context", "context+bias"), []
    for name, title in sets.items():
        found = result(name)
        for metric, label in (("exact_match", "exactly right"), ("recall", "answer in the reply"), ("f1", "F1")):
            values = [found["modes"].get(mode, {}).get(metric) for mode in modes]
            rows.append((f"{title} ({found['questions']} questions), {label}", *map(figure, values)))
        covered = found["covered"].get("covered")
        share = of(found["coverage"], found["questions"])
        modes_of = covered["modes"] if covered else {}
        first, right = (figure(modes_of.get(mode, {}).get("exact_match")) for mode in ("adapter", "study"))
        rows.append((f"- a pair has the answer of {share}; of these exactly right", "", first, right, "", ""))
        if other := found["covered"].get("uncovered"):
            one_pass, studied = (figure(other["modes"][mode]["exact_match"]) for mode in ("adapter", "study"))
            rows.append((f"- of the other {other['questions']} exactly right", "", one_pass, studied, "", ""))
    head = ("", "nothing", "adapter, one pass", "**adapter, studied**", MODES["context"], MODES["context+bias"])
    return table(head, rows)


def docqa_kinds() -> str:
    rows = []
    for kind, title in (("fact", "one fact"), ("multi", "two facts"), ("unanswerable", "not in the document")):
        part = result("docqa-synthetic")["kinds"][kind]
        rows.append(
            (title, *(of(part["modes"][m]["exact_match"], part["questions"]) for m in ("adapter", "context+bias")))
        )
    return table(("question on", "**adapter**", MODES["context+bias"]), rows)


def docqa_real() -> str:
    found = result("docqa-real-nll")
    parts = {"all": found, **found["lengths"]}
    head = ("tokens of the document", "questions", *MODES.values())
    return table(head, ((n, p["questions"], *(figure(p["modes"][m]["nll"]) for m in MODES)) for n, p in parts.items()))


def docqa_plain() -> str:
    found = result("docqa-plain")
    rows = (
        (MODES[m], of(found["modes"][m]["recall"], found["questions"]), figure(found["modes"][m]["nll"]))
        for m in ("none", "bias", "other", "adapter")
    )
    return table(("with", "answer in the reply", "NLL"), rows)


def docqa_long() -> str:
    found = result("docqa-long")["modes"]
    return table(("with", "NLL"), ((MODES[m], figure(found[m]["nll"])) for m in ("none", "bias", "other", "adapter")))


def _needle_rows(*names: str) -> list[tuple[str, int, float, float | None, float]]:
    """Length, documents, shares found by adapter and by the base with the text, and the mean rank."""
    rows = []
    for name in names:
        for length, at in result(name)["lengths"].items():
            count = sum(cell["samples"] for cell in result(name)["cells"] if cell["length"] == int(length))
            rows.append((length, count, at["adapter"], at["context"], at["rank"]))
    return rows


def _needles(*names: str) -> str:
    rows = (
        (f"{int(length):,}", of(adapter, n), "beyond its window" if text is None else of(text, n), round(rank))
        for length, n, adapter, text, rank in _needle_rows(*names)
    )
    return table(("tokens", "**adapter** finds it", "base with the text in its prompt", "rank"), rows)


def needles() -> str:
    return _needles("niah", "niah-long", "niah-32k")


def needles_prose() -> str:
    return _needles("niah-prose")


def compare() -> str:
    found = result("compare-brief")
    rows = (
        (
            APPROACHES[a["name"]] + (f" ({a['note']})" if a["note"] else ""),
            of(a["recall"], found["questions"]),
            figure(a["f1"]),
            f"{a['prompt_tokens']:,.0f}",
            figure(a["question_seconds"], 1),
            figure(a["update_seconds"], 1),
            f"{a['peak_megabytes']:,.0f}",
        )
        for a in found["approaches"]
    )
    head = ("approach", "answer in the reply", "F1", "prompt tokens", "s a question", "s to prepare", "peak MB")
    return table(head, rows)


def budget() -> str:
    count = result("budget")["provenance"]["needles"]
    rows = (
        (METHODS[r["method"]], round(r["rank"]), figure(r["nll"]), figure(r["f1"]), of(r["needles"], count))
        for r in result("budget")["rows"]
    )
    return table(("method", "rank", "NLL", "F1", "needles found"), rows)


def general() -> str:
    found, low, high = result("general"), *(f(result("general")["by_document"]) for f in (min, max))
    rows = [
        ("nothing", figure(found["base"])),
        (MODES["bias"], figure(found["bias"])),
        (f"adapter of one pass, mean of {len(found['by_document'])} documents", figure(found["adapter"])),
        ("adapter, worst document", figure(low)),
        ("adapter, best document", figure(high)),
        ("nothing, in bfloat16", figure(result("general-study")["base"])),
        ("**adapter, studied**, mean of the same documents, in bfloat16", figure(result("general-study")["adapter"])),
    ]
    return table(("with", f"share of {found['questions']} general questions right"), rows)


def conflicts() -> str:
    found = result("conflicts")
    rows = []
    for name, title in MODES.items():
        s = found["modes"][name]
        rows.append((title, of(s["recall"], found["questions"]), figure(s["nll"])))
    return table(("with", "the document's answer in the reply", "NLL"), rows)


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


def _sum_of(counted: Iterable[tuple[int, float]]) -> str:
    """Counts and the shares of them that were found, as one share of all."""
    pairs = list(counted)
    return f"{round(sum(n * share for n, share in pairs))} of {sum(n for n, _ in pairs)}"


def overview() -> str:
    """README's one table: at most six rows, in plain units."""
    page = "docs/results.md"
    found = _needle_rows("niah", "niah-long", "niah-32k")
    read = [(n, text) for _, n, _, text, _ in found if text is not None]
    unseen, brief = result("tasks-unseen")["modes"], result("brief-study")
    people, own = result("study-annotators"), result("study-generated")
    study = f"{page}#what-does-study-bring"

    def right(docs: dict, mode: str) -> str:
        return of(docs["modes"][mode]["recall"], docs["questions"]) if mode in docs["modes"] else "-"

    rows = [
        (
            f"[answer in the reply]({study}), texts of six sentences, studied with other people's questions",
            *(right(people, mode) for mode in ("none", "study", "context")),
        ),
        (
            f"[the same]({study}), short generated documents, studied with written questions",
            *(right(own, mode) for mode in ("none", "study", "context")),
        ),
        (
            f"[the same]({page}#what-is-left-of-six-pages), a brief of six pages, studied with written questions",
            *(of(brief["modes"][mode]["recall"], brief["questions"]) for mode in ("none", "adapter")),
            "-",
        ),
        (
            f"[a number hidden in noise]({page}#does-it-find-a-needle-in-noise), 128 to 32,768 tokens, not studied",
            "-",
            _sum_of((n, adapter) for _, n, adapter, _, _ in found),
            f"{_sum_of(read)}, then its window ends",
        ),
        (
            f"[score on unseen tasks]({page}#does-a-description-become-a-task), 0 to 1",
            *(figure(unseen[mode]["score"]["mean"]) for mode in ("base", "adapter", "base+description")),
        ),
        (
            f"[general questions right]({page}#what-does-a-document-break), a studied document loaded",
            figure(result("general-study")["base"]),
            figure(result("general-study")["adapter"]),
            "-",
        ),
    ]
    return table(("", "base alone", "**adapter**", "document or description in the prompt"), rows)


def brief() -> str:
    """The six-page brief, studied, by the kind of question."""
    found = result("brief-study")
    parts = {"all": found, **found["kinds"]}
    names = {"all": "all questions", "fact": "one fact", "multi": "two facts"}
    rows = [
        (names.get(kind, kind), *(of(part["modes"][m]["recall"], part["questions"]) for m in ("none", "adapter")))
        for kind, part in parts.items()
    ]
    made = result("d2l-brief-study")
    own = f"{made['pairs_answered']:.0%} of a sample"
    rows.append((f"the {made['pairs']} written pairs that it was studied with", "-", own))
    return table(("answer in the reply to", "nothing", "**adapter, studied**"), rows)


def card_d2l() -> str:
    made, real, lost = result("docqa-synthetic"), result("docqa-real-nll"), result("general")
    modes = ("none", "other", "adapter", "context")
    found = _needle_rows("niah", "niah-long", "niah-32k")
    rows = [
        (
            "generated documents, answers in the reply",
            *(of(made["modes"][m]["recall"], made["questions"]) for m in modes),
        ),
        ("generated documents, NLL", *(figure(made["modes"][m]["nll"]) for m in modes)),
        (f"real documents ({real['questions']} questions), NLL", *(figure(real["modes"][m]["nll"]) for m in modes)),
        ("needles in noise, 128 to 32,768 tokens", "-", "-", _sum_of((n, share) for _, n, share, _, _ in found), "-"),
        (
            f"share of {lost['questions']} general questions right",
            figure(lost["base"]),
            "-",
            figure(lost["adapter"]),
            "-",
        ),
    ]
    return table(("", *(MODES[m] for m in modes)), rows)


def card_t2l() -> str:
    seen, unseen = (result(f"tasks-{part}")["modes"] for part in ("seen", "unseen"))
    modes = ("base+description", "base+3 examples", "adapter", "other", "multitask")
    rows = ((TASK_MODES[m], interval(seen[m]["score"]), interval(unseen[m]["score"])) for m in modes)
    return table(("", "15 tasks of the training", "27 unseen tasks"), rows)


def campaign() -> str:
    """What the campaign tried, by kind."""
    found = result("campaign")["kinds"]
    columns = ("inputs", "kills", "refused", "failed")
    rows = [(name, *(f"{kind[column]:,}" for column in columns)) for name, kind in found.items()]
    total = (f"**{sum(kind[column] for kind in found.values()):,}**" for column in columns)
    return table(("kind", "inputs", "kills", "refused or ended", "failures"), [*rows, ("**all**", *total)])


def memory() -> str:
    """Memory of ``d2l`` by the size of the text."""
    rows = []
    for run in sorted(result("memory").values(), key=lambda run: run["bytes"]):
        parts, stopped = run["resident_mb"], run["stopped_at_token"]
        half = len(parts) // 2
        # The first stretch holds the model's first batches, in which the allocator's pools still grow.
        halves = [max((part["mb"] for part in some), default=None) for some in (parts[:half], parts[half:])]
        reach = f"{run['tokens']:,}" if stopped is None else f"{stopped:,} of {run['tokens']:,}, stopped"
        adapter = "-" if run["adapter_bytes"] is None else f"{run['adapter_bytes'] / 1e6:.1f} MB"
        rows.append(
            (
                f"{run['bytes']:,}",
                reach,
                *("-" if part is None else f"{part:,} MB" for part in halves),
                f"{run['peak_mb']:,} MB",
                f"{run['seconds']:,.0f}",
                adapter,
            )
        )
    head = (
        "bytes of text",
        "tokens encoded",
        "largest in the first half",
        "in the second half",
        "peak",
        "seconds",
        "adapter",
    )
    return table(head, rows)
