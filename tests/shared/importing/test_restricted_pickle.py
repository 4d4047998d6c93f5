"""Hostile and damaged torch files: refused in one line, nothing executed."""

import builtins
import os
import pickle
import posix
import struct
import subprocess
import zipfile
from collections import OrderedDict

import pytest
import torch

from shared.errors import InputError
from shared.importing.restricted_pickle import MAX_PICKLE_BYTES
from shared.importing.torch_file import MAX_DIRECTORY_BYTES, read_torch_file
from tests.shared.importing.hostile import Call, hostile_zip, raw_zip, refused


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_come_back_without_the_prefix_of_compiled_modules(tmp_path, legacy):
    state = OrderedDict({"_orig_mod.a": torch.randn(3, 4), "b": torch.randn(4, 2).T.bfloat16(), "c": torch.arange(3)})
    torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    read = read_torch_file(tmp_path / "x.pt")
    assert list(read) == ["a", "b", "c"]
    assert all(torch.equal(a, b) for a, b in zip(read.values(), state.values(), strict=True))


@pytest.mark.parametrize("function", [os.system, builtins.eval, builtins.getattr, subprocess.run, builtins.__import__])
@pytest.mark.parametrize("hidden", [False, True])
def test_calls_are_refused_by_name(tmp_path, function, hidden):
    bad = Call(function, f"touch {tmp_path / 'done'}")
    pid = ("storage", bad, "0", "cpu", 1) if hidden else None
    file = hostile_zip(tmp_path / "x.pt", {"a": "HERE" if hidden else bad}, pid)
    with pytest.raises(InputError, match=function.__name__) as caught:
        read_torch_file(file)
    assert "\n" not in caught.value.message and not (tmp_path / "done").exists()


def test_damaged_files_are_refused(tmp_path):
    torch.save({"a": torch.randn(100)}, tmp_path / "x.pt")
    whole = (tmp_path / "x.pt").read_bytes()
    for length in (0, 10, 200, len(whole) - 30):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_torch_file(tmp_path / "cut.pt")


@pytest.mark.parametrize(("size", "stride"), [((10**6, 10**6), (10**6, 1)), ((10**12,), (0,)), ((5,), (1,))])
def test_shapes_larger_than_the_storage_are_refused(tmp_path, size, stride):
    bad = Call(torch._utils._rebuild_tensor_v2, "HERE", 0, size, stride, False, OrderedDict())
    file = hostile_zip(tmp_path / "x.pt", {"a": bad}, ("storage", torch.FloatStorage, "0", "cpu", 4))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("x/data/0", bytes(16))
    with pytest.raises(InputError, match="storage|declares"):
        read_torch_file(file)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_runs_in_the_legacy_format_either(tmp_path, legacy):
    torch.save(
        {"a": Call(os.system, f"touch {tmp_path / 'done'}")},
        tmp_path / "x.pt",
        _use_new_zipfile_serialization=not legacy,
    )
    refused(read_torch_file, tmp_path / "x.pt", match="posix.system|system")
    assert not (tmp_path / "done").exists() and posix.system is os.system


PROTO = b"\x80\x02"


@pytest.mark.parametrize(
    ("data", "match"),
    [
        pytest.param(b"cos\nsystem\n(S'touch done'\ntR.", "os.system", id="the oldest protocol"),
        pytest.param(PROTO + b"(S'touch done'\nios\nsystem\n.", "STRING|INST", id="INST"),
        pytest.param(PROTO + b"(cos\nsystem\nX\x04\x00\x00\x00trueo.", "os.system", id="OBJ"),
        pytest.param(b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system", id="STACK_GLOBAL"),
        pytest.param(
            b"\x80\x04\x8c\x0btorch._utils\x8c\x12_rebuild_tensor_v2\x93)R.", "it calls|damaged", id="no arguments"
        ),
        pytest.param(PROTO + b"ctorch\n_utils._rebuild_tensor_v2\n.", "_rebuild_tensor_v2", id="a dotted name"),
        pytest.param(PROTO + b"ctorch\nload\n.", "torch.load", id="torch.load"),
        pytest.param(
            PROTO + b"cbuiltins\nset\nq\x00]q\x01X\x01\x00\x00\x00aah\x00h\x01\x85R\x81.",
            "no class|damaged|object",
            id="NEWOBJ",
        ),
        pytest.param(PROTO + b"\x82\x01.", "EXT1", id="an extension"),
        pytest.param(PROTO + b"Pos.system\n.", "PERSID", id="a persistent id as text"),
        pytest.param(PROTO + b"}(K\x01K\x02K\x03u.", "damaged", id="a key without a value"),
        pytest.param(PROTO + b"})K\x01s.", "key of type tuple", id="a tuple as key"),
        pytest.param(PROTO + b"h\x07.", "damaged", id="an empty memo"),
        pytest.param(PROTO + b"0.", "POP", id="an empty stack"),
        pytest.param(PROTO + b"}", "damaged", id="no end"),
        pytest.param(PROTO + b"]q\x00h\x00a.", "holds a list", id="a list in itself"),
        pytest.param(b"", "damaged", id="nothing"),
        pytest.param(PROTO + b"X\xff\xff\xff\x7fabc.", "damaged", id="a text longer than the file"),
    ],
)
def test_pickles_by_their_opcodes(tmp_path, monkeypatch, data, match):
    monkeypatch.chdir(tmp_path)
    refused(read_torch_file, raw_zip(tmp_path / "x.pt", data), match=match)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pt"]


def test_a_large_pickle_is_refused_before_it_is_read(tmp_path):
    file = raw_zip(tmp_path / "x.pt", PROTO + b"]" * (MAX_PICKLE_BYTES + 1))
    refused(read_torch_file, file, match="larger than", megabytes=8)


def test_endless_numbers_and_dimensions(tmp_path):
    """A product of two million numbers of 255 bytes would take minutes and gigabytes."""
    huge = b"\x8a\xff" + b"\x7f" * 255
    sizes = b"(" + huge + b"q\x01" + b"h\x01" * 100_000 + b"tq\x02"
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + sizes + b"h\x02\x89}tR"
    file = raw_zip(tmp_path / "x.pt", PROTO + b"}X\x01\x00\x00\x00a" + tensor + b"s.", _0=bytes(16))
    refused(read_torch_file, file, match="bad shape", seconds=5)


def test_compressed_entries_are_no_bomb(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps({}, 2))
        archive.writestr("x/data/0", bytes(1 << 28))
    assert (tmp_path / "x.pt").stat().st_size < 1 << 20
    refused(read_torch_file, tmp_path / "x.pt", match="compressed", megabytes=8)


@pytest.mark.parametrize("wide", [False, True])
def test_a_list_of_entries_without_end(tmp_path, wide):
    size = MAX_DIRECTORY_BYTES + 46
    body = b"PK\x03\x04" + bytes(100) + b"PK\x01\x02".ljust(46, b"\x00") * (size // 46)
    wide_end = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 9, 9, size, 104)
    wide_end += struct.pack("<4sLQL", b"PK\x06\x07", 0, len(body), 1)
    stated = 0xFFFFFFFF if wide else size
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 9, 9, stated, 0xFFFFFFFF if wide else 104, 0)
    (tmp_path / "x.pt").write_bytes(body + (wide_end if wide else b"") + end)
    refused(read_torch_file, tmp_path / "x.pt", match="lists its entries", megabytes=8)


def test_truncated_everywhere(tmp_path):
    """A whole file cut at any of many places is refused, never half read."""
    state = {f"layer.{i}": torch.randn(10, 10) for i in range(5)}
    for legacy in (False, True):
        torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
        whole = (tmp_path / "x.pt").read_bytes()
        for length in range(0, len(whole) - 1, 97):
            (tmp_path / "cut.pt").write_bytes(whole[:length])
            with pytest.raises(InputError):
                read_torch_file(tmp_path / "cut.pt")


def test_bytes_changed_anywhere_give_tensors_or_one_error(tmp_path):
    torch.save({"a": torch.randn(3, 4), "b": torch.arange(5)}, tmp_path / "x.pt")
    whole = (tmp_path / "x.pt").read_bytes()
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        place, value = (int(torch.randint(limit, (1,), generator=generator)) for limit in (len(whole), 256))
        (tmp_path / "y.pt").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        try:
            read = read_torch_file(tmp_path / "y.pt")
        except InputError as error:
            assert "\n" not in error.message
        else:
            assert all(hasattr(value, "shape") or isinstance(value, (int, str)) for value in read.values())
