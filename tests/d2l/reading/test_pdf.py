"""PDF: every page once, words whole and in the order in which they are read."""

import shutil
from pathlib import Path

import pytest

from d2l.reading.pdf import join_broken_words, logical
from d2l.reading.report import LeftOut
from shared.errors import InputError
from tests.d2l.reading.make import pdf, read


def font():
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def test_pages_without_text_are_named(tmp_path):
    document = read(tmp_path, "a.pdf", pdf([(20, 20, "First page.")], [], [(20, 20, "Third page.")], []))
    assert document.text == "First page.\n\nThird page." and document.num_pages == 4
    assert document.reading.left_out == [LeftOut("page", "without text: scanned or blank", 2, ("2", "4"))]


def test_what_looks_like_a_table_is_read_once(tmp_path):
    lines = [(f"Item {i}", f"A-{100 + i}", f"{3 * i + 1}.50 EUR") for i in range(28)]
    page = [(20 + 50 * j, 20 + 8 * i, cell) for i, line in enumerate(lines) for j, cell in enumerate(line)]
    assert read(tmp_path, "a.pdf", pdf(page)).text == "\n".join(map(" ".join, lines))
    short = [
        (20, 20, "one"),
        (120, 20, "two"),
        (20, 30, "three"),
        (120, 30, "four"),
        (20, 40, "five"),
        (120, 40, "six"),
    ]
    words = read(tmp_path, "a.pdf", pdf(short)).text.split()
    assert words == ["one", "two", "three", "four", "five", "six"]


def test_columns_drawn_one_after_the_other_stay_apart(tmp_path):
    left, right = [f"left line {i} here" for i in range(4)], [f"right line {i} there" for i in range(4)]
    page = [(20, 20 + 8 * i, line) for i, line in enumerate(left)]
    page += [(120, 20 + 8 * i, line) for i, line in enumerate(right)]
    assert read(tmp_path, "a.pdf", pdf(page)).text.split("\n") == left + right


def test_running_heads_are_kept(tmp_path):
    pages = [[(20, 10, "Contract 4711"), (20, 50, f"Page body {i}."), (20, 285, f"Foot {i}")] for i in range(4)]
    text = read(tmp_path, "a.pdf", pdf(*pages)).text
    assert text == "\n\n".join(f"Contract 4711\nPage body {i}.\nFoot {i}" for i in range(4))


def test_words_broken_at_a_lines_end_are_joined(tmp_path):
    lines = ["It was sold to a manufac-", "turer of ropes, a well-", "known one, in the Navy-"]
    page = [(20, 20 + 6 * i, line) for i, line in enumerate([*lines, "Board and so on"])]
    text = " ".join(read(tmp_path, "a.pdf", pdf(page)).text.split())
    assert "a manufacturer of ropes, a well-known one, in the Navy-Board and so on" in text


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("manufac\x02turer", "manufacturer"),
        ("co\x02operate, cooperate", "cooperate, cooperate"),
        ("co\x02operate, co-operate", "co-operate, co-operate"),
        ("a long\x02term plan, long ago, a term", "a long-term plan, long ago, a term"),
        ("A\x02320", "A-320"),
        ("Marlow\x02Bay", "Marlow-Bay"),
        ("manu\u2010\r\nfacturer", "manufacturer"),
        ("end \x02 x", "end \x02 x"),
    ],
)
def test_which_hyphens_stay(text, joined):
    assert join_broken_words(text) == joined


@pytest.mark.parametrize(
    ("line", "read_"),
    [
        (".סוף 1832 בעברית משפט זהו עולם שלום", "שלום עולם זהו משפט בעברית 1832 סוף."),
        ("שש בשעה יוצאת Marlow Bay הספינה", "הספינה Marlow Bay יוצאת בשעה שש"),
        ("(בערב) 18:30", "18:30 (בערב)"),
        ("جملة هذه بالعالم مرحبا", "مرحبا بالعالم هذه جملة"),
        ("The word עולם שלום means hello", "The word שלום עולם means hello"),
        ("plain text, 1 2 3", "plain text, 1 2 3"),
        ("élevé à côté", "élevé à côté"),
    ],
)
def test_right_to_left_lines_are_put_in_reading_order(line, read_):
    assert logical(line) == read_


def test_hebrew_and_arabic_come_out_as_they_are_read(tmp_path):
    lines = ["שלום עולם זהו משפט", "مرحبا بالعالم هذه جملة"]
    page = [(60, 20 + 10 * i, line[::-1]) for i, line in enumerate(lines)]
    data = pdf(page, font=font())
    assert read(tmp_path, "a.pdf", data).text == "\n".join(lines)
    declared = data.replace(b"/Type /Catalog", b"/Type /Catalog /ViewerPreferences <</Direction /R2L>>", 1)
    assert read(tmp_path, "a.pdf", declared).text == "\n".join(lines)


def test_damaged_streams_and_a_missing_end_are_said(tmp_path):
    data = pdf([(20, 20, "The whole text of a page that is compressed.")] * 3)
    at = data.index(b"stream\n") + 30
    for bad in (data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :], data[:-40]):
        with pytest.raises(InputError, match="is damaged, or not a PDF file"):
            read(tmp_path, "a.pdf", bad)


def test_ligatures_and_shaped_letters_are_letters(tmp_path):
    page = [(20, 20, "The \ufb01rst o\ufb03ce"), (20, 40, "\ufee1\ufefc\ufeb3")]
    text = read(tmp_path, "a.pdf", pdf(page, font=font())).text
    assert text.startswith("The first office\n") and set(text.split("\n")[1]) == set("سلام")


def test_notes_are_read_and_attachments_named(tmp_path):
    from fpdf import FPDF

    document = FPDF()
    document.set_font("helvetica", size=12)
    document.add_page()
    document.text(20, 20, "Body.")
    document.free_text_annotation("In a box", x=20, y=60, w=60, h=10)
    document.embed_file(bytes=b"attached", basename="data.txt")
    data = bytes(document.output())
    done = read(tmp_path, "a.pdf", data)
    assert done.text == "Body.\nIn a box"
    assert done.reading.left_out == [LeftOut("attachment", "attached files are not read", 1, ("data.txt",))]


@pytest.mark.skipif(not shutil.which("tesseract"), reason="needs Tesseract's language data")
def test_scanned_pages_are_recognised_on_request(tmp_path):
    from fpdf import FPDF
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (1600, 500), "white")
    ImageDraw.Draw(image).text(
        (60, 180), "The scanned harbour opened in 1832.", "black", ImageFont.truetype(font(), 40)
    )
    document = FPDF()
    document.set_font("helvetica", size=12)
    document.add_page()
    document.text(20, 20, "First page.")
    document.add_page()
    document.image(image, 10, 10, 180)
    done = read(tmp_path, "a.pdf", bytes(document.output()), ocr="eng")
    assert done.text == "First page.\n\nThe scanned harbour opened in 1832."
    assert done.reading.parts == {"pages": 2, "pages by OCR": 1} and done.reading.left_out == []


def test_ocr_without_its_language_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="OCR needs Tesseract's language data 'xxx'"):
        read(tmp_path, "a.pdf", pdf([(20, 20, "First.")], []), ocr="xxx")
