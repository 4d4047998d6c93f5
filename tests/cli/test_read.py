"""``hyperlora read``, and what d2l says, keeps and shows of what was not read."""

import json

import pytest

from tests.d2l.reading.make import docx, mail, paragraph, pdf, rows, xlsx


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(pdf([(20, 20, "Page one.")], []))
    (folder / "b.xlsx").write_bytes(
        xlsx({"Open": rows(["shown"]), "Secret": rows(["no"])}, states={"Secret": "hidden"})
    )
    (folder / "c.txt").write_bytes("Паром".encode("utf-16-le") * 3)
    (folder / "photo.png").write_bytes(b"x")
    (folder / "~$a.docx").write_bytes(b"lock")
    return folder


def test_text_to_stdout_and_the_report_to_stderr(hyperlora, documents):
    done = hyperlora("read", documents)
    assert done.exit_code == 0
    assert done.stdout == "Page one.\n\nOpen\n\nshown\n\nПаромПаромПаром\n"
    assert done.stderr.splitlines() == [
        "a.pdf: PDF, 2 pages",
        "warning: a.pdf: not read: page: 2 (without text: scanned or blank)",
        "b.xlsx: XLSX, 1 sheet",
        "warning: b.xlsx: not read: sheet: Secret (hidden)",
        "c.txt: text, UTF-16-LE by assumption",
        "warning: skipped 1 of no readable type: photo.png",
    ]


def test_json(hyperlora, documents):
    report = json.loads(hyperlora("read", documents, "--json").stdout)
    pdf_, xlsx_, txt = report["documents"]
    assert pdf_["text"] == "Page one." and pdf_["pages"] == 2 and pdf_["characters"] == 9
    assert pdf_["reading"]["parts"] == {"pages": 2}
    assert xlsx_["reading"]["left_out"] == [{"what": "sheet", "why": "hidden", "count": 1, "names": ["Secret"]}]
    assert txt["reading"]["encoding"] == "UTF-16-LE" and txt["reading"]["encoding_from"] == "assumption"
    assert report["skipped"] == [str(documents / "photo.png")] and report["bad"] == {}


def test_bad_files_and_options(hyperlora, documents):
    (documents / "bad.docx").write_bytes(b"no")
    (documents / "old.txt").write_bytes("Паром отходит".encode("cp1251"))
    failed = hyperlora("read", documents)
    assert failed.exit_code == 2 and failed.stdout == ""
    assert "error: 2 of 5 files cannot be read" in failed.stderr
    assert "bad.docx is damaged" in failed.stderr and "old.txt is not UTF-8" in failed.stderr
    assert "hint: leave them out with --skip-bad" in failed.stderr
    done = hyperlora("read", documents, "--skip-bad")
    assert done.exit_code == 0 and done.stdout.startswith("Page one.")
    assert "warning: not read: " in done.stderr and "bad.docx is damaged" in done.stderr
    decoded = hyperlora("read", documents / "old.txt", "--encoding", "windows-1251")
    assert decoded.stdout == "Паром отходит\n" and "windows-1251 by --encoding" in decoded.stderr
    assert hyperlora("read", documents / "old.txt", "--encoding", "klingon").exit_code == 2
    assert hyperlora("read", "-", input="from a pipe").stdout == "from a pipe\n"


def test_names_from_strangers_files_cannot_command_the_terminal(hyperlora, tmp_path):
    (tmp_path / "a.eml").write_bytes(mail("words", **{"x\x1b[2Jy__mp4": bytes(range(256))}))
    done = hyperlora("read", "a.eml")
    assert "\x1b" not in done.stderr and "attachment: " in done.stderr


def test_d2l_says_and_keeps_what_was_left_out(hyperlora, d2l_hypernet, documents, tmp_path):
    (documents / "bad.docx").write_bytes(b"no")
    (documents / "d.docx").write_bytes(
        docx(paragraph("Shown.", "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r>"))
    )
    done = hyperlora("d2l", documents, "--skip-bad", "--hypernet", d2l_hypernet, "-o", "out", "--json")
    assert done.exit_code == 0, done.stderr
    assert "warning: a.pdf: not read: page: 2" in done.stderr
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    expected = [
        "a.pdf: not read: page: 2 (without text: scanned or blank)",
        "b.xlsx: not read: sheet: Secret (hidden)",
        "d.docx: not read: passage (hidden text)",
        "not read: photo.png",
        "not read: bad.docx",
    ]
    assert provenance["source"]["not_read"] == json.loads(done.stdout)["not_read"] == expected
    assert provenance["source"]["files"][0]["reading"]["parts"] == {"pages": 2}
    card = (tmp_path / "out" / "README.md").read_text()
    read = provenance["source"]["read"]
    assert [line.partition(":")[0] for line in read] == ["a.pdf", "b.xlsx", "c.txt", "d.docx"]
    assert all(f"- `{line}`" in card for line in read + expected)
    for text in (card, (tmp_path / "out" / "provenance.json").read_text()):
        assert "Shown" not in text and "secret" not in text and str(tmp_path) not in text
    assert hyperlora("inspect", "out").exit_code == 0


def test_a_card_without_losses_says_nothing_of_them(adapter):
    assert "left out" not in (adapter / "README.md").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ("check", "made", "--context"),
        ("refine", "made", "--context"),
        ("inspect", "made", "--context"),
        ("ask", "made", "When?", "--with-context"),
        ("ask", "made", "When?", "--compare", "--context"),
        ("eval", "needles", "--lengths", "64", "--depths", "1", "--samples", "1", "--hypernet", "TINY", "--haystack"),
        ("compare", "--questions", "q.jsonl", "--approaches", "none", "--hypernet", "TINY"),
    ],
    ids=lambda command: " ".join(command[:1]),
)
def test_every_command_that_reads_says_what_it_left_out(hyperlora, d2l_hypernet, documents, tmp_path, command):
    (tmp_path / "q.jsonl").write_text('{"question": "When?", "answer": "now"}\n')
    hyperlora("d2l", documents / "c.txt", "--hypernet", d2l_hypernet, "-o", "made")
    done = hyperlora(*(d2l_hypernet if part == "TINY" else part for part in command), documents / "a.pdf")
    assert "warning: a.pdf: not read: page: 2 (without text: scanned or blank)" in done.stderr.splitlines()
