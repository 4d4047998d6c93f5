"""Writes the "MegaMart weekly brief", a made-up retail report of any length, as a PDF with known answers.

    python examples/make_brief.py brief.pdf --pages 20 --questions questions.jsonl

Every region has a chapter on supply, prices, competitors, shelf lives and promotions. Some questions need two distant
sections: the chapter of a region says what is short there, the last section says what to push where that is short.
Needs `pip install fpdf2`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

MIN_PAGES = 3
SECTION_MM = 62  #: no section of a chapter is taller than this
HOME_REGION = "Southwest"
STRIKE = "a dock workers' strike at the port of Manzanillo"

#: What the demo asks. The first two are single facts of the first page (and of chapter 2); the third needs chapter 2,
#: where the strike leaves a region without avocados, and the last section, which says what to push in such a region.
DEMO_QUESTIONS: tuple[dict, ...] = (
    {
        "question": "Why is there an avocado shortage in the Southwest region?",
        "answer": STRIKE,
        "answers": [STRIKE, "dock workers' strike", "strike at the port of Manzanillo", "port strike"],
        "kind": "fact",
        "sections": ["1", "2.1"],
    },
    {
        "question": "What does a gallon of whole milk cost in the Southwest region this week?",
        "answer": "$3.29",
        "answers": ["$3.29", "3.29"],
        "kind": "fact",
        "sections": ["1", "2.2"],
    },
    {
        "question": "Which product should stores push in the region that is hit by the strike in Manzanillo?",
        "answer": "guacamole kits",
        "answers": ["guacamole kits", "guacamole kit", "guacamole"],
        "kind": "multi",
        "sections": ["2.1", "last"],
    },
)

#: Product in short supply -> what to push instead, and with which offer. One row each in the last section.
SUBSTITUTES = {
    "avocado": ("guacamole kits", "a free bag of limes"),
    "egg": ("pancake mix", "a 20% coupon"),
    "strawberry": ("frozen berry mix", "two boxes for $7"),
    "chicken breast": ("turkey fillets", "a recipe card"),
    "orange juice": ("apple cider", "a $1 rebate"),
    "romaine lettuce": ("baby spinach", "a free dressing sample"),
    "ground coffee": ("instant espresso", "double loyalty points"),
    "butter": ("olive oil spread", "a 15% coupon"),
    "salmon": ("smoked trout", "a free lemon"),
    "pasta": ("wild rice", "three bags for $5"),
}
#: Product -> usual price in cents, usual shelf life in days, where it is kept.
PRODUCTS = {
    "whole milk": (359, 9, "cold room"),
    "sourdough bread": (449, 5, "bread shelf"),
    "cheddar cheese": (629, 40, "cold room"),
    "Greek yogurt": (519, 21, "open cooler"),
    "ground beef": (689, 4, "cold room"),
    "rolled oats": (379, 180, "dry shelf"),
    "tomato soup": (249, 240, "dry shelf"),
    "peanut butter": (429, 150, "dry shelf"),
    "basmati rice": (749, 300, "dry shelf"),
    "maple syrup": (989, 365, "dry shelf"),
    "sparkling water": (559, 200, "dry shelf"),
    "frozen peas": (279, 220, "freezer"),
    "honey ham": (799, 12, "cold room"),
    "cottage cheese": (389, 14, "open cooler"),
    "almond granola": (599, 120, "dry shelf"),
    "potato salad": (469, 6, "open cooler"),
    "vegetable broth": (329, 210, "dry shelf"),
    "lemon sorbet": (529, 160, "freezer"),
}
BASE_REGIONS = (
    f"{HOME_REGION}, Northeast, Midwest, Pacific Northwest, Southeast, Mountain West, Great Lakes, Gulf Coast, "
    "Mid-Atlantic, Northern Plains, Central Valley, Ozark, Piedmont, New England, Hill Country, Delta"
).split(", ")
TOWNS = [
    "Ashford",
    "Belmont",
    "Clayton",
    "Dover",
    "Easton",
    "Fairview",
    "Grafton",
    "Hudson",
    "Irvine",
    "Jasper",
    "Kingston",
    "Lisbon",
    "Milford",
    "Newport",
    "Oxford",
    "Preston",
    "Quincy",
    "Ripley",
    "Salem",
    "Trenton",
    "Union",
    "Vernon",
]
RIVALS = [
    "FreshFair",
    "ValueBarn",
    "GreenBasket",
    "PrimeGrocer",
    "SaveRight",
    "CornerPantry",
    "HarvestHall",
    "DailyDeal",
]
FIRST_NAMES = [
    "Priya",
    "Marcus",
    "Helen",
    "Tomas",
    "Aisha",
    "Victor",
    "Naomi",
    "Felix",
    "Ingrid",
    "Dwayne",
    "Carla",
    "Owen",
]
LAST_NAMES = [
    "Alvarez",
    "Brandt",
    "Castillo",
    "Donnelly",
    "Eriksson",
    "Fontaine",
    "Grimaldi",
    "Hoang",
    "Ivers",
    "Jamison",
]
CAUSES = (
    "a flood on the {town} rail line",
    "a late frost around {town}",
    "a fire in the {town} cold store",
    "a packing plant closure in {town}",
    "a bridge repair near {town}",
    "a truck driver shortage in {town}",
    "a customs backlog in {town}",
    "a recall by the {town} cooperative",
)
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
STEPS = ("opened a new store in {town}", "started free delivery in {town}", "began a loyalty program in {town}")


@dataclass
class Brief:
    """The document while it is written: the pages, and the questions that they answer."""

    rng: random.Random
    pdf: FPDF
    questions: list[dict] = field(default_factory=list)

    def ask(self, question: str, answer: str, *others: str, kind: str = "fact", sections: list[str]) -> None:
        """Adds a question; `others` are accepted besides the answer."""
        answers = list(dict.fromkeys((answer, *others)))
        entry = {"question": question, "answer": answer, "answers": answers, "kind": kind, "sections": sections}
        if question not in (asked["question"] for asked in DEMO_QUESTIONS):
            self.questions.append(entry)

    def heading(self, text: str, size: int) -> None:
        self.pdf.ln(3)
        self.pdf.set_font("Helvetica", style="B", size=size)
        self.pdf.cell(0, size * 0.6, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.pdf.ln(1)

    def paragraph(self, text: str) -> None:
        self.pdf.set_font("Helvetica", size=11)
        self.pdf.multi_cell(0, 5.5, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.pdf.ln(1.5)

    def table(self, rows: list[tuple[str, ...]]) -> None:
        """A small table; the first row is its heading."""
        self.pdf.set_font("Helvetica", size=10)
        bold = FontFace(emphasis="BOLD", fill_color=(225, 232, 240))
        with self.pdf.table(headings_style=bold, line_height=5.5, width=150, align="LEFT") as table:
            for row in rows:
                table.row(row)
        self.pdf.ln(2)

    def room(self) -> float:
        """Millimetres left on the page."""
        return self.pdf.page_break_trigger - self.pdf.get_y()


class _Pages(FPDF):
    """A4 pages with a header, and a footer that numbers them."""

    def header(self) -> None:
        self.set_font("Helvetica", style="I", size=9)
        self.cell(0, 6, "MegaMart Weekly Brief", border="B", align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(3)

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font("Helvetica", size=9)
        self.cell(0, 6, f"Page {self.page_no()} of {{nb}}", align="C")


def write_brief(path: str | Path, pages: int = 6, seed: int = 0) -> list[dict]:
    """Writes a brief of exactly `pages` pages; the same arguments give the same file.

    Args:
        path: the PDF to write.
        pages: number of pages, at least 3.
        seed: changes every fact but those of `DEMO_QUESTIONS`.

    Returns:
        `DEMO_QUESTIONS`, then the questions on every chapter: dicts with question, answer, answers (all accepted),
        kind ("fact" or "multi") and sections (where the answer stands).

    Raises:
        ValueError: for fewer than 3 pages.
    """
    if pages < MIN_PAGES:
        raise ValueError(f"--pages must be at least {MIN_PAGES}, not {pages}")
    pdf = _Pages()
    pdf.set_auto_page_break(True, margin=18)
    pdf.set_creation_date(datetime.fromisoformat("2026-01-05T00:00:00+00:00"))
    brief = Brief(random.Random(seed), pdf)
    pdf.add_page()
    _summary(brief)
    number, promised = 1, []
    sections = _sections(brief)
    while pdf.page_no() < pages - 1 or brief.room() > SECTION_MM:
        if brief.room() < SECTION_MM:
            pdf.add_page()
        number, shortage = next(sections)
        promised += [shortage] if shortage else []
    pdf.add_page()
    _closing(brief, str(number + 1), promised)
    pdf.output(str(path))
    demo = [dict(question) for question in DEMO_QUESTIONS]
    demo[2]["sections"] = ["2.1", str(number + 1)]
    return [*demo, *brief.questions]


def _summary(brief: Brief) -> None:
    brief.heading("MegaMart Weekly Brief", 20)
    brief.paragraph("Prepared by the operations office for store and region managers. For internal use.")
    brief.heading("1. Executive summary", 15)
    for text in (
        f"There is an avocado shortage in the {HOME_REGION} region because of {STRIKE}.",
        f"A gallon of whole milk costs $3.29 in the {HOME_REGION} region this week, the lowest price of the year.",
        "Stores in regions with an avocado shortage should push the guacamole kits; the last section has the offer.",
    ):
        brief.paragraph(f"-  {text}")
    brief.paragraph(
        "The chapters that follow treat one region each: supply disruptions, prices, competitors, shelf lives and "
        "promotions. The last section holds the rules that apply across regions."
    )


def _sections(brief: Brief) -> Iterator[tuple[int, tuple[str, str, str] | None]]:
    """Writes one section at each step, region after region; yields the chapter number, and any new shortage."""
    for number, region in enumerate(_regions(), start=2):
        brief.heading(f"{number}. {region} region", 15)
        yield number, (region, _supply(brief, f"{number}.1", region), f"{number}.1")
        for offset, write in enumerate((_prices, _competitors, _shelf_lives, _promotions), start=2):
            write(brief, f"{number}.{offset}", region)
            yield number, None


def _regions() -> Iterator[str]:
    """Region names without end: the large regions, then parts of them named after towns, then numbered districts."""
    yield from BASE_REGIONS
    for region, town in itertools.product(BASE_REGIONS, TOWNS):
        yield f"{town} {region}"
    for district in itertools.count(1):
        yield f"District {district}"


def _supply(brief: Brief, section: str, region: str) -> str:
    """Says what is short in the region, and returns it."""
    rng = brief.rng
    home = region == HOME_REGION
    product = "avocado" if home else rng.choice(list(SUBSTITUTES))
    cause = STRIKE if home else rng.choice(CAUSES).format(town=rng.choice(TOWNS))
    manager = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
    days, stores = rng.randint(2, 12), rng.randint(4, 68)
    brief.heading(f"{section} Supply disruptions", 12)
    brief.paragraph(
        rng.choice(
            (
                f"The {region} region reports {_a(product)} shortage because of {cause}. Deliveries run {days} days "
                f"late, and {stores} stores are affected.",
                f"{_a(product).capitalize()} shortage has reached the {region} region because of {cause}. It concerns "
                f"{stores} stores; their deliveries come {days} days late.",
            )
        )
    )
    brief.paragraph(
        f"{manager} coordinates the response in the {region} region and sends a stock count to the operations office "
        f"every {rng.choice(WEEKDAYS)}. Other product groups arrive as planned."
    )
    brief.ask(f"Why is there {_a(product)} shortage in the {region} region?", cause, sections=[section])
    brief.ask(f"How many stores in the {region} region are affected by the shortage?", str(stores), sections=[section])
    late = (f"{days} days", f"{days} days late", str(days))
    brief.ask(f"How late are deliveries in the {region} region?", *late, sections=[section])
    brief.ask(f"Who coordinates the response in the {region} region?", manager, sections=[section])
    return product


def _prices(brief: Brief, section: str, region: str) -> None:
    rng = brief.rng
    home = region == HOME_REGION
    names = list(PRODUCTS)
    products = ["whole milk", *rng.sample(names[1:], 3)] if home else rng.sample(names, 4)
    rows = [("Product", "Last week", "This week")]
    brief.heading(f"{section} Prices", 12)
    for product in products:
        usual = PRODUCTS[product][0]
        before, now = (f"${(usual + change) / 100:.2f}" for change in rng.sample(range(-100, 110, 10), 2))
        if home and product == "whole milk":
            before, now = "$3.49", "$3.29"
        rows.append((product, before, now))
        brief.ask(f"What is the price of {product} in the {region} region this week?", now, now[1:], sections=[section])
    brief.paragraph(f"Prices in the {region} region changed for these products; all others stay as they are.")
    brief.table(rows)
    if home:
        brief.paragraph("A gallon of whole milk now costs $3.29, twenty cents less than last week.")


def _competitors(brief: Brief, section: str, region: str) -> None:
    rng = brief.rng
    first, second = rng.sample(RIVALS, 2)
    product, share = rng.choice(list(PRODUCTS)), rng.randint(5, 45)
    step = rng.choice(STEPS).format(town=rng.choice(TOWNS))
    brief.heading(f"{section} Competitors", 12)
    brief.paragraph(
        f"In the {region} region, {first} cut the price of {product} by {share}%. {second} {step}. Neither has changed "
        f"its opening hours. Store managers should check the shelves of {first} twice this week and report."
    )
    question = f"By how much did {first} cut the price of {product} in the {region} region?"
    brief.ask(question, f"{share}%", f"{share} percent", sections=[section])
    brief.ask(f"Which competitor cut the price of {product} in the {region} region?", first, sections=[section])
    brief.ask(f"What did {second} do in the {region} region?", step, sections=[section])


def _shelf_lives(brief: Brief, section: str, region: str) -> None:
    rng = brief.rng
    rows = [("Product", "Shelf life", "Storage")]
    brief.heading(f"{section} Shelf lives", 12)
    brief.paragraph(f"The quality team measured new shelf lives in the {region} region, counted from delivery.")
    for product in rng.sample(list(PRODUCTS), 3):
        _, usual, storage = PRODUCTS[product]
        life = round(usual * rng.uniform(0.75, 1.4))
        rows.append((product, f"{life} days", storage))
        question = f"What is the shelf life of {product} in the {region} region?"
        brief.ask(question, f"{life} days", str(life), sections=[section])
    brief.table(rows)


def _promotions(brief: Brief, section: str, region: str) -> None:
    rng = brief.rng
    (first, second), (off, points) = rng.sample(list(PRODUCTS), 2), rng.sample(range(10, 50), 2)
    day, start = rng.choice(WEEKDAYS[3:]), rng.choice(WEEKDAYS[:3])
    brief.heading(f"{section} Promotions", 12)
    brief.paragraph(
        f"The {region} region offers {first} at {off}% off from {start} to {day}. Loyalty members earn {points} points "
        f"for each purchase of {second}. Displays go to the end of the aisle, and the posters come with the next truck."
    )
    question = f"What is the discount on {first} in the {region} region?"
    brief.ask(question, f"{off}%", f"{off}% off", f"{off} percent", sections=[section])
    brief.ask(f"On which day does the offer on {first} end in the {region} region?", day, sections=[section])
    question = f"How many points do loyalty members earn for {second} in the {region} region?"
    brief.ask(question, f"{points} points", str(points), sections=[section])


def _closing(brief: Brief, section: str, promised: list[tuple[str, str, str]]) -> None:
    """The rules across regions, and a question for each region that a rule applies to."""
    brief.heading(f"{section}. Promotions across regions", 15)
    brief.paragraph(
        "A shortage is a chance to sell what can replace the missing product. In regions with an avocado shortage, "
        "push the guacamole kits with a free bag of limes. The same holds for the other products below."
    )
    rows = [("Shortage of", "Push", "With")]
    rows += [(product, push, offer) for product, (push, offer) in SUBSTITUTES.items()]
    brief.table(rows)
    brief.paragraph("The rules end when the region manager reports full shelves.")
    for region, product, where in promised:
        push, offer = SUBSTITUTES[product]
        both = {"kind": "multi", "sections": [where, section]}
        brief.ask(f"Which product should stores in the {region} region push because of their shortage?", push, **both)
        brief.ask(
            f"With which offer should the {region} region push the product that replaces what is short?", offer, **both
        )


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def main() -> None:
    """Parses the command line, writes the brief and the questions."""
    parser = argparse.ArgumentParser(description="Write the MegaMart weekly brief as a PDF.")
    parser.add_argument("path", metavar="OUT.pdf", type=Path)
    parser.add_argument("--pages", type=int, default=6, help="number of pages, at least 3 (default: 6)")
    parser.add_argument("--seed", type=int, default=0, help="changes the facts (default: 0)")
    parser.add_argument("--questions", metavar="Q.jsonl", type=Path, help="also write the questions, one JSON a line")
    options = parser.parse_args()
    try:
        questions = write_brief(options.path, options.pages, options.seed)
    except ValueError as error:
        parser.error(str(error))
    if options.questions:
        lines = [json.dumps(question) for question in questions]
        options.questions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(options.path)


if __name__ == "__main__":
    main()
