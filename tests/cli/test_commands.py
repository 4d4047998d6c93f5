"""Every command through the runner, on tiny models."""

import json

import pytest
import torch

from shared.lora.adapter import read_adapter
from shared.lora.layer import apply_lora
from tests.models import FLOAT32


def test_d2l_writes_the_whole_adapter(hyperlora, d2l_hypernet, document, tiny_base, tmp_path):
    done = hyperlora(
        "d2l",
        document,
        "--hypernet",
        d2l_hypernet,
        "-o",
        "out",
        *FLOAT32,
        "--json",
    )
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    out = tmp_path / "out"
    assert {f.name for f in out.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md",
        "provenance.json",
    }
    assert report["adapter"] == "out" and report["base_model"] == tiny_base.spec.name_or_path
    assert report["bytes"] == (out / "adapter_model.safetensors").stat().st_size
    assert report["chunks"] > 1 and report["rank"] == 2 * report["chunks"] + 2
    assert {"read", "import", "load", "generate", "write"} <= set(report["seconds"])
    provenance = json.loads((out / "provenance.json").read_text())
    assert len(provenance["source"]["files"][0]["sha256"]) == 64
    card = (out / "README.md").read_text()
    assert "can reveal what it says" in card and "library_name: peft" in card and "base_model:" not in card
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["d2l", "t2l"])
def test_live_logits_equal_the_reloaded_adapter(
    hyperlora, d2l_hypernet, t2l_hypernet, document, tiny_base, tmp_path, kind
):
    """What the hypernetwork generates in memory is what PEFT loads from the directory the command wrote."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    if kind == "d2l":
        from d2l.model import D2LModel

        assert (
            hyperlora(
                "d2l",
                document,
                "--hypernet",
                d2l_hypernet,
                "-o",
                "out",
                *FLOAT32,
            ).exit_code
            == 0
        )
        model = D2LModel.from_pretrained(d2l_hypernet, tiny_base)
        weights = model.generate(model.chunk(document.read_text().strip())).weights
    else:
        from t2l.model import T2LModel

        assert (
            hyperlora(
                "t2l",
                "Sort the words",
                "--hypernet",
                t2l_hypernet,
                "-o",
                "out",
                *FLOAT32,
            ).exit_code
            == 0
        )
        weights = T2LModel.from_pretrained(t2l_hypernet).generate(["Sort the words"])[0].weights
    ids = torch.randint(4, 200, (2, 12))
    with torch.no_grad():
        plain = tiny_base.model(ids).logits
        with apply_lora(tiny_base.model, weights):
            live = tiny_base.model(ids).logits
        fresh = AutoModelForCausalLM.from_pretrained(tiny_base.spec.name_or_path, dtype=torch.float32)
        reloaded = PeftModel.from_pretrained(fresh, tmp_path / "out").eval()(ids).logits
    torch.testing.assert_close(live, reloaded, rtol=1e-5, atol=1e-5)
    assert (live - plain).abs().max() > 1e-2


def test_d2l_of_folders_stdin_rank_and_scale(hyperlora, d2l_hypernet, document, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nThe cat sleeps.")
    (folder / "b.txt").write_text("The dog runs.")
    many = hyperlora("d2l", folder, document, "--hypernet", d2l_hypernet, "-o", "many", "--max-rank", 3, "--json")
    report = json.loads(many.stdout)
    assert report["rank"] == 3 and 0 < report["energy_kept"] < 1
    assert len(json.loads((tmp_path / "many" / "provenance.json").read_text())["source"]["files"]) == 3
    piped = hyperlora(
        "d2l",
        "-",
        "--hypernet",
        d2l_hypernet,
        "-o",
        "piped",
        *FLOAT32,
        input=document.read_text(),
    )
    assert piped.exit_code == 0, piped.stderr
    hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "plain", *FLOAT32)
    hyperlora(
        "d2l",
        document,
        "--hypernet",
        d2l_hypernet,
        "-o",
        "half",
        *FLOAT32,
        "--scale",
        0.5,
    )
    plain, same, half = (read_adapter(tmp_path / n).weights for n in ("plain", "piped", "half"))
    for name in plain:
        assert torch.equal(plain[name].delta(), same[name].delta())
        torch.testing.assert_close(plain[name].delta() / 2, half[name].delta())


def test_output_is_named_after_the_source(hyperlora, d2l_hypernet, t2l_hypernet, document, tmp_path):
    assert hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-q").stdout == "harbour-adapter\n"
    assert hyperlora("t2l", "Sort the words!", "--hypernet", t2l_hypernet, "-q").stdout == "sort-the-words-adapter\n"
    assert read_adapter(tmp_path / "sort-the-words-adapter").weights.r == 4


def test_ask_streams_the_same_as_json(hyperlora, adapter):
    streamed = hyperlora("ask", adapter, "When?", "--max-new-tokens", 8, "--dtype", "float32")
    assert streamed.exit_code == 0, streamed.stderr
    report = json.loads(
        hyperlora("ask", adapter, "When?", "--max-new-tokens", 8, "--dtype", "float32", "--json").stdout
    )
    assert streamed.stdout.strip() == report["answers"]["adapter"]
    off = hyperlora(
        "ask", adapter, "When?", "--max-new-tokens", 8, "--dtype", "float32", "--json", "--compare", "--scale", 0
    )
    answers = json.loads(off.stdout)["answers"]
    assert answers["base"] == answers["adapter"] != report["answers"]["adapter"]


def test_ask_compare_with_context_and_sampling(hyperlora, adapter, document):
    common = ["ask", adapter, "When?", "--max-new-tokens", 6]
    done = hyperlora(*common, "--compare", "--context", document)
    assert done.exit_code == 0 and all(
        name in done.stdout for name in ("base model", "with adapter", "document in prompt")
    )
    sample = [*common, "--temperature", 2.0, "--top-k", 50, "--top-p", 0.9, "--json"]
    one, two, three = (json.loads(hyperlora(*sample, "--seed", s).stdout)["answers"]["adapter"] for s in (1, 1, 2))
    assert one == two != three


def test_chat_remembers_and_ends(hyperlora, adapter, monkeypatch):
    import shared.base.chat

    real, asked = shared.base.chat.answer, []

    def record(base, messages, config, on_text=None):
        asked.append([m["content"] for m in messages])
        asked.append(real(base, messages, config, on_text))
        return asked[-1]

    monkeypatch.setattr(shared.base.chat, "answer", record)
    turns = "When?\nWhere?\n/new\nWhen?\n/quit\nnever\n"
    done = hyperlora("chat", adapter, "--max-new-tokens", 5, "--dtype", "float32", input=turns)
    assert done.exit_code == 0, done.stderr
    assert asked[::2] == [["When?"], ["When?", asked[1], "Where?"], ["When?"]]  # /new forgot the first turns
    assert asked[1] == asked[-1] and all(reply in done.stdout for reply in asked[1::2])


def test_inspect(hyperlora, adapter):
    done = hyperlora("inspect", adapter)
    for expected in ("harbour.txt", "down_proj", "norm of delta W", "hyperlora", "tiny-d2l"):
        assert expected in done.stdout
    # Bars begin at the left of their column, and the largest norm's fills it.
    bars = [line.split("\u2502")[3] for line in done.stdout.splitlines() if "proj" in line and line[0] == "\u2502"]
    assert bars and all(bar[1] == "\u2588" for bar in bars if bar.strip()) and "\u2588" * 24 in done.stdout
    report = json.loads(hyperlora("inspect", adapter, "--json").stdout)
    weights = read_adapter(adapter).weights
    assert report["norms"] == {name: pytest.approx(f.delta().norm().item(), rel=1e-4) for name, f in weights.items()}


def test_hypernet_list_and_info(hyperlora, d2l_hypernet):
    assert hyperlora("hypernet", "list", "--json").exit_code == 0
    done = hyperlora("hypernet", "info", d2l_hypernet, "--json")
    report = json.loads(done.stdout)
    assert report["kind"] == "d2l" and report["r"] == 2 and report["target_modules"] == ["down_proj"]
    assert "# tiny card" in hyperlora("hypernet", "info", d2l_hypernet).stdout


def test_shipped_hypernetworks_are_listed(hyperlora):
    names = {e["kind"] for e in json.loads(hyperlora("hypernet", "list", "--json").stdout)["hypernetworks"]}
    assert names == {"d2l", "t2l"}


def test_push_and_pull(hyperlora, adapter, hub_server, tmp_path):
    pushed = hyperlora("push", adapter, "ann/harbour", "--json")
    assert pushed.exit_code == 0, pushed.stderr
    assert json.loads(pushed.stdout)["private"] is True
    done = hyperlora("pull", "ann/harbour", "-o", "copy")
    assert done.exit_code == 0, done.stderr
    for file in adapter.iterdir():
        assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()


def test_version(hyperlora):
    assert hyperlora("--version").stdout.startswith("hyperlora ")


def test_hypernetworks_are_pushed_and_used_by_their_hub_id(hyperlora, d2l_hypernet, document, hub_server, tmp_path):
    assert hyperlora("push", d2l_hypernet, "ann/harbour-hypernet").exit_code == 0
    done = hyperlora(
        "d2l",
        document,
        "--hypernet",
        "ann/harbour-hypernet",
        "-o",
        "hub",
        *FLOAT32,
    )
    assert done.exit_code == 0, done.stderr
    hyperlora("d2l", document, "--hypernet", d2l_hypernet, "-o", "local", *FLOAT32)
    hub, local = (read_adapter(tmp_path / name).weights for name in ("hub", "local"))
    assert all(torch.equal(hub[name].delta(), local[name].delta()) for name in local)


def test_no_folder_of_a_local_base_stands_in_card_or_provenance(hyperlora, adapter, tiny_base_path, tmp_path):
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny_base_path)
    assert "command" not in json.loads((adapter / "provenance.json").read_text())
    for name in ("README.md", "provenance.json"):
        text = (adapter / name).read_text()
        assert "--hypernet" not in text and "-o adapter" not in text
        assert tiny_base_path.name in text and str(tiny_base_path.parent) not in text and str(tmp_path) not in text
    assert hyperlora("scale", adapter, 0.5, "-o", "half").exit_code == 0
    half = json.loads((tmp_path / "half" / "adapter_config.json").read_text())
    assert half["base_model_name_or_path"] == str(tiny_base_path)


def test_the_written_dtype_is_an_option_of_its_own(hyperlora, d2l_hypernet, t2l_hypernet, document, tmp_path):
    for command in (["d2l", document, "--hypernet", d2l_hypernet], ["t2l", "Sort", "--hypernet", t2l_hypernet]):
        sizes = {}
        for dtype in ("bfloat16", "float32"):
            done = hyperlora(*command, "-o", dtype, "--dtype", "float32", "--save-dtype", dtype, "--force", "--json")
            assert done.exit_code == 0, done.stderr
            sizes[dtype] = json.loads(done.stdout)["bytes"]
        assert sizes["bfloat16"] < 0.75 * sizes["float32"]
        plain = json.loads(hyperlora(*command, "-o", "plain", "--dtype", "float32", "--force", "--json").stdout)
        assert plain["bytes"] == sizes["bfloat16"]
        wrong = hyperlora(*command, "-o", "wrong", "--save-dtype", "auto")
        assert wrong.exit_code == 2 and "unknown dtype" in wrong.stderr


def test_inspect_draws_norms_and_chunks(hyperlora, adapter, d2l_hypernet, document, tmp_path, monkeypatch):
    import d2l.study.document
    from d2l.questions import QA

    pairs = [QA("When does the ferry leave?", ("six",)), QA("What does it carry?", ("salted herring",))]
    monkeypatch.setattr(d2l.study.document, "document_pairs", lambda *_args, **_options: pairs)
    done = hyperlora("inspect", adapter, "--plot", "norms.png")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "norms.png").read_bytes().startswith(b"\x89PNG")
    asked = ["inspect", adapter, "--context", document, "--hypernet", d2l_hypernet, "--dtype", "float32"]
    done = hyperlora(*asked, "--plot", "both.png")
    assert done.exit_code == 0 and "questions answered by chunk" in done.stdout, done.stderr
    assert (tmp_path / "both.png").stat().st_size > (tmp_path / "norms.png").stat().st_size
    report = json.loads(hyperlora(*asked, "--json").stdout)
    assert sum(chunk["questions"] for chunk in report["chunks_remembered"]) == 2
    monkeypatch.setattr(d2l.study.document, "document_pairs", lambda *_args, **_options: [])
    assert "no questions on this document" in hyperlora(*asked).stderr
    wrong = hyperlora("inspect", adapter, "--plot", "norms.txt")
    assert wrong.exit_code == 2 and "must end in" in wrong.stderr
