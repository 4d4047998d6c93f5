"""How large an adapter may become: the rank that a number of bytes allows."""

from dataclasses import dataclass

from shared.errors import InputError
from shared.hypernetwork.network import HyperNetworkConfig

# Upper bound of a safetensors header's bytes for one factor: its name, type, shape and place.
HEADER_BYTES = 256


@dataclass(frozen=True)
class RankBudget:
    """How large an adapter may become.

    Attributes:
        max_rank: largest rank.
        max_bytes: largest size of the written weights file.
    """

    max_rank: int | None = None
    max_bytes: int | None = None

    def rank(self, config: HyperNetworkConfig, itemsize: int = 2, *, reading: bool = True) -> int | None:
        """The largest rank within the budget, ``None`` if there is no limit.

        Args:
            itemsize: bytes of a number as it will be written.
            reading: with the layers that have the bias LoRA only; a studied adapter leaves them out.

        Raises:
            InputError: not even rank 1 fits.
        """
        limits = [] if self.max_rank is None else [self.max_rank]
        if self.max_bytes is not None:
            layers = (*config.targets, *(config.bias_targets if reading else ()))
            per_rank = itemsize * sum(t.in_features + t.out_features for t in layers)
            header = 2 * HEADER_BYTES * len(layers)
            limits.append((self.max_bytes - header) // per_rank)
            if limits[-1] < 1:
                raise InputError(
                    f"the adapter cannot be that small: rank 1 takes {per_rank + header:,} bytes", "raise --max-bytes"
                )
        return min(limits, default=None)
