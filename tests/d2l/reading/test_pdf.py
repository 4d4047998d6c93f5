"""PDF: every page once, words whole and in the order in which they are read."""

import shutil
import time
import zlib
from pathlib import Path

import pytest

from d2l.reading.pdf import inspect, join_broken_words, logical
from d2l.reading.pdfform import form_lines
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


def form(fields, *, packed=False, encrypted=False):
    """A page with "Body." and a form of those objects, in the file or in an object stream."""
    content = b"BT /F1 12 Tf 50 700 Td (Body.) Tj ET"
    numbers = " ".join(f"{number} 0 R" for number in fields)
    objects = {
        1: f"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[{numbers}]>>>>".encode(),
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        4: b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    if packed:
        bodies = [value.encode("latin-1") for value in fields.values()]
        starts = [sum(len(body) + 1 for body in bodies[:i]) for i in range(len(bodies))]
        head = " ".join(f"{number} {start}" for number, start in zip(fields, starts, strict=True)).encode() + b" "
        stream = zlib.compress(head + b" ".join(bodies))
        objects[99] = b"<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (
            len(fields),
            len(head),
            len(stream),
            stream,
        )
    else:
        objects |= {number: value.encode("latin-1") for number, value in fields.items()}
    out, places = b"%PDF-1.7\n", {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % places.get(number, 0) for number in range(1, 100))
    start = len(out)
    out += b"xref\n0 100\n0000000000 65535 f \n" + table + b"trailer <</Root 1 0 R /Size 100>>\n"
    return out + (b"%/Encrypt\n" if encrypted else b"") + b"startxref\n%d\n%%%%EOF" % start


FIELDS = {
    10: r"<</FT/Tx/T(name)/V(Ann \(Lee\) \351lan \200)/Opt[(no)(no)]>>",
    11: "<</FT/Ch/T(city)/V<FEFF004B00F6006C006E>>>",
    12: "<</FT/Tx/T(group)/Kids[13 0 R]>>",
    13: "<</Parent 12 0 R/T(inner)/V(deep)>>",
    14: "<</FT/Btn/T(agree)/V/Yes>>",
    15: "<</FT/Btn/T(no)/V/Off>>",
    16: "<</FT/Ch/T(many)/V[(a)(b)]>>",
    17: "<</FT/Tx/T(x1)/TU(Your fare)/V(4.50)>>",
    18: "<</FT/Tx/T(empty)/V()>>",
}
FILLED = "name: Ann (Lee) élan •\ncity: Köln\ngroup.inner: deep\nagree: Yes\nmany: a, b\nYour fare: 4.50"


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_filled_into_a_form_is_read(packed, tmp_path):
    document = read(tmp_path, "a.pdf", form(FIELDS, packed=packed))
    assert document.text == f"Body.\n\n{FILLED}"
    assert document.reading.parts == {"pages": 1, "form fields": 6} and document.reading.left_out == []


def test_a_value_that_was_changed_later_counts(tmp_path):
    assert form_lines([b"1 0 obj <</FT/Tx/T(a)/V(old)>> endobj", b"1 0 obj <</FT/Tx/T(a)/V(new)>> endobj"]) == [
        "a: new"
    ]


def test_encrypted_values_are_named(tmp_path):
    structure = inspect(form(FIELDS, encrypted=True), "a.pdf")
    assert structure.form == [] and structure.hidden_fields == 8


@pytest.mark.parametrize(
    "bad", [b"<</FT/Tx/T(a", b"<</FT/Tx/V" + b"[" * 1000, b"<</FT/Tx/Parent 1 0 R/V(v)", b"((((", b"<<"]
)
def test_damaged_fields_do_no_harm(bad):
    assert form_lines([b"1 0 obj " + bad + b" endobj"]) in ([], ["v"])


@pytest.mark.parametrize(
    "part",
    [
        b"1 0 obj\n" * 40_000,
        b"9" * 5000 + b" 0 obj <</T(a)>> endobj",
        b"1 0 obj <</V " + b"9" * 5000 + b" 0 R>> endobj",
    ],
)
def test_damaged_objects_of_a_form_cost_one_look(part):
    started = time.process_time()
    good = b"\n7 0 obj <</FT/Tx /T(Name) /V(Ada)>> endobj"
    assert form_lines([part + good]) == ["Name: Ada"]
    assert time.process_time() - started < 10
