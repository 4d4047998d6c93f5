"""Builds hostile torch files and runs their import with an eye on time and memory."""

import pickle
import time
import tracemalloc
import zipfile

import pytest

from shared.errors import InputError


class Call:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile_zip(path, content, persistent=None):
    """A torch archive whose pickle holds ``content``; its string HERE becomes a persistent id."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("x/data.pkl", "w") as file:
        pickler = pickle.Pickler(file, 2)
        if persistent is not None:
            pickler.persistent_id = lambda value: persistent if value == "HERE" else None
        pickler.dump(content)
    return path


def raw_zip(path, data, **entries):
    """A torch archive with these bytes as its pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", data)
        for name, content in entries.items():
            archive.writestr(f"x/data/{name.removeprefix('_')}", content)
    return path


def refused(function, *arguments, match="", megabytes=128, seconds=30):
    """Call something that must refuse its input in one line, soon, and in little memory; returns the message."""
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(InputError, match=match) as caught:
            function(*arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = caught.value.message
    assert "\n" not in message and len(message) < 500
    assert peak < megabytes << 20, f"{peak >> 20} MB"
    assert time.process_time() - start < seconds
    return message
