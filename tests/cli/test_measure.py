"""Commands that measure, and the chunk cache, through the runner on tiny models."""

import json

import pytest


@pytest.fixture
def docqa(tmp_path):
    path = tmp_path / "qa.jsonl"
    records = [
        {"context": "The ferry leaves at six.", "question": "When?", "answer": "six", "kind": "fact"},
        {"context": "The keeper writes in blue ink. " * 8, "question": "How?", "answer": "blue ink", "kind": "how"},
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_niah_counts_and_plots(hyperlora, d2l_hypernet, tmp_path):
    options = ["--lengths", "200,600", "--depths", 2, "--max-rank", 3, "--hypernet", d2l_hypernet, "--plot", "heat.png"]
    done = hyperlora("eval", "niah", *options, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert [(c["length"], c["depth"]) for c in report["cells"]] == [(200, 0.0), (200, 1.0), (600, 0.0), (600, 1.0)]
    assert report["lengths"]["200"]["rank"] == 3
    assert report["lengths"]["200"]["context"] is not None and report["lengths"]["600"]["context"] is None
    assert (tmp_path / "heat.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "prose.txt").write_text("It rained. Nobody came to the pier that day. " * 20)
    prose = hyperlora(
        "eval", "niah", "--lengths", 400, "--depths", 1, "--haystack", "prose.txt", "--hypernet", d2l_hypernet, "--json"
    )
    assert prose.exit_code == 0 and json.loads(prose.stdout)["provenance"]["haystack"] == "prose.txt"


def test_a_plot_that_cannot_be_written_fails_before_the_work(hyperlora, d2l_hypernet):
    for path, reason in (("x.txt", "must end in"), ("missing/x.png", "does not exist")):
        failed = hyperlora("eval", "niah", "--plot", path, "--hypernet", d2l_hypernet)
        assert failed.exit_code == 2 and reason in failed.stderr


def test_plot_without_matplotlib_fails_before_the_work(hyperlora, d2l_hypernet, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else real(name, *a))
    failed = hyperlora("eval", "niah", "--plot", "x.png", "--hypernet", d2l_hypernet)
    assert failed.exit_code == 2 and "matplotlib" in failed.stderr


def test_general_questions(hyperlora, d2l_hypernet, docqa):
    done = hyperlora("eval", "general", "--data", docqa, "--limit", 1, "--hypernet", d2l_hypernet, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["by_document"]) == 1 and report["questions"] == 24 and 0 <= report["unchanged"] <= 1


def test_docqa_by_length_and_kind(hyperlora, d2l_hypernet, docqa):
    done = hyperlora("eval", "docqa", "--data", docqa, "--hypernet", d2l_hypernet, "--nll-only", "--json")
    report = json.loads(done.stdout)
    assert {name: g["questions"] for name, g in report["lengths"].items()} == {"<128": 1, "128-255": 1}
    assert {name: g["questions"] for name, g in report["kinds"].items()} == {"fact": 1, "how": 1}
    for mode, scores in report["modes"].items():  # bytes are tokens: answers of 3 + 1 and 8 + 1
        parts = [report["kinds"][kind]["modes"][mode]["nll"] for kind in ("fact", "how")]
        assert scores["nll"] == pytest.approx((4 * parts[0] + 9 * parts[1]) / 13)
    text = hyperlora("eval", "docqa", "--data", docqa, "--hypernet", d2l_hypernet, "--nll-only")
    assert "128-255 (1), adapter" in text.stdout


def test_docqa_without_the_context_gives_the_same_other_scores(hyperlora, d2l_hypernet, docqa):
    command = ["eval", "docqa", "--data", docqa, "--hypernet", d2l_hypernet, "--nll-only"]
    full, part = (json.loads(hyperlora(*command, *more, "--json").stdout) for more in ([], ["--no-context"]))
    assert set(full["modes"]) - set(part["modes"]) == {"context", "context+bias"} and part["gap_closed"] is None
    assert all(part["modes"][mode] == full["modes"][mode] for mode in part["modes"])
    plain = json.loads(hyperlora(*command, "--plain", "--no-context", "--json").stdout)
    assert plain["modes"]["none"]["nll"] != part["modes"]["none"]["nll"]
    assert "gap" not in hyperlora(*command, "--no-context").stdout


def test_an_adapter_is_asked_what_its_hypernetwork_is(hyperlora, d2l_hypernet, docqa, tmp_path):
    """The scores of the files that d2l writes are those of eval docqa."""
    settings = ["--hypernet", d2l_hypernet, "--dtype", "float32"]
    expected = json.loads(hyperlora("eval", "docqa", "--data", docqa, *settings, "--json").stdout)
    for number, record in enumerate(map(json.loads, docqa.read_text().splitlines())):
        (tmp_path / f"{number}.txt").write_text(record["context"])
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(record))
        made = hyperlora("d2l", f"{number}.txt", "-o", f"adapter{number}", *settings)
        assert made.exit_code == 0, made.stderr
    for number, kind in enumerate(("fact", "how")):
        command = ["eval", "adapter", f"adapter{number}", "--questions", f"{number}.jsonl", "--dtype", "float32"]
        done = hyperlora(*command, "--other", f"adapter{1 - number}", "--json")
        assert done.exit_code == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["questions"] == 1 and set(report["modes"]) == {"none", "adapter", "other"}
        for mode, scores in report["modes"].items():
            assert scores["nll"] == pytest.approx(expected["kinds"][kind]["modes"][mode]["nll"], abs=5e-3)  # bf16 files
        assert abs(report["modes"]["adapter"]["nll"] - report["modes"]["none"]["nll"]) > 0.02
    assert "other" not in hyperlora(*command).stdout


def test_questions_to_an_adapter_are_spread_over_the_file(hyperlora, d2l_hypernet, docqa, tmp_path):
    lines = [json.dumps({"question": f"Number {n}?", "answer": "x", "kind": f"k{n}"}) for n in range(9)]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    (tmp_path / "d.txt").write_text("A ferry.")
    assert hyperlora("d2l", "d.txt", "-o", "a", "--hypernet", d2l_hypernet).exit_code == 0
    done = hyperlora("eval", "adapter", "a", "--questions", "q.jsonl", "--limit", 3, "--json")
    assert list(json.loads(done.stdout)["kinds"]) == ["k0", "k3", "k6"]
    refused = hyperlora("eval", "adapter", "gone", "--questions", "q.jsonl")
    assert refused.exit_code == 2 and "does not exist" in refused.stderr


def test_compare_shows_every_approach(hyperlora, d2l_hypernet, docqa, document):
    command = ["compare", document, "--questions", docqa, "--hypernet", d2l_hypernet, "--steps", 1]
    done = hyperlora(*command, "--approaches", "none,retrieval,d2l", "--limit", 1, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert [row["name"] for row in report["approaches"]] == ["none", "retrieval", "d2l"] and report["questions"] == 1
    table = hyperlora(*command, "--approaches", "none", "--limit", 1)
    assert "prompt tokens" in table.stdout
    assert hyperlora(*command, "--approaches", "magic").exit_code == 2
    from cli.commands.compare import APPROACHES as offered
    from d2l.evaluation.compare import APPROACHES

    assert offered == APPROACHES


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["eval", "niah", "--lengths", "long"], "no list of numbers"),
        (["eval", "niah", "--lengths", "3"], "at least 32"),
        (["d2l", "harbour.txt", "--max-bytes", "big"], "no size"),
        (["d2l", "harbour.txt", "--max-bytes", "10"], "rank 1 takes"),
    ],
)
def test_bad_measures_are_refused_in_one_line(hyperlora, d2l_hypernet, document, arguments, message):
    failed = hyperlora(*arguments, "--hypernet", d2l_hypernet)
    assert failed.exit_code == 2 and message in failed.stderr
    assert not list(document.parent.glob("*adapter*"))


def test_a_second_run_uses_encoded_chunks(hyperlora, d2l_hypernet, document, monkeypatch, tmp_path):
    monkeypatch.setenv("HYPERLORA_HOME", str(tmp_path / "home"))
    command = ["d2l", document, "--hypernet", d2l_hypernet, "-o", "out", "--force", "--json"]
    first = json.loads(hyperlora(*command).stdout)
    weights = (tmp_path / "out" / "adapter_model.safetensors").read_bytes()
    assert first["cached_chunks"] == 0 and first["changes"] is None
    again = hyperlora(*command[:-1])
    assert f"{first['chunks']} of {first['chunks']} chunks were encoded before" in again.stderr
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() == weights
    assert json.loads(hyperlora(*command, "--no-cache").stdout)["cached_chunks"] == 0
    document.write_text(document.read_text() + "The gate is red.\n")
    edited = hyperlora(*command[:-1])
    assert "documents: 1 replaced" in edited.stderr


def test_docqa_with_one_context_has_no_other(hyperlora, d2l_hypernet, tmp_path):
    record = {"context": "The ferry leaves at six.", "question": "When?", "answers": ["six"]}
    (tmp_path / "q.jsonl").write_text(json.dumps(record))
    command = ["eval", "docqa", "--data", "q.jsonl", "--hypernet", d2l_hypernet, "--dtype", "float32", "--nll-only"]
    done = hyperlora(*command, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report["modes"]) == {"none", "bias", "adapter", "context", "context+bias"}
    assert report["gap_closed"] is None
    (tmp_path / "q.jsonl").write_text(json.dumps(record | {"context": "long " * 4000}))
    refused = hyperlora(*command)
    assert refused.exit_code == 2 and "window" in refused.stderr


@pytest.mark.parametrize("answers", [{"answers": "Paris"}, {"answers": []}, {"answer": " "}, {}])
def test_answers_are_checked(hyperlora, tmp_path, answers):
    (tmp_path / "q.jsonl").write_text(json.dumps({"context": "c", "question": "Where?"} | answers))
    (tmp_path / "d.txt").write_text("A document.")
    for command in (["eval", "docqa", "--data", "q.jsonl"], ["compare", "d.txt", "--questions", "q.jsonl"]):
        failed = hyperlora(*command)
        assert failed.exit_code == 2 and "line 1: needs an answer" in failed.stderr


def test_the_gap_needs_a_better_end():
    from d2l.evaluation.docqa import ModeScores, _closed

    def modes(other, adapter, full):
        values = {"other": other, "adapter": adapter, "context+bias": full}
        return {name: ModeScores(value, value, value, value) for name, value in values.items()}

    assert _closed(modes(4.0, 3.0, 2.0), "nll") == 0.5 and _closed(modes(4.0, 3.0, 5.0), "nll") is None
    assert _closed(modes(0.0, 0.2, 0.4), "f1") == 0.5 and _closed(modes(0.4, 0.2, 0.4), "f1") is None
