"""Scores, baselines and intervals of task adapters."""

from dataclasses import replace

import pytest
import torch

from shared.base.chat import chat_ids
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.metrics import exact_match
from shared.training.losses import logits_at
from t2l.evaluation.baselines import OracleConfig, few_shot_messages, other_task, random_text, train_oracle
from t2l.evaluation.bootstrap import Bootstrap
from t2l.evaluation.scoring import Setting, label_log_likelihoods, score_examples
from t2l.evaluation.tasks import TasksEvalConfig, choose_examples, evaluate_tasks
from t2l.tasks import Example, output_ids, read_tasks, user_message
from tests.models import LABELS, make_t2l, make_task


@pytest.mark.parametrize("kind", ["tiny_base", "tiny_gemma"])
def test_label_likelihoods_equal_each_label_alone(kind, request, encoder):
    base = request.getfixturevalue(kind)
    prompts = [chat_ids(base, user_message(text)) for text in ("a", "a much longer input", "bc")]
    labels = [output_ids(base, label) for label in LABELS]
    weights = make_t2l(base, encoder).generate(["Sort"])[0].weights
    with apply_lora(base.model, weights):
        table = label_log_likelihoods(base, prompts, labels)
        for row, prompt in enumerate(prompts):
            for column, label in enumerate(labels):
                ids = torch.tensor([prompt + label])
                positions = torch.zeros_like(ids, dtype=torch.bool)
                positions[:, len(prompt) :] = True
                with torch.no_grad():
                    logits = logits_at(base, ids, torch.ones_like(positions), positions)
                expected = -torch.nn.functional.cross_entropy(logits, torch.tensor(label), reduction="sum")
                assert table[row, column].item() == pytest.approx(expected.item(), rel=1e-3)


def test_a_task_without_a_short_training_example_gets_no_oracle(tiny_base, encoder):
    """It once looked for examples for ever."""
    tasks = [make_task("one"), make_task("two")]
    config = TasksEvalConfig(limit=1, max_input_tokens=1, oracle=2)
    with pytest.raises(InputError, match="short enough"):
        evaluate_tasks(make_t2l(tiny_base, encoder), tiny_base, tasks, config)
    with pytest.raises(InputError, match="short enough"):
        train_oracle(tiny_base, (), 1, [], OracleConfig(steps=1))


def test_labels_of_one_token(tiny_base):
    prompts = [chat_ids(tiny_base, user_message("a"))]
    table = label_log_likelihoods(tiny_base, prompts, [[5], [6]])
    with torch.no_grad():
        logits = tiny_base.model(torch.tensor(prompts)).logits[0, -1]
    torch.testing.assert_close(table[0], logits.log_softmax(-1)[[5, 6]], rtol=1e-4, atol=1e-4)


def test_scores_come_in_the_order_of_the_examples(tiny_base, monkeypatch):
    import t2l.evaluation.scoring

    def echo(base, prompts, config):
        return [base.tokenizer.decode(p).split("user\n")[1].split("<|im_end|>")[0] for p in prompts]

    monkeypatch.setattr(t2l.evaluation.scoring, "generate", echo)
    examples = [Example("longest of all", ("no",)), Example("a", ("a",)), Example("middle", ("x", "middle"))]
    task = make_task("t", labels=None)
    scored = score_examples(tiny_base, task, examples, Setting(None, user_message), batch_size=2)
    assert scored.score == [0.0, 1.0, 1.0] and scored.label is None
    assert exact_match("a", ["a"]) == 1.0


def test_balanced_accuracy_is_the_mean_recall_of_the_labels_that_occur():
    values = [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    labels = [0, 0, 0, 0, 1, 1]
    found = Bootstrap([6], [labels], resamples=50).task_means([values])
    assert found.tolist() == pytest.approx([(3 / 4 + 1 / 2) / 2])


def test_bootstrap_interval_of_a_known_case():
    generator = torch.Generator().manual_seed(1)
    # One task: the interval of a mean of n coin tosses is p +- 1.96 sqrt(p (1 - p) / n).
    tosses = (torch.rand(400, generator=generator) < 0.5).double()
    p = tosses.mean().item()
    interval = Bootstrap([400])([tosses.tolist()])
    half = 1.96 * (p * (1 - p) / 400) ** 0.5
    assert interval.mean == pytest.approx(p)
    assert interval.low == pytest.approx(p - half, abs=0.01) and interval.high == pytest.approx(p + half, abs=0.01)
    # Many tasks without spread inside: that of the mean over tasks.
    tasks = torch.rand(100, generator=generator).double()
    interval = Bootstrap([3] * 100)([[v] * 3 for v in tasks.tolist()])
    half = 1.96 * tasks.std(correction=0).item() / 10
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.1)


def test_bootstrap_is_paired_and_the_same_for_the_same_seed():
    values = [[0.0, 1.0, 0.0, 1.0], [1.0, 0.0]]
    shifted = [[v + 0.25 for v in task] for task in values]
    one, two = Bootstrap([4, 2], seed=3), Bootstrap([4, 2], seed=3)
    assert one(values) == two(values) != Bootstrap([4, 2], seed=4, resamples=100)(values)
    difference = one(shifted, values)
    assert difference.low == pytest.approx(0.25) and difference.high == pytest.approx(0.25)


@pytest.mark.parametrize("train", [5, 0])
def test_few_shot_prompts_hold_three_examples_that_are_not_scored(tiny_base, train):
    task = make_task("t", train=train)
    shots, scored = choose_examples(tiny_base, task, TasksEvalConfig(limit=4))
    assert len(shots) == 3 and len(scored) == 4 and not set(shots) & set(scored)
    assert set(shots) <= set(task.train or task.test)
    messages = few_shot_messages(shots, "input")
    assert [m["role"] for m in messages] == ["user", "assistant"] * 3 + ["user"]
    assert [m["content"] for m in messages[:2]] == [shots[0].input, shots[0].output]
    assert messages[-1]["content"] == "input"
    assert choose_examples(tiny_base, task, TasksEvalConfig(max_input_tokens=1)) == ([], [])


def test_a_file_sorted_by_label_gives_examples_of_every_label(tiny_base):
    """AG News of the public prompts has all of one topic first."""
    sorted_file = tuple(Example(f"text {i}", ("Business" if i < 50 else "Sports",)) for i in range(100))
    task = replace(make_task("sorted", train=0), test=sorted_file)
    shots, scored = choose_examples(tiny_base, task, TasksEvalConfig(limit=16))
    assert {e.output for e in scored} == {"Business", "Sports"}
    assert choose_examples(tiny_base, task, TasksEvalConfig(limit=16)) == (shots, scored)
    assert choose_examples(tiny_base, task, TasksEvalConfig(limit=16, seed=1)) != (shots, scored)


def test_the_wrong_description_is_of_the_same_family_and_wants_another_output():
    tasks = [make_task("a"), make_task("b"), make_task("c", outputs=("x", "y", "z")), make_task("d", family="g")]
    assert other_task(tasks[0], tasks).name == "c"
    assert other_task(tasks[3], tasks).name == "a"


def test_random_text_is_seeded():
    assert random_text("1") == random_text("1") != random_text("2")


def test_oracle_training_lowers_the_loss_of_its_task(tiny_base):
    targets = make_t2l(tiny_base).config.hypernetwork.targets
    task = make_task("t", outputs=("Yes",))
    config = OracleConfig(steps=40, lr=0.02)
    weights, losses = train_oracle(tiny_base, targets, 4, task.train, config)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5]) and weights.r == 4
    again, _ = train_oracle(tiny_base, targets, 4, task.train, config)
    assert all(torch.equal(weights[n].lora_B, again[n].lora_B) for n in weights)


def test_modes_differ_and_are_averaged_over_descriptions(tiny_base, tasks_dir, encoder, monkeypatch):
    import t2l.evaluation.tasks

    seen = []
    real = t2l.evaluation.tasks.score_examples

    def spy(base, task, examples, setting, batch_size):
        seen.append((task.name, setting))
        return real(base, task, examples, setting, batch_size)

    monkeypatch.setattr(t2l.evaluation.tasks, "score_examples", spy)
    tasks = [make_task("sort"), make_task("count", outputs=("No", "Yes"))]
    model = make_t2l(tiny_base, encoder)
    config = TasksEvalConfig(limit=3, descriptions=2, resamples=100)
    result = evaluate_tasks(model, tiny_base, tasks, config)
    # base, few-shot and random once, the three that read a description twice.
    loras = [setting.lora for name, setting in seen if name == "sort"]
    assert len(loras) == 3 + 2 * 3
    deltas = [next(iter(w.values())).delta() for w in loras if w is not None]
    assert all(not torch.equal(a, b) for i, a in enumerate(deltas) for b in deltas[:i])
    assert result.examples == 6 and set(result.tasks) == {"sort", "count"}
    for metrics in result.modes.values():
        assert all(interval.low <= interval.mean <= interval.high for interval in metrics.values())
    again = evaluate_tasks(model, tiny_base, tasks, config)
    assert result.modes == again.modes and result.differences == again.differences


def test_tasks_without_labels_have_no_label_accuracy(tiny_base, tasks_dir, encoder):
    tasks = [t for t in read_tasks(tasks_dir) if t.family == "procedural"]
    result = evaluate_tasks(make_t2l(tiny_base, encoder), tiny_base, tasks, TasksEvalConfig(limit=1, resamples=10))
    assert result.modes["adapter"]["label_accuracy"] is None and result.tasks["upper"]["base"]["label_accuracy"] is None
    assert result.differences["adapter - other"]["score"] is not None


def test_adapters_learn_from_examples_that_are_not_scored(tiny_base, encoder, monkeypatch):
    import t2l.evaluation.tasks as module

    tasks = [make_task("sort", train=0, test=20), make_task("count", train=9, outputs=("No", "Yes"))]
    model = make_t2l(tiny_base, encoder)
    fixed = model.generate(["Sort."])[0]
    seen = []

    def learn(_model, _base, lora, examples, _config):
        seen.append((lora, examples))
        return fixed

    monkeypatch.setattr(module, "learn_examples", learn)
    config = TasksEvalConfig(limit=3, resamples=10, shots=(4, 50))
    result = evaluate_tasks(model, tiny_base, tasks, config)
    assert {"adapter+4 examples", "4 examples alone"} <= set(result.modes)
    assert not any("50" in mode for mode in result.modes)  # no task has so many
    assert len(seen) == 4 and [lora is None for lora, _ in seen] == [False, True] * 2
    for task, (_, examples) in zip(tasks, seen[::2], strict=True):
        few, scored = choose_examples(tiny_base, task, config)
        assert len(examples) == 4 and not {e.input for e in examples} & {e.input for e in scored}
        assert task.train or not set(examples) & set(few)
