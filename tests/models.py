"""Every tiny model of the tests: bases, tokenizers, hypernetworks and random weights, built from configurations."""

from pathlib import Path

import torch

from d2l.model import D2LModel
from d2l.training.batches import D2LDataConfig
from d2l.training.train import D2LArchitecture, D2LObjective, D2LTrainConfig, calibrate
from shared.base.device import choose_placement
from shared.base.model import load_base_model
from shared.base.targets import Target, find_targets
from shared.hypernetwork.checkpoint import save_checkpoint
from shared.hypernetwork.features import ContextFeatures, MemorySource
from shared.hypernetwork.memory import MemoryHeadConfig
from shared.hypernetwork.network import HyperNetwork, HyperNetworkConfig
from shared.hypernetwork.perceiver import PerceiverConfig
from shared.lora.weights import LoraFactors, LoraWeights
from shared.training.loop import TrainingConfig
from t2l.model import T2LModel
from t2l.tasks import Example, Task
from t2l.training.batches import T2LDataConfig
from t2l.training.train import T2LArchitecture, T2LObjective, T2LTrainConfig

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


def make_base(
    path: Path, *, hidden_size: int = 32, layers: int = 2, kind: str = "llama", seed: int = 0, max_positions: int = 512
) -> Path:
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
        max_position_embeddings=max_positions,
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


def load(path: Path):
    return load_base_model(str(path), placement=choose_placement("cpu", "float32"))


def random_weights(base, modules, r, *, layers=None, **options):
    return factors_of(find_targets(base.model, modules, layers), r, **options)


def factors_of(targets, r, *, batch=None, seed=0, dtype=torch.float32):
    """Random factors for some layers."""
    generator = torch.Generator().manual_seed(seed)
    lead = () if batch is None else (batch,)
    return LoraWeights(
        {
            t.name: LoraFactors(
                (torch.randn(*lead, r, t.in_features, generator=generator) * 0.3).to(dtype),
                (torch.randn(*lead, t.out_features, r, generator=generator) * 0.3).to(dtype),
            )
            for t in targets
        }
    )


#: Options that keep every bit of a factor.
FLOAT32 = ("--dtype", "float32", "--save-dtype", "float32")
TEXT = "The ferry leaves at six. It carries salted herring!\nThe keeper writes totals in blue ink. " * 6
SMALL_PERCEIVER = {
    "latent_size": 16,
    "num_latents": 4,
    "num_blocks": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
}


def d2l_architecture(**changes):
    defaults = {
        "perceiver": SMALL_PERCEIVER,
        "encoder": {"layer_idx": 1},
        "r": 2,
        "bias_r": 2,
        "chunk_tokens": 64,
        "head": {"kind": "memory", "whitening_rank": 4, "initial_gain": 0.2, "initial_ridge": 0.1},
        "bias_modules": ["q_proj"],
    }
    return D2LArchitecture.from_dict(defaults | changes)


def make_d2l(base, seed=0, **changes):
    torch.manual_seed(seed)
    config = d2l_architecture(**changes).build(base)
    network = HyperNetwork(config.hypernetwork).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    calibrate(network, config, base, [TEXT])
    return D2LModel(config, network, base)


LAYER_TO_LAYER = {
    "encoder": {"type": "per_layer_activations"},
    "head": {"kind": "linear"},
    "bias_modules": [],
}


def d2l_data(**changes):
    """Generated documents alone, every question asked, nothing beside them."""
    quiet = {"real": 0.0, "unrelated": 0.0, "continued": 0.0, "stated": 0.0, "unanswerable": 1.0}
    return D2LDataConfig(**quiet | {"questions_per_chunk": 2, "max_answer_tokens": 24} | changes)


def d2l_train_config(**training):
    return D2LTrainConfig(
        d2l_architecture(chunk_tokens=300),
        d2l_data(chunks_per_step=4, max_chunks=2, questions_per_chunk=1),
        D2LObjective(first_token=1.0, distill=0.5),
        TrainingConfig(max_steps=4, warmup_steps=1, log_every=1, eval_every=2, save_every=3, **training),
    )


T2L_ARCHITECTURE = T2LArchitecture.from_dict(
    {
        "perceiver": SMALL_PERCEIVER,
        "target_modules": ["q_proj", "v_proj"],
        "head": {"kind": "linear"},
        "r": 2,
        "bias_r": 2,
    }
)
COPYING = T2LArchitecture.from_dict(
    {
        "perceiver": SMALL_PERCEIVER,
        "r": 2,
        "bias_r": 2,
        "target_modules": ["q_proj", "down_proj"],
        "head": {"kind": "linear", "copy": {"key_size": 8, "pieces": 3, "trigger_rank": 4}},
    }
)


def make_t2l(base, encoder=None, seed=0, architecture=T2L_ARCHITECTURE):
    torch.manual_seed(seed)
    config = architecture.build(base, 384)
    network = HyperNetwork(config.hypernetwork).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return T2LModel(config, network, text_encoder=encoder, base=base)


def t2l_train_config(tasks_dir, tmp_path, **objective):
    return T2LTrainConfig(
        T2L_ARCHITECTURE,
        T2LDataConfig(
            tasks=str(tasks_dir),
            procedural=0,
            tasks_per_step=2,
            examples_per_task=2,
            family_group=1,
            max_input_tokens=160,
            max_output_tokens=32,
            embedding_noise=0.0,
            descriptions=str(tmp_path / "c.safetensors"),
        ),
        T2LObjective(**{"contrast": 0.0} | objective),
        TrainingConfig(max_steps=4, warmup_steps=1, log_every=1, eval_every=2, save_every=2),
    )


LABELS = ("Yes", "No", "Perhaps not")


def make_task(name, family="f", train=5, labels=LABELS, outputs=LABELS, test=12):
    def examples(count, word):
        return tuple(Example(f"{word} {i}", (outputs[i % len(outputs)],)) for i in range(count))

    described = (f"{name} it", f"now {name}")
    return Task(
        name, family, "exact", labels, "", "train", examples(train, "old"), examples(test, "new"), (name,), described
    )


PERCEIVER = PerceiverConfig(
    latent_size=24,
    num_latents=5,
    num_blocks=2,
    num_self_attn_per_block=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
)


def make_targets(modules=("down_proj",), layers=2, sizes=None):
    sizes = sizes or {}
    return tuple(
        Target(f"model.layers.{layer}.x.{m}", layer, m, *sizes.get((layer, m), (48, 32)))
        for layer in range(layers)
        for m in sorted(modules)
    )


NETWORKS = {
    "linear": HyperNetworkConfig(make_targets(), r=3, feature_size=16, perceiver=PERCEIVER, scaling=2.0),
    "t2l": HyperNetworkConfig(make_targets(("q_proj", "v_proj")), r=2, feature_size=16, perceiver=PERCEIVER, bias_r=0),
    "layer_to_layer": HyperNetworkConfig(
        make_targets(), r=3, feature_size=16, perceiver=PERCEIVER, per_layer_features=True, num_pre_head_layers=2
    ),
    "shared_pre_head": HyperNetworkConfig(
        make_targets(), r=3, feature_size=16, perceiver=PERCEIVER, num_pre_head_layers=1, per_layer_processing=False
    ),
    "memory": HyperNetworkConfig(
        make_targets(),
        r=3,
        feature_size=16,
        perceiver=PERCEIVER,
        head=MemoryHeadConfig(whitening_rank=4, initial_gain=0.5, initial_ridge=0.1),
        bias_targets=(Target("model.layers.0.q_proj", 0, "q_proj", 16, 16),),
    ),
    "recall": HyperNetworkConfig(
        make_targets(),
        r=3,
        feature_size=16,
        perceiver=PERCEIVER,
        head=MemoryHeadConfig(whitening_rank=4, initial_gain=0.5, initial_ridge=0.1, horizon=3, recall_layers=1),
    ),
    "uneven": HyperNetworkConfig(
        make_targets(("a", "b"), sizes={(0, "a"): (10, 7), (1, "a"): (12, 5), (1, "b"): (3, 9)}),
        r=2,
        feature_size=16,
        perceiver=PERCEIVER,
    ),
}


def build_network(config, seed=0):
    """A network in which every parameter is random, so that a forgotten one shows up."""
    torch.manual_seed(seed)
    network = HyperNetwork(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for name, buffer in network.named_buffers():
            if "whitening" in name:
                buffer.copy_(torch.linalg.qr(torch.randn(*buffer.shape))[0] * 0.9)
    return network


def combine(network, factors, num_contexts=1):
    """LoRA weights of each context from the factors of its chunks, which lie next to each other."""
    return network.join(factors.by_context(num_contexts)).weights


def write_model(model, path, *, card="", dtype="float32", files=None):
    """A checkpoint directory of a D2L or T2L model."""
    state = model.hypernetwork.state_dict()
    save_checkpoint(path, model.config.to_dict(), state, card=card, dtype=dtype, files=files)
    return path


def make_features(config, batch=3, length=7, pad=0, seed=1):
    generator = torch.Generator().manual_seed(seed)
    lead = (batch, len(config.grid.layers)) if config.per_layer_features else (batch,)
    hidden = torch.randn(*lead, length, config.feature_size, generator=generator)
    mask = torch.ones(batch, length, dtype=torch.bool)
    keys = torch.randn(batch, len(config.grid.layers), length, 48, generator=generator)
    values = torch.randn(batch, length, 32, generator=generator)
    pooled = mask.clone()
    pooled[:, 0] = False
    if pad:
        junk = 1e3
        hidden = torch.nn.functional.pad(hidden, (0, 0, 0, pad), value=junk)
        keys = torch.nn.functional.pad(keys, (0, 0, 0, pad), value=junk)
        values = torch.nn.functional.pad(values, (0, 0, 0, pad), value=junk)
        mask, pooled = (torch.nn.functional.pad(m, (0, pad)) for m in (mask, pooled))
    return ContextFeatures(hidden, mask, MemorySource({"down_proj": keys}, values, pooled))
