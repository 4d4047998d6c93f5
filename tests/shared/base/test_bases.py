"""Base models as they are on people's disks: their own generation settings, thinking, quantisation, other layers."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.base.chat import GenerationConfig, answer, chat_ids, generate
from shared.base.device import choose_placement
from shared.base.model import load_base_model
from shared.base.targets import find_targets
from shared.base.template import parse_option, template_arguments
from shared.errors import InputError
from tests.models import CHAT_TEMPLATE, edited, load, make_base, make_tokenizer

# As Qwen3, SmolLM3 and DeepSeek-V3.1 write their switches.
THINKING = {
    "enable_thinking": (
        "{%- if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n{%- endif %}"
    ),
    "thinking": (
        "{% if not thinking is defined %}{% set thinking = true %}{% endif %}{% if not thinking %}</think>{% endif %}"
    ),
}


@pytest.fixture
def base_path(tmp_path):
    return make_base(tmp_path / "base")


@pytest.mark.parametrize(
    "theirs",
    [
        {"num_beams": 4, "length_penalty": 5.0},
        {"suppress_tokens": list(range(4, 200)), "begin_suppress_tokens": [201, 202]},
        {"forced_bos_token_id": 9, "forced_eos_token_id": 3},
        {"do_sample": True, "temperature": 5.0, "top_k": 3, "repetition_penalty": 3.0, "no_repeat_ngram_size": 1},
        {"min_new_tokens": 12, "bad_words_ids": [[7]], "sequence_bias": [[[8], 9.0]]},
    ],
)
def test_a_bases_generation_settings_do_not_decode_for_us(base_path, theirs):
    plain = load(base_path)
    prompts = [chat_ids(plain, [{"role": "user", "content": text}]) for text in ("six", "The keeper")]
    wanted = generate(plain, prompts, GenerationConfig(12))
    edited(base_path, "generation_config.json", theirs)
    assert generate(load(base_path), prompts, GenerationConfig(12)) == wanted


def test_all_of_a_bases_end_tokens_end_an_answer(base_path):
    base = load(base_path)
    prompt = chat_ids(base, [{"role": "user", "content": "six"}])
    ids = torch.tensor([prompt])
    first = int(base.model(ids).logits[0, -1].argmax())
    edited(base_path, "generation_config.json", {"eos_token_id": [first, 3]})
    stopped = load(base_path)
    assert stopped.model.generation_config.eos_token_id == [first, 3]
    assert len(stopped.model.generate(ids, max_new_tokens=8)[0]) == len(prompt) + 1


@pytest.mark.parametrize("switch", THINKING)
def test_thinking_models_answer_without_it_unless_asked(base_path, switch):
    (base_path / "chat_template.jinja").write_text(CHAT_TEMPLATE + THINKING[switch])

    def prompt(**options):
        base = load_base_model(str(base_path), placement=choose_placement("cpu", "float32"), **options)
        return base.tokenizer.decode(chat_ids(base, [{"role": "user", "content": "six"}]))

    quiet, thinking = prompt(), prompt(think=True)
    assert quiet == prompt(template_options={switch: False}) == thinking + quiet.removeprefix(thinking)
    assert "</think>" in quiet and "</think>" not in thinking


def test_arguments_of_a_chat_template(base_path):
    template = "\n{% if date %}{{ date }}|{{ level }}|{{ names }}{% endif %}" + CHAT_TEMPLATE
    (base_path / "chat_template.jinja").write_text(template)
    options = dict(map(parse_option, ['date=2 "May"', "level=1", "names=null"]))
    assert options == {"date": '2 "May"', "level": 1, "names": None}

    def prompt(**given):
        base = load_base_model(str(base_path), placement=choose_placement("cpu", "float32"), template_options=given)
        return base.tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)

    plain = make_tokenizer()
    plain.chat_template = template
    conversation = [{"role": "user", "content": "x"}]
    assert prompt() == plain.apply_chat_template(conversation, tokenize=False)
    assert prompt(**options) == plain.apply_chat_template(conversation, tokenize=False, **options)
    with pytest.raises(InputError, match="no argument 'dat'") as caught:
        prompt(dat="x")
    assert caught.value.hint == "it takes: date, level, names"


def test_a_template_without_arguments_is_left_as_it_is(base_path):
    base = load(base_path)
    assert template_arguments(base.tokenizer) == set() and base.tokenizer.chat_template == CHAT_TEMPLATE


@pytest.mark.parametrize("text", ["x", "=1", "a b=1", "x=[1]", 'x={"a": 1}'])
def test_what_is_no_argument_of_a_template_is_refused(text):
    with pytest.raises(InputError):
        parse_option(text)


@pytest.mark.parametrize(
    ("config", "package"),
    [
        ({"quant_method": "gptq", "bits": 4}, "optimum and gptqmodel"),
        ({"quant_method": "awq", "bits": 4, "version": "gemm"}, "gptqmodel"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "compressed-tensors", "format": "int-quantized"}, "compressed-tensors"),
        ({"quant_method": "hqq", "quant_config": {}}, "hqq"),
    ],
)
def test_quantised_bases_name_the_package_that_they_need(base_path, config, package):
    edited(base_path, "config.json", {"quantization_config": config})
    with pytest.raises(InputError, match=f"quantised with {config['quant_method']}: it needs {package}$") as caught:
        load(base_path)
    assert caught.value.hint == f"pip install {package.replace(' and ', ' ')}"


def test_a_base_without_all_of_its_weights_is_refused(base_path):
    """So is one that is quantised in a way that transformers does not know: its weights have other names."""
    tensors = load_file(base_path / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "1.mlp.up_proj" not in name}
    save_file(kept, base_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="lacks the weights model.layers.1.mlp.up_proj.weight, 1 in all"):
        load(base_path)


def test_transposed_layers_are_refused_in_words(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    path = tmp_path / "gpt2"
    GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=3, n_head=4, vocab_size=264, n_positions=128)).save_pretrained(path)
    make_tokenizer().save_pretrained(path)
    base = load(path)
    assert base.context_window == 128
    for modules in (("down_proj",), ("c_fc",)):
        with pytest.raises(InputError, match="Conv1D"):
            find_targets(base.model, modules)


def test_a_tokenizer_without_an_end_token_takes_the_models(base_path):
    edited(base_path, "tokenizer_config.json", {"eos_token": None, "pad_token": None})
    base = load(base_path)
    assert base.tokenizer.eos_token_id == base.tokenizer.pad_token_id == 3
    assert isinstance(answer(base, [{"role": "user", "content": "six"}], GenerationConfig(4)), str)


def test_a_file_that_is_no_folder_is_refused(base_path):
    with pytest.raises(InputError, match="no model directory"):
        load(base_path / "model.safetensors")


def test_the_output_layer_gets_the_last_states_of_a_batch_in_one_piece(tiny_base):
    """As transformers' ``generate`` slices them; in pieces, bf16 on a CPU copies the layer for every row."""
    seen = []
    handle = tiny_base.model.get_output_embeddings().register_forward_hook(
        lambda _module, args, _output: seen.append((tuple(args[0].shape[:2]), args[0].is_contiguous()))
    )
    try:
        tiny_base.model(input_ids=torch.arange(15).view(3, 5), logits_to_keep=1)
    finally:
        handle.remove()
    assert seen == [((3, 1), True)]
