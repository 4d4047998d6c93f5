"""Device and dtype, decided once."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import InputError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
_SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def dtype_name(text: str, *, auto: bool = True) -> str:
    """A dtype's full name, also for the usual short ones.

    Args:
        auto: whether ``auto`` is one of them.

    Raises:
        InputError: an unknown name.
    """
    name, known = _SHORT.get(text, text), ("auto", *DTYPES) if auto else DTYPES
    if name not in known:
        raise InputError(f"unknown dtype {text!r}", f"use {', '.join(known)}")
    return name


@dataclass(frozen=True)
class Placement:
    """Where and in what precision the frozen base model runs."""

    device: "torch.device"
    dtype: "torch.dtype"


def choose_placement(device: str = "auto", dtype: str = "auto") -> Placement:
    """Resolve ``auto`` (cuda > mps > cpu; bf16 where it is fast, else float32).

    Raises:
        InputError: unknown device or dtype, or a device that this machine lacks.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            device = "cuda"
        elif torch.backends.mps.is_available():
            device = "mps"
        else:
            device = "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise InputError(f"unknown device {device!r}", "use auto, cpu, mps, cuda or cuda:N") from None
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(chosen.type, False):
        raise InputError(f"device {device!r} is not available on this machine", "use --device auto")
    dtype = dtype_name(dtype)
    if dtype == "auto":
        dtype = "bfloat16" if _bf16_is_fast(chosen) else "float32"
    return Placement(chosen, getattr(torch, dtype))


def _bf16_is_fast(device: "torch.device") -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "mps":
        return False
    # With AMX bf16 took 0.3 to 0.4 of float32's time on a small base, with AVX512-BF16 alone 1.8 times of it, and
    # without either oneDNN emulates it. Not timed on the spot: a busy machine must not change an adapter.
    return getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()


def tune_malloc() -> None:
    """Restart-free glibc settings for training, or generating many adapters, on a CPU.

    glibc returns large blocks to the kernel at once, and such work then spends up to half its time in page
    faults. ``mallopt`` keeps them. A no-op elsewhere.
    """
    import ctypes
    import sys

    if not sys.platform.startswith("linux") or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt(m_mmap_threshold, 1 << 30)
    mallopt(m_trim_threshold, (1 << 31) - 1)
