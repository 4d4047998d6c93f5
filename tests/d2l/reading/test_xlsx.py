"""XLSX: what the sheet shows is what is read, and what is left out is named."""

import pytest

from d2l.reading.cellformat import general, shown_number, shown_text
from d2l.reading.report import LeftOut
from tests.d2l.reading.make import read, rows, xlsx


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.125, "0.0%", "12.5%"),
        (0.125, "0%", "13%"),
        (1234, "00000", "01234"),
        (0.6041666666666666, "h:mm", "14:30"),
        (0.6041666666666666, "h:mm AM/PM", "2:30 PM"),
        (0.6041666666666666, "[$-F400]h:mm:ss AM/PM", "2:30:00 PM"),
        (1.5, "[h]:mm:ss", "36:00:00"),
        (45.5 / 86400, "mm:ss.0", "00:45.5"),
        (0.9999999999, "h:mm:ss", "0:00:00"),
        (45356, "yyyy-mm-dd", "2024-03-05"),
        (45356.25, "dddd, mmmm d", "Tuesday, March 5"),
        (45356.5, "d mmm yy h:mm", "5 Mar 24 12:00"),
        (1, "yyyy-mm-dd", "1900-01-01"),
        (60, "yyyy-mm-dd", "1900-02-29"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (1234567.5, "#,##0.00", "1,234,567.50"),
        (1234567.5, "$#,##0", "$1,234,568"),
        (-1234.5, '"$"#,##0.00_);[Red]("$"#,##0.00)', "($1,234.50)"),
        (1234.5, "[$€-407] #,##0.00", "€ 1,234.50"),
        (1234.5, '#,##0.00 "EUR"', "1,234.50 EUR"),
        (0, '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)', "-"),
        (123456789, "000-00-0000", "123-45-6789"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (1500000, '0.0,,"M"', "1.5M"),
        (2.75, "# ?/?", "2 3/4"),
        (0.5, "?/?", "1/2"),
        (12345, "0.00E+00", "1.23E+04"),
        (1.005, "0.00", "1.01"),
        (2.5, "0", "3"),
        (-0.001, "0.00", "0.00"),
        (0.1, "#.##", ".1"),
        (5, ";;;", ""),
        (150, '[>100]"many";0', "many"),
        (50, '[>100]"many";0', "50"),
        (-3, '0;"minus" 0', "minus 3"),
        (7, "\\N\\o\\. 0", "No. 7"),
        (0.1 + 0.2, "General", "0.3"),
        (1 / 3, "General", "0.333333333"),
        (12345.678901, "General", "12345.6789"),
        (4006381333931, "General", "4006381333931"),
        (1e20, "General", "1E+20"),
        (3.14159, "# ??/??", "3 1/7"),
        (0.333, "# ?/8", "3/8"),
        (-1.5, "# ?/?", "-1 1/2"),
        (99999, "0.0E+00", "1.0E+05"),
        (9.96e-5, "0.0E+00", "1.0E-04"),
        (123456, "##0.0E+0", "123.5E+3"),
        (999960, "##0.0E+0", "1.0E+6"),
        (1.5, "[h]:mm", "36:00"),
        (45351, '[$-411]ggge"年"m"月"d"日"', "2024年2月29日"),
        (-1234.5, "[$£-809]#,##0.00;[Red]-[$£-809]#,##0.00", "-£1,234.50"),
        (3, '[=1]"one";[=2]"two";0', "3"),
        (5, "", "5"),
        (0.00001234, "General", "1.234E-05"),
        (-5, "General", "-5"),
    ],
)
def test_numbers_are_shown_as_they_are_formatted(value, code, shown):
    assert shown_number(value, code) == shown


def test_texts_and_dates_under_formats():
    assert shown_text("x", '0;0;0;"No. "@') == "No. x" and shown_text("x", "0.00") == "x"
    assert shown_number(0, "yyyy-mm-dd", since_1904=True) == "1904-01-01"
    assert shown_number(-1, "yyyy-mm-dd") == general(-1)  # no date: Excel shows ####


def test_cells_are_read_as_shown(tmp_path):
    formats = ("0.0%", "00000", "h:mm", "#,##0.00", "yyyy-mm-dd")
    sheet = rows(
        ["Name", "Share", "ZIP", "Time", "Sum", "Day"],
        ["Ann", (0.125, 1), (1234, 2), (0.604166667, 3), (1234567.5, 4), (45356, 5)],
    )
    text = read(tmp_path, "a.xlsx", xlsx({"Fares": sheet}, formats=formats)).text
    assert (
        text
        == "Fares\n\nName | Share | ZIP | Time | Sum | Day\nAnn | 12.5% | 01234 | 14:30 | 1,234,567.50 | 2024-03-05"
    )


def test_kinds_of_cells(tmp_path):
    cells = (
        '<c r="A1" t="s"><v>0</v></c><c r="B1" t="b"><v>1</v></c><c r="C1" t="e"><v>#DIV/0!</v></c>'
        '<c r="D1" t="str"><f>A1</f><v>text</v></c><c r="F1" t="inlineStr"><is><r><t>rich </t></r><r><t>text</t></r>'
        '<rPh><t>aid</t></rPh></is></c><c r="G1"><f>1+1</f></c>'
    )
    data = xlsx({"S": f'<sheetData><row r="1">{cells}</row></sheetData>'}, strings=("shared & so",))
    document = read(tmp_path, "a.xlsx", data)
    assert document.text == "S\n\nshared & so | TRUE | #DIV/0! | text | rich text"
    assert document.reading.left_out == [LeftOut("formula", "its value is not stored in the file", 1)]


def test_a_stray_cell_costs_nothing(tmp_path):
    far = '<row r="400000"><c r="C400000"><v>7</v></c></row><row r="1048576"><c r="XFD1048576"><v>8</v></c></row>'
    sheet = f'<sheetData><row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row>{far}</sheetData>'
    assert read(tmp_path, "a.xlsx", xlsx({"S": sheet})).text == "S\n\n1 | 2\n\n |  | 7\n\n |  |  | 8"


def test_hidden_sheets_rows_and_columns_are_named(tmp_path):
    hidden = (
        '<cols><col min="2" max="2" hidden="1"/></cols><sheetData>'
        '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row>'
        '<row r="2" hidden="1"><c r="A2"><v>3</v></c></row></sheetData>'
    )
    sheets = {
        "Open": rows(["here"]),
        "Secret": rows(["no"]),
        "Deep": rows(["no"]),
        "Part": hidden,
        "Empty": "<sheetData/>",
    }
    data = xlsx(sheets, states={"Secret": "hidden", "Deep": "veryHidden"})
    document = read(tmp_path, "a.xlsx", data)
    assert document.text == "Open\n\nhere\n\nPart\n\n1"
    assert document.reading.parts == {"sheets": 3}
    assert document.reading.left_out == [
        LeftOut("sheet", "hidden", 2, ("Secret", "Deep")),
        LeftOut("row", "hidden in sheet Part", 1),
        LeftOut("column", "hidden in sheet Part", 1),
    ]


def test_dates_since_1904(tmp_path):
    data = xlsx({"S": rows([(0.5, 1)])}, formats=("yyyy-mm-dd h:mm",), since_1904=True)
    assert read(tmp_path, "a.xlsx", data).text == "S\n\n1904-01-01 12:00"


def test_merged_cells_show_their_first_one(tmp_path):
    data = (
        '<sheetData><row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>99</v></c><c r="C1"><v>3</v></c></row>'
        '<row r="2"><c r="A2"><v>98</v></c></row></sheetData><mergeCells><mergeCell ref="A1:B2"/></mergeCells>'
    )
    document = read(tmp_path, "a.xlsx", xlsx({"S": data}))
    assert document.text == "S\n\n1 | 3"
    assert document.reading.left_out == [LeftOut("cell", "covered by another in sheet S", 2)]


def test_rows_and_columns_of_no_size_are_hidden(tmp_path):
    cells = (
        '<row r="1" ht="0"><c r="A1"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c><c r="B2"><v>3</v></c></row>'
    )
    data = f'<cols><col min="2" max="2" width="0"/></cols><sheetData>{cells}</sheetData>'
    document = read(tmp_path, "a.xlsx", xlsx({"S": data}))
    assert document.text == "S\n\n2"
    assert [entry.what for entry in document.reading.left_out] == ["row", "column"]


def test_dates_stored_as_text_are_shown_under_their_format(tmp_path):
    cell = '<c t="d" s="1"><v>2024-03-05T14:30:00</v></c><c t="d"><v>2024-03-05</v></c>'
    data = f'<sheetData><row r="1">{cell}</row></sheetData>'
    text = read(tmp_path, "a.xlsx", xlsx({"S": data}, formats=("d mmm yyyy h:mm",))).text
    assert text == "S\n\n5 Mar 2024 14:30 | 2024-03-05"


def test_a_rounded_mantissa_keeps_one_digit():
    assert shown_number(999_900, "0.0E+0") == "1.0E+6"
    assert shown_number(999_960, "##0.0E+0") == "1.0E+6"


@pytest.mark.parametrize("since_1904", [False, True])
def test_dates_that_are_stored_as_text(since_1904, tmp_path):
    cells = "".join(f'<c t="d" s="{style}"><v>2024-02-29T12:00:00</v></c>' for style in (1, 0))
    sheet = f'<sheetData><row r="1">{cells}</row></sheetData>'
    data = xlsx({"S": sheet}, formats=("d mmm yyyy h:mm",), since_1904=since_1904)
    assert read(tmp_path, "a.xlsx", data).text == "S\n\n29 Feb 2024 12:00 | 2024-02-29T12:00:00"
