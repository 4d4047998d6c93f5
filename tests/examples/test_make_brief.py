"""The demo brief: as long as asked for, and its text holds every answer."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fpdf", reason="the demo document is written with fpdf2")
kreuzberg = pytest.importorskip("kreuzberg")

SCRIPT = Path(__file__).parents[2] / "examples" / "make_brief.py"


@pytest.fixture(scope="module")
def make_brief():
    spec = importlib.util.spec_from_file_location("make_brief", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_brief"] = module
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> str:
    return " ".join(kreuzberg.extract_file_sync(str(path)).content.split())


@pytest.mark.parametrize("pages", [3, 6, 20])
def test_brief_has_its_pages_and_every_answer(make_brief, tmp_path, pages):
    questions = make_brief.write_brief(tmp_path / "brief.pdf", pages=pages, seed=pages)
    text = read(tmp_path / "brief.pdf")
    assert len(re.findall(rb"/Type /Page\b(?!s)", (tmp_path / "brief.pdf").read_bytes())) == pages
    assert f"Page {pages} of {pages}" in text
    assert [q["question"] for q in questions if q["answer"] not in text] == []
    assert all(q["answers"][0] == q["answer"] for q in questions)
    assert len({q["question"] for q in questions}) == len(questions) > 3 * pages


def test_demo_questions_come_first_and_the_third_crosses_sections(make_brief, tmp_path):
    questions = make_brief.write_brief(tmp_path / "brief.pdf")
    assert [q["kind"] for q in make_brief.DEMO_QUESTIONS] == ["fact", "fact", "multi"]
    assert [q["question"] for q in questions[:3]] == [q["question"] for q in make_brief.DEMO_QUESTIONS]
    assert len(questions[2]["sections"]) == 2
    text = read(tmp_path / "brief.pdf")
    before_the_chapters = text[: text.index("2. Southwest region")]
    assert all(q["answer"] in before_the_chapters for q in questions[:3])
    chapter, last = questions[2]["sections"]
    assert text.index(f"{chapter} Supply disruptions") < text.index(f"{last}. Promotions across regions")


def test_same_arguments_same_file(make_brief, tmp_path):
    first, again, other = (tmp_path / name for name in ("a.pdf", "b.pdf", "c.pdf"))
    assert make_brief.write_brief(first, seed=1) == make_brief.write_brief(again, seed=1)
    assert make_brief.write_brief(other, seed=2) != make_brief.write_brief(again, seed=1)
    assert first.read_bytes() == again.read_bytes()


def test_command_line(tmp_path):
    out, questions = tmp_path / "brief.pdf", tmp_path / "q.jsonl"
    command = [sys.executable, str(SCRIPT), str(out), "--pages", "4", "--questions", str(questions)]
    subprocess.run(command, check=True, capture_output=True)
    rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines()]
    assert set(rows[0]) == {"question", "answer", "answers", "kind", "sections"}
    short = subprocess.run([*command[:4], "1"], capture_output=True, text=True)
    assert short.returncode == 2 and "at least 3" in short.stderr
