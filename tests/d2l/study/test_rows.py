"""Study rows against states and formulas written out, and the memory that they join."""

import dataclasses

import pytest
import torch

from d2l.questions import QA
from d2l.study import rows as rows_module
from d2l.study.document import LONGEST_STUDY, answered_share, pairs_a_chunk, share_asked, write_pairs
from d2l.study.kept import PairCache
from d2l.study.pairs import KIND
from d2l.study.rows import capture, null_rows, prompt_batches, study_prompts, study_rows
from d2l.study.windows import Window
from shared.base.cache import common_prefix
from shared.errors import InputError
from shared.hypernetwork.head import ChunkFactors, LayerRows
from shared.hypernetwork.solver import half_whitened
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.training.packed import Prompt
from shared.training.refine import REFINE
from tests.models import TEXT, make_d2l

PAIRS = [
    QA("When does the ferry leave?", ("six",)),
    QA("What does the ferry carry?", ("salted herring",)),
    QA("Who writes totals in blue ink?", ("The keeper",)),
]


@pytest.fixture
def model(tiny_base):
    return make_d2l(tiny_base)


@pytest.fixture(params=[1, 3], ids=["next token", "mixture"])
def any_model(request, tiny_base):
    head = {"kind": "memory", "whitening_rank": 4, "initial_gain": 0.2, "horizon": request.param, "recall_layers": 1}
    return make_d2l(tiny_base, head=head)


def test_every_pair_is_asked_as_ask_does_in_both_forms_over_two_turns(tiny_base):
    first, second = (study_prompts(tiny_base, PAIRS[:2], turn) for turn in (0, 1))
    texts = [tiny_base.tokenizer.decode(prompt.question) for prompt in (*first, *second)]
    assert "When does the ferry leave?\nAnswer in a few words.<|im_end|>" in texts[0]
    assert "When does the ferry leave?<|im_end|>" in texts[2]
    assert ["Answer in" in text for text in texts] == [True, False, False, True]
    assert tiny_base.tokenizer.decode(first[0].answer) == "six<|im_end|>"


def test_an_answer_of_a_paragraph_is_kept_whole_and_one_beyond_the_window_refused(tiny_base):
    paragraph = "word " * 20 + "end"
    (prompt,) = study_prompts(tiny_base, [QA("What does it say?", (paragraph,))])
    assert tiny_base.tokenizer.decode(prompt.answer) == f"{paragraph}<|im_end|>"
    with pytest.raises(InputError, match="What does it say"):
        study_prompts(tiny_base, [QA("What does it say?", ("x " * tiny_base.context_window,))])


def test_long_prompts_go_in_smaller_batches():
    lengths = [10] * 40 + [1000] * 6 + [9000]
    prompts = [Prompt([0] * (length - 1), [1]) for length in lengths]
    found = list(prompt_batches(prompts))
    assert [prompt for batch in found for prompt in batch] == prompts
    assert [len(batch) for batch in found] == [32, 8, 4, 2, 1]
    for batch in found:
        assert len(batch) == 1 or max(map(len, batch)) * len(batch) <= rows_module.BATCH_TOKENS


@torch.no_grad()
@pytest.mark.parametrize("batch_size", [1, 8])
def test_rows_are_the_states_before_the_answers_tokens_with_the_adapter_in_place(tiny_base, any_model, batch_size):
    model = any_model
    head, config = model.hypernetwork.head, model.config.hypernetwork
    lora = model.generate(model.chunk(TEXT, 50)).weights
    prompts = study_prompts(tiny_base, PAIRS)
    found = ChunkFactors.concat(list(study_rows(tiny_base, model.hypernetwork, prompts, lora, batch_size=batch_size)))
    ordered = sorted(prompts, key=len)
    embedding = tiny_base.model.get_input_embeddings().weight
    for position, target in enumerate(config.targets):
        keys, values = [], []
        for prompt in ordered:
            seen = []
            with apply_lora(tiny_base.model, lora):
                module = tiny_base.model.get_submodule(target.name)
                hook = module.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0][0]))
                tiny_base.model(torch.tensor([prompt.question + prompt.answer]))
                hook.remove()
            start = len(prompt.question) - 1
            for offset in range(len(prompt.answer)):
                keys.append(seen[0][start + offset])
                ahead = prompt.answer[offset : offset + head.config.horizon]
                tokens = torch.nn.functional.normalize(embedding[ahead], dim=-1)
                mix = head.mix[position, 0, : len(ahead)] if head.config.horizon > 1 else torch.ones(1)
                value = (mix[:, None] * tokens).sum(0)
                value = value + value @ head.value_in[position] @ head.value_out[position]
                values.append(torch.nn.functional.normalize(value, dim=-1))
        weight, gain = (getattr(head, f"log_study_{name}")[position, 0].exp() for name in ("weight", "gain"))
        gain = gain * head.log_gain[position, 0, 0].exp() * head.value_scale[position, 0] * weight
        expected = half_whitened(torch.stack(keys), head.whitening_down_proj[position]) * weight
        torch.testing.assert_close(found[target.name].keys, expected, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found[target.name].values.T, torch.stack(values) * gain, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_null_rows_write_nothing_and_are_made_once(tiny_base, model, tmp_path, monkeypatch):
    silent = study_prompts(tiny_base, PAIRS)
    (made,) = null_rows(tiny_base, model.hypernetwork, "key", silent, root=tmp_path)
    expected = sum(min(len(prompt.answer), rows_module.NULL_TOKENS) for prompt in silent)
    assert made.num_rows == expected
    assert all(not rows.values.any() and rows.keys.any() for rows in made.values())
    monkeypatch.setattr(rows_module, "capture", None)
    (again,) = null_rows(tiny_base, model.hypernetwork, "key", silent, root=tmp_path)
    assert all(torch.equal(again[name].keys, rows.keys) for name, rows in made.items())


@torch.no_grad()
def test_a_studied_adapter_is_one_memory_of_text_questions_and_null_rows(tiny_base, model, monkeypatch):
    """One pass, against a join of the same parts, the text's rows with their learned weight."""
    network, head = model.hypernetwork, model.hypernetwork.head
    chunks = model.chunk(TEXT, 50)
    parts = model.encode(chunks)
    weights = head.token_weights()
    scaled = [
        ChunkFactors(
            {n: LayerRows(r.keys.float() * weights[n], r.values.float() * weights[n]) for n, r in part.items()}
        )
        for part in parts
    ]
    nulls = ChunkFactors({name: dataclasses.replace(rows, values=rows.values * 0) for name, rows in parts[0].items()})
    model.null_rows = [nulls]
    whole = model.generate(chunks).weights
    own = [target.name for target in network.config.targets]
    assert len(whole) > len(own)  # those that have the bias LoRA only
    plain = LoraWeights({name: whole[name] for name in own})
    asked = study_rows(tiny_base, network, study_prompts(tiny_base, PAIRS), plain)
    joined = network.join([*scaled, nulls, *asked]).weights
    expected = {name: joined[name] for name in own}
    studied = model.generate(chunks, pairs=PAIRS, passes=1, refined=None)
    assert studied.num_pairs == 3 and sorted(studied.weights) == sorted(own)
    for name in expected:
        torch.testing.assert_close(studied.weights[name].delta(), expected[name].delta(), rtol=1e-2, atol=1e-3)
    twice = model.generate(chunks, pairs=PAIRS, passes=2, refined=None).weights
    assert any(not torch.allclose(twice[name].delta(), expected[name].delta(), atol=1e-4) for name in expected)


def test_a_rank_limit_and_progress_go_with_study(model):
    model.null_rows = []
    told, rank = [], model.config.hypernetwork.bias_r + 5
    lora = model.generate(
        model.chunk(TEXT, 50), pairs=PAIRS, max_rank=rank, on_study=lambda done, total: told.append((done, total))
    )
    assert lora.weights.r == rank and told == [(3, 6), (6, 6)]
    with pytest.raises(InputError, match="leaves nothing"):
        model.generate(model.chunk(TEXT, 50), pairs=PAIRS, max_rank=1)


def test_a_head_without_a_memory_cannot_study(tiny_base):
    model = make_d2l(tiny_base, head={"kind": "linear"})
    with pytest.raises(InputError, match="cannot study"):
        model.generate(model.chunk(TEXT), pairs=PAIRS)


def test_study_makes_the_answers_likelier(tiny_base, model):
    from d2l.evaluation.scoring import score_questions

    model.null_rows = []
    chunks = model.chunk(TEXT, 50)
    with torch.no_grad():
        model.hypernetwork.head.log_study_gain.fill_(1.5)
    plain, studied = (model.generate(chunks, pairs=pairs).weights for pairs in ((), PAIRS))
    before, after = (
        sum(score.nll for score in score_questions(tiny_base, PAIRS, lora, generate_answers=False))
        for lora in (plain, studied)
    )
    assert after < before


@torch.no_grad()
def test_the_answered_share_is_that_of_greedy_answers(tiny_base, model):
    lora = model.generate(model.chunk(TEXT, 50)).weights
    questions = study_prompts(tiny_base, PAIRS)
    right = []
    with apply_lora(tiny_base.model, lora):
        for prompt in questions:
            ids = list(prompt.question)
            for _ in range(3):
                ids.append(tiny_base.model(torch.tensor([ids])).logits[0, -1].argmax().item())
            right.append(dataclasses.replace(prompt, answer=ids[-3:]))
    wrong = [dataclasses.replace(prompt, answer=[*prompt.answer[:-1], 255 - prompt.answer[-1]]) for prompt in right]
    assert answered_share(tiny_base, lora, right) == 1.0
    assert answered_share(tiny_base, lora, [*right, *wrong]) == 0.5


class FixedWriter:
    """Asks two questions about every window."""

    identity = "fixed"

    def __init__(self):
        self.seen = []

    def write(self, windows, *, samples, on_progress=None):
        self.seen += windows
        return [
            [QA(f"What is {word} in window {window.start}?", (word,), KIND) for word in window.text.split()[:2]]
            for window in windows
        ]


def test_pairs_are_spread_over_the_document_and_kept_by_window(tmp_path):
    sections = [f"The keeper of pier {i} writes {i * 37} totals in blue ink. " * 3 for i in range(8)]
    text, writer, cache = "\n\n".join(sections), FixedWriter(), PairCache("fixed", tmp_path)
    pairs = write_pairs(writer, text, 3, 4, cache=cache)
    assert len(pairs) == 12 and len({pair.question.split()[-1] for pair in pairs}) > 6
    number = len(writer.seen)
    assert write_pairs(writer, text, 3, 4, cache=cache) == pairs and len(writer.seen) == number
    edited = text.replace("pier 5", "pier 99")
    write_pairs(writer, edited, 3, 4, cache=cache)
    assert 0 < len(writer.seen) - number <= 3
    next(cache.directory.iterdir()).write_text("junk")
    assert write_pairs(writer, text, 3, 4, cache=cache) == pairs


def test_a_long_document_is_studied_with_so_many_pairs_as_the_steps_can_take():
    """Fewer pairs for each chunk first, then a sample of the windows; the product stays."""
    assert [pairs_a_chunk(n) for n in (1, 8, 10, 21, 213)] == [24, 24, 19, 18, 18]
    assert [pairs_a_chunk(n) for n in (320, 480, 2000)] == [12, 8, 8]
    assert [share_asked(n) for n in (1, 480, 960)] == [1.0, 1.0, 0.5]
    assert share_asked(960, study=8) == 1.0
    for chunks in (213, 300, 480, 1000, 5000):
        in_all = pairs_a_chunk(chunks) * share_asked(chunks) * chunks
        assert LONGEST_STUDY * 0.9 <= in_all <= LONGEST_STUDY
    assert REFINE.most_steps * REFINE.batch_size == LONGEST_STUDY * 2


def test_a_sample_of_windows_is_spread_over_the_document():
    text = "\n\n".join(f"The keeper of pier {i} writes {i * 37} totals in blue ink. " * 3 for i in range(40))
    every, some = FixedWriter(), FixedWriter()
    write_pairs(every, text, 3, 4)
    assert len(write_pairs(some, text, 3, 4, share=0.25)) == 3  # of twelve
    assert len(some.seen) == round(len(every.seen) / 4) and set(some.seen) <= set(every.seen)
    starts = [window.start for window in some.seen]
    assert starts == sorted(starts) and starts[0] < len(text) / 8 and starts[-1] > len(text) * 5 / 8


def test_a_read_only_home_only_means_more_work(tmp_path):
    (tmp_path / "file").write_text("")
    cache = PairCache("fixed", tmp_path / "file")
    cache.put(Window("x"), 1, PAIRS)
    assert cache.get(Window("x"), 1) is None


@torch.no_grad()
def test_capture_marks_the_states_that_predict_answers(tiny_base, model):
    prompts = sorted(study_prompts(tiny_base, PAIRS), key=len)
    (source,) = capture(tiny_base, model.hypernetwork, prompts, None)
    shared = len(common_prefix([p.question for p in prompts]))
    assert tiny_base.tokenizer.decode(prompts[0].question[:shared]).startswith("<|im_start|>user\nW")
    for row, prompt in enumerate(prompts):
        start = len(prompt.question) - 1 - shared  # what all begin with went through the model before
        assert source.mask[row].nonzero()[:, 0].tolist() == list(range(start, start + len(prompt.answer)))
