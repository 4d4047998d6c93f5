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


def test_the_form_with_the_most_words_is_taken(tmp_path):
    html = "<p>The fare is four crowns, and the ferry leaves at six from the old quay.</p>"
    full = "The fare is four crowns, and the ferry leaves at six from the old quay."
    assert body(read(tmp_path, "a.eml", mail(full, html))) == full
    assert body(read(tmp_path, "a.eml", mail("See the HTML part.", html))) == full
    assert body(read(tmp_path, "a.eml", mail(full, "<p>The fare is four crowns."))) == full
    table = f"{html}<table><tr><td>Child<td>free</table>"
    assert body(read(tmp_path, "a.eml", mail(full, table))) == f"{full}\n\nChild | free"
    address = "<https://example.com/a-very-long-way?to=the+quay&and=back>"
    linked = read(tmp_path, "a.eml", mail(f"Click {address} now", "<p><a href=x>Click</a> now, dear Bob"))
    assert body(linked) == "Click now, dear Bob"


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


def part(head, text, boundary="B"):
    return f"--{boundary}\n{head}\n\n{text}\n"


def multipart(kind, *parts, subject="x"):
    return (
        f"Subject: {subject}\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=B\n\n{''.join(parts)}--B--\n"
    )


def test_attachments_may_declare_their_encoding(tmp_path):
    for suffix, kind, text in (("txt", "plain", "Паром"), ("html", "html", "<p>Паром")):
        head = f"Content-Type: text/{kind}; charset=koi8-r; name=a.{suffix}\nContent-Disposition: attachment"
        data = multipart("mixed", part("Content-Type: text/plain", "see"), part(head, text)).encode("koi8-r")
        assert read(tmp_path, "a.eml", data).text == f"Subject: x\n\nsee\n\na.{suffix}:\n\nПаром"


def test_signatures_are_named_and_reports_read(tmp_path):
    text = "Content-Type: text/plain; format=flowed; delsp=yes"
    signature = "Content-Type: application/pgp-signature; name=sig.asc"
    document = read(
        tmp_path, "a.eml", multipart("signed", part(text, "manu \nfacturer"), part(signature, "-----BEGIN"))
    )
    assert document.text == "Subject: x\n\nmanufacturer"
    assert document.reading.left_out == [LeftOut("attachment", "a signature", 1, ("sig.asc",))]
    groups = "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; bob\nStatus: 5.1.1\n"
    report = part("Content-Type: text/plain", "Not delivered.") + part("Content-Type: message/delivery-status", groups)
    assert read(tmp_path, "a.eml", multipart("report", report)).text == (
        "Subject: x\n\nNot delivered.\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; bob\nStatus: 5.1.1"
    )


def test_mailboxes_are_their_messages(tmp_path):
    messages = [
        f"From a Thu Feb 29 2024\nSubject: {name}\n\nbody {name}\n>From there on\n\n" for name in ("one", "two")
    ]
    document = read(tmp_path, "a.mbox", "".join(messages))
    expected = [f"Subject: {name}\n\nbody {name}\nFrom there on" for name in ("one", "two")]
    assert document.text == "\n\n".join(expected) and document.reading.parts == {"messages": 2}
    with pytest.raises(InputError, match="is damaged, or not a MBOX file"):
        read(tmp_path, "a.mbox", "no message\n\nFrom here")
