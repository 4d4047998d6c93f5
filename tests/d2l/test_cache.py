"""The chunk cache: equal adapters, no work done twice, nothing broken by damage."""

import dataclasses

import pytest
import torch

from d2l import cache as cache_module
from d2l import model as model_module
from d2l.cache import ChunkCache
from d2l.generate import InternalizeOptions, RankBudget, changed_files, internalize
from d2l.reader import DocumentText
from shared.base.model import weights_digest
from shared.errors import InputError
from shared.hypernetwork.head import ChunkFactors
from shared.lora.adapter import read_adapter
from shared.work_folder import PREFIX
from tests.models import load, make_base, make_d2l

TEXT = " ".join(f"Pier {i} has {i * i} barrels." for i in range(20))


@pytest.fixture
def model(tiny_base):
    return make_d2l(tiny_base)


@pytest.fixture
def cache(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HYPERLORA_HOME", str(tmp_path / "home"))
    return ChunkCache(model.cache_key())


@pytest.fixture
def encoded(monkeypatch):
    """Token ids of every chunk that the base model really sees."""
    seen = []
    real = model_module.encode_chunks
    monkeypatch.setattr(
        model_module, "encode_chunks", lambda base, config, chunks: seen.extend(chunks) or real(base, config, chunks)
    )
    return seen


def assert_equal(one, two):
    for name in one:
        assert torch.equal(one[name].lora_A, two[name].lora_A) and torch.equal(one[name].lora_B, two[name].lora_B)


def test_cached_factors_give_the_same_adapter(model, cache, encoded):
    chunks = model.chunk(TEXT, 50)
    plain = model.generate(chunks)
    encoded.clear()
    first = model.generate(chunks, cache=cache)
    assert encoded == chunks and first.num_cached == 0
    second = model.generate(chunks, cache=cache)
    assert encoded == chunks and second.num_cached == len(chunks) and second.num_tokens == first.num_tokens
    assert_equal(plain.weights, first.weights)
    assert_equal(plain.weights, second.weights)


def test_an_interrupted_run_goes_on_where_it_stopped(model, cache, encoded):
    chunks = model.chunk(TEXT, 50)

    def interrupt(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.generate(chunks, batch_tokens=1, cache=cache, on_progress=interrupt)
    assert 0 < len(encoded) < len(chunks)
    model.generate(chunks, cache=cache)
    assert encoded == chunks  # each of them once


def test_an_edit_encodes_only_what_changed(model, cache, encoded):
    sections = [f"Section {i}. " + f"The keeper of pier {i} writes {i * 37} totals. " * 6 for i in range(30)]
    before = model.chunk("\n\n".join(sections), 100)
    model.generate(before, cache=cache)
    encoded.clear()
    sections[15] = "Section 15. It was closed."
    after = model.chunk("\n\n".join(sections), 100)
    assert model.generate(after, cache=cache).num_cached == len(after) - len(encoded)
    assert 0 < len(encoded) < len(after) / 2


def test_damaged_files_are_computed_again(model, cache, encoded):
    chunks = model.chunk(TEXT, 50)
    model.generate(chunks, cache=cache)
    files = sorted(cache.directory.iterdir())
    assert len(files) == len(chunks)
    files[0].write_bytes(b"junk")
    files[1].unlink()
    flipped = bytearray(files[2].read_bytes())
    flipped[-1] ^= 1  # one bit of one number
    files[2].write_bytes(flipped)
    encoded.clear()
    plain = model.generate(chunks)
    encoded.clear()
    again = model.generate(chunks, cache=cache)
    assert again.num_cached == len(chunks) - 3 and len(encoded) == 3
    for name in plain.weights:
        torch.testing.assert_close(again.weights[name].delta(), plain.weights[name].delta(), rtol=1e-4, atol=1e-5)


def test_what_changes_the_factors_changes_the_cache(model, cache, tiny_base, tmp_path, monkeypatch):
    assert ChunkCache(model.cache_key()).directory == cache.directory
    with torch.no_grad():
        model.hypernetwork.head.log_gain[0, 0] += 1e-3
    assert ChunkCache(model.cache_key()).directory != cache.directory
    with torch.no_grad():
        model.hypernetwork.head.log_gain[0, 0] -= 1e-3
    monkeypatch.setattr(cache_module, "FORMAT", cache_module.FORMAT + 1)
    assert ChunkCache(model.cache_key()).directory != cache.directory
    monkeypatch.undo()
    monkeypatch.setenv("HYPERLORA_HOME", str(tmp_path / "home"))
    model.config = dataclasses.replace(model.config, chunk_tokens=100)
    assert ChunkCache(model.cache_key()).directory != cache.directory


def test_a_fine_tune_of_the_base_has_a_cache_of_its_own(model, tmp_path):
    """Same architecture, other weights: the second adapter once was the first one's."""
    tuned = make_d2l(load(make_base(tmp_path / "tuned", seed=1)))
    tuned.hypernetwork.load_state_dict(model.hypernetwork.state_dict())
    assert tuned.base.spec.fingerprint == model.base.spec.fingerprint
    assert tuned.cache_key() != model.cache_key()
    again = load(make_base(tmp_path / "again", seed=1))
    assert weights_digest(again.model) == weights_digest(tuned.base.model)
    with torch.no_grad():
        again.model.model.layers[0].mlp.up_proj.weight[0, 1] += 0.1
    assert weights_digest(again.model) != weights_digest(tuned.base.model)


def test_a_read_only_home_only_means_more_work(model, tmp_path):
    (tmp_path / "file").write_text("")
    blocked = ChunkCache(model.cache_key(), tmp_path / "file")  # no directory can be made there
    chunks = model.chunk(TEXT, 50)
    assert model.generate(chunks, cache=blocked).num_cached == 0


def test_the_oldest_chunks_are_dropped_first(model, cache):
    import os

    chunks = model.chunk(TEXT, 50)
    model.generate(chunks, cache=cache)
    for age, chunk in enumerate(chunks):
        os.utime(cache._file(chunk), (1000 - age, 1000 - age))
    assert cache.get(chunks[-1]) is not None  # used: now the newest
    cache.max_bytes = 2 * cache._file(chunks[0]).stat().st_size
    cache.prune()
    assert [cache.get(chunk) is not None for chunk in chunks] == [True] + [False] * (len(chunks) - 2) + [True]


def test_what_a_killed_run_left_goes_though_the_next_one_finds_every_chunk(model, cache):
    chunks = model.chunk(TEXT, 50)
    model.generate(chunks, cache=cache)
    left = cache.directory.parent / f"{PREFIX}{'0' * 16}"  # killed behind the rename, before its folder was removed
    left.mkdir()
    assert model.generate(chunks, cache=ChunkCache(model.cache_key())).num_cached == len(chunks)
    assert not left.exists()


def test_a_document_larger_than_the_cache_keeps_its_first_chunks_and_no_more(model, cache, encoded):
    chunks = model.chunk(" ".join(f"Pier {i} has {i * i} barrels." for i in range(80)), 50)
    model.generate(chunks[:1], cache=cache)
    size = cache._file(chunks[0]).stat().st_size
    sizes, limit = [], 4 * size + size // 2
    for _ in range(2):
        small = ChunkCache(model.cache_key(), max_bytes=limit)
        model.generate(
            chunks,
            batch_tokens=1,
            cache=small,
            on_progress=lambda *_: sizes.append(sum(f.stat().st_size for f in cache.directory.iterdir())),
        )
        assert small.is_full
    assert max(sizes) <= limit * 9 / 8 and len(sizes) == 2 * len(chunks) > 10
    kept = [cache.get(chunk) is not None for chunk in chunks]
    assert kept == [True] * sum(kept) + [False] * (len(chunks) - sum(kept)) and sum(kept) >= 3


def test_an_adapter_names_no_rows_that_did_not_fit_into_the_cache(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HYPERLORA_HOME", str(tmp_path / "home"))
    assert internalize(model, [document("a.txt", TEXT)], use_cache=True).rows["chunks"]
    monkeypatch.setattr(ChunkCache.__init__, "__defaults__", (None, 1000))
    assert internalize(model, [document("b.txt", TEXT.upper())], use_cache=True).rows is None


def document(name, text):
    return DocumentText(path=name, text=text, sha256=str(hash(text)), num_pages=None, num_characters=len(text))


def test_the_adapter_is_the_manifest_of_its_documents(model, tmp_path):
    output = tmp_path / "a"

    def run(*documents, force=False):
        return internalize(model, list(documents)).save(output, force=force)

    first, second = document("one.txt", TEXT), document("two.txt", TEXT[:100])
    assert run(first, second).changes is None
    again = run(first, document("two.txt", "New text."), document("three.txt", "More."), force=True)
    assert again.changes == {"added": ["three.txt"], "replaced": ["two.txt"], "removed": []}
    assert run(first, force=True).changes["removed"] == ["three.txt", "two.txt"]
    assert changed_files(tmp_path / "nothing", []) is None


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_byte_budget_is_kept_by_the_file_and_an_impossible_one_refused(model, tmp_path, dtype):
    lora = model.generate(model.chunk(TEXT, 50)).weights
    per_rank = (2 if dtype == "bfloat16" else 4) * lora.num_parameters // lora.r
    limit = 7 * per_rank
    options = InternalizeOptions(budget=RankBudget(max_bytes=limit), dtype=dtype)
    result = internalize(model, [document("one.txt", TEXT)], options).save(tmp_path / "small")
    size = (tmp_path / "small" / "adapter_model.safetensors").stat().st_size
    assert result.bytes == size <= limit and read_adapter(tmp_path / "small").weights.r == result.rank >= 1
    assert size + 5 * per_rank > limit and 0 < result.energy_kept < 1  # tiny layers: the header is several ranks
    config = model.config.hypernetwork
    with pytest.raises(InputError, match="rank 1 takes"):
        RankBudget(max_bytes=per_rank - 1).rank(config)
    assert RankBudget(max_rank=3, max_bytes=limit).rank(config) == 3
    assert RankBudget().rank(config) is None
    with pytest.raises(InputError, match="leaves nothing for the document"):
        model.generate(model.chunk(TEXT, 50), max_rank=config.bias_r)


def test_documents_of_one_name_are_told_apart(model, tmp_path):
    def run(*documents):
        return internalize(model, list(documents)).save(tmp_path / "a", force=True).changes

    run(document("a/one.txt", "First."), document("b/one.txt", "Second."))
    unchanged = {"added": [], "replaced": [], "removed": []}
    assert run(document("b/one.txt", "Second."), document("a/one.txt", "First.")) == unchanged
    assert run(document("a/one.txt", "Edited."), document("b/one.txt", "Second."))["replaced"] == ["one.txt"]


def test_a_rank_beyond_the_layers_own_is_cut_without_loss(model):
    chunks = model.chunk(TEXT, 8)
    network = model.hypernetwork
    joined = network._with_bias(network.head.join([part for c in chunks for part in model.encode([c])]).weights)
    assert joined.r > joined.full_rank
    cut = model.generate(chunks)
    assert cut.weights.r == joined.full_rank and cut.energy_kept == pytest.approx(1)
    for name in joined:
        torch.testing.assert_close(cut.weights[name].delta(), joined[name].delta(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("chunk_tokens", [60, 8], ids=["joint solve", "stream"])
def test_a_rank_limit_keeps_what_the_documents_own_keys_read_out(model, chunk_tokens):
    """No cut of that rank answers to the document's keys better than the one chosen, plain SVD included."""
    chunks = model.chunk(TEXT, chunk_tokens)
    factors = ChunkFactors.concat([part for chunk in chunks for part in model.encode([chunk])]).to(torch.float32)
    whole, rank = model.generate(chunks).weights, model.config.hypernetwork.bias_r + 5
    bias, cut = model.hypernetwork.bias(), model.generate(chunks, max_rank=rank)
    assert cut.weights.r == rank and 0 < cut.energy_kept < 1
    streams = factors.num_rows > max(t.in_features for t in model.config.hypernetwork.targets)
    assert streams == (chunk_tokens == 8)
    kept = total = 0.0
    for position, t in enumerate(model.config.hypernetwork.targets):
        head = model.hypernetwork.head
        whitening = head.whitening_down_proj[position]
        keys = factors[t.name].keys @ torch.linalg.pinv(_root(whitening))
        read = {
            name: (lora[t.name].delta() - bias[t.name].delta()) @ keys.T
            for name, lora in {"whole": whole, "cut": cut.weights}.items()
        }
        best = torch.linalg.svdvals(read["whole"])
        error = (read["whole"] - read["cut"]).square().sum()
        torch.testing.assert_close(error, best[5:].square().sum(), rtol=2e-2, atol=1e-3)
        kept, total = kept + best[:5].square().sum().item(), total + best.square().sum().item()
    assert cut.energy_kept == pytest.approx(kept / total, abs=2e-2)


def _root(whitening):
    """P^1/2, dense, for P = 1 - M M'."""
    values, vectors = torch.linalg.eigh(torch.eye(len(whitening)) - whitening @ whitening.T)
    return vectors @ values.clamp_min(0).sqrt().diag() @ vectors.T
