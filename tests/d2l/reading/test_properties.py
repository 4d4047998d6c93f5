"""Damage at random: bits flipped and ends cut off give the right text or one clear line, and nothing else.

``HYPERLORA_EXAMPLES=2000 pytest tests/d2l/reading/test_properties.py`` tries that many inputs for each format. The
number tried, and how many of them were still read, is the last line of the output.
"""

import functools
import io
import json
import os
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d2l.reader import normalise
from d2l.reading import kinds
from d2l.reading.child import read_in_child
from d2l.reading.worker import _answer
from shared.errors import InputError
from tests.d2l.reading import make
from tests.d2l.reading.conftest import TRIED
from tests.d2l.reading.test_pptx import table

EXAMPLES = int(os.environ.get("HYPERLORA_EXAMPLES", 40))
WORDS = "The Marlow bridge opened in 1832 & spans <72 metres; R&D took \u00e9lan."
MARKUP = WORDS.replace("&", "&amp;").replace("<", "&lt;")


@functools.cache
def sample(name):
    """A document of that format, and its MIME type."""
    notes = f"<w:footnotes {make.W}><w:footnote w:id='1'>{make.paragraph('A note.')}</w:footnote></w:footnotes>"
    styles = f"<w:styles {make.W}/>"
    body = make.paragraph(WORDS) + make.paragraph("Second.", '<w:r><w:footnoteReference w:id="1"/></w:r>')
    page = f"<h1>Bridge</h1><p>{MARKUP}</p><ul><li>one<ul><li>two</ul></ul>"
    cells = [[WORDS, 1.5], ["Fare", (0.125, 1)]]
    parts = {
        "notes.xml": ("footnotes", notes),
        "styles.xml": ("styles", styles),
        "media/a.png": ("image", b"picture" * 99),
    }
    if name == "RTF":
        return b"{\\rtf1\\ansi The bridge opened in 1832.\\par {\\b It} spans 72 metres.}", "application/rtf"
    return {
        "DOCX": lambda: (make.docx(body, parts), kinds.DOCX),
        "PPTX": lambda: (make.pptx(make.shape(WORDS) + table(["a", "b"]), make.shape("Second")), kinds.PPTX),
        "XLSX": lambda: (make.xlsx({"S": make.rows(*cells), "T": make.rows(["x"])}, formats=("0.0%",)), kinds.XLSX),
        "EPUB": lambda: (make.epub(page, "<p>Second</p>"), kinds.EPUB),
        "HTML": lambda: (f"<!doctype html><meta charset=utf-8><body>{page}".encode(), kinds.HTML),
        "EML": lambda: (make.mail(WORDS, f"<p>{MARKUP}", notes__txt=b"attached words"), kinds.EML),
        "IPYNB": lambda: (json.dumps({"cells": [{"source": WORDS}]}).encode(), kinds.NOTEBOOK),
        "text": lambda: (f"{WORDS}\n\nSecond \u65e5\u672c.".encode(), kinds.PLAIN),
        "UTF-16": lambda: ("Паром отходит в шесть. Билет стоит.\n".encode("utf-16-le"), kinds.PLAIN),
        "PDF": lambda: (make.pdf([(20, 20, WORDS), (20, 40, "A second line.")], [(20, 20, "Page two.")]), kinds.PDF),
    }[name]()


def outcome(name, data):
    """The text and the record of reading a document as the child reads it, or None and the error."""
    request = {"mime_type": sample(name)[1], "name": "a"}
    if name == "PDF":  # what native code does to its process is the child's affair
        try:
            answer = read_in_child(data, "a", {"mime_type": request["mime_type"]})
        except InputError as error:
            answer = {"error": [error.message, error.hint]}
    else:
        answer = _answer(io.BytesIO(data), request, 1 << 30)
    if "error" in answer:
        message, hint = answer["error"]
        assert message and hint and "\n" not in message + hint, answer
        assert "kreuzberg" not in message.lower() and "Error" not in message, answer
        return None, message
    return normalise(answer["text"]), answer["reading"]


@st.composite
def damage(draw):
    """A function that damages bytes: flips up to eight bits, or cuts the end off."""
    places = draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=0, max_size=8))
    cut = draw(st.one_of(st.just(1.0), st.floats(0, 1))) if places else draw(st.floats(0, 1, exclude_max=True))

    def apply(data):
        damaged = bytearray(data)
        for place, bit in places:
            damaged[int(place * len(data))] ^= 1 << bit
        return bytes(damaged[: int(cut * len(data)) if cut < 1 else len(data)])

    return apply


def check(name, share=1.0):
    """Try damage on a format, and yield what came of it to a property."""

    def decorate(function):
        examples = max(1, int(EXAMPLES * share))
        unhealthy = list(HealthCheck)

        @settings(max_examples=examples, deadline=None, derandomize=EXAMPLES <= 40, suppress_health_check=unhealthy)
        @given(damage())
        def test(damage_):
            data = damage_(sample(name)[0])
            started = time.process_time()
            text, rest = outcome(name, data)
            assert time.process_time() - started < 20
            TRIED[name, "tried"] += 1
            if text is not None:
                TRIED[name, "read"] += 1
                function(data, text, rest)

        test.__name__ = f"test_{name.lower()}"
        return test

    return decorate


def whole(name):
    """The property of formats with checksums: what is read is what was written."""

    @check(name)
    def test(data, text, reading):
        assert text == outcome(name, sample(name)[0])[0]

    return test


test_docx, test_pptx, test_xlsx, test_epub = map(whole, ("DOCX", "PPTX", "XLSX", "EPUB"))


@check("PDF", share=0.25)
def test_pdf(data, text, reading):
    """No checksums, but nothing goes unsaid: a page without text is named."""
    lost = set(outcome("PDF", sample("PDF")[0])[0].split()) - set(text.split())
    assert len(lost) <= 2 or reading["left_out"]


@check("RTF")
def test_rtf(data, text, reading):
    assert "\x00" not in text


@check("HTML")
def test_html(data, text, reading):
    assert "\x00" not in text


@check("EML")
def test_eml(data, text, reading):
    assert "\x00" not in text


@check("IPYNB")
def test_ipynb(data, text, reading):
    assert text


@check("text")
def test_text(data, text, reading):
    """Every character that is in the file is in the text."""
    assert text == normalise(data.decode("utf-8-sig"))


@check("UTF-16")
def test_utf16(data, text, reading):
    codec = reading["encoding"]
    assert text == normalise(data.decode(codec)) and normalise(text) == text


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 40)
@given(st.integers(0, len(WORDS.split()) - 1), st.text("abcxyz0189-.,", min_size=1, max_size=9))
def test_words_of_a_page_that_are_not_damaged_stay(position, replacement):
    words = WORDS.split()
    words[position] = replacement
    markup = " ".join(words).replace("&", "&amp;").replace("<", "&lt;")
    text, _ = outcome("HTML", f"<div><b>{markup}</b><dl><dt>{markup}</dl>{markup}".encode())
    TRIED["HTML", "tried"] += 1
    TRIED["HTML", "read"] += 1
    assert text.split() == words * 3
