"""The memory head and its solver against textbook formulas, written out densely."""

import dataclasses
from itertools import chain

import pytest
import torch

from shared.base.targets import Target, TargetGrid
from shared.errors import InputError
from shared.hypernetwork.collector import RowCollector
from shared.hypernetwork.head import ChunkFactors, LayerRows
from shared.hypernetwork.memory import MemoryHeadConfig
from shared.hypernetwork.network import HyperNetwork
from shared.hypernetwork.solver import leading_directions
from tests.models import NETWORKS, build_network, combine, make_features


@pytest.mark.parametrize("name", ["memory", "recall"])
@pytest.mark.parametrize("num_chunks", [3, 20], ids=["few rows", "more rows than the layer is wide"])
def test_chunks_are_one_least_squares_memory(name, num_chunks):
    """Against V (K P K' + ridge)^-1 K P over the rows of all chunks, written out densely."""
    config = NETWORKS[name]
    network = build_network(config)
    chunks = network(make_features(config, batch=2 * num_chunks))
    combined, bias = combine(network, chunks, 2), network.bias()
    rows = num_chunks * config.r
    assert combined.r == min(rows, 32) + config.bias_r
    for position, t in enumerate(config.targets):
        whitening = network.head.whitening_down_proj[position].double()
        values, vectors = torch.linalg.eigh(torch.eye(48).double() - whitening @ whitening.T)
        root = vectors @ values.clamp_min(0).sqrt().diag() @ vectors.T
        keys = chunks[t.name].keys.double().view(2, rows, 48)  # K P^1/2
        gram = keys @ keys.mT
        relative = torch.as_tensor(network.head.ridge("down_proj", position)).item()
        ridge = relative * gram.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
        lora_A = torch.linalg.inv(gram + ridge * torch.eye(rows)) @ keys @ root
        lora_B = chunks[t.name].values.double().view(2, num_chunks, 32, config.r).transpose(1, 2).reshape(2, 32, rows)
        expected = lora_B @ lora_A + bias[t.name].delta().double()
        torch.testing.assert_close(combined[t.name].delta().double(), expected, rtol=1e-3, atol=1e-4)
        if config.bias_targets:
            read_only = combined["model.layers.0.q_proj"]
            torch.testing.assert_close(read_only.delta(), bias["model.layers.0.q_proj"].delta().expand(2, -1, -1))


@pytest.mark.parametrize("name", ["memory", "recall"])
def test_a_stream_of_chunks_in_any_order_equals_the_joint_solve(name):
    config = NETWORKS[name]
    network = build_network(config)
    parts = network(make_features(config, batch=40)).unbind()
    joined = network.join(parts).weights  # with a gradient: all rows at once
    with torch.no_grad():
        streamed = network.join(iter(reversed(parts))).weights
    assert joined.r == streamed.r
    for layer in joined:
        torch.testing.assert_close(joined[layer].delta(), streamed[layer].delta(), rtol=1e-3, atol=1e-4)


def test_tokens_start_as_regression_of_the_next_token_on_the_layers_input():
    """Untrained, without whitening: delta W is the ridge regression that any textbook writes down."""
    config = dataclasses.replace(
        NETWORKS["memory"], r=9, bias_r=0, bias_targets=(),
        head=MemoryHeadConfig(whitening_rank=0, initial_gain=0.5, initial_ridge=0.1),
    )  # fmt: skip
    torch.manual_seed(0)
    network = HyperNetwork(config)
    source = make_features(config, batch=1)
    update = combine(network, network(source), 1)
    for position, t in enumerate(config.targets):
        keys = source.states.keys["down_proj"][0, position, 1:].double()
        values = 0.5 * torch.nn.functional.normalize(source.states.values[0, 1:].double(), dim=-1)
        ridge = 0.1 * keys.square().sum(-1).mean()
        expected = values.T @ keys @ torch.linalg.inv(keys.T @ keys + ridge * torch.eye(48))
        torch.testing.assert_close(update[t.name].delta()[0].double(), expected, rtol=1e-3, atol=1e-4)


def test_learned_weights_make_it_a_weighted_regression():
    """w^2 weighs a token in the fit, g only lengthens what it writes."""
    config = dataclasses.replace(
        NETWORKS["memory"], r=9, bias_r=0, bias_targets=(),
        head=MemoryHeadConfig(whitening_rank=0, value_rank=0, initial_gain=0.5),
    )  # fmt: skip
    network = build_network(config)
    head, source = network.head, make_features(config, batch=1)
    update = combine(network, network(source), 1)
    output = network.perceiver(source.hidden_states, source.attention_mask)
    context = head.key(head.norm(output.context))[0, 1:]
    for position, t in enumerate(config.targets):
        query = head.query(head.norm(output.queries))[0, position]
        dots = [context[:, part] @ query[part] / 24**0.5 for part in (slice(0, 24), slice(24, 48))]
        w, g = (2 * torch.sigmoid(dot + head.bias[position, 0, n]) for n, dot in enumerate(dots))
        assert w.std() > 1e-3 and g.std() > 1e-3
        keys = source.states.keys["down_proj"][0, position, 1:]
        values = torch.nn.functional.normalize(source.states.values[0, 1:], dim=-1)
        values = values * (g * head.log_gain[position, 0].exp())[:, None]
        lengths = (w[:, None] * keys).square().sum(-1).mean()
        system = (w.square()[:, None] * keys).T @ keys + head.log_ridge[position, 0].exp() * lengths * torch.eye(48)
        expected = (w.square()[:, None] * values).T @ keys @ torch.linalg.inv(system)
        torch.testing.assert_close(update[t.name].delta()[0], expected, rtol=1e-3, atol=1e-4)


def test_a_value_is_the_salient_mixture_of_the_tokens_within_the_horizon():
    """Against sums over the tokens written out; a chunk ends the horizon."""
    config = dataclasses.replace(NETWORKS["recall"], r=6, bias_r=0)
    network = build_network(config)
    head, source = network.head, make_features(config, batch=1)
    output = network.perceiver(source.hidden_states, source.attention_mask)
    written = network(source)
    context = head.key(head.norm(output.context))[0]
    following = torch.nn.functional.normalize(source.states.values[0], dim=-1)
    for position, t in enumerate(config.targets):
        query = head.query(head.norm(output.queries))[0, position]
        w, g, s = (
            2 * torch.sigmoid(context[:, part] @ query[part] / 24**0.5 + head.bias[position, 0, n])
            for n, part in enumerate((slice(0, 24), slice(24, 48), slice(48, 72)))
        )
        assert s.std() > 1e-3
        expected = []
        for token in range(1, 7):
            ahead = [a for a in range(3) if token + a < 7]
            value = sum(head.mix[position, 0, a] * s[token + a] * following[token + a] for a in ahead)
            value = value + value @ head.value_in[position] @ head.value_out[position]
            gain = head.log_gain[position, 0].exp() * g[token] * w[token]
            expected.append(torch.nn.functional.normalize(value, dim=-1) * gain)
        # Rows stand in the order of their weights.
        order = w[1:].argsort(descending=True)
        torch.testing.assert_close(written[t.name].values[0].T, torch.stack(expected)[order], rtol=1e-3, atol=1e-5)


def test_layers_of_recall_start_with_the_whole_horizon_and_the_others_with_the_next_token():
    head = HyperNetwork(NETWORKS["recall"]).head
    assert head.mix[:, 0].tolist() == [[1, 1, 1], [1, 0, 0]]
    with pytest.raises(InputError, match="horizon"):
        MemoryHeadConfig(horizon=0)


def test_the_joint_solve_works_on_several_threads():
    """A batched LU of 450 rows on two threads fails in the MKL of PyTorch's CPU build for some processors."""
    config = dataclasses.replace(NETWORKS["memory"], r=225, bias_r=0, bias_targets=())
    network = build_network(config)
    chunks = network(make_features(config, batch=4, length=226))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        both = combine(network, chunks, 2)
    finally:
        torch.set_num_threads(before)
    for context in range(2):
        alone = combine(network, chunks.select(slice(2 * context, 2 * context + 2)), 1)
        for t in config.targets:
            torch.testing.assert_close(both[t.name].delta()[context], alone[t.name].delta()[0], rtol=1e-3, atol=1e-4)


def test_the_heaviest_tokens_are_kept():
    config = dataclasses.replace(NETWORKS["memory"], r=2)
    network = build_network(config)
    source = make_features(config, batch=1)
    kept = network(source)
    every = build_network(dataclasses.replace(config, r=9))(source)
    for name, f in kept.items():
        lengths = every[name].values.norm(dim=-2)[0]
        assert f.values.shape[-1] == 2 and lengths.numel() == 6
        for column in f.values[0].T:
            assert torch.isclose(column, every[name].values[0].T, atol=1e-5).all(-1).any()


def test_a_chunk_given_many_times_counts_once():
    """What many chunks share must not grow with the document: a plain sum would be eight times as strong."""
    head = MemoryHeadConfig(whitening_rank=4, initial_ridge=1e-4)
    network = build_network(dataclasses.replace(NETWORKS["memory"], head=head))
    chunk = network(make_features(NETWORKS["memory"], batch=1))
    once, often = combine(network, chunk), combine(network, chunk.select(torch.zeros(8, dtype=torch.long)))
    for t in NETWORKS["memory"].targets:
        torch.testing.assert_close(once[t.name].delta(), often[t.name].delta(), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("num_parts", [2, 12], ids=["all at once", "as they come"])
def test_rows_of_any_source_join_the_same_solve(num_parts):
    """Rows from elsewhere beside those of chunks equal one memory of all of them."""
    network = build_network(dataclasses.replace(NETWORKS["memory"], bias_r=0, bias_targets=()))
    chunks = network(make_features(NETWORKS["memory"], batch=num_parts)).unbind()
    other = ChunkFactors({name: LayerRows(torch.randn(5, 48), torch.randn(32, 5)) for name in chunks[0]})
    null = ChunkFactors({name: LayerRows(torch.randn(4, 48), torch.zeros(32, 4)) for name in chunks[0]})
    with torch.no_grad():
        joined = network.join(chain(chunks, [other, null])).weights
    for position, (name, f) in enumerate(joined.items()):
        keys, values = (torch.cat([getattr(part[name], half) for part in (*chunks, other, null)], dim=dim).double()
                        for half, dim in (("keys", 0), ("values", 1)))  # fmt: skip
        whitening = network.head.whitening("down_proj")[position].double()
        values_, vectors = torch.linalg.eigh(torch.eye(48).double() - whitening @ whitening.T)
        root = vectors @ values_.clamp_min(0).sqrt().diag() @ vectors.T
        ridge = network.head.ridge("down_proj", position).item() * keys.square().sum(-1).mean()
        expected = values @ keys @ torch.linalg.inv(keys.T @ keys + ridge * torch.eye(48)) @ root
        torch.testing.assert_close(f.delta().double(), expected, rtol=1e-3, atol=1e-4)


def test_an_impossible_rank_is_refused_before_any_part_is_made():
    def parts():
        raise AssertionError("asked for a part")
        yield

    with pytest.raises(InputError, match="leaves nothing"):
        build_network(NETWORKS["memory"]).join(parts(), max_rank=8)


def test_whitening_is_the_ridge_inverse_up_to_a_factor():
    config = MemoryHeadConfig(whitening_rank=48, whitening_ridge=0.1)
    head = config.build(TargetGrid((Target("x.m", 0, "m", 48, 8),)), r=2, latent_size=24, scaling=1.0)
    sample = torch.randn(1, 48, 300) * torch.linspace(0.1, 5, 48)[:, None]
    moment = sample @ sample.mT / 300
    head.calibrate("m", [sample[0].mT], torch.ones(1))
    low_rank = torch.eye(48) - head.whitening_m[0] @ head.whitening_m[0].T
    ridge = 0.1 * moment[0].diagonal().mean()
    torch.testing.assert_close(
        low_rank / ridge, torch.linalg.inv(moment[0] + ridge * torch.eye(48)), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("max_rank", [None, 20])
def test_statistics_give_the_memory_of_the_rows(max_rank):
    from shared.hypernetwork.solver import MemoryStatistics, solve_statistics

    keys, values = torch.randn(700, 300) * torch.linspace(1, 0.1, 300), torch.randn(24, 700)
    statistics = MemoryStatistics.empty(300, 24, torch.device("cpu"))
    for start in range(0, 700, 100):
        statistics.add(keys[start : start + 100], values[:, start : start + 100])
    found = solve_statistics(statistics, torch.zeros(300, 4), torch.tensor(1e-3), max_rank)
    gram = keys.double().mT @ keys.double()
    exact = values.double() @ keys.double() @ torch.linalg.inv(gram + 1e-3 * gram.trace() / 700 * torch.eye(300))
    if max_rank:
        directions = torch.linalg.eigh(exact @ gram @ exact.mT)[1][:, -max_rank:]
        exact = directions @ directions.mT @ exact
    error = (found.lora_B.double() @ found.lora_A.double() - exact).norm() / exact.norm()
    assert error < 2**-12
    assert statistics.rows == 700


def test_statistics_that_float32_cannot_solve_are_solved_in_float64():
    from shared.hypernetwork.solver import MemoryStatistics, _regression, solve_statistics

    turned = torch.linalg.qr(torch.randn(300, 300).double())[0]
    keys = torch.randn(400, 300).double() * torch.logspace(0, -4, 300).double() @ turned
    values = torch.randn(24, 400).double()
    gram = keys.mT @ keys
    statistics = MemoryStatistics(gram, values @ keys, rows=400)
    exact = statistics.cross @ torch.linalg.inv(gram + 1e-9 * gram.trace() / 400 * torch.eye(300))
    assert _regression(statistics, 1e-9 * gram.trace() / 400, torch.float32) is None
    found = solve_statistics(statistics, torch.zeros(300, 4), torch.tensor(1e-9))
    error = (found.lora_B.double() @ found.lora_A.double() - exact).norm() / exact.norm()
    assert error < 2**-12


@torch.no_grad()
@pytest.mark.parametrize("rows", [150, 900], ids=["rows", "moments"])
def test_the_same_rows_give_the_same_bits_on_any_number_of_threads(rows):
    """Factorisations of float32 round by the number of threads that work at them."""
    targets = [Target(f"model.layers.{i}.mlp.down_proj", i, "down_proj", 400, 160) for i in range(3)]
    parts = [
        ChunkFactors({t.name: LayerRows(torch.randn(50, 400), torch.randn(160, 50)) for t in targets})
        for _ in range(rows // 50)
    ]
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            collector = RowCollector(
                TargetGrid(tuple(targets)), lambda *_: (torch.zeros(400, 4), torch.tensor(0.01)), torch.device("cpu")
            )
            for part in parts:
                collector.add(part)
            found.append(collector.solve(100).weights)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for name, factors in found[0].items():
            assert torch.equal(other[name].lora_A, factors.lora_A) and torch.equal(other[name].lora_B, factors.lora_B)


def test_numbers_out_of_range_are_one_clear_error():
    from shared.errors import HyperLoraError
    from shared.hypernetwork.solver import MemoryStatistics, solve_statistics

    gram = torch.full((3, 3), float("nan"))
    statistics = MemoryStatistics(gram=gram, cross=torch.ones(2, 3), rows=3)
    with pytest.raises(HyperLoraError, match="cannot be solved"):
        solve_statistics(statistics, torch.zeros(3, 0), torch.tensor(0.1))


def test_leading_directions_are_those_of_the_full_decomposition():
    """Of more inputs than rows and of fewer, with the slowly falling spectrum of real states; the same every time."""
    for count, width in ((200, 500), (700, 300)):
        torch.manual_seed(count)
        mix = torch.linalg.qr(torch.randn(width, width))[0] * torch.arange(1, width + 1)[:, None] ** -0.7
        keys = torch.randn(count, width) @ mix
        s, u = leading_directions(keys, 16)
        values, vectors = torch.linalg.eigh(keys.double().mT @ keys.double() / count)
        torch.testing.assert_close(s.double(), values[-16:], rtol=1e-3, atol=0)
        overlap = (vectors[:, -12:].mT @ u.double()).square().sum(-1)
        assert overlap.min() > 0.999
        assert torch.equal(leading_directions(keys, 16)[1], u)
    few, directions = leading_directions(torch.randn(3, 50), 8)
    assert (few > 0).sum() == 3 and not directions[:, :5].any()
