"""``hyperlora d2l`` with questions of the user's own, and without a question writer."""

import json

import pytest

from shared.lora.adapter import read_adapter

QUESTIONS = [
    {"question": "When does the ferry leave?", "answer": "six"},
    {"question": "What does it carry?", "answers": ["salted herring", "herring"]},
]


@pytest.fixture
def studied(hyperlora, d2l_hypernet, document, tmp_path):
    """Run d2l with these arguments behind it; returns its result."""
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)))

    def run(*arguments):
        return hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "out", "--force", *arguments)

    return run


def test_own_questions_become_part_of_the_adapter(studied, tmp_path):
    plain = json.loads(studied("--json").stdout)
    assert plain["pairs"] == 0 and plain["pairs_answered"] is None
    before = (tmp_path / "out" / "adapter_model.safetensors").read_bytes()
    done = studied("--questions", "faq.jsonl", "--show-questions", "asked.jsonl", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["pairs"] == 2 and 0 <= report["pairs_answered"] <= 1
    # Where the time went: all of it is some stage's.
    assert {"encoding", "studying", "refining", "checking"} <= set(report["stages"])
    assert 0.5 < sum(report["stages"].values()) / report["seconds"]["generate"] < 1.01
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() != before
    source = read_adapter(tmp_path / "out").provenance["source"]
    assert source["pairs"] == 2 and source["pairs_answered"] == report["pairs_answered"]
    assert "herring" not in json.dumps(source)
    lines = [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text().splitlines()]
    assert lines == [QUESTIONS[0], {"question": "What does it carry?", "answer": "salted herring"}]
    again = studied("--questions", "asked.jsonl")
    assert "studied with 2 questions" in again.stderr
    assert "2 questions" in (tmp_path / "out" / "README.md").read_text()


def test_no_study_is_the_path_of_one_pass(studied, tmp_path):
    assert studied().exit_code == 0  # the tiny hypernetwork has no question writer
    default = (tmp_path / "out" / "adapter_model.safetensors").read_bytes()
    assert studied("--no-study").exit_code == 0
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() == default


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-study", "--study", "3"], "excludes"),
        (["--no-study", "--questions", "faq.jsonl"], "excludes"),
        (["--no-study", "--show-questions", "asked.jsonl"], "excludes"),
        (["--show-questions", "nowhere/asked.jsonl"], "no folder"),
        (["--questions", "none.jsonl"], "does not exist"),
        (["--show-questions", "harbour.txt"], "already exists"),
    ],
)
def test_contradictions_are_refused_in_one_line(hyperlora, d2l_hypernet, document, tmp_path, arguments, message):
    (tmp_path / "faq.jsonl").write_text(json.dumps(QUESTIONS[0]))
    done = hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "new", *arguments)
    assert done.exit_code == 2 and message in done.stderr
    assert not (tmp_path / "new").exists() and document.read_text().startswith("The ferry")


def test_a_writer_that_asks_nothing_is_said(studied):
    """A random base does not write pairs that can be used."""
    done = studied("--study", "2")
    assert done.exit_code == 0 and "no question that can be used" in done.stderr
