"""Reading documents: every format gives its text, and every file that cannot be read gives one clear error."""

import dataclasses
import hashlib
import io
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from d2l.reader import DocumentText, read_document
from shared.errors import InputError

DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"
ROOT = Path(__file__).parents[2]
SENTENCE = "The Marlow suspension bridge opened in 1832 and spans 72 metres."
ENTITIES = "Repairs & R&D took <5% of the cost."
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def read_text(path: Path, data: bytes | str) -> DocumentText:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_document(str(path))


def refusal(path: Path | str, **kwargs: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read_document(str(path), **kwargs)
    error = caught.value
    assert error.exit_code == 2 and error.__cause__ is None
    assert error.hint and "\n" not in error.message + error.hint
    assert "kreuzberg" not in (error.message + error.hint).lower()
    return error


@pytest.mark.parametrize(
    ("suffix", "num_pages"),
    [
        ("pdf", 2),
        ("docx", None),
        ("pptx", 2),
        ("xlsx", None),
        ("html", None),
        ("md", None),
        ("txt", None),
        ("epub", None),
        ("eml", None),
    ],
)
def test_every_format_gives_its_text(suffix: str, num_pages: int | None) -> None:
    path = DOCUMENTS / f"sample.{suffix}"
    document = read_document(str(path))
    assert SENTENCE in document.text
    assert ENTITIES in document.text
    assert "hidden" not in document.text
    assert document.path == str(path)
    assert document.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert document.num_pages == num_pages
    assert document.num_characters == len(document.text)
    assert document.text == document.text.strip()
    assert "\n\n\n" not in document.text and "\r" not in document.text


def test_a_pdf_that_only_its_owner_may_edit_is_read() -> None:
    assert SENTENCE in read_document(str(DOCUMENTS / "owner-password.pdf")).text


@pytest.mark.parametrize("suffix", ["pdf", "docx", "pptx", "xlsx", "epub", "txt"])
def test_stdin_is_read_by_its_bytes(suffix: str) -> None:
    path = DOCUMENTS / f"sample.{suffix}"
    document, expected = read_document("-", stdin=io.BytesIO(path.read_bytes())), read_document(str(path))
    assert document == dataclasses.replace(expected, path="-")


def test_stdin_is_the_process_own_by_default() -> None:
    code = "from d2l.reader import read_document; print(read_document('-').text)"
    output = subprocess.run([sys.executable, "-c", code], input="from a pipe", capture_output=True, text=True, cwd=ROOT)
    assert output.stdout == "from a pipe\n"


@pytest.mark.parametrize("text", ["BMW makes cars.", "GIF89a is a format.", "plain", "# Title", "x = 1"])
def test_text_without_an_extension_is_text(text: str, tmp_path: Path) -> None:
    assert read_document("-", stdin=io.BytesIO(text.encode())).text == text
    assert read_text(tmp_path / "NOTES", text).text == text


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.csv", "a.py", "a.json", "a.xml", "a.rst", "a.tex", "a.UNKNOWN"])
def test_text_formats_keep_their_lines_and_markup(name: str, tmp_path: Path) -> None:
    text = "# one\n* two_three\n    four, \\five{&}\n\n<six>\n1. seven"
    assert read_text(tmp_path / name, text).text == text


def test_text_is_normalised(tmp_path: Path) -> None:
    raw = "\ufeff\n\n first  \r\nsec\xadond\x0cthird\n \t\n\n\u00a0\nsus-\npension\n\n\n"
    assert read_text(tmp_path / "a.txt", raw).text == "first\nsecond\nthird\n\nsus-\npension"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_encodings(encoding: str, tmp_path: Path) -> None:
    text = "Höhe über Null: 500 m, 日本"
    assert read_text(tmp_path / "a.txt", text.encode(encoding)).text == text
    assert read_document("-", stdin=io.BytesIO(text.encode(encoding))).text == text


def test_html_and_xml_are_decoded_as_they_declare(tmp_path: Path) -> None:
    html = '<html><head><meta charset="iso-8859-1"></head><body><p>Café &amp; élevé</p></body></html>'
    assert read_text(tmp_path / "a.html", html.encode("latin-1")).text == "Café & élevé"
    xml = '<?xml version="1.0" encoding="latin1"?>\n<a>élevé</a>'
    assert read_text(tmp_path / "a.xml", xml.encode("latin-1")).text == xml


@pytest.mark.parametrize(
    ("name", "xml"),
    [
        ("a.docbook", '<article xmlns="http://docbook.org/ns/docbook"><title>T</title><para>{}</para></article>'),
        ("a.jats", "<article><body><sec><title>T</title><p>{}</p></sec></body></article>"),
    ],
)
def test_xml_dialects_keep_entities(name: str, xml: str, tmp_path: Path) -> None:
    text = read_text(tmp_path / name, xml.format("R&amp;D &lt;b&gt; &quot;q&quot; it&apos;s &#233; &#x26; end")).text
    assert 'R&D <b> "q" it\'s é & end' in text


def test_table_cells_stay_apart() -> None:
    document, sheet = (read_document(str(DOCUMENTS / f"sample.{suffix}")).text for suffix in ("docx", "xlsx"))
    assert "Year | Event\n1832 | Opened" in document
    assert f"Bridge | Note\nMarlow | {SENTENCE}\nCost | {ENTITIES}" in sheet


def test_reading_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # kreuzberg's own cache would keep the document's text there
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    read_document(str(DOCUMENTS / "sample.pdf"))
    assert list(tmp_path.iterdir()) == []


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.pdf").message == f"{tmp_path}/none.pdf does not exist"
    assert refusal(DOCUMENTS / "sample.pdf" / "x").message.endswith("does not exist")
    assert refusal(tmp_path).message == f"{tmp_path} is a folder, not a document"


def test_empty_documents(tmp_path: Path) -> None:
    for name, data in {"a.pdf": b"", "a.txt": b"", "b.txt": b" \n \n", "c.html": b"<html><p> </p></html>"}.items():
        (tmp_path / name).write_bytes(data)
    assert refusal(tmp_path / "a.pdf").message == f"{tmp_path}/a.pdf is empty"
    assert refusal(tmp_path / "a.txt").message == f"{tmp_path}/a.txt is empty"
    assert refusal(tmp_path / "b.txt").message == f"no text in {tmp_path}/b.txt"
    assert refusal(tmp_path / "c.html").message == f"no text in {tmp_path}/c.html"
    assert refusal("-", stdin=io.BytesIO()).message == "standard input is empty"


def test_scanned_pdf() -> None:
    error = refusal(DOCUMENTS / "scanned.pdf")
    assert error.message == f"no text in {DOCUMENTS}/scanned.pdf: it looks scanned"
    assert "OCR" in error.hint


@pytest.mark.parametrize("name", ["encrypted.pdf", "encrypted.xlsx"])
def test_password(name: str) -> None:
    assert refusal(DOCUMENTS / name).message == f"{DOCUMENTS}/{name} is encrypted with a password"


def test_password_of_an_opendocument(tmp_path: Path) -> None:
    path = tmp_path / "a.odt"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        package.writestr("META-INF/manifest.xml", "<manifest:encryption-data/>")
        package.writestr("content.xml", os.urandom(200))
    assert "encrypted" in refusal(path).message


@pytest.mark.parametrize("suffix", ["pdf", "docx", "pptx", "xlsx", "epub"])
def test_truncated_and_mislabelled_files_are_damaged(suffix: str, tmp_path: Path) -> None:
    data = (DOCUMENTS / f"sample.{suffix}").read_bytes()
    cut, text = tmp_path / f"truncated.{suffix}", tmp_path / f"text.{suffix}"
    cut.write_bytes(data[: len(data) // 2])
    text.write_text("not what its name says")
    for path in (cut, text):
        assert refusal(path).message == f"{path} is damaged, or not a {suffix.upper()} file"
    assert "is damaged" in refusal("-", stdin=io.BytesIO((DOCUMENTS / "sample.pdf").read_bytes()[:700])).message


@pytest.mark.parametrize("name", ["a.png", "a.zip", "a.mp3", "a.bin", "a.safetensors", "noextension"])
def test_unsupported_types(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)))
    error = refusal(tmp_path / name)
    assert error.message.startswith(f"{tmp_path}/{name} is of an unsupported type")
    assert ("OCR" if name == "a.png" else "hyperlora reads PDF") in error.hint


def test_no_permission_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("secret")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def deny(path: str, *_args: object) -> object:
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr("builtins.open", deny)
    assert refusal(path).message == f"not permitted to read {path}"


def test_import_is_light() -> None:
    code = "import sys, d2l.reader; print([m for m in ('kreuzberg', 'torch', 'transformers') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT) == "[]\n"


@pytest.mark.parametrize("text", ["a" + " " * 400_000 + "b", "a" + " \t" * 100_000 + "b", "a" + "\n " * 200_000 + "b"])
def test_runs_of_blanks_are_read_in_linear_time(text: str, tmp_path: Path) -> None:
    started = time.process_time()
    assert read_text(tmp_path / "a.txt", text).text.split() == ["a", "b"]
    assert time.process_time() - started < 5
