"""Words of the input as values of the adapter."""

import shutil

import pytest
import torch
from torch.nn import functional as F

from shared.errors import InputError
from shared.hypernetwork.copying import MAX_PIECES, CopyConfig, CopyHead, CopySource
from shared.hypernetwork.vocabulary import Vocabulary, _embedding_table

HIDDEN, IN = 12, 20


def make_head(**changes):
    torch.manual_seed(0)
    config = CopyConfig(key_size=8, window=1, **changes)
    head = CopyHead(config, num_layers=2, in_features=[IN], hidden_size=HIDDEN, r=3, latent_size=6)
    with torch.no_grad():
        head.form.normal_()
        head.log_gain.normal_()
    return head


def make_source(*lengths):
    embeddings, before = torch.randn(2, len(lengths), max(lengths), 1 + MAX_PIECES, HIDDEN)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])[..., None].repeat(1, 1, 1 + MAX_PIECES)
    mask[:, 0, 2:] = False  # a word of one piece
    return CopySource(embeddings, before, mask)


@pytest.mark.parametrize("pieces", [1, 3])
def test_values_are_the_words_chosen_by_attention_over_each_and_its_neighbours(pieces):
    head, source, queries = make_head(pieces=pieces), make_source(4), torch.randn(1, 2, 1, 3, 6)
    with torch.no_grad():
        (copied,) = head(queries, source)
        result = copied.values[0, 1, 2]
        unit = F.normalize(source.embeddings[0], dim=-1)
        edge = torch.zeros(HIDDEN)
        logits, values = [], []
        query = head.norm(queries[0, 1, 0, 2]) @ head.query.weight.T + head.slot_query[2]
        for word in range(4):
            near = [unit[word + shift, 0] if 0 <= word + shift < 4 else edge for shift in (-1, 0, 1)]
            for form in range(1 + pieces):
                if not source.mask[0, word, form]:
                    continue
                key = head.key_norm(head.key.weight @ torch.cat(near) + head.form[form])
                logits.append(query @ key / 8**0.5)
                values.append(unit[word, form])
        weights = torch.stack(logits).softmax(0)
        expected = (weights[:, None] * torch.stack(values)).sum(0) * head.log_gain[1, 0, 2].exp()
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)
    assert copied.triggers is None


def test_triggers_are_a_low_rank_map_of_the_chosen_word_and_its_neighbours():
    head, source, queries = make_head(trigger_rank=5, pieces=2), make_source(4), torch.randn(1, 2, 1, 3, 6)
    with torch.no_grad():
        assert not head(queries, source)[0].triggers.any()  # a map that starts at zero
        head.trigger_rows[0].normal_()
        head.trigger_before.weight.normal_()
        copied = head(queries, source)[0]
        unit = F.normalize(source.embeddings[0, :, 0], dim=-1)
        edge = torch.zeros(HIDDEN)
        near = [torch.cat([unit[w + s] if 0 <= w + s < 4 else edge for s in (-1, 0, 1)]) for w in range(4)]
        cut = source.with_pieces(2)
        weights = head.attention(queries, head.neighbourhoods(cut), cut)[0, 1, 0, 2]
        expected = torch.zeros(IN)
        for word in range(4):
            for form in range(3):
                call = head.trigger.weight @ near[word]
                call = call + head.trigger_before.weight @ F.normalize(source.before[0, word, form], dim=-1)
                call = head.trigger_norm.weight * call * (call.pow(2).mean() + 1e-6) ** -0.5 / 5**0.5
                expected += weights[word, form] * (call @ head.trigger_rows[0][1])
    torch.testing.assert_close(copied.triggers[0, 1, 2], expected, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing():
    head, source, queries = make_head(trigger_rank=5), make_source(3, 5), torch.randn(2, 2, 1, 3, 6)
    alone = CopySource(source.embeddings[:1, :3], source.before[:1, :3], source.mask[:1, :3])
    source.embeddings[0, 3:] = 1e4
    source.before[0, 3:] = 1e4
    with torch.no_grad():
        head.trigger_rows[0].normal_()
        head.trigger_before.weight.normal_()
    (padded,), (single,) = head(queries, source), head(queries[:1], alone)
    torch.testing.assert_close(padded.values[:1], single.values, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(padded.triggers[:1], single.triggers, rtol=1e-5, atol=1e-6)


def test_a_sharp_slot_copies_one_word_exactly():
    head, source = make_head(), make_source(4)
    with torch.no_grad():
        head.slot_query *= 1e4
        head.log_gain.zero_()
    values = head(torch.zeros(1, 2, 1, 3, 6), source)[0].values[0, 0].detach()
    candidates = F.normalize(source.embeddings[0, :, :2].flatten(0, 1), dim=-1)
    assert (values @ candidates.T).amax(-1) == pytest.approx([1.0] * 3, abs=1e-5)


@pytest.mark.parametrize(
    "changes", [{"modules": ()}, {"key_size": 0}, {"window": -1}, {"trigger_rank": -1}, {"pieces": 4}]
)
def test_impossible_options(changes):
    with pytest.raises(InputError, match=r"copying needs|copy\.pieces"):
        CopyConfig(**changes)


def test_words_as_they_stand_and_as_they_would_begin_an_answer(tiny_base):
    vocabulary = Vocabulary.of(tiny_base)
    table = tiny_base.model.get_input_embeddings().weight
    source = vocabulary.source(["say yes or", "no"])
    tokens = tiny_base.tokenizer("say yes or", add_special_tokens=False)["input_ids"]
    assert source.mask[..., :2].sum(1).tolist() == [
        [len(tokens)] * 2,
        [len(tiny_base.tokenizer("no", add_special_tokens=False)["input_ids"])] * 2,
    ]
    assert torch.equal(source.before[0, 1 : len(tokens), 0], table[tokens[:-1]].float())
    assert not source.before[0, 0, 0].any() and not source.before[:, :, 1].any()
    assert torch.equal(source.embeddings[0, : len(tokens), 0], table[tokens].float())
    for position, token in enumerate(tokens):
        word = tiny_base.tokenizer.decode([token]).lstrip()
        first = tiny_base.tokenizer(word, add_special_tokens=False)["input_ids"][0] if word else token
        assert torch.equal(source.embeddings[0, position, 1], table[first].float())


def test_a_space_before_a_word_is_dropped_and_the_word_cut_anew():
    """A tokenizer whose tokens carry their space, as most do."""

    class Spaced:
        words = ["yes", " yes", " ", "pl", "um", " plum", "b", "r", "e", "ad", " bread"]
        cuts = {"yes plum bread": [0, 5, 10], " yes": [1], "yes": [0], " ": [2], "plum": [3, 4], "bread": [6, 7, 8, 9]}

        def __call__(self, text, add_special_tokens=True):
            return {"input_ids": self.cuts[text]}

        def decode(self, ids):
            return self.words[ids[0]]

    table = torch.randn(11, HIDDEN)
    source = Vocabulary(Spaced(), table).source(["yes plum bread", " yes", " "])
    forms = [[0, 0], [5, 3, 4], [10, 6, 7, 8]]  # no more than three pieces
    before = [[None, None], [0, None, 3], [5, None, 6, 7]]
    for position, (tokens, previous) in enumerate(zip(forms, before, strict=True)):
        assert source.mask[0, position].tolist() == [True] * len(tokens) + [False] * (4 - len(tokens))
        assert torch.equal(source.embeddings[0, position, : len(tokens)], table[tokens])
        for form, token in enumerate(previous):
            assert torch.equal(source.before[0, position, form], torch.zeros(HIDDEN) if token is None else table[token])
    assert torch.equal(source.embeddings[1, 0, :2], table[[1, 0]])
    assert torch.equal(source.embeddings[2, 0, :2], table[[2, 2]])  # nothing but a space is itself
    assert source.mask[1:].sum((1, 2)).tolist() == [2, 2]


def test_the_table_is_read_without_the_model(tiny_base, tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM

    texts = ["say yes or no"]
    expected = Vocabulary.of(tiny_base).source(texts)
    whole, sharded = tmp_path / "whole", tmp_path / "sharded"
    tiny_base.model.save_pretrained(whole)
    tiny_base.tokenizer.save_pretrained(whole)
    tiny_base.model.save_pretrained(sharded, max_shard_size="20KB")
    tiny_base.tokenizer.save_pretrained(sharded)
    assert (sharded / "model.safetensors.index.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(AutoModelForCausalLM, "from_pretrained", None)
        for path in (whole, sharded):
            found = Vocabulary.read(str(path)).source(texts)
            assert torch.equal(found.embeddings, expected.embeddings) and torch.equal(found.mask, expected.mask)


def test_a_model_with_another_name_for_its_table_is_loaded(tiny_base, tmp_path, monkeypatch):
    tiny_base.model.save_pretrained(tmp_path / "m")
    tiny_base.tokenizer.save_pretrained(tmp_path / "m")
    monkeypatch.setattr("shared.hypernetwork.vocabulary._EMBEDDINGS", ("nothing",))
    assert _embedding_table(str(tmp_path / "m")) is None
    found = Vocabulary.read(str(tmp_path / "m")).source(["say yes"])
    expected = Vocabulary.of(tiny_base).source(["say yes"]).embeddings
    torch.testing.assert_close(found.embeddings, expected, rtol=1e-2, atol=1e-4)  # it may have been loaded in bfloat16
    shutil.rmtree(tmp_path / "m")
    with pytest.raises(InputError, match="does not exist"):
        Vocabulary.read(str(tmp_path / "m"))
