"""llama.cpp itself, with our files, gives the logits and greedy answers of transformers with our adapter."""

import gguf
import pytest
import torch

from shared.base.chat import GenerationConfig, chat_ids, generate
from shared.base.model import BaseArchitecture, read_architecture
from shared.base.targets import find_decoder, find_targets
from shared.errors import InputError
from shared.export.gguf_files import MAGIC, check_fits, open_gguf, write_lora_gguf, write_merged_gguf
from shared.export.gguf_names import ARCHITECTURES, gguf_adapter, neighbouring_pairs
from shared.lora.layer import apply_lora
from tests.gguf_base import engine, log_probabilities, pairs_of_halves, write_base
from tests.models import factors_of, load, make_tokenizer, random_weights

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def pair(request, tmp_path_factory):
    """A tiny base, and the same in GGUF. Llama's queries and keys are reordered there, Qwen's are not."""
    import transformers as tf

    directory = tmp_path_factory.mktemp(request.param)
    tokenizer = make_tokenizer()
    config_class = {"llama": tf.LlamaConfig, "qwen2": tf.Qwen2Config, "qwen3": tf.Qwen3Config}[request.param]
    torch.manual_seed(0)
    config = config_class(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
        initializer_range=0.2,
        tie_word_embeddings=False,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
    )
    model = tf.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    base = load(directory)
    return base, write_base(directory / "base.gguf", base), read_architecture(str(directory))


def expected(base, weights, ids, tokens=12):
    with torch.no_grad(), apply_lora(base.model, weights):
        logits = base.model(torch.tensor([ids])).logits[0, -1]
        return logits.double().log_softmax(-1), generate(base, [ids], GenerationConfig(tokens))[0]


def greedy(server, ids, tokens=12):
    return server.handle_completions({"prompt": ids, "max_tokens": tokens, "temperature": 0})["choices"][0]["text"]


@pytest.mark.parametrize("r", [1, 8, 512])
def test_llama_cpp_with_the_lora_file_is_transformers_with_the_adapter(pair, r, tmp_path):
    base, model, architecture = pair
    weights = random_weights(base, MODULES, r).scaled(r**-0.5)
    adapter = gguf_adapter(weights, architecture)
    write_lora_gguf(tmp_path / "a.gguf", adapter, name="a", base_model="tiny")
    write_merged_gguf(tmp_path / "merged.gguf", model, adapter, dtype="float32")
    ids = chat_ids(base, [{"role": "user", "content": "When does the ferry leave?"}])
    plain, _ = expected(base, None, ids)
    wanted, answer = expected(base, weights, ids)
    assert (wanted - plain).abs().max() > 1
    for server in (engine(model, tmp_path / "a.gguf"), engine(tmp_path / "merged.gguf")):
        torch.testing.assert_close(log_probabilities(server, ids, 260), wanted, rtol=1e-3, atol=2e-3)
        assert greedy(server, ids).strip() == answer


def test_a_merged_file_keeps_what_the_adapter_does_not_touch(pair, tmp_path):
    base, model, architecture = pair
    adapter = gguf_adapter(random_weights(base, ("down_proj",), 3, layers=(1,)), architecture)
    write_merged_gguf(tmp_path / "merged.gguf", model, adapter)
    old, new = open_gguf(model), open_gguf(tmp_path / "merged.gguf")
    assert {n: f.contents() for n, f in old.fields.items()} == {n: f.contents() for n, f in new.fields.items()}
    changed = [a.name for a, b in zip(old.tensors, new.tensors, strict=True) if a.data.tobytes() != b.data.tobytes()]
    assert changed == ["blk.1.ffn_down.weight"]


def test_quantised_bases_are_merged_too(tmp_path, pair):
    """A file in Q8_0: what is merged is its dequantised weight."""
    base, model, architecture = pair
    writer = gguf.GGUFWriter(tmp_path / "q8.gguf", architecture.model.config.model_type)
    numbers = base.model.get_submodule("model.layers.0.mlp.up_proj").weight.numpy()
    quantised = gguf.quants.quantize(numbers, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.ffn_up.weight", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    weights = random_weights(base, ("up_proj",), 3, layers=(0,))
    adapter = gguf_adapter(weights, architecture)
    write_merged_gguf(tmp_path / "merged.gguf", tmp_path / "q8.gguf", adapter, dtype="float32")
    (tensor,) = open_gguf(tmp_path / "merged.gguf").tensors
    wanted = (
        torch.tensor(gguf.quants.dequantize(quantised, gguf.GGMLQuantizationType.Q8_0))
        + next(iter(weights.values())).delta()
    )
    torch.testing.assert_close(torch.tensor(tensor.data), wanted)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_of_the_size_are_close(pair, dtype, tmp_path):
    base, model, architecture = pair
    weights = random_weights(base, MODULES, 4)
    adapter = gguf_adapter(weights, architecture)
    sizes = [
        write_lora_gguf(tmp_path / f"{name}.gguf", adapter, name="a", base_model="tiny", dtype=name)
        for name in ("float32", dtype)
    ]
    assert sizes[1] < 0.7 * sizes[0]
    ids = chat_ids(base, [{"role": "user", "content": "When?"}])
    wanted, _ = expected(base, weights, ids)
    got = log_probabilities(engine(model, tmp_path / f"{dtype}.gguf"), ids, 260)
    torch.testing.assert_close(got, wanted, rtol=0.05, atol=0.3)


def test_reordered_rows_are_neighbouring_pairs():
    rows = torch.randn(24, 5)
    assert torch.equal(neighbouring_pairs(rows, 3), pairs_of_halves(rows, 3))


def test_every_known_architecture_has_a_name_for_every_linear_layer():
    """By the tables of the gguf package, and with a tensor that llama.cpp's architecture has."""
    import transformers as tf

    common = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    common |= {"intermediate_size": 48, "vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    for kind, (architecture, _) in ARCHITECTURES.items():
        config = tf.AutoConfig.for_model(kind, **({"text_config": common} if kind == "gemma3" else common))
        with torch.device("meta"):
            model = tf.AutoModelForCausalLM.from_config(config.get_text_config())
        blocks = find_decoder(model).blocks
        leaves = {name.rpartition(".")[2] for name, part in blocks.named_modules() if isinstance(part, torch.nn.Linear)}
        weights = factors_of(find_targets(model, tuple(leaves)), 2)
        spec = load_spec()
        factors = gguf_adapter(weights, BaseArchitecture(spec, model)).factors
        assert len(factors) == len(weights) == 2 * len(leaves), kind
        kind_id = next(k for k, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
        known = {gguf.TENSOR_NAMES[t].format(bid=b) for t in gguf.MODEL_TENSORS[kind_id] for b in range(2)}
        assert {name.removesuffix(".weight") for name in factors} <= known, kind


def load_spec():
    from shared.base.model import BaseModelSpec

    return BaseModelSpec("tiny", 32, 2, "")


def test_an_unknown_architecture_another_base_and_no_gguf_are_refused(pair, tiny_gemma, tmp_path):
    base, model, architecture = pair
    adapter = gguf_adapter(random_weights(base, ("down_proj",), 2), architecture)
    gemma = read_architecture(tiny_gemma.spec.name_or_path)
    other = gguf_adapter(random_weights(tiny_gemma, ("down_proj",), 2), gemma)
    with pytest.raises(InputError, match="the adapter's base is gemma2"):
        check_fits(open_gguf(model), other, model)
    narrow = gguf_adapter(random_weights(base, ("down_proj",), 2), architecture)
    narrow.factors["blk.7.ffn_down.weight"] = narrow.factors["blk.0.ffn_down.weight"]
    with pytest.raises(InputError, match="blk.7.ffn_down.weight of size None"):
        check_fits(open_gguf(model), narrow, model)
    (tmp_path / "text.gguf").write_text("no model")
    for path in (tmp_path / "text.gguf", tmp_path / "none.gguf"):
        with pytest.raises(InputError):
            open_gguf(path)
    with pytest.raises(InputError, match="another kind"):
        write_lora_gguf(tmp_path / "text.gguf", adapter, name="a", base_model="t", force=True)
    write_lora_gguf(tmp_path / "a.gguf", adapter, name="a", base_model="t")
    with pytest.raises(InputError, match="already exists"):
        write_lora_gguf(tmp_path / "a.gguf", adapter, name="a", base_model="t")
    write_lora_gguf(tmp_path / "a.gguf", adapter, name="a", base_model="t", force=True)
    assert (tmp_path / "a.gguf").read_bytes().startswith(MAGIC) and len(list(tmp_path.iterdir())) == 2
    architecture.model.config.model_type = "unheard_of"
    try:
        with pytest.raises(InputError, match="unheard_of"):
            gguf_adapter(random_weights(base, ("down_proj",), 2), architecture)
    finally:
        architecture.model.config.model_type = base.model.config.model_type
