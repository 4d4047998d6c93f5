"""ODT, ODS and ODP: what is shown, in its order."""

from d2l.reading.report import LeftOut
from tests.d2l.reading.make import package, read

NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "draw", "presentation", "style")
)


def opendocument(kind, body, styles="", master=""):
    def document(content):
        return f"<office:document {NAMES}>{content}</office:document>"

    return package(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": document(
                f"<office:automatic-styles>{styles}</office:automatic-styles>"
                f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
            ),
            "styles.xml": document(
                f"<office:master-styles><style:master-page>{master}</style:master-page></office:master-styles>"
            ),
        }
    )


def test_text(tmp_path):
    body = (
        "<text:h>R&amp;D &lt;5</text:h>"
        "<text:p>a<text:s text:c='2'/>b<text:tab/>c<text:line-break/>d <text:span>e</text:span>"
        "<text:span text:style-name='H'>secret</text:span> f<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>the note</text:p></text:note-body></text:note></text:p>"
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>sub</text:p></text:list-item>"
        "</text:list></text:list-item></text:list><table:table><table:table-header-rows><table:table-row><table:table-cell>"
        "<text:p>Year</text:p></table:table-cell><table:table-cell><text:p>Event</text:p></table:table-cell></table:table-row>"
        "</table:table-header-rows></table:table><text:p><draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box>"
        "</draw:frame></text:p><text:section text:display='none' text:name='S'><text:p>no</text:p></text:section>"
    )
    styles = "<style:style style:name='H'><style:text-properties text:display='none'/></style:style>"
    master = "<style:header><text:p>Contract 4711</text:p></style:header>"
    document = read(tmp_path, "a.odt", opendocument("text", body, styles, master))
    assert document.text == (
        "Contract 4711\n\nR&D <5\n\na  b\tc\nd e f[1]\n\none\nsub\n\nYear | Event\n\nboxed\n\n[1] the note"
    )
    assert document.reading.left_out == [LeftOut("passage", "hidden text", 1), LeftOut("section", "hidden", 1, ("S",))]


def test_sheets_are_read_as_shown(tmp_path):
    def row(*cells, attributes=""):
        inner = "".join(f"<table:table-cell {a}><text:p>{t}</text:p></table:table-cell>" for t, a in cells)
        return f"<table:table-row {attributes}>{inner}</table:table-row>"

    empty = "<table:table-cell table:number-columns-repeated='16000'/>"
    empty = f"<table:table-row table:number-rows-repeated='1048000'>{empty}</table:table-row>"
    shown = row(("12.5%", "office:value='0.125'"), ("01234", "table:number-columns-repeated='2'"))
    filtered = row(("no", ""), attributes="table:visibility='filter'")
    sheets = f"<table:table table:name='Fares'>{shown}{filtered}{empty}{row(('14:30', ''))}</table:table>"
    sheets += f"<table:table table:name='Secret' table:style-name='H'>{shown}</table:table>"
    styles = "<style:style style:name='H'><style:table-properties table:display='false'/></style:style>"
    document = read(tmp_path, "a.ods", opendocument("spreadsheet", sheets, styles))
    assert document.text == "Fares\n\n12.5% | 01234 | 01234\n14:30"
    assert document.reading.parts == {"sheets": 1}
    assert document.reading.left_out == [
        LeftOut("row", "hidden in sheet Fares", 1),
        LeftOut("sheet", "hidden", 1, ("Secret",)),
    ]


def test_slides(tmp_path):
    def box(text):
        return f"<draw:frame><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"

    row = "<table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row>"
    shapes = f"{box('Title')}<draw:frame><table:table>{row}</table:table></draw:frame><draw:g>{box('grouped')}</draw:g>"
    notes = f"<presentation:notes>{box('said')}</presentation:notes>"
    first = f"<draw:page>{shapes}{box('last')}{notes}</draw:page>"
    hidden = f"<draw:page draw:style-name='H'>{box('no')}</draw:page>"
    styles = (
        "<style:style style:name='H'><style:drawing-page-properties presentation:visibility='hidden'/></style:style>"
    )
    document = read(tmp_path, "a.odp", opendocument("presentation", first + hidden, styles))
    assert document.text == "Title\n\nx\n\ngrouped\n\nlast\n\nsaid" and document.num_pages == 1
    assert document.reading.left_out == [LeftOut("slide", "hidden", 1, ("2",))]


def test_reading_aids_and_hidden_columns(tmp_path):
    ruby = "<text:ruby><text:ruby-base>漢</text:ruby-base><text:ruby-text>kan</text:ruby-text></text:ruby>"
    assert read(tmp_path, "a.odt", opendocument("text", f"<text:p>{ruby}</text:p>")).text == "漢(kan)"
    columns = '<table:table-column/><table:table-column table:visibility="collapse"/>'
    cells = "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in "abc")
    sheet = f"<table:table table:name='S'>{columns}<table:table-row>{cells}</table:table-row></table:table>"
    document = read(tmp_path, "a.ods", opendocument("spreadsheet", sheet))
    assert document.text == "S\n\na | c"
    assert document.reading.left_out == [LeftOut("column", "hidden in sheet S", 1)]


def test_hidden_paragraphs_raised_numbers_and_reading_aids(tmp_path):
    body = (
        "<text:p text:style-name='Low'>no</text:p><text:p>yes "
        "<text:hidden-text text:is-hidden='true'>no</text:hidden-text>"
        "<text:hidden-text text:is-hidden='false'>shown</text:hidden-text></text:p>"
        "<text:p>10<text:span text:style-name='Up'>2</text:span></text:p>"
        "<text:p><text:ruby><text:ruby-base>漢</text:ruby-base><text:ruby-text>kan</text:ruby-text></text:ruby></text:p>"
        "<text:p>no<text:hidden-paragraph text:is-hidden='true'/></text:p>"
    )
    styles = (
        "<style:style style:family='paragraph' style:name='High'>"
        "<style:text-properties text:display='none'/></style:style>"
        "<style:style style:family='paragraph' style:name='Low' style:parent-style-name='High'/>"
        "<style:style style:family='text' style:name='Low'/>"
        "<style:style style:family='text' style:name='Up'><style:text-properties style:text-position='super 58%'/>"
        "</style:style>"
    )
    document = read(tmp_path, "a.odt", opendocument("text", body, styles))
    assert document.text == "yes shown\n\n10²\n\n漢(kan)"
    assert document.reading.left_out == [LeftOut("passage", "hidden text", 3)]


def test_hidden_columns_of_sheets(tmp_path):
    def row(*cells):
        inner = "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells)
        return f"<table:table-row>{inner}</table:table-row>"

    hidden = "<table:table-column table:visibility='collapse' table:number-columns-repeated='2'/>"
    columns = f"<table:table-column/><table:table-column-group>{hidden}</table:table-column-group>"
    sheet = f"<table:table table:name='S'>{columns}{row('a', 'b', '', 'd')}{row('1', '2', '', '4')}</table:table>"
    document = read(tmp_path, "a.ods", opendocument("spreadsheet", sheet))
    assert document.text == "S\n\na | d\n1 | 4"
    assert document.reading.left_out == [LeftOut("column", "hidden in sheet S", 1)]
