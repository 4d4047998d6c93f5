"""Text files: the right encoding or one clear line, never silent rubbish."""

import time

import pytest

from d2l.reading.declared import declared, python_name
from d2l.reading.likely import likely_encoding
from shared.errors import InputError
from tests.d2l.reading.make import read

TEXTS = {
    "Cyrillic": "Паром отходит в шесть. Билет стоит четыре кроны.\n",
    "Greek": "Το πλοίο φεύγει στις έξι. Το εισιτήριο κοστίζει τέσσερα.\n",
    "Hebrew": "המעבורת יוצאת בשעה שש. הכרטיס עולה ארבעה כתרים.\n",
    "Arabic": "تغادر العبارة في السادسة. سعر التذكرة أربعة.\n",
    "Hindi": "नाव छह बजे निकलती है। टिकट चार का है।\n",
    "Thai": "เรือข้ามฟากออกตอนหกโมง ตั๋วราคาสี่\n",
    "Chinese": "渡轮六点出发。票价四克朗。\n",
    "Japanese": "フェリーは六時に出ます。切符は四クローネです。\n",
    "Korean": "여객선은 여섯 시에 떠난다. 표는 네 크로네이다.\n",
    "Latin": "The ferry leaves at six. Two cafés are open.\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unmarked_utf16_is_recognised_in_every_script(text, encoding, tmp_path):
    document = read(tmp_path, "a.txt", text.encode(encoding))
    assert document.text == text.strip()
    assert (document.reading.encoding, document.reading.encoding_from) == (encoding.upper(), "assumption")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(encoding, tmp_path):
    document = read(tmp_path, "a.txt", TEXTS["Hebrew"].encode(encoding), encoding="koi8-r")
    assert document.text == TEXTS["Hebrew"].strip() and document.reading.encoding_from == "byte order mark"


@pytest.mark.parametrize(
    ("text", "encoding", "likely"),
    [
        (TEXTS["Cyrillic"], "windows-1251", "windows-1251"),
        (TEXTS["Greek"], "windows-1253", "windows-1253"),
        (TEXTS["Japanese"], "shift_jis", "cp932"),
        (TEXTS["Korean"], "euc-kr", "cp949"),
        (TEXTS["Chinese"] * 5, "gb18030", "gb18030"),
        ("Voilà, les cafés sont ouverts à côté de l’église où il a été élevé. " * 3, "windows-1252", "windows-1252"),
    ],
)
def test_other_encodings_are_refused_with_the_likely_one_and_read_when_named(text, encoding, likely, tmp_path):
    data = text.encode(encoding)
    with pytest.raises(InputError) as caught:
        read(tmp_path, "a.txt", data)
    with pytest.raises(UnicodeDecodeError) as wrong:
        data.decode()
    offset = wrong.value.start
    assert f"is not UTF-8 text: byte 0x{data[offset]:02x} at offset {offset}" in caught.value.message
    assert caught.value.hint == f"it looks like {likely}: try --encoding {likely}"
    assert read(tmp_path, "a.txt", data, encoding=likely).text == text.strip()
    document = read(tmp_path, "a.txt", data, encoding=encoding)
    assert document.text == text.strip() and document.reading.encoding_from == "--encoding"


@pytest.mark.parametrize(
    ("text", "codecs"),
    [
        ("Привет мир, как дела сегодня", ("cp1251", "koi8_r", "cp866", "iso8859_5")),
        ("ПРИВЕТ МИР", ("cp1251", "koi8_r", "cp866")),
        ("Київ столиця України, її населення", ("cp1251", "koi8_u")),
        ("Το πλοίο φεύγει στις έξι", ("cp1253", "cp737")),
        ("שלום עולם זהו משפט בעברית", ("cp1255", "cp862")),
        ("مرحبا بالعالم هذه جملة", ("cp1256", "iso8859_6")),
        ("สวัสดีชาวโลก เรือข้ามฟาก", ("cp874",)),
        ("Größe der Brücke Straße", ("cp1252", "mac_roman", "cp850")),
        ("El niño comió mañana ¿qué? ¡sí!", ("cp1252", "mac_roman")),
        ("“Don’t” — she said…", ("cp1252",)),
        ("Zażółć gęślą jaźń, proszę państwa, dziś", ("cp1250", "iso8859_2", "cp852")),
        ("Türkçe ığüşöç İstanbul şehri güzel", ("cp1254",)),
        ("Ātrais ķēniņš šūpojās", ("cp1257",)),
        ("日本語のテキストです", ("cp932", "euc_jp")),
        ("渡轮六点出发。票价四克朗。", ("gb18030",)),
        ("渡輪六點出發。票價四克朗。", ("big5",)),
        ("여객선은 여섯 시에 떠난다.", ("cp949",)),
    ],
)
def test_short_texts_are_enough_for_a_hint(text, codecs):
    assert [likely_encoding(text.encode(codec)) for codec in codecs] == list(codecs)


@pytest.mark.parametrize(
    "text",
    [
        "The header says charset=koi8-r\n\nПаром отходит в шесть",
        "Its encoding: a code page, as in charset=shift_jis\n\nПаром",
    ],
)
def test_prose_about_encodings_declares_none(text, tmp_path):
    assert read(tmp_path, "a.txt", text).text == text
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read(tmp_path, "a.txt", text.encode("cp1251"))


@pytest.mark.parametrize("label", ["x-sjis", "windows-31j", "x-x-big5", "windows-949", "iso-8859-8-i", "x-gbk", "mac"])
def test_labels_of_the_web_are_known(label):
    assert python_name(label) is not None
    assert "".encode(python_name(label)) == b""


def test_a_stray_byte_is_named_with_its_offset(tmp_path):
    data = TEXTS["Cyrillic"].encode() + b"caf\xe9 on the quay"
    with pytest.raises(InputError) as caught:
        read(tmp_path, "a.txt", data)
    assert caught.value.message.endswith(f"byte 0xe9 at offset {data.index(0xE9, -20 + len(data))}")
    assert "mend that byte (1 wrong" in caught.value.hint


@pytest.mark.parametrize("control", ["\x00", "\x04", "\x1b", "\x7f"])
def test_control_characters_are_no_text(control, tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, "a.txt", f"eleven é ch{control}ars and so on".encode())
    assert f"control character 0x{ord(control):02x} at offset 12" in caught.value.message


def test_what_old_programs_leave_in_text_is_dropped(tmp_path):
    assert read(tmp_path, "a.txt", "one\x0ctwo \x1b[31mred\x1b[0m end\r\n\x1a").text == "one\ntwo red end"


@pytest.mark.parametrize(
    ("name", "head", "encoding"),
    [
        ("a.xml", '<?xml version="1.0" encoding="{}"?>', "windows-1251"),
        ("a.xml", "<?xml version='1.0' encoding='{}'?>", "iso-8859-5"),
        ("a.py", "# -*- coding: {} -*-", "koi8-r"),
        ("a.py", "#!/usr/bin/python\n# vim: set fileencoding={} :", "cp1251"),
        ("a.css", '@charset "{}";', "windows-1251"),
    ],
)
def test_a_declared_charset_counts(name, head, encoding, tmp_path):
    text = f"{head.format(encoding)}\n{TEXTS['Cyrillic']}".strip()
    document = read(tmp_path, name, text.encode(encoding))
    assert document.text == text and document.reading.encoding_from == "declaration"


def test_declarations_that_are_wrong_do_not_harm(tmp_path):
    text = '<?xml version="1.0" encoding="iso-8859-1"?>\nélevé, caf\u00e9'
    assert read(tmp_path, "a.xml", text).text == text  # valid UTF-8 is the better witness
    ascii_ = "# coding: iso-2022-jp\n" + TEXTS["Japanese"].strip()
    assert read(tmp_path, "a.py", ascii_.encode("iso-2022-jp")).text == ascii_
    assert read(tmp_path, "a.xml", '<?xml encoding="no-such"?>é').text == '<?xml encoding="no-such"?>é'
    assert read(tmp_path, "a.xml", '<?xml encoding="rot13"?>é').text == '<?xml encoding="rot13"?>é'


def test_encodings_that_do_not_fit_or_exist(tmp_path):
    for encoding in ("klingon", "rot13", "\x00"):
        with pytest.raises(InputError, match="unknown encoding"):
            read(tmp_path, "a.txt", "é", encoding=encoding)
    with pytest.raises(InputError, match="is not cp932 text: byte 0x81 at offset 1"):
        read(tmp_path, "a.txt", b"a\x81", encoding="shift_jis")
    with pytest.raises(InputError, match="UTF-16-LE text"):
        read(tmp_path, "a.txt", b"\xff\xfea\x00\x00\xd8")


def test_text_without_a_name_may_be_in_utf16(tmp_path):
    assert read(tmp_path, "NOTES", TEXTS["Hebrew"].encode("utf-16-le")).text == TEXTS["Hebrew"].strip()


def test_elements_that_nothing_closes_are_looked_at_once():
    started = time.process_time()
    assert declared(b"<meta " * 10_000, markup=True) == (None, True)
    assert declared(b"<meta \"'" * 9_000, markup=True) == (None, True)
    assert declared(b"<meta name=x <meta charset=koi8-r>", markup=True) == ("koi8-r", True)
    assert time.process_time() - started < 5
