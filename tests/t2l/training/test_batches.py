"""Training batches in groups of tasks on the same inputs, the contrast, and the LoRA of all tasks."""

from dataclasses import replace

import pytest
import torch

from shared.errors import InputError
from shared.lora.adapter import read_adapter
from shared.lora.layer import apply_lora
from shared.training.losses import logits_at, row_losses
from shared.training.plain_lora import PlainLora
from t2l.encoder import DescriptionCache
from t2l.tasks import Example, Task, example_rows, group_key
from t2l.training.batches import T2LData, T2LDataConfig
from t2l.training.train import T2LObjective, T2LTrainingModule, train_t2l, write_multitask_adapter
from tests.models import combine, make_t2l, t2l_train_config


def make_task(name, family, outputs, held_out="unseen"):
    examples = tuple(Example(text, (output,)) for text, output in outputs.items())
    return Task(name, family, "exact", None, "", "train", examples, examples, (name,), (f"{name} {held_out}",))


def tasks_on_shared_inputs():
    """Six tasks on one source, of which each has half of the inputs, and two real families."""
    texts = [f"word {i}" for i in range(12)]
    procedural = [
        make_task(
            f"procedural-op{k}-words-plain",
            "procedural",
            {t: f"{t} {k // 2 if t == 'word 0' else k}" for i, t in enumerate(texts) if (i + k) % 2 == 0},
        )
        for k in range(6)
    ]
    real = [make_task(f"{f}{k}", f, {f"{f} {i}": f"{k} {i}" for i in range(4)}) for f in ("qa", "news") for k in "ab"]
    return procedural + real


class Cache(DescriptionCache):
    """Encodes a description as noise."""

    def __init__(self, texts):
        generator = torch.Generator().manual_seed(0)
        self.vocabulary = None
        self.rows = {text: torch.randn(3, 384, generator=generator) for text in texts}


def make_data(base, split="train", **options):
    tasks = tasks_on_shared_inputs()
    cache = Cache([text for t in tasks for text in (*t.descriptions, *t.held_out_descriptions)])
    defaults = {"procedural_share": 0.5, "embedding_noise": 0.0}
    config = T2LDataConfig(tasks_per_step=6, **defaults | options)
    return T2LData(config, tasks, cache, base, "tokens", split)


def texts_of(base, batch):
    """Input and output of every row."""
    pairs = []
    for ids, mask, targets in zip(batch.ids, batch.mask, batch.targets, strict=True):
        prompt = base.tokenizer.decode(ids[mask & ~targets])
        pairs.append((prompt.split("user\n")[1].split("<|im_end|>")[0], base.tokenizer.decode(ids[targets])))
    return pairs


@pytest.mark.parametrize("split", ["train", "test"])
def test_grouped_rows_share_inputs_and_differ_in_outputs(tiny_base, split):
    data = make_data(tiny_base, split)
    for step in range(5):
        batch = data.batch(step)
        rows = texts_of(tiny_base, batch)
        words = [pair for pair in rows if pair[0].startswith("word")]
        assert len(words) == 3 and len({text for text, _ in words}) == 1 and len({out for _, out in words}) == 3
        others = [pair for pair in rows if not pair[0].startswith("word")]
        assert len(others) == 3 and len(rows) == 6  # of the families of two tasks: a whole one and a part of the other
        for row, (text, _) in enumerate(rows):
            other = batch.other_index[row]
            assert other != batch.task_index[row]
            if text.startswith("word"):
                assert rows[other][0].startswith("word")


def test_a_wrong_description_never_wants_the_same_output_if_another_does_not(tiny_base):
    tasks = [
        make_task(name, "f", {"x": output}) for name, output in (("one", "same"), ("two", "same"), ("three", "not"))
    ]
    cache = Cache([text for t in tasks for text in t.descriptions])
    batch = T2LData(T2LDataConfig(family_group=3), tasks, cache, tiny_base, "tokens").batch(0)
    outputs = [output for _, output in texts_of(tiny_base, batch)]
    assert all(outputs[row] != outputs[other] for row, other in enumerate(batch.other_index.tolist()))


def test_batches_are_the_same_every_time_and_differ_by_step(tiny_base):
    one, two = (make_data(tiny_base, embedding_noise=0.1) for _ in range(2))
    for name in ("ids", "targets", "task_index", "other_index"):
        assert torch.equal(getattr(one.batch(3), name), getattr(two.batch(3), name))
    assert torch.equal(one.batch(3).features.hidden_states, two.batch(3).features.hidden_states)
    assert texts_of(tiny_base, one.batch(3)) != texts_of(tiny_base, one.batch(4))


def test_procedural_tasks_take_their_share(tiny_base):
    for share, expected in ((0.0, 0), (0.5, 3), (1.0, 6)):
        rows = texts_of(tiny_base, make_data(tiny_base, procedural_share=share).batch(0))
        assert sum(text.startswith("word") for text, _ in rows) == expected
    config = T2LDataConfig(procedural=5, procedural_descriptions=2)
    generated = config.procedural_tasks([])
    assert not T2LDataConfig(procedural=0).procedural_tasks([])
    both = replace(config, relabelled=3).procedural_tasks([])
    assert both[:5] == generated and len(both) == 8 and all(t.labels for t in both[5:])
    assert len(generated) == 5 and all(len(t.descriptions) == 2 for t in generated)
    assert all(group_key(t).startswith("procedural/") for t in generated)
    for wrong in ({"procedural_share": 2.0}, {"relabelled": -1}):
        with pytest.raises(InputError, match="procedural_share"):
            T2LDataConfig(**wrong)


def test_the_contrast_is_the_softplus_of_right_against_wrong(tiny_base):
    batch = make_data(tiny_base).batch(0)
    network = make_t2l(tiny_base).hypernetwork
    plain = T2LTrainingModule(network, tiny_base, T2LObjective(contrast=0.0))
    contrasting = T2LTrainingModule(network, tiny_base, T2LObjective(contrast=0.5, contrast_share=0.5))
    weights = combine(network, network(batch.features), 6)

    def nll(index):
        with torch.no_grad(), apply_lora(tiny_base.model, weights.index_select(index)):
            return row_losses(logits_at(tiny_base, batch.ids, batch.mask, batch.targets), batch.ids, batch.targets)

    right, wrong = nll(batch.task_index)[:3], nll(batch.other_index)[:3]
    with torch.no_grad():
        extra = contrasting(batch)["loss"] - plain(batch)["loss"]
        assert contrasting(batch)["nll"].item() == pytest.approx(plain(batch)["nll"].item(), rel=1e-5)
        assert plain(batch, other=True)["nll"].item() == pytest.approx(nll(batch.other_index).mean().item(), rel=1e-4)
    assert extra.item() == pytest.approx(
        0.5 * torch.nn.functional.softplus(1.0 + right - wrong).mean().item(), rel=1e-3
    )


def test_the_contrast_pushes_right_below_wrong(tiny_base):
    batch = make_data(tiny_base).batch(0)
    network = make_t2l(tiny_base).hypernetwork.train()
    module = T2LTrainingModule(network, tiny_base, T2LObjective(contrast=1.0, contrast_margin=3.0))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    gaps = []
    for _ in range(15):
        losses = module(batch)
        (losses["loss"] - losses["nll"]).backward()
        optimizer.step()
        optimizer.zero_grad()
        gaps.append(losses["other_over_right"].item())
    assert gaps[-1] > gaps[0] + 0.1


def test_multitask_training_writes_one_adapter_for_all_descriptions(tiny_base, tasks_dir, tmp_path):
    config = t2l_train_config(tasks_dir, tmp_path, mode="multitask")
    _, lora, whole = train_t2l(config, tiny_base, tmp_path / "whole")
    for _ in range(4):
        _, parts, result = train_t2l(config, tiny_base, tmp_path / "parts", max_seconds=0)
    assert isinstance(lora, PlainLora) and whole.finished and result.finished
    assert all(torch.equal(a, b) for a, b in zip(lora.parameters(), parts.parameters(), strict=True))
    write_multitask_adapter(tmp_path / "adapter", lora, config, tiny_base)
    written, weights = read_adapter(tmp_path / "adapter").weights, lora()
    assert written.r == config.model.r + config.model.bias_r and set(written) == set(weights)
    for name in weights:
        torch.testing.assert_close(written[name].lora_B, weights[name].lora_B.detach(), rtol=1e-2, atol=1e-4)
    assert any(f.lora_B.abs().max() > 0 for f in written.values())
    again = config.replace(initial=str(tmp_path / "adapter"), training=config.training.replace(max_steps=1, lr=0.0))
    _, started, _ = train_t2l(again, tiny_base, tmp_path / "again")
    for name, factors in started().items():
        torch.testing.assert_close(factors.lora_B.detach(), written[name].lora_B, rtol=1e-6, atol=1e-9)
        assert torch.equal(factors.lora_A.detach(), written[name].lora_A)
    higher = again.replace(model=again.model.replace(bias_r=config.model.bias_r + 1))
    _, grown, _ = train_t2l(higher, tiny_base, tmp_path / "higher")
    for name, factors in grown().items():
        torch.testing.assert_close(factors.delta().detach(), written[name].delta(), rtol=1e-5, atol=1e-7)
    with pytest.raises(InputError, match="a higher rank than this run"):
        train_t2l(again.replace(model=again.model.replace(r=1, bias_r=0)), tiny_base, tmp_path / "wrong")
    batch = make_data(tiny_base).batch(0)
    module = T2LTrainingModule(lora, tiny_base, T2LObjective(contrast=0.0))
    other = batch.to(torch.device("cpu"))
    other.features.hidden_states.neg_()
    with torch.no_grad():
        assert module(batch)["loss"] == module(other)["loss"]


def test_outputs_are_cut_and_end_with_the_end_token(tiny_base):
    ids, _, targets = example_rows(tiny_base, [Example("x", ("abc",)), Example("x", ("abcdef",))], 4)
    assert tiny_base.tokenizer.decode(ids[0][targets[0]]) == "abc<|im_end|>"
    assert tiny_base.tokenizer.decode(ids[1][targets[1]]) == "abcd"
