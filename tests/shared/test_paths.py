"""Outputs appear whole or not at all, and nothing else is lost on the way."""

import contextlib
import errno
import json
import os
from pathlib import Path

import pytest

from shared import work_folder
from shared.errors import HyperLoraError, InputError
from shared.paths import check_output, own_files, whole_directory
from shared.work_folder import PREFIX, remove_left_overs, whole_file

ADAPTER = {"adapter_config.json": "{}", "adapter_model.safetensors": "old", "README.md": "x", "provenance.json": "{}"}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def read(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): f.read_text() for f in sorted(folder.rglob("*")) if f.is_file()}


def replace(path: Path, *, force: bool = True, text: str = "new") -> None:
    with whole_directory(path, force=force) as new:
        write(new, ADAPTER | {"adapter_model.safetensors": text})


def no_exchange(one, other):
    raise OSError(errno.ENOSYS, "not here")


@pytest.fixture(params=[True, False], ids=["exchange", "two renames"])
def exchanges(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(work_folder, "_exchange_names", no_exchange)


@pytest.mark.parametrize("name", ["notes.txt", ".git/config", "checkpoint-1/x", "adapter_model.bin", "README.md/x"])
def test_force_refuses_to_delete_foreign_files(tmp_path, name):
    path = write(tmp_path / "a", {key: text for key, text in ADAPTER.items() if not name.startswith(key)})
    write(path, {name: "precious"})
    before = read(path)
    with pytest.raises(InputError, match=name.partition("/")[0]):
        replace(path)
    assert read(path) == before and os.listdir(tmp_path) == ["a"]


def test_force_replaces_what_a_file_manager_left_too(tmp_path, exchanges):
    replace(write(tmp_path / "a", {**ADAPTER, ".DS_Store": "x"}))
    assert read(tmp_path / "a") == ADAPTER | {"adapter_model.safetensors": "new"}
    assert os.listdir(tmp_path) == ["a"]


def test_a_directory_of_adapters_is_ours_with_exactly_the_adapters_of_its_index(tmp_path):
    path = tmp_path / "batch"
    write(path, {"adapters.json": json.dumps({"adapters": [{"adapter": "one"}]})})
    write(path / "one", ADAPTER)
    check_output(path, force=True, what="directory of adapters")
    write(path / "one", {"notes.txt": "x"})
    with pytest.raises(InputError, match="one/notes.txt"):
        check_output(path, force=True, what="directory of adapters")
    (path / "one" / "notes.txt").unlink()
    write(path / "mine", ADAPTER)
    with pytest.raises(InputError, match="mine/"):
        check_output(path, force=True, what="directory of adapters")


def test_what_appears_during_a_run_stays(tmp_path, exchanges):
    path = tmp_path / "a"
    with pytest.raises(InputError, match="already exists"), whole_directory(path) as new:
        write(new, ADAPTER)
        write(path, {"thesis.txt": "precious"})
    assert read(path) == {"thesis.txt": "precious"} and os.listdir(tmp_path) == ["a"]
    (path / "thesis.txt").unlink()
    path.rmdir()
    with pytest.raises(InputError, match="already exists"), whole_directory(path) as new:
        write(new, ADAPTER)
        path.write_text("a file")
    assert path.read_text() == "a file"


@pytest.mark.parametrize("late", [False, True])
def test_what_appears_in_an_adapter_that_is_being_replaced_stays(tmp_path, exchanges, monkeypatch, late):
    path = write(tmp_path / "a", ADAPTER)
    real = os.rename, work_folder._exchange_names

    def appear(*_):
        write(path, {"notes.txt": "precious"})
        monkeypatch.setattr(os, "rename", real[0])
        monkeypatch.setattr(work_folder, "_exchange_names", real[1])

    if late:  # between the last look and the exchange
        original = work_folder.exchange
        monkeypatch.setattr("shared.paths.exchange", lambda new, to: (appear(), original(new, to))[1])
    with pytest.raises(InputError, match="notes.txt"), whole_directory(path, force=True) as new:
        write(new, ADAPTER)
        if not late:
            appear()
    assert read(path) == ADAPTER | {"notes.txt": "precious"} and os.listdir(tmp_path) == ["a"]


def test_a_failure_between_the_two_renames_puts_the_old_adapter_back(tmp_path, monkeypatch):
    monkeypatch.setattr(work_folder, "_exchange_names", no_exchange)
    path, rename = write(tmp_path / "a", ADAPTER), os.rename

    def fail(source, target):
        if Path(target) == path and Path(source).name == "new":
            raise OSError(errno.ENOTEMPTY if path.exists() else errno.EIO, "cannot")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(HyperLoraError, match="cannot write"):
        replace(path)
    assert read(path) == ADAPTER and os.listdir(tmp_path) == ["a"]


def in_child(work, *, at=None):
    """Run ``work`` in a child that dies, without cleaning up, at the ``at``-th call that changes the file system."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            names, calls = ("rename", "replace", "mkdir", "rmdir", "unlink", "fsync"), iter(range(10**6))

            def counted(original):
                def call(*args, **kwargs):
                    if next(calls) == at:
                        os._exit(9)
                    return original(*args, **kwargs)

                return call

            for name in names:
                setattr(os, name, counted(getattr(os, name)))
            work()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_kill_at_any_step_leaves_the_old_one_or_the_new_one_and_nothing_else(tmp_path, exchanges):
    path, old, new = tmp_path / "a", ADAPTER, ADAPTER | {"adapter_model.safetensors": "new"}
    killed = 0
    for step in range(100):
        if path.exists():
            replace(path, text="old")
        else:
            replace(path, force=False, text="old")
        code = in_child(lambda: replace(path), at=step)
        assert code in (0, 9)
        killed += code == 9
        check_output(tmp_path / "b", force=False, what="adapter")  # the next run, of another output beside it
        assert read(path) in (old, new) and os.listdir(tmp_path) == ["a"]
        if code == 0:
            break
    assert killed >= 8 and code == 0 and read(path) == new


def test_the_work_of_a_living_process_stays(tmp_path):
    with whole_directory(tmp_path / "a") as new:
        write(new, ADAPTER)
        remove_left_overs(tmp_path)
        assert in_child(lambda: remove_left_overs(tmp_path)) == 0
        assert read(new) == ADAPTER
    mine = tmp_path / f"{PREFIX}of-somebody"
    mine.mkdir()
    remove_left_overs(tmp_path)
    assert mine.exists() and read(tmp_path / "a") == ADAPTER


@pytest.mark.parametrize("size", [200, 244, 255])
def test_long_names(tmp_path, size):
    path = tmp_path / ("ä" * (size // 2) + "x" * (size % 2))
    replace(path, force=False)
    replace(path)
    assert read(path)["adapter_model.safetensors"] == "new"


def test_names_that_no_output_can_have(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for path, word in (
        (tmp_path / ("x" * 256), "too long"),
        (tmp_path / "/".join(["x" * 200] * 30), "too long"),
        (tmp_path / "file" / "a", "not a folder"),
        (tmp_path / "a\0b", "null"),
    ):
        with pytest.raises(InputError, match=word):
            check_output(path, force=False, what="adapter")
    (tmp_path / "in" / "side").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "in" / "side")
    for name in (".", "..", "", "../../in", "/", str(tmp_path)):
        with pytest.raises(InputError, match="folder you are in"):
            check_output(Path(name), force=True, what="adapter")
    os.rmdir(tmp_path / "in" / "side")
    with pytest.raises(InputError, match="does not exist any more"):
        check_output(Path("a"), force=False, what="adapter")


def test_names_that_are_not_utf_8_are_refused_before_the_work(tmp_path):
    """They could be written, and not be read: the safetensors library takes no such path."""
    path = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"), whole_directory(path):
        raise AssertionError("it began to work")
    assert list(tmp_path.iterdir()) == []


def test_an_output_behind_a_link_is_written_where_the_link_leads(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    replace(tmp_path / "link", force=False)
    replace(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and read(tmp_path / "real")["adapter_model.safetensors"] == "new"


def test_a_file_is_whole_or_as_it_was(tmp_path):
    file = tmp_path / "x"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(file) as new:
        new.write_text("half")
        _ = 1 / 0
    assert read(tmp_path) == {"x": "old"}
    with whole_file(file) as new:
        new.write_text("new")
    assert read(tmp_path) == {"x": "new"}


def test_everything_that_is_shipped_is_known_as_ours():
    root = Path(__file__).parent.parent.parent
    for path in [*root.glob("d2l/pretrained/*"), *root.glob("t2l/pretrained/*")]:
        assert own_files(path) == sorted(file.name for file in path.iterdir())


def test_what_was_used_last_stays_when_kept_files_grow_too_large(tmp_path):
    from shared.work_folder import drop_oldest, mark_used

    for age, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    (tmp_path / "folder").mkdir()
    mark_used(tmp_path / "a")
    drop_oldest(tmp_path.iterdir(), 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d", "folder"]
    drop_oldest(tmp_path.iterdir(), 250)
    assert (tmp_path / "d").exists()
    mark_used(tmp_path / "gone")  # neither is an error
    drop_oldest([tmp_path / "gone"], 0)
