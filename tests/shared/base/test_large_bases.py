"""Bases larger than one device. Weights that accelerate keeps on disk stand in for several devices: the same hooks run,
and no layer's own weights are where its inputs are."""

import importlib.util

import pytest
import torch

from shared.base import device
from shared.base.device import choose_placement, dtype_name
from shared.base.model import load_base_model
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.paths import home
from tests.models import load, make_d2l


@pytest.mark.parametrize("kind", ["tiny_base_path", "tiny_gemma_path"])
def test_documents_and_answers_with_weights_elsewhere(kind, request, tmp_path):
    from accelerate import disk_offload

    path = request.getfixturevalue(kind)
    here, away = load(path), load(path)
    model, spread = make_d2l(here), make_d2l(away)
    chunks = model.chunk("The ferry leaves at six. The keeper writes totals in blue ink.")
    wanted = model.generate(chunks).weights
    disk_offload(away.model, str(tmp_path / "disk"), execution_device=torch.device("cpu"))
    assert all(parameter.device.type == "meta" for parameter in away.model.parameters())
    assert away.device == torch.device("cpu")
    ours = spread.generate(chunks).weights
    ids = torch.tensor([chunks[0].ids])
    for name, factors in wanted.items():
        assert torch.equal(ours[name].delta(), factors.delta())
    with torch.no_grad(), apply_lora(here.model, wanted), apply_lora(away.model, ours):
        logits = here.model(ids).logits
        assert torch.equal(away.model(ids).logits, logits)
    with torch.no_grad():
        assert not torch.equal(away.model(ids).logits, logits)


def test_four_bits_without_bitsandbytes(tiny_base_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "bitsandbytes" else find(name))
    with pytest.raises(InputError, match="needs bitsandbytes") as caught:
        load_base_model(str(tiny_base_path), placement=choose_placement("cpu"), load_in_4bit=True)
    assert caught.value.hint == "pip install bitsandbytes"


@pytest.mark.parametrize(("device", "spreads"), [("auto", True), ("cuda", False), ("cuda:1", False)])
def test_only_auto_spreads_over_cuda_devices(monkeypatch, device, spreads):
    from cli import loading

    seen = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr("shared.base.model.load_base_model", lambda name, **options: seen.update(options))
    loading.load_base("x", device, "auto")
    assert (seen["device_map"] == "auto") is spreads and seen["placement"].dtype == torch.bfloat16
    assert seen["trust_remote_code"] is False


def test_short_names_of_dtypes():
    assert [dtype_name(text) for text in ("auto", "bf16", "fp32", "float16")] == [
        "auto",
        "bfloat16",
        "float32",
        "float16",
    ]
    for text in ("auto", "int8"):
        with pytest.raises(InputError, match="unknown dtype"):
            dtype_name(text, auto=False)
    assert str(choose_placement("cpu", "bf16").dtype) == "torch.bfloat16"


@pytest.mark.parametrize(
    ("amx", "avx512", "bf16_seconds", "expected"),
    [
        (True, True, 9.0, "bfloat16"),
        (False, True, 0.3, "bfloat16"),
        (False, True, 0.9, "float32"),
        (False, True, 1.8, "float32"),
        (False, False, 0.3, "float32"),
    ],
)
def test_a_cpu_gets_bf16_where_it_is_clearly_faster(monkeypatch, amx, avx512, bf16_seconds, expected):
    """Timed once only: the second of two equal runs once got another dtype on a busy machine."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    (home() / device.TIMINGS_FILE).unlink(missing_ok=True)
    seconds = {torch.bfloat16: bf16_seconds, torch.float32: 1.0}
    monkeypatch.setattr(device, "_product_seconds", seconds.__getitem__)
    assert str(choose_placement("cpu").dtype) == f"torch.{expected}"
    if avx512 and not amx:
        seconds[torch.bfloat16] = 2.0 - bf16_seconds  # busy now
        assert str(choose_placement("cpu").dtype) == f"torch.{expected}"
        seconds[torch.bfloat16] = bf16_seconds
        for content in ("damaged", "[]", '{"another CPU": true}'):
            (home() / device.TIMINGS_FILE).write_text(content)
            assert str(choose_placement("cpu").dtype) == f"torch.{expected}"
        assert '"another CPU": true' in (home() / device.TIMINGS_FILE).read_text()
    else:
        assert not (home() / device.TIMINGS_FILE).exists()
