"""``ask`` and ``chat``: several adapters, passages, files of questions, pipes, commands, code pages."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from shared.base.chat import GenerationConfig, answer
from shared.lora.adapter import read_adapter
from shared.lora.combine import add
from shared.lora.layer import apply_lora

ROOT = Path(__file__).parents[2]
SHORT = ["--max-new-tokens", 8, "--dtype", "float32"]


def expected(base, adapters, question, **options):
    weights = add([read_adapter(path).weights for path in adapters]) if adapters else None
    messages = [*options.get("before", []), {"role": "user", "content": question}]
    with apply_lora(base.model, weights):
        return answer(base, messages, GenerationConfig(8))


@pytest.fixture
def task(hyperlora, t2l_hypernet, tmp_path, adapter):
    done = hyperlora("t2l", "Sort the words", "--hypernet", t2l_hypernet, "-o", "task", "--dtype", "float32")
    assert done.exit_code == 0, done.stderr
    return tmp_path / "task"


def test_several_adapters_add_up(hyperlora, adapter, task, tiny_base, tmp_path):
    done = hyperlora("ask", adapter, task, "When?", *SHORT, "--json")
    assert done.exit_code == 0, done.stderr
    both = json.loads(done.stdout)["answers"]["adapter"]
    assert both == expected(tiny_base, [adapter, task], "When?")
    assert both not in (expected(tiny_base, [adapter], "When?"), expected(tiny_base, [task], "When?"))
    combined = hyperlora("combine", adapter, task, "-o", "both")
    assert combined.exit_code == 0
    assert json.loads(hyperlora("ask", "both", "When?", *SHORT, "--json").stdout)["answers"]["adapter"] == both


def test_questions_come_from_files_and_pipes(hyperlora, adapter, tiny_base, tmp_path):
    records = [{"question": f"When {n}?", "answer": "six", "id": n} for n in range(10)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "q.jsonl").write_text(lines)
    done = hyperlora("ask", adapter, "--questions", "q.jsonl", *SHORT)
    assert done.exit_code == 0, done.stderr
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [{k: r[k] for k in ("question", "answer", "id")} for r in replies] == records
    for reply in (replies[0], replies[-1]):
        assert reply["reply"] == expected(tiny_base, [adapter], reply["question"])
    assert hyperlora("ask", adapter, "--questions", "-", *SHORT, input=lines).stdout == done.stdout
    one = hyperlora("ask", adapter, "When 0?", *SHORT).stdout
    assert hyperlora("ask", adapter, *SHORT, input="When 0?").stdout == one
    assert hyperlora("ask", adapter, "-", *SHORT, input="\ufeffWhen 0?").stdout == one
    assert hyperlora("ask", adapter, "-", *SHORT, input="Où ça ?".encode("cp1252")).exit_code == 0


def test_passages_that_match_stand_in_the_prompt(hyperlora, adapter, tiny_base, tmp_path, monkeypatch):
    import t2l.encoder

    class Encoder:
        def encode(self, texts, **_options):
            return torch.nn.functional.one_hot(torch.tensor(["goat" in t for t in texts]).long(), 2).float()

    monkeypatch.setattr(t2l.encoder, "load_text_encoder", Encoder)
    texts = ["The ferry leaves at six. " * 9, "Maud keeps a goat. " * 9, "Ink is blue. " * 9]
    (tmp_path / "book.txt").write_text("\n\n".join(texts))
    found = ["--with-context", "book.txt", "--passages", 1, *SHORT]
    done = hyperlora("ask", adapter, "Who keeps a goat?", *found, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    (source,) = report["sources"]
    assert "Maud keeps a goat" in source["text"]
    prompt = f"[{source['number']}] {source['text']}\n\nWho keeps a goat?"
    assert report["answers"]["adapter"] == expected(tiny_base, [adapter], prompt)
    shown = hyperlora("ask", adapter, "Who keeps a goat?", *found)
    assert f"[{source['number']}] " in shown.stderr and "goat" in shown.stderr
    assert shown.stdout.strip() == report["answers"]["adapter"]
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": "Who keeps a goat?"}))
    batch = hyperlora("ask", adapter, "--questions", "q.jsonl", *found)
    assert json.loads(batch.stdout) == {
        "question": "Who keeps a goat?",
        "reply": report["answers"]["adapter"],
        "sources": report["sources"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["adapter", ""], "is empty"),
        (["adapter", "q", "--compare", "--with-context", "harbour.txt"], "--compare goes with neither"),
        (["adapter", "q", "--with-context", "none.pdf"], "none.pdf"),
        (["adapter", "--questions", "none.jsonl"], "does not exist"),
        (["adapter", "nowhere", "q"], "nowhere does not exist"),
    ],
)
def test_wrong_questions_are_one_line(hyperlora, adapter, arguments, message):
    done = hyperlora("ask", *arguments)
    assert done.exit_code == 2 and message in done.stderr, done.stderr


def test_chat_changes_adapters_and_compares(hyperlora, adapter, task, tiny_base):
    turns = (
        "When?\n/adapter task\nWhen?\n/adapter none\n/new\nWhen?\n/adapter nowhere\n/adapter\n/compare Who?\n/help\n"
    )
    done = hyperlora("chat", adapter, *SHORT, input=turns)
    assert done.exit_code == 0, done.stderr
    first = expected(tiny_base, [adapter], "When?")
    before = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": first}]
    second = expected(tiny_base, [task], "When?", before=before)
    plain = expected(tiny_base, [], "When?")
    assert done.stdout.startswith(f"{first}\n{second}\n{plain}\n")
    assert "in place: task" in done.stderr and done.stderr.count("in place: no adapter") == 2
    assert "nowhere does not exist" in done.stderr and "/history" in done.stderr
    assert "base model" in done.stdout and "no adapter" in done.stdout


def test_chat_system_history_and_a_full_window(hyperlora, adapter, tiny_base):
    turns = "/system Be brief.\nWhen?\n/history\n/system\n/history\n"
    done = hyperlora("chat", adapter, *SHORT, input=turns)
    said = expected(tiny_base, [adapter], "When?", before=[{"role": "system", "content": "Be brief."}])
    history = f"user: When?\nassistant: {said}\n"
    assert done.stdout == f"{said}\nsystem: Be brief.\n{history}{history}"
    long = "x" * 200 + "\n"
    done = hyperlora("chat", adapter, *SHORT, input=long * 4 + "y" * 600 + "\nWhen?\n")
    assert done.exit_code == 0 and "no longer fit and are left out" in done.stderr
    assert "exceed the window" in done.stderr and len(done.stdout.splitlines()) >= 5


@pytest.mark.parametrize("page", ["ascii", "cp1252"])
def test_no_code_page_breaks_an_answer(page):
    code = (
        "from cli import output\noutput.configure()\n"
        "print('caf\\u00e9 \\u2013 \\u96ea')\noutput.line({'reply': '\\u96ea \\U0001f600'})\n"
        "output.warning('\\u96ea')\nprint(output.columns({'a': '\\u96ea', 'b': 'x'}))\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": page, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    text, line, *_ = done.stdout.decode(page).splitlines()
    assert text == ("caf? ? ?" if page == "ascii" else "café – ?")
    assert json.loads(line) == {"reply": "雪 😀"}


def test_stdin_in_utf8_or_in_the_code_page(monkeypatch):
    from cli import output

    for data, page, wanted in [
        ("Où ?".encode(), "cp1252", "Où ?"),
        ("Où ?".encode("utf-8-sig"), "ascii", "Où ?"),
        ("Où ?".encode("cp1252"), "cp1252", "Où ?"),
    ]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding=page))
        assert output.read_stdin() == wanted
