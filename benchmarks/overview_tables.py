"""The tables of README, the cards and docs/reliability.md, each from the JSON files of benchmarks/results."""

from benchmarks.cells import MODES, figure, interval, of, result, sum_of, table
from benchmarks.document_tables import needle_rows
from benchmarks.task_tables import TASK_MODES


def overview() -> str:
    """README's one table: at most eight rows, in plain units."""
    page = "docs/results.md"
    found = needle_rows("niah", "niah-long", "niah-32k")
    read = [(n, text) for _, n, _, text, _ in found if text is not None]
    unseen, brief = result("tasks-unseen")["modes"], result("brief-study")
    people, own = result("study-annotators"), result("study-generated")
    larger, larger_own = result("any-base-1.5b"), result("any-base-1.5b-own")
    study = f"{page}#what-does-study-bring"

    def right(docs: dict, mode: str) -> str:
        return of(docs["modes"][mode]["recall"], docs["questions"]) if mode in docs["modes"] else "-"

    rows = [
        (
            f"[answer in the reply]({study}), texts of six sentences, studied with other people's questions",
            *(right(people, mode) for mode in ("none", "study", "context")),
        ),
        (
            "[the same](docs/any-base.md#what-it-measures), a base of 1.5B that nothing was trained for",
            *(right(larger, mode) for mode in ("none", "study", "context")),
        ),
        (
            f"[the same]({study}), short generated documents, studied with written questions",
            *(right(own, mode) for mode in ("none", "study", "context")),
        ),
        (
            "[the same](docs/any-base.md#what-it-measures), the base of 1.5B with the questions that it writes itself",
            *(right(larger_own, mode) for mode in ("none", "study", "context")),
        ),
        (
            f"[the same]({page}#what-is-left-of-six-pages), a brief of six pages, studied with written questions",
            *(of(brief["modes"][mode]["recall"], brief["questions"]) for mode in ("none", "adapter")),
            "-",
        ),
        (
            f"[a number hidden in noise]({page}#does-it-find-a-needle-in-noise), 128 to 32,768 tokens, not studied",
            "-",
            sum_of((n, adapter) for _, n, adapter, _, _ in found),
            f"{sum_of(read)}, then its window ends",
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


def card_d2l() -> str:
    made, real, lost = result("docqa-synthetic"), result("docqa-real-nll"), result("general")
    modes = ("none", "other", "adapter", "context")
    found = needle_rows("niah", "niah-long", "niah-32k")
    rows = [
        (
            "generated documents, answers in the reply",
            *(of(made["modes"][m]["recall"], made["questions"]) for m in modes),
        ),
        ("generated documents, NLL", *(figure(made["modes"][m]["nll"]) for m in modes)),
        (f"real documents ({real['questions']} questions), NLL", *(figure(real["modes"][m]["nll"]) for m in modes)),
        ("needles in noise, 128 to 32,768 tokens", "-", "-", sum_of((n, share) for _, n, share, _, _ in found), "-"),
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
    rows = (
        (TASK_MODES[m], *(interval(part[m]["score"] if m in part else None) for part in (seen, unseen))) for m in modes
    )
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
