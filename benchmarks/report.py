"""Writes the tables of README.md, docs and the cards from benchmarks/results/*.json.

python -m benchmarks.report          # rewrite what stands between the markers
python -m benchmarks.report --check  # exit with 1 if a page is stale

A page is a template: its prose is written by hand, and each table stands between ``<!-- report: NAME -->`` and
``<!-- end -->``, with NAME one of ``TABLES``.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import document_tables, overview_tables, speed_tables, task_tables

ROOT = Path(__file__).parents[1]
CARDS = tuple(sorted(ROOT.glob("*2l/pretrained/*/README.md")))
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{page}.md" for page in ("results", "reliability", "any-base")), *CARDS)
MARKED = re.compile(r"(<!-- report: (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

TABLES: dict[str, Callable[[], str]] = {
    "overview": overview_tables.overview,
    "card-d2l": overview_tables.card_d2l,
    "card-t2l": overview_tables.card_t2l,
    "study": document_tables.study,
    "brief": document_tables.brief,
    "ablation": document_tables.ablation,
    "any-base": document_tables.any_base,
    "docqa": document_tables.docqa,
    "docqa-kinds": document_tables.docqa_kinds,
    "docqa-real": document_tables.docqa_real,
    "docqa-plain": document_tables.docqa_plain,
    "docqa-long": document_tables.docqa_long,
    "needles": document_tables.needles,
    "needles-prose": document_tables.needles_prose,
    "compare": document_tables.compare,
    "budget": document_tables.budget,
    "general": document_tables.general,
    "conflicts": document_tables.conflicts,
    "tasks-seen": task_tables.tasks_seen,
    "tasks-unseen": task_tables.tasks_unseen,
    "tasks-differences": task_tables.tasks_differences,
    "tasks-each": task_tables.tasks_each,
    "tasks-examples": task_tables.examples,
    "times": speed_tables.times,
    "making": speed_tables.making,
    "answering": speed_tables.answering,
    "decoding": speed_tables.decoding,
    "reference-shapes": speed_tables.reference_shapes,
    "campaign": overview_tables.campaign,
    "memory": overview_tables.memory,
}


def rendered(text: str) -> str:
    """The page with every table made again.

    Raises:
        KeyError: a marker that names no table.
    """
    return MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[4]}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if a page is stale")
    options = parser.parse_args()
    stale = [page for page in PAGES if rendered(text := page.read_text(encoding="utf-8")) != text]
    for page in stale:
        print(page.relative_to(ROOT))
        if not options.check:
            page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(1 if stale and options.check else 0)


if __name__ == "__main__":
    main()
