"""Pairs of table rows and records, by rule."""

import pytest

from d2l.study.document import write_pairs
from d2l.study.tables import table_pairs
from d2l.study.windows import Window, cut_windows

PRICES = """MegaMart Weekly

2. Southwest region
2.2 Prices
Prices in the Southwest region changed for these products.
Product Last week This week
whole milk $3.49 $3.29
sparkling water $6.19 $4.99
2.4 Shelf lives
The quality team measured new shelf lives.
Product Shelf life Storage
Greek yogurt 24 days open cooler
potato salad 6 days open cooler
"""


def answers(text):
    return {pair.question: pair.answer for window in cut_windows(text) for pair in table_pairs(window)}


def test_cells_of_a_pdf_s_table_are_asked_for_with_their_headings():
    found = answers(PRICES)
    assert found["What is the price of whole milk in the Southwest region, this week?"] == "$3.29"
    assert found["What is the price of whole milk in the Southwest region, last week?"] == "$3.49"
    assert found["What is the shelf life of Greek yogurt in the Southwest region?"] == "24 days"
    assert found["What is the storage of potato salad in the Southwest region?"] == "open cooler"
    assert found["Which product has the price $3.29 in the Southwest region, this week?"] == "whole milk"
    assert len(found) == 23  # the storage that two products share is asked for once


@pytest.mark.parametrize("mark", [" | ", "\t"])
def test_marked_cells_are_exact_whatever_they_hold(mark):
    rows = [
        ["City", "mayor", "Phone"],
        ["Dover", "Ann Lee", "555 12"],
        ["Jasper", "Bo", "-"],
        ["Salem", "Cy Ott", ""],
    ]
    found = answers("Offices\n\nThe list is new.\n\n" + "\n".join(mark.join(row) for row in rows) + "\n")
    assert found["What is the mayor of Dover in Offices?"] == "Ann Lee"
    assert found["What is the phone of Dover in Offices?"] == "555 12"
    assert not any("Jasper" in q and "phone" in q for q in found)  # an empty cell says nothing


def test_records_are_asked_for_by_what_they_are_about():
    found = answers("Larder\n\nMade in Dover by hand.\n\nProduct: plum jam\nPrice: $3.49\nWeight: 250 g\n")
    assert found["What is the weight of plum jam in Larder?"] == "250 g"
    assert found["What is the price of plum jam in Larder?"] == "$3.49"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Product Price", "milk $3.49 $3.29"),  # more values than names
        ("Product Last week This week", "whole milk and cream"),  # no value
        ("Product Price", "$3.49"),  # no label
        ("name | a | b", "x | 1"),
    ],
)
def test_cells_that_cannot_be_told_apart_are_not_asked_for(header, row):
    assert table_pairs(Window(row, f"Prices > {header}", header=header, row=row)) == []


def test_prose_is_left_to_the_writer_and_rows_are_not():
    class Writer:
        def write(self, windows, **_options):
            self.read = [window.text for window in windows]
            return [[] for _ in windows]

    writer = Writer()
    write_pairs(writer, PRICES, 8, 2)
    assert not any("$" in text for text in writer.read) and len(writer.read) >= 2
