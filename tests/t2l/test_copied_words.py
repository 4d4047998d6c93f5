"""Task hypernetworks whose adapters write words of the description."""

import pytest
import torch

from shared.errors import InputError
from shared.hypernetwork.linear import LinearHeadConfig
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig
from shared.hypernetwork.vocabulary import Vocabulary
from shared.training.loop import TrainingConfig
from t2l.encoder import stack_features
from t2l.model import T2LModel
from t2l.training.batches import T2LDataConfig
from t2l.training.train import T2LArchitecture, T2LTrainConfig, train_t2l
from tests.models import COPYING, SMALL_PERCEIVER, make_t2l, write_model

TEXTS = ["Reply yes or no.", "Sort"]


def test_copied_values_are_added_to_b_and_what_calls_for_them_to_a(tiny_base, encoder):
    model = make_t2l(tiny_base, encoder, architecture=COPYING)
    network, config = model.hypernetwork, model.config.hypernetwork
    weights = [lora.weights for lora in model.generate(TEXTS)]
    bare = config.replace(head=LinearHeadConfig())
    plain = HyperNetwork(bare).eval()
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("head.copy")})
    wordless = T2LModel(model.config.replace(hypernetwork=bare), plain, text_encoder=encoder)
    without = [lora.weights for lora in wordless.generate(TEXTS)]
    seen = []
    network.head.copy.register_forward_hook(lambda module, args, output: seen.append(output))
    model.generate(TEXTS)
    layers = config.grid.layers
    for index in range(2):
        for target in config.targets:
            one, two = weights[index][target.name], without[index][target.name]
            called, added = one.lora_A - two.lora_A, one.lora_B - two.lora_B
            if target.module == "q_proj":
                assert not added.any() and not called.any()
                continue
            place = index, layers.index(target.layer)
            (copied,) = seen[0]
            torch.testing.assert_close(added[:, :2], copied.values[place].T * config.scaling, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(called[:2], copied.triggers[place], rtol=1e-4, atol=1e-5)
            assert added[:, :2].any() and not added[:, 2:].any() and called[:2].any() and not called[2:].any()


def test_a_batch_equals_one_by_one_and_the_checkpoint_its_model(tiny_base, encoder, tmp_path):
    model = make_t2l(tiny_base, encoder, architecture=COPYING)
    together = model.generate(TEXTS)
    write_model(model, tmp_path / "h", card="# tiny")
    reloaded = T2LModel.from_pretrained(tmp_path / "h", base=tiny_base)
    assert reloaded.config.copies_words
    for text, lora in zip(TEXTS, together, strict=True):
        for name, factors in reloaded.generate([text])[0].weights.items():
            torch.testing.assert_close(factors.lora_B, lora.weights[name].lora_B, rtol=1e-4, atol=1e-5)


def test_words_come_from_the_base_model_that_is_given(tiny_base, encoder, tmp_path):
    """A model may stand elsewhere than its hypernetwork says."""
    model = make_t2l(tiny_base, encoder, architecture=COPYING)
    expected = model.generate(TEXTS[:1])[0].weights
    config = model.config.replace(base=model.config.base.replace(name_or_path=str(tmp_path / "gone")))
    with pytest.raises(InputError, match="does not exist"):
        T2LModel(config, model.hypernetwork, text_encoder=encoder).generate(TEXTS[:1])
    for base in (tiny_base, tiny_base.spec.name_or_path):
        moved = T2LModel(config, model.hypernetwork, text_encoder=encoder, base=base).generate(TEXTS[:1])[0].weights
        for name, f in expected.items():
            torch.testing.assert_close(f.lora_B, moved[name].lora_B, rtol=1e-4, atol=1e-5)


def test_training_gives_the_words_their_share(tiny_base, tasks_dir, encoder, tmp_path):
    data = T2LDataConfig(
        tasks=str(tasks_dir), procedural=0, tasks_per_step=2, descriptions=str(tmp_path / "d.safetensors")
    )
    training = TrainingConfig(max_steps=3, warmup_steps=1, eval_every=3, save_every=3, log_every=1)
    config = T2LTrainConfig(model=COPYING, data=data, training=training)
    built, network, _ = train_t2l(config, tiny_base, tmp_path / "run")
    torch.manual_seed(0)
    fresh = HyperNetwork(built.hypernetwork).state_dict()
    changed = {k for k, v in network.state_dict().items() if k.startswith("head.copy") and not torch.equal(v, fresh[k])}
    assert changed == {f"head.copy.{name}" for name, _ in network.head.copy.named_parameters()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"copy": {"modules": ["up_proj"]}}, "must be target modules"),
        ({"copy": {}, "kind": "memory"}, "no field 'copy'"),
    ],
)
def test_impossible_copying(tiny_base, changes, message):
    config = COPYING.build(tiny_base, 384).hypernetwork.to_dict()
    with pytest.raises(InputError, match=message):
        HyperNetworkConfig.from_dict(config | {"head": changes})


def test_modules_of_unequal_width_cannot_copy(tiny_base):
    architecture = T2LArchitecture.from_dict(
        {
            "perceiver": SMALL_PERCEIVER,
            "target_modules": ["down_proj", "up_proj"],
            "head": {"kind": "linear", "copy": {"modules": ["down_proj", "up_proj"]}},
        }
    )
    with pytest.raises(InputError, match="residual stream"):
        HyperNetwork(architecture.build(tiny_base, 384).hypernetwork)


def test_the_words_of_the_base_are_needed(tiny_base, encoder):
    model = make_t2l(tiny_base, encoder, architecture=COPYING)
    with pytest.raises(InputError, match="needs the words"):
        model.hypernetwork.write(stack_features(model.encode(TEXTS[:1]), "tokens"))
    assert Vocabulary.of(tiny_base).source(TEXTS).mask.shape[0] == 2
