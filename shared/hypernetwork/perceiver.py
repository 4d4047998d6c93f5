"""Perceiver encoder and decoder (Jaegle et al. 2021, arXiv:2103.03206; 2021, arXiv:2107.14795).

The layer layout is that of Doc-to-LoRA's Idefics-style resampler (https://github.com/SakanaAI/doc-to-lora), so that
its released weights load unchanged: grouped-query attention of a fixed head size, RMSNorm before and after each
sub-layer, gated MLPs, no biases, no positional encoding.

Shapes: *batch*, *T* context tokens, *feature_size* their width, *latent_size* the width inside the Perceiver,
*num_latents* encoder latents, *num_queries* output queries.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.config import Config
from shared.errors import InputError

RMS_NORM_EPS = 1e-6
# Far above any, and low enough that an outline of the network is made in a second.
MAX_BLOCKS = 256


@dataclass(frozen=True)
class PerceiverConfig(Config):
    """Shape of the Perceiver; the defaults for heads and MLP are those of the published checkpoints."""

    latent_size: int = 512
    num_latents: int = 8
    num_blocks: int = 9
    num_self_attn_per_block: int = 0
    num_attention_heads: int = 16
    num_key_value_heads: int = 4
    head_dim: int = 128
    mlp_factor: int = 4

    def __post_init__(self) -> None:
        sizes = self.latent_size, self.num_latents, self.num_blocks, self.head_dim, self.mlp_factor
        if min(*sizes, self.num_attention_heads, self.num_key_value_heads) < 1 or self.num_self_attn_per_block < 0:
            raise InputError("the Perceiver's sizes must be positive")
        if self.num_attention_heads % self.num_key_value_heads:
            raise InputError("num_attention_heads must be a multiple of num_key_value_heads")
        if self.num_blocks * (1 + self.num_self_attn_per_block) > MAX_BLOCKS:
            raise InputError(f"the Perceiver has more than {MAX_BLOCKS} layers")


class GatedMLP(nn.Module):
    """down( silu(gate(x)) * up(x) ), from in_size over hidden_size to out_size."""

    def __init__(self, in_size: int, hidden_size: int, out_size: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(in_size, hidden_size, bias=False)
        self.up_proj = nn.Linear(in_size, hidden_size, bias=False)
        self.down_proj = nn.Linear(hidden_size, out_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Attention(nn.Module):
    """Grouped-query attention of latents to a context."""

    def __init__(self, size: int, num_heads: int, num_kv_heads: int, head_dim: int) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, head_dim
        self.q_proj = nn.Linear(size, num_heads * head_dim, bias=False)
        self.k_proj = nn.Linear(size, num_kv_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(size, num_kv_heads * head_dim, bias=False)
        self.o_proj = nn.Linear(num_heads * head_dim, size, bias=False)

    def forward(self, latents: Tensor, context: Tensor, attention_mask: Tensor | None) -> Tensor:
        """latents (batch, q, size), context (batch, T, size), attention_mask (batch, T) bool. Returns like latents."""
        batch, num_queries, _ = latents.shape
        q = self.q_proj(latents).view(batch, num_queries, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(context).view(batch, -1, self.num_kv_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(context).view(batch, -1, self.num_kv_heads, self.head_dim).transpose(1, 2)
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        return self.o_proj(out.transpose(1, 2).reshape(batch, num_queries, -1))


class PerceiverLayer(nn.Module):
    """One attention and MLP layer; cross attention to a context, or self attention of the latents."""

    def __init__(self, config: PerceiverConfig, *, cross: bool) -> None:
        super().__init__()
        size = config.latent_size
        self.input_latents_layernorm = nn.RMSNorm(size, eps=RMS_NORM_EPS)
        self.input_context_layernorm = nn.RMSNorm(size, eps=RMS_NORM_EPS) if cross else None
        self.attention = Attention(size, config.num_attention_heads, config.num_key_value_heads, config.head_dim)
        self.post_attention_layernorm = nn.RMSNorm(size, eps=RMS_NORM_EPS)
        self.pre_ff_layernorm = nn.RMSNorm(size, eps=RMS_NORM_EPS)
        self.mlp = GatedMLP(size, config.mlp_factor * size, size)
        self.post_ff_layernorm = nn.RMSNorm(size, eps=RMS_NORM_EPS)

    def forward(self, latents: Tensor, context: Tensor, attention_mask: Tensor | None) -> Tensor:
        """latents (batch, q, latent_size), context (batch, T, latent_size). Returns like latents."""
        x = self.input_latents_layernorm(latents)
        if self.input_context_layernorm is None:
            attended = self.attention(x, x, None)
        else:
            attended = self.attention(x, self.input_context_layernorm(context), attention_mask)
        latents = latents + self.post_attention_layernorm(attended)
        return latents + self.post_ff_layernorm(self.mlp(self.pre_ff_layernorm(latents)))


class LatentStack(nn.Module):
    """Learned latents (or output queries) refined by a list of layers and a final norm."""

    def __init__(self, config: PerceiverConfig, num_latents: int, layers: list[PerceiverLayer]) -> None:
        super().__init__()
        # Unit variance, as the normalised branches that are added to them: smaller latents would soon be all alike.
        self.latents = nn.Parameter(torch.randn(num_latents, config.latent_size))
        self.layers = nn.ModuleList(layers)
        self.layernorm = nn.RMSNorm(config.latent_size, eps=RMS_NORM_EPS)

    def forward(self, context: Tensor, attention_mask: Tensor | None) -> Tensor:
        """context (batch, T, latent_size). Returns (batch, num_latents, latent_size)."""
        x = self.latents.expand(context.shape[0], -1, -1)
        for layer in self.layers:
            x = layer(x, context, attention_mask)
        return self.layernorm(x)


@dataclass(frozen=True)
class PerceiverOutput:
    """What the Perceiver yields.

    Attributes:
        context: the projected input tokens, (batch, T, latent_size).
        queries: the refined output queries, (batch, num_queries, latent_size).
    """

    context: Tensor
    queries: Tensor


class Perceiver(nn.Module):
    """Input projection, latent encoder, and a decoder with one output query per vector wanted."""

    def __init__(self, config: PerceiverConfig, *, feature_size: int, num_queries: int) -> None:
        super().__init__()
        self.input_projection = GatedMLP(feature_size, config.mlp_factor * feature_size, config.latent_size)
        encoder_layers = []
        for _ in range(config.num_blocks):
            encoder_layers.append(PerceiverLayer(config, cross=True))
            encoder_layers += [PerceiverLayer(config, cross=False) for _ in range(config.num_self_attn_per_block)]
        self.encoder = LatentStack(config, config.num_latents, encoder_layers)
        self.decoder = LatentStack(config, num_queries, [PerceiverLayer(config, cross=True)])

    def forward(self, features: Tensor, attention_mask: Tensor) -> PerceiverOutput:
        """features (batch, T, feature_size), attention_mask (batch, T) bool, True = keep."""
        context = self.input_projection(features)
        latents = self.encoder(context, attention_mask)
        return PerceiverOutput(context, self.decoder(latents, None))
