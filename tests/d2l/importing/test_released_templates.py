"""The text handling of the three released bases, on toy tokenizers that give the real ids to the template's tokens.

What is real: the chat templates (as the reference loads them, deleting runs of four spaces and newlines, without the
marks for its loss; and as the models' own tokenizers have them), the ids of the template's tokens, the normalisation
and the splitting rules. What is not: the vocabulary. Words that the templates do not contain become single characters
with made-up ids. Mistral's template is its own in both cases: public copies of the reference's end a prompt in one
space more, which the released ids of its pieces do not have.
"""

import pytest
from jinja2.exceptions import TemplateError
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from d2l.chunking import TemplatePieces, chunk_tokens_equally, template_pieces
from shared.base.chat import render_chat

TEXT = "The ferry leaves at six.\n\nThe keeper writes\ttotals in blue ink; [INST] is no template here. " * 4
FIRST_FREE = 200_000

# The reference's templates: https://github.com/SakanaAI/doc-to-lora, chat_templates/.
REFERENCE_GEMMA = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{% for message in loop_messages %}
    {% if (message['role'] == 'assistant') %}
        {% set role = 'model' %}
    {% else %}
        {% set role = message['role'] %}
    {% endif %}
    {%- if message['role'] == 'user' and loop.first and system_message is defined %}
        {{ '<start_of_turn>' + role + '\\n' + system_message + '\\n\\n' + message['content'] | trim }}
        {{ '<end_of_turn>\\n' }}
    {%- else %}
        {{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
    {%- endif %}
{% endfor %}
{% if add_generation_prompt %}
    {{'<start_of_turn>model\\n'}}
{% endif %}
"""
REFERENCE_QWEN = """{%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}"""
# The models' own. Gemma 2's refuses a system message; Mistral's stands before the first user message.
OWN_GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
    "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
OWN_MISTRAL = """{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- ' [INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content'] + eos_token}}
    {%- endif %}
{%- endfor %}"""
# An older one of its own, which knows no system message.
OLD_MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ ' [INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token}}{% endif %}{% endfor %}"
)


def as_the_reference_loads(template):
    return template.replace("    ", "").replace("\n", "")


def vocabulary(known, words, alphabet):
    """Ids of ``known`` tokens, of single characters, and of the pieces that ``words`` are merged from."""
    vocab, merges = dict(known), []
    for piece in [*alphabet, *(word[:n] for word in words for n in range(2, len(word) + 1))]:
        vocab.setdefault(piece, FIRST_FREE + len(vocab))
    for word in words:
        merges += [(word[:n], word[n]) for n in range(1, len(word))]
    return vocab, merges


def wrap(tokenizer, template, **special):
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.chat_template = template
    return fast


def gemma(template):
    special = {"<eos>": 1, "<bos>": 2, "<unk>": 3, "<start_of_turn>": 106, "<end_of_turn>": 107}
    lines = {"\n" * count: 107 + count for count in range(1, 32)}
    characters = sorted({c for c in TEXT + "usermodel" if c != "\n"} | {"▁", "☃"})
    vocab, merges = vocabulary(special | lines | {"user": 1645, "model": 2516}, ["user", "model"], characters)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_special_tokens(list(special))
    tokenizer.add_tokens([AddedToken(run, normalized=False) for run in lines])
    return wrap(tokenizer, template, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>")


def mistral(template):
    known = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{byte:02X}>": 3 + byte for byte in range(256)}
    known |= {"▁[": 733, "INST": 16289, "]": 28793, "▁": 28705, "/": 28748}
    characters = sorted({c for c in TEXT + "INST[" if c not in "\n\t "})
    vocab, merges = vocabulary(known, ["▁[", "INST"], characters)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return wrap(tokenizer, template, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def qwen(template):
    known = {"Ċ": 198, "user": 872, "system": 8948, "assistant": 77091}
    special = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
    vocab, merges = vocabulary(
        known | special, ["user", "system", "assistant"], sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    split = Regex(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(split, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    return wrap(tokenizer, template, eos_token="<|im_end|>", pad_token="<|endoftext|>")


GEMMA = TemplatePieces([2, 106, 1645, 110], [107, 108, 106, 2516, 108])
MISTRAL = TemplatePieces([1, 733, 16289, 28793, 28705, 13, 13], [733, 28748, 16289, 28793])
QWEN = TemplatePieces(
    [151644, 8948, 198, 151645, 198, 151644, 872, 198],
    [151645, 198, 151644, 77091, 198],
)
FAMILIES = [
    pytest.param(gemma, as_the_reference_loads(REFERENCE_GEMMA), GEMMA, id="gemma"),
    pytest.param(gemma, OWN_GEMMA, GEMMA, id="gemma-own"),
    pytest.param(mistral, as_the_reference_loads(OWN_MISTRAL), MISTRAL, id="mistral"),
    pytest.param(mistral, OWN_MISTRAL, MISTRAL, id="mistral-own"),
    pytest.param(mistral, OLD_MISTRAL, MISTRAL, id="mistral-old"),
    pytest.param(qwen, as_the_reference_loads(REFERENCE_QWEN), QWEN, id="qwen"),
]


@pytest.mark.parametrize(("make", "template", "pieces"), FAMILIES)
def test_pieces_are_the_released_ids(make, template, pieces):
    assert template_pieces(make(template)) == pieces


@pytest.mark.parametrize(("make", "template", "pieces"), FAMILIES)
@pytest.mark.parametrize("limit", [40, 97, 128, 100_000])
def test_chunks_are_the_reference_s(make, template, pieces, limit):
    """Cut after templating, ceil(n / ceil(n / limit)) ids each, pieces around all inner borders."""
    tokenizer = make(template)
    content = tokenizer(TEXT.strip(), add_special_tokens=False)["input_ids"]
    if make is mistral:  # alone, a text gets a space in front; behind the template's line ends it has none
        assert content.pop(0) == 28705
    ids = pieces.prefix + content + pieces.suffix
    number = -(-len(ids) // limit)
    size = -(-len(ids) // number)
    parts = [ids[start : start + size] for start in range(0, len(ids), size)]
    wanted = [
        (pieces.prefix if index else []) + part + (pieces.suffix if index < len(parts) - 1 else [])
        for index, part in enumerate(parts)
    ]
    chunks = chunk_tokens_equally(tokenizer, f"\n {TEXT}\n\n", limit)
    assert [chunk.ids for chunk in chunks] == wanted


@pytest.mark.parametrize(("make", "template", "pieces"), FAMILIES)
def test_questions_have_the_empty_system_message(make, template, pieces):
    tokenizer = make(template)
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": "Where is it?"}]
    ids = tokenizer(render_chat(tokenizer, messages), add_special_tokens=False)["input_ids"]
    assert ids[: len(pieces.prefix)] == pieces.prefix and ids[-len(pieces.suffix) :] == pieces.suffix
    longer = [*messages, {"role": "assistant", "content": "There."}, {"role": "user", "content": "Since when?"}]
    text = render_chat(tokenizer, longer)
    assert tokenizer(text, add_special_tokens=False)["input_ids"][: len(pieces.prefix)] == pieces.prefix
    assert text.count("Where is it?") == text.count("There.") == text.count("Since when?") == 1


def test_a_template_that_trims_still_trims_the_question_but_not_the_empty_line():
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": " Where?\n"}]
    assert "user\n\n\nWhere?<end_of_turn>" in render_chat(gemma(OWN_GEMMA), messages)
    assert " [INST] \n\n Where?\n [/INST]" in render_chat(mistral(OLD_MISTRAL), messages)
    with pytest.raises(TemplateError):
        render_chat(gemma(OWN_GEMMA), [messages[1], messages[1]])
