"""``hyperlora t2l`` beyond one description, and ``hyperlora describe``."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from shared.lora.adapter import read_adapter
from t2l.distance import FILE, TrainingDistances
from t2l.encoder import encode_descriptions
from t2l.model import T2LModel
from tests.cli.test_errors import check
from tests.models import FLOAT32

ROOT = Path(__file__).parent.parent.parent
DESCRIPTIONS = ["Sort the words", "Sort the words!", "Translate the sentence into French, keeping names as they are"]
EXAMPLES = [{"input": "word 1", "output": "WORD 1"}, {"input": "word 2", "output": "WORD 2", "split": "train"}]


def write(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


@pytest.fixture
def calibrated(t2l_hypernet, encoder, tmp_path):
    """The tiny hypernetwork with the file of training descriptions: one description, and a threshold."""
    path = tmp_path / "calibrated"
    shutil.copytree(t2l_hypernet, path)
    sentence = encode_descriptions(encoder, ["Sort the words"])[0][:1]
    distances = TrainingDistances(torch.nn.functional.normalize(sentence, dim=-1).bfloat16(), 0.2)
    save_file(distances.files()[FILE], path / FILE)
    return path


def test_adapters_need_no_base_model_and_of_the_heavy_libraries_the_encoder_only(encoder, t2l_hypernet, tmp_path):
    """sentence-transformers imports what it finds of the others, so here its output is given."""
    torch.save(encode_descriptions(encoder, DESCRIPTIONS[:1]), tmp_path / "rows")
    code = (
        "import sys\nfrom pathlib import Path\nimport torch\n"
        "import t2l.model\nfrom t2l.generate import write_task_adapter\n"
        "hypernet, rows, out = map(Path, sys.argv[1:])\n"
        "t2l.model.encode_descriptions = lambda encoder, texts: torch.load(rows, weights_only=True)\n"
        "class Encoder:\n    tokenizer = staticmethod(lambda text: {'input_ids': [1]})\n"
        "model = t2l.model.T2LModel.from_pretrained(hypernet, text_encoder=Encoder())\n"
        "write_task_adapter(out, model, model.generate(['Sort the words'])[0])\n"
        "heavy = {'transformers', 'peft', 'sentence_transformers', 'accelerate', 'sklearn', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    arguments = [str(t2l_hypernet), str(tmp_path / "rows"), str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
    assert read_adapter(tmp_path / "out").weights.r == 4


def test_the_command_loads_no_base_model(hyperlora, t2l_hypernet, tmp_path, monkeypatch):
    import transformers

    def fail(*_, **__):
        raise AssertionError("a base model was loaded")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", fail)
    done = hyperlora("t2l", "Sort the words", "--hypernet", t2l_hypernet, "-o", "out", "--json")
    assert done.exit_code == 0, done.stderr
    assert {"import", "load", "generate", "write"} <= set(json.loads(done.stdout)["seconds"])


def test_a_batch_equals_one_by_one(hyperlora, encoder, t2l_hypernet, tmp_path):
    rows = [{"description": text} for text in DESCRIPTIONS] + [{"description": "Count", "name": "x_1"}, ""]
    write(tmp_path / "b.jsonl", rows)
    done = hyperlora("t2l", "--batch", "b.jsonl", "-o", "out", "--hypernet", t2l_hypernet, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    names = ["sort-the-words-adapter", "sort-the-words-adapter-2"]
    names += ["translate-the-sentence-into-french-keepi-adapter", "x_1"]
    assert [entry["adapter"] for entry in report["adapters"]] == [f"out/{name}" for name in names]
    assert {f.name for f in (tmp_path / "out").iterdir()} == {*names, "adapters.json"}
    assert report["adapters_per_second"] > 0 and {"import", "load", "generate", "write"} <= set(report["seconds"])
    index = json.loads((tmp_path / "out" / "adapters.json").read_text())["adapters"]
    assert [entry["adapter"] for entry in index] == names
    for entry, text in zip(report["adapters"], [*DESCRIPTIONS, "Count"], strict=True):
        assert entry["description"] == text and entry["distance"] is None and entry["rank"] == 4
        one = hyperlora("t2l", text, "--hypernet", t2l_hypernet, "-o", "single", "--force")
        assert one.exit_code == 0, one.stderr
        together, single = read_adapter(tmp_path / entry["adapter"]), read_adapter(tmp_path / "single")
        exact = T2LModel.from_pretrained(t2l_hypernet).generate([text])[0].weights
        for name in exact:
            # Both files hold bfloat16.
            for wanted in (single.weights[name].delta(), exact[name].delta()):
                scale = wanted.abs().max().item()
                torch.testing.assert_close(together.weights[name].delta(), wanted, rtol=0, atol=1e-2 * scale)
        assert entry["bytes"] == (tmp_path / entry["adapter"] / "adapter_model.safetensors").stat().st_size
        assert together.provenance["source"]["description"] == text


def test_batches_of_stdin_are_replaced_with_force_only(hyperlora, t2l_hypernet, tmp_path):
    command = ["t2l", "--batch", "-", "-o", "out", "--hypernet", t2l_hypernet]
    assert hyperlora(*command, input='{"description": "a", "name": "one"}\n').stdout == "out/one\n"
    check(hyperlora(*command, input='{"description": "a", "name": "two"}\n'), 2, "already exists", "--force")
    assert hyperlora(*command, "--force", input='{"description": "a", "name": "two"}\n').exit_code == 0
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"two", "adapters.json"}


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "not JSON"),
        ("[1]", "needs the fields"),
        ({"name": "x"}, "description"),
        ({"description": " "}, "not empty"),
        ({"description": 3}, "not empty"),
        ({"description": "a", "name": "FIRST"}, "line 1"),
        ({"description": "a", "name": "a/b"}, "directory name"),
        ({"description": "a", "name": ".."}, "directory name"),
        ({"description": "a", "name": "a\\b"}, "directory name"),
        ({"description": "a", "name": ""}, "directory name"),
        ({"description": "a", "name": "adapters.json"}, "directory name"),
        ({"description": "a", "nmae": "b"}, "nmae"),
    ],
)
def test_bad_lines_are_named_before_anything_is_loaded(hyperlora, tmp_path, line, word):
    write(tmp_path / "b.jsonl", [{"description": "a", "name": "first"}, "", line])
    check(hyperlora("t2l", "--batch", "b.jsonl", "-o", "out", "--hypernet", "none"), 2, "b.jsonl, line 3", word)
    assert not (tmp_path / "out").exists()


def test_a_failure_in_the_middle_leaves_nothing(hyperlora, t2l_hypernet, tmp_path, monkeypatch):
    import safetensors.torch

    real, calls = safetensors.torch.save_file, []

    def fail(state, file, **options):
        calls.append(file)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(state, file, **options)

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    write(tmp_path / "b.jsonl", [{"description": text} for text in DESCRIPTIONS])
    check(hyperlora("t2l", "--batch", "b.jsonl", "-o", "out", "--hypernet", t2l_hypernet), 1, "No space left")
    assert [p.name for p in tmp_path.iterdir()] == ["b.jsonl"]


def test_arguments_that_do_not_go_together(hyperlora, tmp_path):
    write(tmp_path / "b.jsonl", [{"description": "a"}])
    check(hyperlora("t2l"), 2, "no description")
    check(hyperlora("t2l", "a", "--batch", "b.jsonl", "-o", "out"), 2, "exclude")
    check(hyperlora("t2l", "--batch", "b.jsonl"), 2, "-o DIR")
    check(hyperlora("t2l", "--batch", "b.jsonl", "-o", "out", "--pick", "b.jsonl"), 2, "--pick")
    check(hyperlora("t2l", "--batch", "none.jsonl", "-o", "out"), 2, "does not exist")
    check(hyperlora("t2l", "a", "--n", 4), 2, "--pick")
    check(hyperlora("t2l", "a", "b"), 2, "--pick")


def test_distance_is_reported_and_far_ones_are_warned_of(hyperlora, calibrated, t2l_hypernet, tmp_path):
    command = ["t2l", "--hypernet", calibrated, "--force", "-o", "out"]
    near = hyperlora(*command, "Sort the words", "--json")
    assert json.loads(near.stdout)["distance"] < 1e-3 and "warning" not in near.stderr
    assert json.loads(near.stdout)["distance_threshold"] == pytest.approx(0.2)
    far = hyperlora(*command, "Quantum chromodynamics of neutron stars", "--json")
    distance = json.loads(far.stdout)["distance"]
    assert distance > 0.2
    [line] = [line for line in far.stderr.splitlines() if line.startswith("warning")]
    assert f"distance {distance:.2f}; 95% of unseen wordings of its own tasks are within 0.20" in line
    old = hyperlora("t2l", "Quantum stars", "--hypernet", t2l_hypernet, "-o", "old", "--json")
    assert json.loads(old.stdout)["distance"] is None and "distance" not in old.stderr
    write(tmp_path / "b.jsonl", [{"description": "Sort the words"}, {"description": "Quantum stars", "name": "q"}])
    batch = hyperlora("t2l", "--batch", "b.jsonl", "-o", "b", "--hypernet", calibrated, "--json")
    assert [entry["distance"] > 0.2 for entry in json.loads(batch.stdout)["adapters"]] == [False, True]
    assert "1 of 2 descriptions are far" in batch.stderr and ": q:" in batch.stderr


def test_pick_writes_the_best_candidate(hyperlora, calibrated, tiny_base, tmp_path):
    write(tmp_path / "e.jsonl", EXAMPLES)
    command = ["t2l", "Shout", "Write it in capitals", "--pick", "e.jsonl", "--hypernet", calibrated]
    options = ["--n", 2, "--noise", 0.5, *FLOAT32]
    done = hyperlora(*command, *options, "-o", "out", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    losses = [candidate["loss"] for candidate in report["pick"]["candidates"]]
    assert len(losses) == 4 and losses.index(min(losses)) == report["pick"]["chosen"]
    place = report["pick"]["chosen"]
    note = f"candidate {place + 1} of 4: loss {losses[place]:.3g} (the description as given: {losses[0]:.3g}; base"
    assert note in done.stderr
    assert report["description"] == ["Shout", "Write it in capitals"][place // 2] and report["distance"] is not None
    from t2l.pick import example_losses
    from t2l.tasks import read_examples

    written = read_adapter(tmp_path / "out")
    found = example_losses(tiny_base, read_examples(str(tmp_path / "e.jsonl")), written.weights)
    assert sum(found) / 2 == pytest.approx(min(losses), rel=1e-4)
    assert written.provenance["source"]["pick"]["chosen"] == place
    again = json.loads(hyperlora(*command, *options, "-o", "again", "--json").stdout)
    assert again["pick"] == report["pick"]


def test_unusable_examples(hyperlora, t2l_hypernet, tmp_path):
    files = {
        "none": None,
        "empty": [],
        "many": [EXAMPLES[0]] * 201,
        "fields": [EXAMPLES[0], {"input": "x"}],
        "blank": [EXAMPLES[0], {"input": "x", "output": " "}],
        "number": [{"input": 1, "output": "x"}],
    }
    words = ["does not exist", "no records", "at most 200", "line 2", "line 2", "line 1"]
    for (name, rows), word in zip(files.items(), words, strict=True):
        if rows is not None:
            write(tmp_path / name, rows)
        check(hyperlora("t2l", "a", "--pick", name, "-o", "out", "--hypernet", t2l_hypernet), 2, word)
        if name != "many":
            check(hyperlora("describe", name), 2, word)
    assert not (tmp_path / "out").exists()


def test_describe(hyperlora, tiny_base_path, tmp_path, monkeypatch):
    import t2l.describe

    monkeypatch.setattr(
        t2l.describe, "generate", lambda base, prompts, config: [f"Task: it's {config.temperature}."] * len(prompts)
    )
    write(tmp_path / "e.jsonl", EXAMPLES)
    done = hyperlora("describe", "e.jsonl", "--base", tiny_base_path, "--n", 3)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "it's 0.0.\nit's 0.8.\n"
    assert re.search(r"next: hyperlora t2l 'it'\"'\"'s 0.0.'", done.stderr)
    report = json.loads(hyperlora("describe", "e.jsonl", "--base", tiny_base_path, "--json").stdout)
    assert report["descriptions"] == ["it's 0.0."] and report["examples"] == 2


def test_describe_with_a_real_reply(hyperlora, tiny_base_path, tmp_path):
    write(tmp_path / "e.jsonl", EXAMPLES[:1])
    command = ["describe", "e.jsonl", "--base", tiny_base_path, "--dtype", "float32", "--n", 3, "--json"]
    done = hyperlora(*command)
    assert done.exit_code == 0, done.stderr
    assert all(0 < len(text) <= 200 for text in json.loads(done.stdout)["descriptions"])
    assert hyperlora(*command).stdout == done.stdout


def test_examples_train_the_adapter_and_are_said(hyperlora, t2l_hypernet, encoder, tmp_path):
    write(tmp_path / "examples.jsonl", EXAMPLES)
    run = ("--hypernet", t2l_hypernet, "--examples", "examples.jsonl", "--steps", "3")
    done = hyperlora("t2l", "Sort the words", *run, "-o", "learned", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["examples"] == 2 and report["gradient_steps"] == 3
    assert "learned 2 examples in 3 gradient steps" in done.stderr
    card = (tmp_path / "learned" / "README.md").read_text()
    assert 'from the description "Sort the words" and 2 labelled examples' in card and "3 gradient steps" in card
    source = read_adapter(tmp_path / "learned").provenance["source"]
    assert source["examples"] == 2 and "WORD" not in json.dumps(source)
    assert hyperlora("t2l", "Sort the words", "--hypernet", t2l_hypernet, "-o", "plain").exit_code == 0
    learned, plain = (read_adapter(tmp_path / name).weights for name in ("learned", "plain"))
    assert any(not torch.allclose(learned[n].delta(), plain[n].delta(), atol=1e-4) for n in plain)
    alone = hyperlora("t2l", *run, "-o", "alone")
    assert alone.exit_code == 0 and read_adapter(tmp_path / "alone").weights.r == plain.r
    assert "from 2 labelled examples" in (tmp_path / "alone" / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--examples", "examples.jsonl"], "needs a name"),
        (["Sort", "--examples", "none.jsonl"], "does not exist"),
        (["Sort", "--examples", "examples.jsonl", "--pick", "examples.jsonl"], "exclude each other"),
        (["--batch", "examples.jsonl", "-o", "x", "--examples", "examples.jsonl"], "not with --batch"),
        (["Sort", "--steps", "3"], "needs --examples"),
    ],
)
def test_examples_that_do_not_fit_are_refused_in_one_line(hyperlora, t2l_hypernet, tmp_path, arguments, message):
    write(tmp_path / "examples.jsonl", EXAMPLES)
    done = hyperlora("t2l", *arguments, "--hypernet", t2l_hypernet)
    assert done.exit_code == 2 and message in done.stderr
