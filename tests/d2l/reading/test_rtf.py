"""RTF: what a word processor shows."""

import pytest

from d2l.reading.report import LeftOut
from shared.errors import InputError
from tests.d2l.reading.make import read

FONTS = r"{\fonttbl{\f0 Arial;}{\f1\fcharset2 Symbol;}{\f2\fcharset204 Times;}{\f3\fcharset128 Mincho;}}"


def rtf(body):
    return rf"{{\rtf1\ansi{FONTS}{{\info{{\title no}}}}{{\stylesheet{{\s0 no;}}}}{body}}}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"Caf\'e9 and \u1055?\u1072?, A\_320, 5\~km, manu\-al", "Café and Па, A-320, 5 km, manual"),
        (r"{\uc0\u8364} {\uc2\u8364ab}5 \u-10179?\u-8704?", "€ €5 \U0001f600"),
        (r"\{a\} b\\c\tab d\line e", "{a} b\\c\td\ne"),
        (r"one\par two\sect three\page four", "one\n\ntwo\n\nthree\n\nfour"),
        (r"\lquote x\rquote \ldblquote y\rdblquote\endash\emdash\bullet", "‘x’“y”–—•"),
        (r"{\f1 abc\'a3} {\f2\'cf\'e0} {\f3\'93\'fa\'96\'7b}", "αβχ≤ Па 日本"),
        (r"10{\super 2} m, 1{\super st}, H{\sub 2}O", "10² m, 1st, H2O"),
        (r"{\field{\*\fldinst HYPERLINK no}{\fldrslt shown}} {\*\unknown no}", "shown"),
        (r"{\upr{a?}{\*\ud a\u955?}} {\deleted no}b", "aλ b"),
        (r"pic {\pict\bin4 {}}\}after", "pic after"),
        (r"{\listtext 1.\tab}first\par{\pntext\f1\'b7\tab}second", "1. first\n\nsecond"),
        (r"a{\shp{\*\shpinst{\sp{\sn no}{\sv no}}{\shptxt boxed\par}}{\shprslt no}}b", "a\nboxed\nb"),
        (r"{\mmath{\*\moMath{\mf{\mnum a}{\mden b}} {\msSup x{\msup 2}}}{\mmathPict no}}", "a/b x^2"),
        (
            r"\trowd\cellx1\cellx2\intbl a\cell b\par c\cell\row\trowd\intbl d\cell e\cell\row\pard end",
            "a | b c\nd | e\n\nend",
        ),
        (
            r"{\header\pard Contract 4711\par}body{\footnote\pard the {\b note}\par} more{\footer Page {\b 1}}",
            "Contract 4711\n\nbody[1] more\n\n[1] the note\n\nPage 1",
        ),
    ],
)
def test_visible_text(body, text, tmp_path):
    assert read(tmp_path, "a.rtf", rtf(body)).text == text


@pytest.mark.parametrize(("page", "text"), [("1251", "Паром"), ("1252", "Ïàðîì"), ("99", "Ïàðîì")])
def test_code_pages(page, text, tmp_path):
    data = rf"{{\rtf1\ansi\ansicpg{page} ".encode() + "Паром".encode("cp1251") + b"}"
    assert read(tmp_path, "a.rtf", data).text == text


def test_losses_are_named(tmp_path):
    body = (
        r"x{\v no}{\*\shppict{\pict 00}}{\nonshppict{\pict 00}}{\object{\*\objdata 00}{\result shown}}"
        r"{\*\atnauthor no}{\*\annotation no}{\f1\'ff}"
    )
    document = read(tmp_path, "a.rtf", rtf(body))
    assert document.text == "xshown"
    assert document.reading.left_out == [
        LeftOut("passage", "hidden text", 1),
        LeftOut("picture", "pictures are not read", 1),
        LeftOut("object", "embedded objects are not read", 1),
        LeftOut("comment", "comments are not part of the text", 1),
        LeftOut("symbol", "of a symbol font", 1),
    ]


@pytest.mark.parametrize("bad", [rtf("words")[:-1], rtf("words{"), "words"])
def test_a_missing_end_is_said(bad, tmp_path):
    with pytest.raises(InputError, match="is damaged, or not a RTF file"):
        read(tmp_path, "a.rtf", bad)
