"""The child process: its limits, its death in one line, and what it cannot reach."""

import io
import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from d2l.reader import read_document
from d2l.reading import child
from shared.errors import InputError
from tests.d2l.reading import make
from tests.d2l.reading.make import docx, paragraph, pdf, read

ROOT = Path(__file__).parents[3]


def zeros(name, megabytes):
    """A package with an entry that unpacks to that many zeros."""
    kind = "image" if "media" in name else "footnotes"
    out = io.BytesIO(docx(paragraph("The words."), related=((kind, name.removeprefix("word/")),)))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as package, package.open(name, "w") as entry:
        for _ in range(megabytes):
            entry.write(bytes(1 << 20))
    return out.getvalue()


def test_a_picture_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    data = zeros("word/media/a.png", 512)
    assert read(tmp_path, "a.docx", data).text == "The words."


def test_a_part_that_unpacks_to_gigabytes_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MEMORY", 300 << 20)
    monkeypatch.setattr(child, "MEMORY_PER_BYTE", 0)
    data = zeros("word/footnotes.xml", 400)
    with pytest.raises(InputError, match="a.docx takes over 0.3 GB of memory"):
        read(tmp_path, "a.docx", data)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.rtf", b"{\\rtf1 " + b"{" * 1_000_000 + b"x" + b"}" * 1_000_001),
        ("a.docx", docx("<w:sdt>" * 20_000 + "</w:sdt>" * 20_000)),
        ("a.eml", b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (i, i) for i in range(3000))),
        ("a.ipynb", b"[" * 1_000_000),
        ("a.xml", b"<a>" * 10),
        *[(f"a.{suffix}", OLE + bytes(range(256)) * 40) for suffix in ("doc", "xls", "ppt", "msg", "docx")],
        ("a.docx", docx("<w:p/>").replace(b"word/document.xml", b"word/\x00ocument.xml")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malicious_files_end_in_one_clear_line(name, data, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        read(tmp_path, name, data)
    except InputError as error:
        assert error.hint and "\n" not in error.message + error.hint
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 20


def test_entities_are_not_expanded_without_bound(tmp_path):
    names = "abcdefghij"
    entities = "".join(f'<!ENTITY {b} "{("&" + a + ";") * 20}">' for a, b in zip(names, names[1:], strict=False))
    laughs = f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "ha">{entities}]>'
    data = docx(paragraph("&j;"))
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    parts["word/document.xml"] = laughs.encode() + parts["word/document.xml"].replace(b"&amp;j;", b"&j;")
    with pytest.raises(InputError, match="is damaged"):
        read(tmp_path, "a.docx", make.package(parts))


def test_time_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "SECONDS", 1)
    monkeypatch.setattr(child, "SECONDS_PER_MB", 0)
    with pytest.raises(InputError, match="takes over 1 seconds"):
        read(tmp_path, "a.html", "<div>" * 100_000 + "x")  # the parser's time grows with the square of the depth
    monkeypatch.setattr(child, "WAITING", 1)
    monkeypatch.setattr(child, "_START", "import time; time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(InputError, match="takes over 1 seconds"):
        child.read_in_child(b"x", "a.pdf", {})
    assert time.monotonic() - started < 20


def test_a_panic_of_rust_code_is_an_error_and_does_no_harm_to_the_next_document(tmp_path, capfd):
    """A date that is not ASCII makes the Rust code panic, and takes PDF reading down for the rest of its process."""
    good = pdf([(20, 20, "The words.")])
    start = good.index(b"(D:") + 1
    bad = good[:start] + b"x" + b"\x99" * 15 + good[start + 16 :]
    assert read(tmp_path, "good.pdf", good).text == "The words."
    with pytest.raises(InputError, match="bad.pdf is damaged, or not a PDF file"):
        read(tmp_path, "bad.pdf", bad)
    assert read(tmp_path, "good.pdf", good).text == "The words."
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("death", ["os.kill(os.getpid(), 11)", "os.abort()", "os._exit(3)", "raise SystemExit(4)"])
def test_any_death_is_one_clear_line(death, monkeypatch):
    monkeypatch.setattr(child, "_START", f"import os; {death}")
    with pytest.raises(InputError, match="breaks the program that reads it") as caught:
        child.read_in_child(b"x", "a.pdf", {})
    assert caught.value.hint and "\n" not in caught.value.message


def test_the_child_gets_a_private_folder_and_no_secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    start = (
        "import os, sys, json, stat; sys.stdin.buffer.read(); d = os.environ['TMPDIR']; s = os.stat(d);"
        "print(json.dumps([d, oct(stat.S_IMODE(s.st_mode)), s.st_uid == os.getuid(), os.listdir(d),"
        " 'HF_TOKEN' in os.environ, os.getcwd() == d]))"
    )
    monkeypatch.setattr(child, "_START", start)
    done = []
    monkeypatch.setattr(json, "loads", lambda text: done.append(text) or {})
    child.read_in_child(b"x", "a.pdf", {})
    monkeypatch.undo()
    folder, mode, is_own, files, token, is_there = json.loads(done[0])
    assert (mode, is_own, files, token, is_there) == ("0o700", True, [], False, True)
    assert not os.path.exists(folder)


def test_the_pdf_library_is_not_taken_from_the_shared_folder(tmp_path):
    """Kreuzberg loads what lies at a fixed name in the temporary folder if its size fits."""
    code = "from d2l.reader import read_document; print(read_document('a.pdf').text)"
    (tmp_path / "a.pdf").write_bytes(pdf([(20, 20, "The words.")]))
    shared = tmp_path / "shared"
    shared.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(shared)},
    )
    assert done.stdout == "The words.\n" and list(shared.iterdir()) == []


def test_modules_of_the_working_directory_are_not_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("json.py", "zipfile.py", "selectolax.py"):
        (tmp_path / name).write_text("raise SystemExit('foreign code ran')")
    assert read(tmp_path, "a.html", "<p>words").text == "words"


def test_interrupt_passes_through(tmp_path, monkeypatch):
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path, "a.html", "<p>words")


def test_files_that_never_end_and_files_too_large(monkeypatch):
    monkeypatch.setattr("d2l.reading.files.MAX_BYTES", 1 << 20)
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_document("/dev/zero")


def test_the_readers_need_no_torch(tmp_path):
    """A child starts for every document: it must not load what it does not need."""
    code = (
        "import sys; from d2l.reading.formats import extract\n"
        "from tests.d2l.reading.make import docx, paragraph\n"
        "extract(docx(paragraph('x')), name='a', mime_type=sys.argv[1])\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'kreuzberg', 'selectolax'} & set(sys.modules)))"
    )
    from d2l.reading.kinds import DOCX

    done = subprocess.run([sys.executable, "-c", code, DOCX], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
