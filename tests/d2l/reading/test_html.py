"""HTML: all that a browser shows, in document order."""

import pytest

from tests.d2l.reading.make import epub, read


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<dl><dt>Adult<dd>4.50 crowns<dt>Child<dd>free</dl>", "Adult\n4.50 crowns\nChild\nfree"),
        ("<blockquote>Quoted <p>inside</p></blockquote>", "Quoted\n\ninside"),
        ("<main>Loose text <a href=/x>and a link</a></main>tail", "Loose text and a link\ntail"),
        ("<a href=/x>only a link</a>", "only a link"),
        ("<ul><li>a<ul><li>b<li>c</ul><li>d</ul>", "a\nb\nc\nd"),
        ("<ol start=3><li>x<li>y<li value=9>z</ol>", "3. x\n4. y\n9. z"),
        ("<ol type=a><li>x<ol type=I><li>y<li>z</ol></ol>", "a. x\nI. y\nII. z"),
        ("<table><tr><th>A<th>B<tr><td>1<td><p>2</p></table>", "A | B\n1 | 2"),
        ("<table><tr><td>a<td><table><tr><td>i<td>j</table></table>", "a\n\ni | j"),
        ("<table><caption>Fares</caption><tr><td>1</table>", "Fares\n1"),
        ("one<br>two<hr>three", "one\ntwo\n\nthree"),
        ("<pre>keep   this\n  indented</pre>", "keep   this\n  indented"),
        ("<b>bo</b>ld and <i>it</i>, man&shy;ual, 10<sup>2</sup> m, 1<sup>st</sup>", "bold and it, manual, 10² m, 1st"),
        ("Don&#146;t &amp; &lt;b&gt;&nbsp;x", "Don’t & <b>\xa0x"),
        ("metres<sup><a href=#n>1</a></sup>", "metres¹"),
        ("<svg><td>drawn</td></svg>", "drawn"),
        ("<q>hey</q> you", "“hey” you"),
        ("<details><summary>More</summary>hidden until opened</details>", "More\nhidden until opened"),
        (
            "<form><label>Name <input value=Ann></label><input type=hidden value=no><button>Go</button></form>",
            "Name Ann Go",
        ),
        ("<select><option>one<option>two</select>", "one\ntwo"),
        ("<figure><img src=x alt=no><figcaption>Shown</figcaption></figure>", "Shown"),
        ("<svg><title>no</title><text>drawn</text></svg>", "drawn"),
        (
            "<ruby>漢<rt>kan</rt>字<rp>(</rp><rt>ji</rt><rp>)</rp></ruby>",
            "漢(kan)字(ji)",
        ),
        ("<select><optgroup label=Boats><option>one<option label=Two>2</optgroup></select>", "Boats\none\nTwo"),
        ("<input placeholder='Your name'><input type=month value=2024-05>", "Your name 2024-05"),
        ("<ol reversed><li>a<li>b</ol>", "2. a\n1. b"),
        ("<dl><dt>A<dd><ul><li>x<ul><li>y</ul></ul><dt>B<dd>z</dl>", "A\n\nx\ny\n\nB\nz"),
        (
            "<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>, <math><msup><mi>x</mi><mn>2</mn></msup></math>",
            "1/2, x^2",
        ),
        ("<math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac></math>", "(a+b)/c"),
        ("<svg><text x=1>one</text><text x=9>two</text></svg>", "one\ntwo"),
        ("<dialog>closed</dialog><dialog open>open</dialog><div popover>no</div>", "open"),
        ("<div style=visibility:hidden>no <b style=visibility:visible>yes</b></div>", "yes"),
        ("a<!-- no --><![CDATA[no]]>b", "ab"),
        ("<?xml version='1.0'?><html><p><![CDATA[R&D <5%]]></p><title/><p>x</p></html>", "R&D <5%\n\nx"),
        ("<html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script src='a'/></head><p>shown</p>", "shown"),
        ("<p>yes<p hidden>no<p>yes", "yes\n\nyes"),
        ("<p style='color:red; display : none'>no</p>yes<span style=visibility:hidden>no</span>", "yes"),
        ("yes<script>no()</script><style>no{}</style><template>no</template><noscript>no</noscript><!-- no -->", "yes"),
        ("a <dialog>no</dialog><dialog open>yes</dialog><div popover>no</div>", "a\nyes"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby> <ruby>字<rt>ji</rt></ruby>", "漢(kan) 字(ji)"),
        ("<math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac></math>", "(a+b)/2"),
        (
            "<math><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup><mo>=</mo><msqrt><mi>y</mi></msqrt></mrow>"
            "<annotation>no</annotation></semantics></math>",
            "x^2=√(y)",
        ),
        (
            "<math><msubsup><mi>x</mi><mi>i</mi><mn>10</mn></msubsup><mroot><mn>8</mn><mn>3</mn></mroot></math>",
            "x_i^10∛(8)",
        ),
        ("<svg><text>A</text><text>B</text><text><tspan x=0>c</tspan><tspan x=0>d</tspan></text></svg>", "A\nB\nc d"),
        ("x<iframe srcdoc='<p>framed &amp;lt;'></iframe>y", "x\nframed <\ny"),
        ("<button>Yes</button><button>No</button>", "Yes No"),
        (
            "<input placeholder='Your name'><optgroup label=Fruit><option label=apple></optgroup>",
            "Your name\nFruit\napple",
        ),
        ("<table><tr><td rowspan=2>Mon<td>6:00<tr><td>7:00</table>", "Mon | 6:00\n7:00"),
        ("<dl><dt>A<dd>a<ul><li>b<ol><li>c</ol></ul><dl><dt>B<dd>d</dl>tail</dl>", "A\na\n\nb\n1. c\n\nB\nd\n\ntail"),
        ("unclosed <div><p>one<div>two", "unclosed\n\none\n\ntwo"),
        ("a" + "<div>" * 3000 + "b", "a\nb"),
    ],
)
def test_visible_text(markup, text, tmp_path):
    assert read(tmp_path, "a.html", markup).text == text


@pytest.mark.parametrize("label", ["iso-8859-1", "ascii", "us-ascii", "latin1", "windows-1252"])
def test_labels_mean_what_browsers_take_them_for(label, tmp_path):
    data = f"<meta charset={label}><p>Don\x92t pay \x8040 \x81 caf\xe9</p>".encode("latin-1")
    document = read(tmp_path, "a.html", data)
    assert document.text == "Don’t pay €40  café"
    assert document.reading.encoding == "windows-1252" and document.reading.encoding_from == "declaration"


@pytest.mark.parametrize(
    ("label", "letters", "text"),
    [
        ("x-sjis", "日本語".encode("cp932"), "日本語"),
        ("windows-874", b"\xa1", "ก"),
        ("iso-8859-8-i", b"\xf9", "ש"),
        ("x-mac-cyrillic", b"\x80", "А"),
        ("iso88592", b"\xb1", "ą"),
        ("X-CP1251", b"\xcf", "П"),
        ("gb_2312-80", "中文".encode("gbk"), "中文"),
    ],
)
def test_labels_that_python_does_not_have(label, letters, text, tmp_path):
    page = b"<!-- was charset=koi8-r --><meta charset=" + label.encode() + b"><p>" + letters
    assert read(tmp_path, "a.html", page).text == text


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        ("<!-- <meta charset=koi8-r> --><meta charset=windows-1251>", "cp1251"),
        ("<script>var charset='koi8-r'; x = {encoding: 'koi8-r'}</script><meta charset=windows-1251>", "cp1251"),
        ("<script charset=koi8-r src=x></script><meta charset=windows-1251>", "cp1251"),
        ("<meta name=a content='charset=koi8-r'><meta charset='windows-1251'>", "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">', "cp1251"),
        (f"<!-- {'x' * 4000} --><meta charset=windows-1251>", "cp1251"),
        ('<?xml version="1.0" encoding="windows-1251"?>', "cp1251"),
        ("<meta charset=x-cp1251>", "cp1251"),
        ("<meta charset=koi>", "koi8-r"),
        ("<meta charset=utf-16>", "utf-8"),
    ],
)
def test_only_what_declares_the_page_s_own_encoding_counts(head, codec, tmp_path):
    data = f"{head}<p>Паром отходит".encode(codec)
    assert read(tmp_path, "a.html", data).text == "Паром отходит"


def test_declared_codes_that_the_web_does_not_know_are_none(tmp_path):
    assert read(tmp_path, "a.html", "<meta charset=utf-7><p>a +AGE-").text == "a +AGE-"


def test_sections_of_xhtml_are_text(tmp_path):
    page = "<?xml version='1.0'?><body><script>//<![CDATA[ no </p> ]]></script><p>a <![CDATA[<b> & c]]></p></body>"
    assert read(tmp_path, "a.xhtml", page).text == "a <b> & c"


def test_formulas_of_any_depth(tmp_path):
    deep = "<math>" + "<mrow>" * 2000 + "<mi>x</mi><mi>y</mi>"
    assert read(tmp_path, "a.html", deep).text == "xy"


def test_what_is_no_text_or_hidden_is_counted(tmp_path):
    page = (
        "<p>x<img src=a><img src=b><input type=image><canvas></canvas><iframe src=c>no</iframe><video>no</video>"
        "<audio></audio><object></object><embed><p hidden>no</p><p hidden></p>"
        "<div style=visibility:hidden>no <math><mi>x</mi></math></div><q style=visibility:hidden>no</q>"
    )
    document = read(tmp_path, "a.html", page)
    assert document.text == "x"
    assert {entry.what: entry.count for entry in document.reading.left_out} == {
        "picture": 4,
        "frame": 1,
        "recording": 2,
        "object": 2,
        "passage": 4,
    }


def test_books_are_read_as_html_with_their_empty_elements(tmp_path):
    data = epub("<h1>One</h1><a id='x'/><dl><dt>Fare</dt><dd>4</dd></dl>", "<script src='x'/><p/>loose &amp; <i/>two")
    assert read(tmp_path, "a.epub", data).text == "One\n\nFare\n4\n\nloose & two"
