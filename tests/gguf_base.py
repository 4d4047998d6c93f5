"""Tiny base models in GGUF, and llama.cpp's logits: written tensor by tensor, without the code under test."""

import gguf
import numpy as np
import torch

#: GGUF's names of a block's parts, spelled out.
PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def gguf_name(name):
    """GGUF's name of a tensor of a llama or qwen model."""
    module, _, kind = name.rpartition(".")
    if module in WHOLE:
        return f"{WHOLE[module]}.{kind}"
    _, _, block, part = module.split(".", 3)
    return f"blk.{block}.{PARTS[part]}.{kind}"


def write_shape(writer, config):
    """What a file says of the sizes of its model."""
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def close(writer):
    """Write all that was added."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def pairs_of_halves(matrix, heads):
    """Row by row: the i-th of a head's first half and the i-th of its second become neighbours."""
    size = len(matrix) // heads
    order = [h * size + half * size // 2 + i for h in range(heads) for i in range(size // 2) for half in (0, 1)]
    return matrix[order]


def write_base(path, base):
    """A llama or qwen model of transformers with its byte tokenizer as float32 GGUF."""
    config, kind = base.model.config, base.model.config.model_type
    writer = gguf.GGUFWriter(path, kind)
    write_shape(writer, config)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    vocabulary = base.tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.get)
    special = {gguf.TokenType.CONTROL: base.tokenizer.all_special_tokens}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if t in special[gguf.TokenType.CONTROL] else gguf.TokenType.NORMAL for t in tokens]
    )
    writer.add_token_merges(["a b"])
    writer.add_add_bos_token(False)
    writer.add_bos_token_id(base.tokenizer.bos_token_id)
    writer.add_eos_token_id(base.tokenizer.eos_token_id)
    writer.add_chat_template(base.tokenizer.chat_template)
    for name, tensor in base.model.state_dict().items():
        if kind == "llama" and ("q_proj" in name or "k_proj" in name):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            tensor = pairs_of_halves(tensor, heads)
        writer.add_tensor(gguf_name(name), np.ascontiguousarray(tensor.float().numpy()))
    close(writer)
    return path


def engine(model, lora=None):
    """llama.cpp with a model, and perhaps a LoRA, on one thread and in float32."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 256, 1, False, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if lora is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(lora), 1.0)]
    return xllamacpp.Server(params)


def log_probabilities(server, ids, size):
    """llama.cpp's log-probabilities of the token behind ``ids``, (size,)."""
    # The bias makes it choose a token that can be shown; probabilities are those before it.
    bias = [[80, 1000]]
    request = {"prompt": ids, "max_tokens": 1, "temperature": 0, "logprobs": size, "n_probs": size, "logit_bias": bias}
    content = server.handle_completions(request)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    result = torch.full((size,), float("nan"), dtype=torch.float64)
    for entry in content:
        result[entry["id"]] = entry["logprob"]
    return result
