"""Hostile and damaged torch files: refused in one line, nothing executed."""

import builtins
import os
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch

from shared.errors import InputError
from shared.restricted_pickle import read_torch_file


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile_zip(path, content, persistent=None):
    with zipfile.ZipFile(path, "w") as archive, archive.open("x/data.pkl", "w") as file:
        pickler = pickle.Pickler(file, 2)
        if persistent is not None:
            pickler.persistent_id = lambda value: persistent if value == "HERE" else None
        pickler.dump(content)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_come_back_without_the_prefix_of_compiled_modules(tmp_path, legacy):
    state = OrderedDict({"_orig_mod.a": torch.randn(3, 4), "b": torch.randn(4, 2).T.bfloat16(), "c": torch.arange(3)})
    torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    read = read_torch_file(tmp_path / "x.pt")
    assert list(read) == ["a", "b", "c"]
    assert all(torch.equal(a, b) for a, b in zip(read.values(), state.values(), strict=True))


@pytest.mark.parametrize("function", [os.system, builtins.eval, builtins.getattr])
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
