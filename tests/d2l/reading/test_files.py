"""Folders: which files are read, which are skipped, and what happens to the bad ones."""

import os
from pathlib import Path

import pytest

from d2l.reader import expand_paths, read_documents
from shared.errors import InputError

READABLE = ["b.txt", "a.PDF", "sub/c.md", "sub/macro.docm", "notes.ipynb"]
OTHERS = ["photo.png", "w.safetensors", "sub/z.zip", "unknown.xyz1"]
LEFTOVERS = ["sub/.hidden.md", ".git/d.txt", "~$report.docx", ".~lock.a.odt#", "Thumbs.db", "desktop.ini", "._a.pdf"]
LEFTOVERS += ["__MACOSX/a.txt", "~WRL0001.tmp", "a.txt~"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in READABLE + OTHERS + LEFTOVERS:
        file = tmp_path / "docs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text")
    (tmp_path / "docs" / "broken.txt").symlink_to(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / "docs" / "pipe.txt")  # reading it would wait for ever
    return tmp_path / "docs"


def test_folders_give_their_readable_files_sorted_and_the_others(folder: Path) -> None:
    files, skipped = expand_paths([str(folder)])
    assert files == [str(folder / name) for name in sorted(READABLE, key=lambda name: Path(name).parts)]
    assert skipped == sorted(str(folder / name) for name in [*OTHERS, "broken.txt", "pipe.txt"])


def test_order_is_kept_and_repeats_are_dropped(folder: Path) -> None:
    b, c, png = str(folder / "b.txt"), str(folder / "sub" / "c.md"), str(folder / "photo.png")
    again = str(folder / "sub" / ".." / "b.txt")
    files, _ = expand_paths(["-", c, b, again, str(folder), png, "-"])
    rest = [str(folder / name) for name in ("a.PDF", "notes.ipynb", "sub/macro.docm")]
    assert files == ["-", c, b, *rest, png]


def test_folders_without_documents_and_missing_paths(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photo.png").rename(folder / "photos" / "photo.png")
    with pytest.raises(InputError, match=r"^no readable document in .*photos$"):
        expand_paths([str(folder / "photos")])
    with pytest.raises(InputError, match=r"none does not exist$"):
        expand_paths([str(folder), str(folder / "none")])


def test_a_folder_that_may_not_be_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def deny(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(InputError, match=r"^cannot list .*sub: Permission denied$"):
        expand_paths([str(folder)])


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    for name, data in {
        "a.txt": b"good words",
        "bad1.docx": b"PK no",
        "bad2.txt": b"caf\xe9 cr\xe8me",
        "c.md": b"more",
        "photo.png": b"x",
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_all_bad_files_are_in_one_error(mixed: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_documents([str(mixed)])
    assert caught.value.message == (
        f"2 of 4 files cannot be read: {mixed}/bad1.docx is damaged, or not a DOCX file; "
        f"{mixed}/bad2.txt is not UTF-8 text: byte 0xe9 at offset 3"
    )
    assert "--skip-bad" in caught.value.hint


def test_bad_files_are_skipped_on_request_and_listed(mixed: Path) -> None:
    read = read_documents([str(mixed)], skip_bad=True)
    assert [document.text for document in read.documents] == ["good words", "more"]
    assert list(read.bad) == [str(mixed / "bad1.docx"), str(mixed / "bad2.txt")]
    assert read.skipped == [str(mixed / "photo.png")]
    assert read.unread == ["photo.png", "bad1.docx", "bad2.txt"]
    with pytest.raises(InputError, match="none can be read"):
        read_documents([str(mixed / "bad1.docx"), str(mixed / "bad2.txt")], skip_bad=True)


def test_a_single_bad_file_is_its_own_error(mixed: Path) -> None:
    with pytest.raises(InputError) as alone:
        read_documents([str(mixed / "bad1.docx")])
    assert alone.value.message.endswith("bad1.docx is damaged, or not a DOCX file")
    assert "skip-bad" not in alone.value.hint
    with pytest.raises(InputError) as beside:
        read_documents([str(mixed / "a.txt"), str(mixed / "bad1.docx")])
    assert beside.value.message == alone.value.message and "--skip-bad" in beside.value.hint


def test_formats_that_nothing_reads_are_said_to_be_so_and_text_of_any_name_is_read(tmp_path):
    for name in ("page.xps", "book.mobi", "plan.odg"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no text \x00\xff")
        with pytest.raises(InputError, match="is of an unsupported type"):
            read_documents([str(tmp_path / name)])
    (tmp_path / "feed.atom").write_text("<title>News</title>")
    assert read_documents([str(tmp_path / "feed.atom")]).documents[0].text == "<title>News</title>"
    (tmp_path / "a.txt").write_text("words")
    read = read_documents([str(tmp_path)])
    assert [document.text for document in read.documents] == ["words"]
    assert sorted(Path(file).name for file in read.skipped) == ["book.mobi", "feed.atom", "page.xps", "plan.odg"]
