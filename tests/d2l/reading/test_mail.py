"""E-mail: the body that a reader shows, and attachments."""

from email import message_from_bytes
from email.message import EmailMessage

import pytest

from d2l.reading.report import LeftOut
from shared.errors import InputError
from tests.d2l.reading.make import docx, mail, paragraph, pdf, read

HEADS = "Subject: The bridge\nFrom: ann@example.com\nTo: bob@example.com"


def body(document):
    assert document.text.startswith(HEADS)
    return document.text.removeprefix(HEADS).strip()


def test_a_body_in_html_alone(tmp_path):
    html = (
        "<html><body><p>R&amp;D costs &lt;5 &euro;.</p><p>Next&nbsp;paragraph</p><dl><dt>Fare<dd>4</dl></body></html>"
    )
    document = read(tmp_path, "a.eml", mail(None, html))
    assert body(document) == "R&D costs <5 €.\n\nNext\xa0paragraph\n\nFare\n4"


def test_the_plain_form_is_taken_unless_it_is_a_stub(tmp_path):
    html = "<p>The fare is four crowns, and the ferry leaves at six from the old quay.</p>"
    full = "The fare is four crowns, and the ferry leaves at six from the old quay."
    assert body(read(tmp_path, "a.eml", mail(full, html))) == full
    assert body(read(tmp_path, "a.eml", mail("See the HTML part.", html))) == full


def test_attachments_are_read_or_named(tmp_path):
    data = mail(
        "Dear Bob",
        report__docx=docx(paragraph("from the report")),
        fares__pdf=pdf([(20, 20, "four crowns")], []),
        notes__txt="naïve".encode(),
        film__mp4=bytes(range(256)),
        photo__png=b"\x89PNG\r\n",
        broken__docx=b"PK\x03\x04no",
        old__txt="na\xefve".encode("latin-1"),
    )
    document = read(tmp_path, "a.eml", data)
    assert body(document) == (
        "Dear Bob\n\nreport.docx:\n\nfrom the report\n\nfares.pdf:\n\nfour crowns\n\nnotes.txt:\n\nnaïve"
    )
    assert document.reading.parts == {"attachments": 3}
    assert document.reading.left_out == [
        LeftOut("page", "without text: scanned or blank in fares.pdf", 1, ("2",)),
        LeftOut("attachment", "its format is not read", 1, ("film.mp4",)),
        LeftOut("picture", "pictures are not read", 1, ("photo.png",)),
        LeftOut("attachment", "damaged", 1, ("broken.docx",)),
        LeftOut("attachment", "is not UTF-8 text: byte 0xef at offset 2", 1, ("old.txt",)),
    ]


def test_messages_in_messages(tmp_path):
    outer = EmailMessage()
    outer["Subject"] = "Fwd"
    outer.set_content("see below")
    outer.add_attachment(message_from_bytes(mail("inner words", notes__txt=b"deep")), filename="bridge.eml")
    text = read(tmp_path, "a.eml", outer.as_bytes()).text
    assert text == f"Subject: Fwd\n\nsee below\n\nbridge.eml:\n\n{HEADS}\n\ninner words\n\nnotes.txt:\n\ndeep"


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("iso-8859-1", b"Don\x92t pay \x8040", "Don’t pay €40"),
        ("koi8-r", "Паром".encode("koi8-r"), "Паром"),
        ("no-such", "é".encode(), "é"),
    ],
)
def test_charsets(charset, data, text, tmp_path):
    head = f"Subject: x\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    assert read(tmp_path, "a.eml", head.encode() + data).text == f"Subject: x\n\n{text}"


def test_flowed_lines_and_encoded_heads(tmp_path):
    head = "Subject: =?utf-8?q?F=C3=A4hre?=\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n\r\n"
    text = "The ferry leaves \r\nat six.\r\n\r\n-- \r\nAnn"
    assert read(tmp_path, "a.eml", head + text).text == "Subject: Fähre\n\nThe ferry leaves at six.\n\n--\nAnn"


def test_damage_is_said(tmp_path):
    good = mail("x", notes__txt=b"words " * 50)
    boundary = good.split(b'boundary="')[1].split(b'"')[0]
    with pytest.raises(InputError, match="is damaged"):
        read(tmp_path, "a.eml", good.replace(b'boundary="' + boundary, b'boundary="x' + boundary))
    cut = read(tmp_path, "a.eml", good[: -len(boundary) - 8])
    assert [entry.what for entry in cut.reading.left_out] == ["end"]
    for bad in ("no head at all", b"Subject: x\nContent-Transfer-Encoding: base63\n\nZm9yZXN0"):
        with pytest.raises(InputError, match="is damaged"):
            read(tmp_path, "a.eml", bad)


def test_attachments_in_one_form_of_the_body_are_not_lost_and_invitations_are_no_body(tmp_path):
    apple = EmailMessage()
    apple["Subject"] = "x"
    apple.set_content("The plain form.")
    rich = EmailMessage()
    rich.set_content("<p>The rich form.", subtype="html")
    rich.add_attachment(b"attached", maintype="text", subtype="plain", filename="a.txt")
    apple.make_alternative()
    apple.attach(rich)
    text = read(tmp_path, "a.eml", apple.as_bytes()).text
    assert text == "Subject: x\n\nThe rich form.\n\na.txt:\n\nattached"
    invitation = EmailMessage()
    invitation["Subject"] = "x"
    invitation.set_content("Meet at six.")
    invitation.add_alternative("BEGIN:VCALENDAR\n" * 20, subtype="calendar")
    assert read(tmp_path, "a.eml", invitation.as_bytes()).text == "Subject: x\n\nMeet at six."


def test_a_saved_page_has_no_looks(tmp_path):
    page = EmailMessage()
    page["Subject"] = "Saved"
    page.set_content("<p>Shown", subtype="html")
    page.add_related(b"p{color:red}", "text", "css")
    page.add_related(b"x", "image", "png", filename="a.png")
    document = read(tmp_path, "a.mht", page.as_bytes())
    assert document.text == "Subject: Saved\n\nShown"
    assert document.reading.left_out == [LeftOut("picture", "pictures are not read", 1, ("a.png",))]
