"""Markdown and notebooks: pictures written into the text are not words."""

import base64
import json

import pytest

from d2l.reading.report import LeftOut
from shared.errors import InputError
from tests.d2l.reading.make import read

PICTURE = base64.b64encode(bytes(range(256)) * 120).decode()


def test_inline_pictures_are_left_out(tmp_path):
    lines = "\n".join(PICTURE[i : i + 76] for i in range(0, 7600, 76))
    text = f"Before ![a quay](data:image/png;base64,{PICTURE}) after.\n\n"
    text += f"[ref]: data:image/svg+xml;charset=utf8;base64,{PICTURE}\n\n<img src='data:image/jpeg;base64,{lines}'> end"
    document = read(tmp_path, "a.md", text)
    assert document.text == "Before ![a quay](data:) after.\n\n[ref]: data:\n\n<img src='data:'> end"
    assert document.reading.left_out == [LeftOut("picture", "written into the text in base64", 3)]
    assert read(tmp_path, "a.md", "short data:image/png;base64,AAAA here").text.endswith("base64,AAAA here")


def test_the_last_line_of_a_broken_picture_goes_with_it(tmp_path):
    lines = "\n".join(PICTURE[i : i + 76] for i in range(0, 760, 76))
    assert read(tmp_path, "a.md", f"![](data:image/png;base64,\n{lines}\nAAAA==) end").text == "![](data:) end"
    assert (
        read(tmp_path, "a.md", f"<img src='data:image/png;base64,{lines}\nAAAA'> end").text == "<img src='data:'> end"
    )
    assert read(tmp_path, "a.md", f"url(data:image/png;base64,{lines})\nConclusion\n").text == "url(data:)\nConclusion"


def notebook(*cells):
    return json.dumps({"nbformat": 4, "cells": list(cells)})


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_notebooks_are_read_cell_by_cell(tmp_path):
    shown = {"output_type": "display_data", "data": {"image/png": PICTURE, "text/plain": "<Figure size 640x480>"}}
    text = notebook(
        {"cell_type": "markdown", "source": ["# Title\n", "R&D <5%"], "attachments": {"a.png": {"image/png": PICTURE}}},
        code("x = 1\nprint(x)", {"output_type": "stream", "text": ["1\n"]}),
        code("plot()", shown),
        code("table", {"output_type": "execute_result", "data": {"text/html": "<p>only html</p>"}}),
        code("1/0", {"output_type": "error", "traceback": ["\x1b[31mZeroDivisionError\x1b[0m: division by zero"]}),
        {"cell_type": "markdown", "source": f"![x](data:image/png;base64,{PICTURE})"},
    )
    document = read(tmp_path, "a.ipynb", text)
    assert document.text == (
        "# Title\nR&D <5%\n\nx = 1\nprint(x)\n\n1\n\nplot()\n\ntable\n\nonly html\n\n1/0\n\n"
        "ZeroDivisionError: division by zero\n\n![x](data:)"
    )
    assert sum(entry.count for entry in document.reading.left_out) == 3


def test_a_damaged_notebook(tmp_path):
    for text in ("{", "[]", '{"cells": 3}', "[" * 100_000):
        with pytest.raises(InputError, match="is damaged, or not a IPYNB file"):
            read(tmp_path, "a.ipynb", text)


def test_outputs_in_other_forms_are_read_or_named(tmp_path):
    latex = {"output_type": "display_data", "data": {"text/latex": "$x^2$"}}
    data = {"output_type": "display_data", "data": {"application/json": {"a": 1}}}
    document = read(tmp_path, "a.ipynb", notebook(code("show()", latex, data)))
    assert document.text == "show()\n\n$x^2$"
    assert document.reading.left_out == [LeftOut("output", "its format is not read", 1, ("application/json",))]
