"""The tables on the pages are those of the results."""

import re

import pytest

from benchmarks.report import MARKED, PAGES, TABLES, rendered


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.parts[-2:]))
def test_tables_are_current(page):
    text = page.read_text(encoding="utf-8")
    assert rendered(text) == text, "run make docs"


def test_every_table_stands_on_a_page():
    found = [match[2] for page in PAGES for match in MARKED.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(TABLES)


def test_links_of_the_overview_name_headings():
    headings = re.findall(r"^#+ (.*)$", PAGES[1].read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"results\.md#([a-z0-9-]+)", TABLES["overview"]())
    assert links and set(links) <= anchors


def test_a_table_is_made_again():
    page = "Before.\n\n<!-- report: general -->\nstale\n<!-- end -->\n\nBehind.\n"
    assert rendered(page) == f"Before.\n\n<!-- report: general -->\n{TABLES['general']()}<!-- end -->\n\nBehind.\n"
