"""Tiny models built in tmp_path: no download, the real loading code."""

import os
from pathlib import Path

import pytest

# Before any import of a Hugging Face library: tests never go to the network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tokenizer(corpus: str = ""):
    """A byte-level tokenizer with chat markers: 256 bytes and four special tokens; merges learned from a corpus."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<unk>", "<|im_start|>", "<|im_end|>"]
    vocab = {token: i for i, token in enumerate(special + sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if corpus:
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
        tokenizer.train_from_iterator([corpus], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
    )
    fast.add_special_tokens({"additional_special_tokens": special[2:]})
    fast.chat_template = CHAT_TEMPLATE
    return fast


def make_base(path: Path, *, hidden_size: int = 32, layers: int = 2, kind: str = "llama", seed: int = 0) -> Path:
    """Write a tiny causal LM with its tokenizer; returns the directory."""
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    common = dict(
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        initializer_range=0.2,
    )
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**common))
    else:
        model = Gemma2ForCausalLM(Gemma2Config(**common, head_dim=12, query_pre_attn_scalar=12))
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def trained_tokenizer():
    """With merges: a word and the space before it are one token, as in real tokenizers."""
    return make_tokenizer("The ferry leaves at six. It carries herring. The keeper writes totals. " * 20)


@pytest.fixture(scope="session")
def tiny_base_path(tmp_path_factory) -> Path:
    return make_base(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_gemma_path(tmp_path_factory) -> Path:
    return make_base(tmp_path_factory.mktemp("models") / "tiny-gemma", kind="gemma2")


def load(path: Path):
    from shared.base_model import load_base_model
    from shared.device import choose_placement

    return load_base_model(str(path), placement=choose_placement("cpu", "float32"))


@pytest.fixture(scope="session")
def tiny_base(tiny_base_path):
    return load(tiny_base_path)


@pytest.fixture(scope="session")
def tiny_gemma(tiny_gemma_path):
    return load(tiny_gemma_path)


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory, monkeypatch):
    """Nothing of the user's: no token, no cache that a test may write to (the converted base model is shared)."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.getbasetemp() / "hf-home"))
    monkeypatch.setenv("HYPERLORA_HOME", str(tmp_path_factory.getbasetemp() / "hyperlora-home"))
