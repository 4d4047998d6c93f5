"""A Hub that misbehaves, folders that hold more than an adapter, and tokens that must not be seen."""

import json
import os
import time

import pytest
import torch

from shared import transfer
from shared.errors import HyperLoraError, InputError
from shared.hub import pull_snapshot, push_folder
from shared.hub_token import masked
from shared.lora.adapter import adapter_config, pull_adapter, read_adapter, write_adapter
from tests.models import factors_of, make_targets

OWN = ["README.md", "adapter_config.json", "adapter_model.safetensors", "provenance.json"]


@pytest.fixture
def adapter(tmp_path):  # not the one of conftest.py: no document, no base model
    weights = factors_of(make_targets(), 2)
    path = tmp_path / "made" / "adapter"
    write_adapter(path, weights, adapter_config(weights, "owner/base"), card="# card", provenance={})
    return path


@pytest.fixture
def files(adapter):
    return {file.name: file.read_bytes() for file in adapter.iterdir()}


def test_push_takes_own_files_only(hub_server, adapter, hyperlora):
    (adapter / "notes.txt").write_text("secret")
    (adapter / "chunks").mkdir()
    (adapter / "chunks" / "x.json").write_text("secret")
    done = hyperlora("push", adapter, "ann/x", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["files"] == OWN
    assert "notes.txt" in done.stderr and "chunks" in done.stderr
    assert set(hub_server.repos["ann/x"].commits[-1].files) == {*OWN, ".gitattributes"}


@pytest.mark.parametrize("name", ["README.md", "adapter_model.safetensors"])
def test_push_follows_no_link_out_of_the_folder(hub_server, adapter, hyperlora, tmp_path, name):
    outside = tmp_path / "outside"
    (adapter / name).rename(outside)
    (adapter / name).symlink_to(outside)
    done = hyperlora("push", adapter, "ann/x")
    assert done.exit_code == 2 and f"{name} in {adapter} is a link" in done.stderr
    (adapter / name).unlink()
    outside.rename(adapter / name)
    (tmp_path / "link").symlink_to(adapter)  # the folder itself may be one
    assert hyperlora("push", tmp_path / "link", "ann/x").exit_code == 0


def test_the_visibility_that_is_reported_is_the_repositorys(hub_server, adapter, hyperlora):
    hub_server.add("ann/old", {}, private=True)
    done = hyperlora("push", adapter, "ann/old", "--public", "--json")
    assert json.loads(done.stdout)["private"] is True and "stays so" in done.stderr
    done = hyperlora("push", adapter, "ann/new", "--public", "--json")
    assert json.loads(done.stdout)["private"] is False and "stays so" not in done.stderr


def test_nothing_is_uploaded_to_a_repository_that_came_out_public(hub_server, adapter):
    hub_server.makes_all_public = True
    with pytest.raises(InputError, match="nothing was uploaded"):
        push_folder(adapter, "ann/x", message="m")
    assert not hub_server.seen("/preupload") and not hub_server.seen("/commit/")


@pytest.mark.parametrize("status", [400, 403, 404, 422, 500])
@pytest.mark.parametrize("part", ["/whoami-v2", "/repos/create", "/commit/main"])
def test_a_token_that_the_server_repeats_is_masked(hub_server, adapter, hyperlora, monkeypatch, status, part):
    hub_server.failures[part], hub_server.repeats_token = status, True
    monkeypatch.setenv("HYPERLORA_DEBUG", "1")
    done = hyperlora_with_traceback("push", adapter, "ann/x")
    assert done.exit_code in (1, 2) and hub_server.write_token not in done.output + done.stderr


def hyperlora_with_traceback(*arguments):
    from typer.testing import CliRunner

    from cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_masking():
    token = "hf_" + "aB3" * 11
    assert masked(f"{token} and https://ann:pw@host/x") == "hf_*** and https://***@host/x"
    assert masked("hf_hub_download failed") == "hf_hub_download failed"


@pytest.mark.parametrize("around", ["{}\n", "  {}\r\n", '"{}"', "'{}'\n"])
def test_space_and_quotes_around_a_token_are_no_part_of_it(hub_server, adapter, monkeypatch, around):
    monkeypatch.setenv("HF_TOKEN", around.format(hub_server.write_token))
    push_folder(adapter, "ann/x", message="m")
    push_folder(adapter, "ann/y", message="m", token=around.format(hub_server.write_token))
    assert {"ann/x", "ann/y"} <= set(hub_server.repos)


@pytest.mark.parametrize("token", ["hf_wr\nite", "hf_wr ite", 'hf_"write', "hf_schlüssel", "hf_wr\0ite"])
def test_what_no_token_has_is_said_to_be_in_the_token(hub_server, adapter, token):
    for call in (
        lambda: push_folder(adapter, "ann/x", message="m", token=token),
        lambda: pull_snapshot("ann/x", token=token),
    ):
        with pytest.raises(InputError, match="the Hugging Face token has") as caught:
            call()
        assert token not in caught.value.message + caught.value.hint
    assert hub_server.requests == []


@pytest.mark.parametrize("value", ["huggingface.co", "localhost:8080", "ftp://x", "https://", "nonsense", "", " "])
def test_an_endpoint_that_is_no_address(hub_home, adapter, monkeypatch, value):
    monkeypatch.setenv("HF_ENDPOINT", value)
    for call in (lambda: push_folder(adapter, "ann/x", token="t", message="m"), lambda: pull_snapshot("ann/x")):
        with pytest.raises(InputError, match="HF_ENDPOINT is") as caught:
            call()
        assert "https://" in caught.value.hint


def test_a_model_repository_costs_no_download(hub_server, hyperlora, files):
    model = {"config.json": b"{}", "model.safetensors": b"x" * 1000, "README.md": b"x"}
    hub_server.add("bob/model", model)
    hub_server.add("bob/dora", {**files, "adapter_config.json": b'{"peft_type": "LORA", "use_dora": true}'})
    for command in (("pull",), ("ask",), ("inspect",)):
        rest = ("Q?",) if command == ("ask",) else ()
        done = hyperlora(*command, "bob/model", *rest)
        assert done.exit_code == 2 and "bob/model has no adapter_config.json" in done.stderr
        done = hyperlora(*command, "bob/dora", *rest)
        assert done.exit_code == 2 and "use_dora" in done.stderr
    done = hyperlora("d2l", __file__, "--hypernet", "bob/dora")
    assert done.exit_code == 2 and "bob/dora has no config.json" in done.stderr
    assert not hub_server.seen(".safetensors") and not hub_server.seen("/tree/")


def test_pull_takes_the_adapters_own_files(hub_server, hyperlora, files, tmp_path):
    hub_server.add("bob/a", {**files, "tokenizer.json": b"{}", "model.safetensors": b"x", "sub/README.md": b"x"})
    assert hyperlora("pull", "bob/a").exit_code == 0
    assert sorted(os.listdir(tmp_path / "a")) == OWN
    assert hyperlora("pull", "bob/a", "--force").exit_code == 0


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "provenance.json"])
def test_a_file_with_another_digest_is_refused_and_not_kept(hub_server, hyperlora, files, tmp_path, name):
    hub_server.add("bob/a", files)
    hub_server.other_bytes[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    for _ in range(2):
        done = hyperlora("pull", "bob/a")
        assert done.exit_code == 2 and f"{name} of bob/a is damaged" in done.stderr
        assert not (tmp_path / "a").exists()
    hub_server.other_bytes.clear()
    assert hyperlora("pull", "bob/a").exit_code == 0
    assert (tmp_path / "a" / name).read_bytes() == files[name]


@pytest.mark.parametrize("part", ["adapter_model.safetensors", "adapter_config.json", "/tree/", "/api/models/bob/a"])
def test_a_stalled_body_is_given_up(hub_server, files, monkeypatch, part):
    from huggingface_hub import constants

    hub_server.add("bob/a", files)
    hub_server.stalls.add(part)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    monkeypatch.setattr(transfer, "PATIENCE", 0.4)
    monkeypatch.setattr(transfer, "MIN_SPEED", 10**6)
    monkeypatch.setattr(transfer, "TIMEOUT", 0.5)
    monkeypatch.setattr("shared.hub._TIMEOUT", 0.5)
    close_session()
    started = time.monotonic()
    with pytest.raises(HyperLoraError, match="stalled|cannot reach"):
        pull_adapter("bob/a")
    assert time.monotonic() - started < 20


def close_session():
    from huggingface_hub.utils import close_session

    close_session()


def test_an_endless_list_of_files_is_given_up(hub_server, files, monkeypatch):
    monkeypatch.setattr(transfer, "MAX_PAGES", 5)
    hub_server.add("bob/a", files)
    hub_server.lists_for_ever = True
    with pytest.raises(HyperLoraError, match="does not end"):
        pull_adapter("bob/a")
    assert len(hub_server.seen("/tree/")) <= 6


def test_what_is_too_large_for_an_answer_is_given_up(hub_server, files, monkeypatch):
    monkeypatch.setattr(transfer, "MAX_ANSWER", 100)
    hub_server.add("bob/a", files)
    with pytest.raises(HyperLoraError, match="more than 100 bytes"):
        pull_adapter("bob/a")


def test_a_pulled_adapter_is_read_without_the_hub(hub_server, files, monkeypatch):
    hub_server.add("bob/a", files)
    pull_adapter("bob/a")
    hub_server.close()
    assert torch.equal(*(next(iter(read_adapter(pull_adapter("bob/a")).weights.values())).lora_A for _ in range(2)))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert read_adapter(pull_adapter("bob/a")).base_model == "owner/base"
