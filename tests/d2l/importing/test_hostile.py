"""Published D2L checkpoints that lie about themselves: refused in one line, in little memory."""

import pytest
import torch

from d2l.importing import import_d2l
from tests.d2l.importing.checkpoints import edit
from tests.reference import needs_reference
from tests.shared.importing.hostile import refused

pytestmark = needs_reference
TRILLION = 10**12


def doubled(value, times=60):
    """Small in the file, where a container is stored once; endless when written out or hashed."""
    for _ in range(times):
        value = type(value)([value, value])
    return value


def setting(where, **values):
    """A change of one of the configurations."""

    def change(entries):
        record = entries["hypernet_config"] if where != "ctx_encoder_args" else entries[where]
        record = getattr(record, where, record)
        for name, value in values.items():
            if value is ...:
                del record.__dict__[name]
            else:
                setattr(record, name, value)

    return change


def tensors(**values):
    """Tensors replaced, or removed where the value is ``None``."""

    def change(entries):
        for name, value in values.items():
            name = name.replace("__", ".")
            entries.pop(name, None)
            if value is not None:
                entries[name] = value

    return change


CASES = {
    "latent_size": (setting("hypernet_config", latent_size=TRILLION), "latent_size 1000000000000"),
    "n_latent_queries": (setting("aggregator_config", n_latent_queries=TRILLION), "n_latent_queries"),
    "num_blocks": (setting("aggregator_config", num_blocks=TRILLION), "Perceiver layers"),
    "num_self_attn": (setting("aggregator_config", num_self_attn_per_block=TRILLION), "Perceiver layers"),
    "feature_size": (setting("aggregator_config", feature_size=TRILLION), "feature_size"),
    "num_pre_head_layers": (setting("hypernet_config", num_pre_head_layers=TRILLION), "num_pre_head_layers"),
    "r": (setting("lora_config", r=TRILLION), "r 1000000000000"),
    "feature_sizes": (
        setting("hypernet_config", feature_sizes=({"down_proj": TRILLION}, {"down_proj": TRILLION})),
        "width of the head",
    ),
    "a number of many digits": (setting("hypernet_config", latent_size=10**600), "latent_size|LONG|damaged"),
    "an endless list": (setting("hypernet_config", latent_size=doubled([])), "latent_size a list"),
    "an endless tuple to hash": (setting("lora_config", target_modules=[doubled(())]), "target_modules"),
    "an endless encoder": (setting("ctx_encoder_args", ctx_encoder_type=doubled([])), "a list"),
    "an endless encoder name": (setting("ctx_encoder_args", ctx_encoder_model_name_or_path=doubled([])), "a list"),
    "layer_idx": (setting("ctx_encoder_args", ctx_encoder_type="early_exit", layer_idx=TRILLION), "disagree"),
    "layer_indices": (setting("hypernet_config", layer_indices=torch.arange(3)), "number of layers 3"),
    "no layer_indices": (setting("hypernet_config", layer_indices=None), "number of layers None"),
    "alpha": (setting("lora_config", lora_alpha=float("inf")), "not finite"),
    "alpha as text": (setting("lora_config", lora_alpha="many"), "lora_alpha"),
    "rslora": (setting("lora_config", use_rslora=True), "rslora"),
    "no modules": (setting("lora_config", target_modules=...), "target_modules"),
    "other modules": (setting("lora_config", target_modules={"up_proj"}), "target_modules"),
    "no aggregator": (setting("hypernet_config", aggregator_config=...), "aggregator"),
    "no blocks": (setting("aggregator_config", num_blocks=...), "num_blocks"),
    "no sizes": (setting("hypernet_config", feature_sizes=...), "feature_sizes"),
    "not per rank": (setting("hypernet_config", per_rank_gen=False), "generation by rank"),
    "another aggregator": (setting("aggregator_config", aggregator_type="pooler"), "no Perceiver"),
    "another encoder": (setting("ctx_encoder_args", ctx_encoder_model_name_or_path="x/y"), "another model"),
    "no configuration": (tensors(hypernet_config=None), "no Doc-to-LoRA"),
    "no base": (tensors(base_model_name_or_path=None), "no Doc-to-LoRA"),
    "a base of two lines": (tensors(base_model_name_or_path="x\nlicense: mit"), "no name of a model"),
    "a missing tensor": (tensors(head__weight=None), "lacks the tensor head.weight"),
    "a missing bias": (tensors(bias_A__down_proj=None), "lacks the tensor bias_A"),
    "an extra tensor": (tensors(surprise=torch.zeros(1)), "unexpected tensor surprise"),
    "an extra entry": (tensors(surprise="text"), "unknown entry surprise"),
    "another shape": (tensors(scaler_B__down_proj=torch.zeros(1, 4, 7, 1)), "scaler_B.down_proj has shape"),
    "a bias of fewer layers": (tensors(bias_B__down_proj=torch.zeros(3, 8, 64)), "layers of bias_B"),
    "integers": (tensors(scaler_B__down_proj=torch.zeros(1, 4, 8, 1).long()), "int64"),
    "too many layers": (tensors(scaler_A__down_proj=torch.zeros(1, 10**6, 8, 1)), "1000000 layers"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(tmp_path, name):
    change, match = CASES[name]
    refused(import_d2l, edit("main_llama", tmp_path / "x.bin", change), match=match)


def test_thousands_of_blocks_of_nothing(tmp_path):
    """Names cost little in the file, but each would become a module."""

    def many(entries):
        one = torch.zeros(1)
        for number in range(3, 3000):
            entries[f"aggregator.perceiver.encoder.layers.{number}.x"] = one
        entries["hypernet_config"].aggregator_config.num_blocks = 3000

    refused(import_d2l, edit("main_llama", tmp_path / "x.bin", many), match="3000 Perceiver layers")
