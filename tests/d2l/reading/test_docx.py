"""DOCX: what Word shows, in its order."""

import pytest

from d2l.reading.report import LeftOut
from shared.errors import InputError
from tests.d2l.reading.make import A, S, W, docx, paragraph, read

HIDDEN = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r>"


@pytest.mark.parametrize(
    ("run", "text"),
    [
        ("<w:r><w:t>A</w:t><w:noBreakHyphen/><w:t>320</w:t></w:r>", "A-320"),
        ("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:cr/><w:t>d</w:t></w:r>", "a\tb\nc\nd"),
        ("<w:r><w:t>man</w:t><w:softHyphen/><w:t>ual</w:t></w:r>", "manual"),
        ("<w:r><w:t>R&amp;D &lt;5% &gt; &quot;q&quot;</w:t></w:r>", 'R&D <5% > "q"'),
        ('<w:r><w:sym w:font="Arial" w:char="20AC"/></w:r>', "€"),
        ("<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>", "new"),
        ("<w:moveFrom><w:r><w:t>old</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>new</w:t></w:r></w:moveTo>", "new"),
        ("<w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink>", "link"),
        ("<w:sdt><w:sdtPr/><w:sdtContent><w:r><w:t>field</w:t></w:r></w:sdtContent></w:sdt>", "field"),
        ("<w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:t>7</w:t></w:r>", "7"),
        ('<w:r><w:t>10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>6</w:t></w:r>', "10⁶"),
        ('<w:r><w:rPr><w:vanish w:val="false"/></w:rPr><w:t>shown</w:t></w:r>', "shown"),
    ],
)
def test_runs(run, text, tmp_path):
    assert read(tmp_path, "a.docx", docx(paragraph(f"{run}"))).text == text


def test_hidden_text_is_counted_and_not_read(tmp_path):
    styles = (
        f'<w:styles {W}><w:style w:styleId="Secret"><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:styleId="Child"><w:basedOn w:val="Secret"/></w:style></w:styles>'
    )
    styled = '<w:r><w:rPr><w:rStyle w:val="Child"/></w:rPr><w:t>secret</w:t></w:r>'
    body = paragraph("shown ", HIDDEN, styled, "again") + paragraph("secret", properties='<w:pStyle w:val="Secret"/>')
    document = read(tmp_path, "a.docx", docx(body, {"styles.xml": ("styles", styles)}))
    assert document.text == "shown again"
    assert document.reading.left_out == [LeftOut("passage", "hidden text", 3)]


def test_tables_boxes_and_alternatives_in_their_place(tmp_path):
    def cell(text):
        return f"<w:tc>{paragraph(text)}</w:tc>"

    table = f"<w:tbl><w:tr>{cell('Year')}{cell('Event')}</w:tr><w:tr>{cell('1832')}{cell('Opened')}</w:tr></w:tbl>"
    box = f"<w:txbxContent>{paragraph('boxed')}</w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    new = f"<mc:Choice><w:drawing>{box}</w:drawing></mc:Choice>"
    old = f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
    both = f"<w:r><mc:AlternateContent {mc}>{new}{old}</mc:AlternateContent></w:r>"
    sdt = f"<w:sdt><w:sdtContent>{paragraph('controlled')}</w:sdtContent></w:sdt>"
    body = paragraph("before") + table + paragraph("between") + paragraph(both) + sdt
    assert read(tmp_path, "a.docx", docx(body)).text == (
        "before\n\nYear | Event\n1832 | Opened\n\nbetween\n\nboxed\n\ncontrolled"
    )


def test_numbers_of_lists(tmp_path):
    def level(i, kind, text):
        return f'<w:lvl w:ilvl="{i}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/></w:lvl>'

    levels = level(0, "decimal", "%1.") + level(1, "decimal", "%1.%2") + level(2, "lowerLetter", "%3)")
    bullets = level(0, "bullet", "•")
    numbering = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>'
        f'<w:abstractNum w:abstractNumId="1">{bullets}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/>'
        "</w:lvlOverride></w:num></w:numbering>"
    )

    def item(text, number, depth=0):
        return paragraph(text, properties=f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>')

    body = item("Scope", 1) + item("Fares", 1) + item("Adults", 1, 1) + item("seniors", 1, 2) + item("Children", 1, 1)
    body += item("Dogs", 1) + item("point", 2) + item("anew", 3)
    text = read(tmp_path, "a.docx", docx(body, {"numbering.xml": ("numbering", numbering)})).text
    assert text == "1. Scope\n2. Fares\n2.1 Adults\na) seniors\n2.2 Children\n3. Dogs\npoint\n1. anew"


def test_notes_headers_charts_and_embedded_html(tmp_path):
    note = f'<w:footnote w:id="7">{paragraph("the note")}</w:footnote>'
    notes = f'<w:footnotes {W}><w:footnote w:type="separator" w:id="0"/>{note}</w:footnotes>'
    chart = (
        f'<c:chartSpace xmlns:c="c" {A}><c:title><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:title><c:ser>'
        '<c:tx><c:pt idx="0"><c:v>Q1</c:v></c:pt></c:tx><c:cat><c:pt idx="0"><c:v>East</c:v></c:pt></c:cat>'
        '<c:val><c:pt idx="0"><c:v>5</c:v></c:pt></c:val></c:ser></c:chartSpace>'
    )
    parts = {
        "footnotes.xml": ("footnotes", notes),
        "header1.xml": ("header", f"<w:hdr {W}>{paragraph('Contract 4711')}</w:hdr>"),
        "header2.xml": ("header", f"<w:hdr {W}>{paragraph('Contract 4711')}</w:hdr>"),
        "footer1.xml": ("footer", f"<w:ftr {W}>{paragraph('Marlow Ltd')}</w:ftr>"),
        "chart.xml": ("chart", chart),
        "chunk.html": ("aFChunk", "<p>imported &amp; shown</p>"),
        "media/a.png": ("image", b"no picture"),
        "comments.xml": ("comments", f"<w:comments {W}><w:comment>{paragraph('no')}</w:comment></w:comments>"),
    }
    body = paragraph("body", '<w:r><w:footnoteReference w:id="7"/></w:r>')
    body += paragraph('<w:r><w:drawing><c:chart xmlns:c="c" r:id="r5"/></w:drawing></w:r>') + '<w:altChunk r:id="r6"/>'
    document = read(tmp_path, "a.docx", docx(body, parts))
    assert document.text == (
        "Contract 4711\n\nbody[1]\n\nSales\n | Q1\nEast | 5\n\nimported & shown\n\n[1] the note\n\nMarlow Ltd"
    )
    assert {entry.what for entry in document.reading.left_out} == {"picture", "comment"}


def test_fractions_do_not_run_together(tmp_path):
    m = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    fraction = "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
    body = f"<w:p><m:oMath {m}>{fraction}</m:oMath></w:p>"
    assert read(tmp_path, "a.docx", docx(body)).text == "1/2"


def test_damage_in_a_part_that_holds_text_is_said_and_in_another_one_does_no_harm(tmp_path):
    parts = {"footnotes.xml": ("footnotes", f"<w:footnotes {W}/>"), "media/a.png": ("image", b"\x00" * 100)}
    good = docx(paragraph("R&D <5%"), parts)
    for name in (b"word/footnotes.xml", b"word/_rels/document.xml.rels", b"word/document.xml"):
        at = good.rindex(name)  # in the directory of the package
        with pytest.raises(InputError, match="is damaged"):
            read(tmp_path, "a.docx", good[:at] + b"W" + good[at + 1 :])
    at = good.index(b"word/media/a.png") + len("word/media/a.png")
    assert read(tmp_path, "a.docx", good[:at] + b"\xff" + good[at + 1 :]).text == "R&D <5%"


def test_a_spreadsheet_that_calls_itself_a_document_is_read_as_what_it_is(tmp_path):
    from tests.d2l.reading.make import rows, xlsx

    assert S and read(tmp_path, "a.docx", xlsx({"S": rows(["x", 1])})).text == "S\n\nx | 1"


SYMBOLS = [("Symbol", "F0B1", "±"), ("Symbol", "F061", "α"), ("Symbol", "B0", "°"), ("Wingdings", "F0FE", "☑")]
SYMBOLS += [("Wingdings 2", "F050", "✓")]


@pytest.mark.parametrize(("font", "place", "shown"), SYMBOLS)
def test_symbols_that_have_a_character_are_read(font, place, shown, tmp_path):
    by_element = f'<w:r><w:t>5</w:t><w:sym w:font="{font}" w:char="{place}"/><w:t>2</w:t></w:r>'
    assert read(tmp_path, "a.docx", docx(paragraph(by_element))).text == f"5{shown}2"
    letter = chr(int(place, 16) | 0xF000)
    in_font = f'<w:r><w:rPr><w:rFonts w:ascii="{font}"/></w:rPr><w:t>5{letter}2</w:t></w:r>'
    assert read(tmp_path, "a.docx", docx(paragraph(in_font))).text == f"5{shown}2"


def field(data):
    begin = f'<w:r><w:fldChar w:fldCharType="begin"><w:ffData>{data}</w:ffData></w:fldChar></w:r>'
    return f'{begin}<w:r><w:instrText>FORM</w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ('<w:ddList><w:result w:val="1"/><w:listEntry w:val="one"/><w:listEntry w:val="two"/></w:ddList>', "two"),
        ('<w:ddList><w:listEntry w:val="one"/><w:listEntry w:val="two"/></w:ddList>', "one"),
        ("<w:checkBox><w:checked/></w:checkBox>", "☒"),
        ('<w:checkBox><w:default w:val="1"/><w:checked w:val="0"/></w:checkBox>', "☐"),
    ],
)
def test_what_a_form_shows(data, shown, tmp_path):
    assert read(tmp_path, "a.docx", docx(paragraph(field(data)))).text == shown


def test_formulas_reading_aids_and_word_art(tmp_path):
    def run(text):
        return f"<m:r><m:t>{text}</m:t></m:r>"

    maths = (
        f"<m:oMath><m:f><m:num>{run('a+b')}</m:num><m:den>{run('c')}</m:den></m:f>{run(' ')}"
        f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{run("i")}</m:sub><m:sup>{run("n")}</m:sup>'
        f"<m:e>{run('x')}</m:e></m:nary><m:d><m:e>{run('y')}</m:e></m:d></m:oMath>"
    ).replace("<m:oMath>", '<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">')
    ruby = "<w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby>"
    art = '<w:pict><v:textpath xmlns:v="urn:schemas-microsoft-com:vml" string="Sale"/></w:pict>'
    body = f"<w:p>{maths}</w:p>" + paragraph(f"<w:r>{ruby}</w:r>") + paragraph(f"<w:r>{art}</w:r>")
    text = read(tmp_path, "a.docx", docx(body)).text
    assert text == "(a+b)/c ∑_i^n x(y)\n\n漢(kan)\n\nSale"


def run(inner):
    return f"<w:r>{inner}</w:r>"


def test_signs_of_symbol_fonts(tmp_path):
    signs = [("Symbol", "F061"), ("Symbol", "61"), ("Symbol", "F0A3"), ("Wingdings", "F0FC"), ("Arial", "20AC")]
    symbols = [run(f'<w:sym w:font="{font}" w:char="{code}"/>') for font, code in signs]
    letters = run('<w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t>\uf062\uf0b3</w:t>')
    unknown = run('<w:sym w:font="Own" w:char="F041"/>')
    document = read(tmp_path, "a.docx", docx(paragraph(*symbols, letters, unknown)))
    assert document.text == "αα≤✓€β≥"
    assert document.reading.left_out == [LeftOut("symbol", "of a symbol font", 1)]


def test_formulas_keep_their_meaning_on_one_line(tmp_path):
    def part(name, *inner):
        return f"<m:{name}>{''.join(inner)}</m:{name}>"

    def text(letters):
        return part("r", part("t", letters))

    fraction = part("f", part("num", text("a+b")), part("den", text("2")))
    power = part("sSup", part("e", text("x")), part("sup", text("n+1")))
    limits = part("naryPr", '<m:chr m:val="∑"/>'), part("sub", text("i=1")), part("sup", text("n"))
    total = part("nary", *limits, part("e", text("i")))
    root = part("rad", part("deg"), part("e", text("y")))
    matrix = part("d", part("e", part("m", *[part("mr", part("e", text(c)), part("e", text("0"))) for c in "pq"])))
    space = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    formulas = [fraction, power, total, root, matrix, part("d", part("e", text("z")))]
    body = "".join(f"<w:p><m:oMath {space}>{formula}</m:oMath></w:p>" for formula in formulas)
    expected = ["(a+b)/2", "x^(n+1)", "∑_(i=1)^n i", "√(y)", "(p, 0; q, 0)", "(z)"]
    assert read(tmp_path, "a.docx", docx(body)).text.split("\n\n") == expected


def test_reading_aids_watermarks_and_joined_paragraphs(tmp_path):
    aid = run(
        "<w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby>"
    )
    mark = run('<w:pict xmlns:v="v"><v:shape><v:textpath string="DRAFT"/></v:shape></w:pict>')
    joined = paragraph("a long ", properties="<w:rPr><w:del/></w:rPr>") + paragraph("sentence")
    assert read(tmp_path, "a.docx", docx(paragraph(aid) + paragraph(mark) + joined)).text == "\n\n".join(
        ["漢(kan)", "DRAFT", "a long sentence"]
    )


def test_endnotes_have_numbers_of_their_own(tmp_path):
    notes = {
        f"{kind}s.xml": (f"{kind}s", f"<w:{kind}s {W}><w:{kind} w:id='2'>{paragraph(kind)}</w:{kind}></w:{kind}s>")
        for kind in ("footnote", "endnote")
    }
    body = paragraph("a", *[run(f'<w:{kind}Reference w:id="2"/>') for kind in ("footnote", "endnote")])
    assert read(tmp_path, "a.docx", docx(body, notes)).text == "a[1][i]\n\n[1] footnote\n\n[i] endnote"
