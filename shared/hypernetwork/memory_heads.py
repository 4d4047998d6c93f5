"""The two grounded heads: a row of the memory for every token, or one for each of a few slots that choose.

Shapes as in ``shared.hypernetwork.memory``; *r* slots per chunk.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.hypernetwork.memory import GroundedConfig, GroundedHead, GroundedSource

MIN_RIDGE = 1e-3


class SlotHead(GroundedHead):
    """Each of r slots pools one row: attention of its output query over the context tokens.

    K = alpha k(t)     V = gain * unit((1 + M) beta e(t+1))     alpha, beta: softmax over the context tokens
    """

    def __init__(
        self, config: GroundedConfig, *, num_layers: int, sizes: dict[str, tuple[int, int]], r: int, latent_size: int
    ) -> None:
        super().__init__(config, num_layers=num_layers, sizes=sizes, rows=r)
        self.query = nn.Linear(latent_size, 2 * latent_size, bias=False)
        self.key = nn.Linear(latent_size, 2 * latent_size, bias=False)
        self.position = nn.Linear(2 * config.position_frequencies + 1, 2 * latent_size, bias=False)
        self.norm = nn.RMSNorm(latent_size, eps=1e-6)
        self.key_norm = nn.RMSNorm(latent_size, eps=1e-6)
        # Every slot has a query of its own: the Perceiver's outputs start so alike that all slots would follow each
        # other to one token. The second half moves the value away from the key's token and starts at nothing.
        shape = (num_layers, len(sizes), r, 2 * latent_size)
        self.slot_query = nn.Parameter(torch.randn(*shape) * config.initial_sharpness)
        with torch.no_grad():
            self.query.weight[latent_size:] = 0
            self.slot_query[..., latent_size:] = 0
        self.gate = nn.Linear(latent_size, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def attention(self, queries: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of keys and of values over the context tokens, each (batch, layers, modules, r, T)."""
        size = context.shape[-1]
        q = self.query(self.norm(queries)) + self.slot_query
        k = (self.key(self.norm(context)) + self.position(self._position_features(mask))).unflatten(-1, (2, size))
        k = self.key_norm(k).flatten(-2)
        logits = [
            torch.einsum("blmrd,btd->blmrt", q[..., part], k[..., part]).float() / size**0.5
            for part in (slice(0, size), slice(size, None))
        ]
        keep = mask[:, None, None, None, :]
        alpha = logits[0].masked_fill(~keep, -torch.inf).softmax(-1)
        if self.config.tie_values:
            return alpha, alpha
        return alpha, (logits[0] + logits[1]).masked_fill(~keep, -torch.inf).softmax(-1)

    def _position_features(self, mask: Tensor) -> Tensor:
        """Fourier features of the relative position among the tokens that may be pooled, (batch, T, features)."""
        count = mask.cumsum(-1).float()
        position = (count - 1) / (count[:, -1:] - 1).clamp_min(1)
        frequencies = torch.arange(1, self.config.position_frequencies + 1, device=mask.device) * torch.pi
        angles = position[..., None] * frequencies
        return torch.cat([position[..., None] - 0.5, angles.sin(), angles.cos()], dim=-1)

    def forward(self, queries: Tensor, context: Tensor, source: GroundedSource) -> dict[str, tuple[Tensor, Tensor]]:
        """queries (batch, layers, modules, r, latent_size), context (batch, T, latent_size).

        Returns whitened keys and values of each module, rank-major; ``solve`` makes factors of them.
        """
        alpha, beta = self.attention(queries, context, source.mask)
        gain = self.log_gain.exp() * self.value_scale[..., None] * (2 * self.gate(queries)[..., 0].float().sigmoid())
        pooled = torch.einsum("blmrt,bth->blmrh", beta.to(source.values.dtype), source.values)
        values = self._values(pooled, gain)
        result = {}
        for index, module in enumerate(self.modules_):
            keys = source.keys[module]
            pooled = torch.einsum("blrt,blti->blri", alpha[:, :, index].to(keys.dtype), keys)
            result[module] = self._whitened(module, pooled), values[:, :, index]
        return result


class TokenHead(GroundedHead):
    """Every content token is a row; the Perceiver decides how much each one counts and how strongly it is written.

        K = w k(t)     V = w g unit((1 + M) e(t+1))     w = 2 sigmoid(q_w . c(t)), g = gain 2 sigmoid(q_g . c(t))

    with q_w and q_g from the output query of the layer and c(t) the Perceiver's projected input. w^2 is the row's
    weight in the least-squares fit; both start at 1, where the memory is plain regression of the next token on the
    layer's input. Of a chunk with more than ``r`` tokens the ``r`` with the largest w are kept, in every layer its own.

    With a horizon, e(t+1) is sum_d mix_d s(t+d) unit(e(t+d)) instead, where the layer's mix is learned and the salience
    s = 2 sigmoid(q_s . c(t+d-1)) is the Perceiver's: what a subject's last token should bring back is not the next word
    but what is said of it (Meng et al. 2022, arXiv:2202.05262).
    """

    def __init__(
        self, config: GroundedConfig, *, num_layers: int, sizes: dict[str, tuple[int, int]], r: int, latent_size: int
    ) -> None:
        super().__init__(config, num_layers=num_layers, sizes=sizes, rows=1)
        self.r = r
        self.num_choices = 2 if config.horizon == 1 else 3
        self.query = nn.Linear(latent_size, self.num_choices * latent_size, bias=False)
        self.key = nn.Linear(latent_size, self.num_choices * latent_size, bias=False)
        self.norm = nn.RMSNorm(latent_size, eps=1e-6)
        nn.init.zeros_(self.query.weight)
        self.bias = nn.Parameter(torch.zeros(num_layers, len(sizes), self.num_choices))
        if config.horizon > 1:
            mix = torch.zeros(num_layers, len(sizes), config.horizon)
            mix[:, :, 0] = 1
            mix[: config.recall_layers] = 1
            self.mix = nn.Parameter(mix)
        self.log_ridge = nn.Parameter(torch.full((num_layers, len(sizes)), config.decorrelation_ridge).log())

    def ridge(self, module: str, layer: int) -> Tensor:
        # The floor keeps the Gram matrix of repeated sentences positive definite in float32.
        return self.log_ridge[layer, self.modules_.index(module)].exp().clamp_min(MIN_RIDGE)

    def forward(self, queries: Tensor, context: Tensor, source: GroundedSource) -> dict[str, tuple[Tensor, Tensor]]:
        """queries (batch, layers, modules, 1, latent_size), context (batch, T, latent_size).

        Returns whitened keys and values of each module, rank-major; chunks with fewer rows than others have zeros
        behind theirs.
        """
        size = context.shape[-1]
        q = self.query(self.norm(queries[..., 0, :])).unflatten(-1, (self.num_choices, size))
        k = self.key(self.norm(context)).unflatten(-1, (self.num_choices, size))
        logits = torch.einsum("blmpd,btpd->blmtp", q, k).float() / size**0.5 + self.bias[:, :, None]
        weight, strength, *salience = (2 * logits.sigmoid()).unbind(-1)
        keep = source.mask[:, None, None]
        rows = min(self.r, int(source.mask.sum(-1).max()))
        index = weight.masked_fill(~keep, -1.0).topk(rows, dim=-1).indices
        used = keep.expand_as(weight).take_along_dim(index, -1)
        weight = weight.take_along_dim(index, -1) * used
        gain = self.log_gain.exp() * self.value_scale[..., None] * strength.take_along_dim(index, -1)
        following = source.values[:, None, None]
        if salience:
            following = self._mixed(following, salience[0] * keep)
        following = following.take_along_dim(index[..., None], -2)
        values = self._values(following, gain * weight)
        result = {}
        for position, module in enumerate(self.modules_):
            keys = source.keys[module].take_along_dim(index[:, :, position, :, None], -2)
            result[module] = self._whitened(module, keys) * weight[:, :, position, :, None], values[:, :, position]
        return result

    def _mixed(self, following: Tensor, salience: Tensor) -> Tensor:
        """Mixtures of the tokens within the horizon behind every token.

        following (batch, 1, 1, T, hidden), salience (batch, layers, modules, T). Returns (batch, layers, modules, T,
        hidden) float32.
        """
        at = torch.arange(salience.shape[-1], device=salience.device)
        ahead = at[None] - at[:, None]
        within = (ahead >= 0) & (ahead < self.config.horizon)
        share = self.mix[..., ahead.clamp(0, self.config.horizon - 1)] * within
        return (share * salience[..., None, :]) @ F.normalize(following.float(), dim=-1)
