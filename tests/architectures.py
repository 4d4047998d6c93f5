"""Tiny models of many architectures, built from the configurations of transformers."""

import torch

from shared.base.model import _auto_class

TEXT = {
    "vocab_size": 264,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "max_position_embeddings": 4096,
}
# As deep as the language model, with the same names for its linear layers.
VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": 16,
    "patch_size": 8,
}
QWEN_VISION = {"depth": 4, "hidden_size": 32, "intermediate_size": 48, "num_heads": 4, "out_hidden_size": 32}
ROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True, "rope_theta": 10000.0}


def configs():
    """name -> a function that makes a configuration of transformers."""
    import transformers as tf

    def gemma3(text):
        return tf.Gemma3Config(text_config=text, vision_config=VISION, mm_tokens_per_image=4)

    hybrid = {"layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"]}
    linear = {f"linear_{kind}": value for kind, value in
              {"num_key_heads": 2, "num_value_heads": 2, "key_head_dim": 8, "value_head_dim": 8}.items()}  # fmt: skip
    return {
        "llama": lambda: tf.LlamaConfig(**TEXT),
        "mistral": lambda: tf.MistralConfig(**TEXT),
        "phi3": lambda: tf.Phi3Config(**TEXT),
        "qwen3": lambda: tf.Qwen3Config(**TEXT),
        "gemma3_text": lambda: tf.Gemma3TextConfig(**TEXT, query_pre_attn_scalar=8),
        "gemma3": lambda: gemma3({**TEXT, "query_pre_attn_scalar": 8}),
        "gemma4_text": lambda: tf.Gemma4TextConfig(**TEXT, **GEMMA4),
        "gemma4": lambda: tf.Gemma4Config(text_config={**TEXT, **GEMMA4}, vision_config=VISION),
        "gemma4_k_is_v": lambda: tf.Gemma4TextConfig(**TEXT, **GEMMA4, attention_k_eq_v=True),
        "qwen3_5_text": lambda: tf.Qwen3_5TextConfig(**TEXT, **hybrid, **linear),
        "qwen3_5": lambda: tf.Qwen3_5Config(
            text_config={**TEXT, **hybrid, **linear, "rope_parameters": ROPE}, vision_config=QWEN_VISION
        ),
        "qwen3_vl": lambda: tf.Qwen3VLConfig(
            text_config={**TEXT, "rope_parameters": ROPE},
            vision_config={**QWEN_VISION, "deepstack_visual_indexes": [0]},
        ),
        "gpt_neox": lambda: tf.GPTNeoXConfig(**TEXT),
        "opt": lambda: tf.OPTConfig(**TEXT, ffn_dim=48, word_embed_proj_dim=32),
        "phi": lambda: tf.PhiConfig(**TEXT),
        "mamba": lambda: tf.MambaConfig(**TEXT, state_size=4),
        "qwen3_moe": lambda: tf.Qwen3MoeConfig(**TEXT, moe_intermediate_size=24, num_experts=4, num_experts_per_tok=2),
        "llava": lambda: tf.LlavaConfig(
            text_config={**TEXT, "model_type": "llama"}, vision_config={**VISION, "model_type": "clip_vision_model"}
        ),
    }


GEMMA4 = {"hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0, "global_head_dim": 8,
          "vocab_size_per_layer_input": 264}  # fmt: skip


NAMES = (
    *("llama", "mistral", "phi3", "qwen3", "gemma3_text", "gemma3", "gemma4_text", "gemma4", "gemma4_k_is_v"),
    *("qwen3_5_text", "qwen3_5", "qwen3_vl", "llava"),
)
#: Whose MLPs have other names, or several experts, or that have none.
OTHERS = ("gpt_neox", "opt", "phi", "mamba", "qwen3_moe")


def build(name):
    config = configs()[name]()
    torch.manual_seed(0)
    return _auto_class(config).from_config(config).eval()
