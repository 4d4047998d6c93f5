"""What the tables of the pages are made of: the JSON files of benchmarks/results, and figures as text."""

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


def sum_of(counted: Iterable[tuple[int, float]]) -> str:
    """Counts and the shares of them that were found, as one share of all."""
    pairs = list(counted)
    return f"{round(sum(n * share for n, share in pairs))} of {sum(n for n, _ in pairs)}"
