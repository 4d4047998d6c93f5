"""PPTX: slides, shapes, tables and groups in their order."""

from d2l.reading.report import LeftOut
from tests.d2l.reading.make import A, P, pptx, read, shape, text_body


def table(*rows):
    def cell(text):
        return f"<a:tc><a:txBody>{text_body(text)}</a:txBody></a:tc>"

    body = "".join(f"<a:tr>{''.join(map(cell, row))}</a:tr>" for row in rows)
    return frame(f"<a:tbl>{body}</a:tbl>")


def frame(content):
    return f"<p:graphicFrame><a:graphic><a:graphicData>{content}</a:graphicData></a:graphic></p:graphicFrame>"


def test_shapes_tables_and_groups_stay_in_their_order(tmp_path):
    group = f"<p:grpSp><p:nvGrpSpPr/>{shape('in the group')}<p:grpSp>{shape('deeper')}</p:grpSp></p:grpSp>"
    slide = shape("Title", placeholder="title") + table(["a", "b"], ["c", ""]) + group + shape("last") + "<p:pic/>"
    document = read(tmp_path, "a.pptx", pptx(slide, shape("Second"), shape("no"), hidden=(3,)))
    assert document.text == "Title\n\na | b\nc\n\nin the group\n\ndeeper\n\nlast\n\nSecond"
    assert document.num_pages == 2
    assert document.reading.left_out == [
        LeftOut("picture", "pictures are not read", 1),
        LeftOut("slide", "hidden", 1, ("3",)),
    ]


def test_notes_numbers_and_hidden_shapes(tmp_path):
    numbered = shape("first", "second", properties='<a:buAutoNum type="arabicParenR"/>')
    hidden = shape("no").replace('name="x"', 'name="x" hidden="1"')
    spoken = shape("7", placeholder="sldNum") + shape("say this", placeholder="body")
    notes = f"<p:notes {P}><p:cSld><p:spTree>{spoken}</p:spTree></p:cSld></p:notes>"
    slide = numbered + hidden + shape("12", placeholder="sldNum")
    data = pptx(slide, parts={"notes.xml": ("notesSlide", notes)})
    document = read(tmp_path, "a.pptx", data)
    assert document.text == "1) first\n2) second\n\nsay this"
    assert document.reading.left_out == [LeftOut("shape", "hidden", 1)]


def test_charts_and_diagrams(tmp_path):
    def points(kind, *values):
        inner = "".join(f'<c:pt idx="{i}"><c:v>{value}</c:v></c:pt>' for i, value in enumerate(values))
        return f"<c:{kind}>{inner}</c:{kind}>"

    def series(name, *values):
        return f"<c:ser>{points('tx', name)}{points('cat', 'East', 'West')}{points('val', *values)}</c:ser>"

    chart = f'<c:chartSpace xmlns:c="c" {A}>{series("Q1", 1, 2)}{series("Q2", 3, 4)}</c:chartSpace>'
    texts = "".join(f"<d:pt><d:t>{text_body(text)}</d:t></d:pt>" for text in ("plan", "do"))
    diagram = f'<d:data xmlns:d="d" {A}>{texts}</d:data>'
    slide = frame('<c:chart xmlns:c="c" r:id="r1"/>') + frame('<d:relIds xmlns:d="d" r:dm="r2"/>')
    data = pptx(slide, parts={"chart.xml": ("chart", chart), "data.xml": ("diagramData", diagram)})
    assert read(tmp_path, "a.pptx", data).text == "| Q1 | Q2\nEast | 1 | 3\nWest | 2 | 4\n\nplan\ndo"


def test_arrows_in_a_symbol_font_and_formulas(tmp_path):
    arrow = '<a:r><a:rPr><a:sym typeface="Wingdings" charset="2"/></a:rPr><a:t>à</a:t></a:r>'
    plain = "<a:r><a:t> voilà</a:t></a:r>"
    half = "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
    maths = f'<a14:m xmlns:a14="a"><m:oMath xmlns:m="x/math">{half}</m:oMath></a14:m>'
    signs = '<a:r><a:rPr><a:latin typeface="Wingdings"/></a:rPr><a:t>\uf0fc\uf021</a:t></a:r>'
    slide = f"<p:sp><p:txBody><a:p>{arrow}{plain}</a:p><a:p>{maths}{signs}</a:p></p:txBody></p:sp>"
    document = read(tmp_path, "a.pptx", pptx(slide))
    assert document.text == "→ voilà\n1/2✓"
    assert document.reading.left_out == [LeftOut("symbol", "of a symbol font", 1)]


def test_raised_numbers_formulas_and_paragraphs_of_diagrams(tmp_path):
    raised = '<a:r><a:t>10</a:t></a:r><a:r><a:rPr baseline="30000"/><a:t>2</a:t></a:r>'
    fraction = '<m:f xmlns:m="x/math"><m:num><m:t>1</m:t></m:num><m:den><m:t>2</m:t></m:den></m:f>'
    slide = shape("x").replace("<a:r><a:t>x</a:t></a:r>", f"{raised}<a:br/><a14:m xmlns:a14='a'>{fraction}</a14:m>")
    diagram = f'<d:data xmlns:d="d" {A}><d:pt><d:t>{text_body("one", "two")}</d:t></d:pt></d:data>'
    slide += frame('<d:relIds xmlns:d="d" r:dm="r1"/>')
    data = pptx(slide, parts={"data.xml": ("diagramData", diagram)})
    assert read(tmp_path, "a.pptx", data).text == "10²\n1/2\n\none\ntwo"


def test_charts_of_new_kinds_and_the_number_of_comments(tmp_path):
    def level(*points):
        return f"<c:dim><c:lvl>{''.join(f'<c:pt>{point}</c:pt>' for point in points)}</c:lvl></c:dim>"

    data = f"<c:data>{level('East', 'West')}{level(1, 2)}</c:data>"
    chart = f'<c:chartSpace xmlns:c="c"><c:chartData>{data}</c:chartData></c:chartSpace>'
    comments = f"<p:cmLst {P}><p:cm/><p:cm/></p:cmLst>"
    slide = frame('<c:chart xmlns:c="c" r:id="r1"/>')
    document = read(
        tmp_path, "a.pptx", pptx(slide, parts={"chart.xml": ("chartEx", chart), "c.xml": ("comments", comments)})
    )
    assert document.text == "East | 1\nWest | 2"
    assert document.reading.left_out == [LeftOut("comment", "comments are not part of the text", 2)]
