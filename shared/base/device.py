"""Device and dtype, decided once."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import InputError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
#: In ``HYPERLORA_HOME``: whether bf16 is faster, by CPU and version of torch.
TIMINGS_FILE = "bf16.json"
#: Share of float32's time that bf16 may take; rounding is not worth less.
CLEARLY = 0.7
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
    if getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)():
        return True
    # Without such instructions oneDNN emulates bf16.
    return getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)() and _bf16_was_faster()


def _bf16_was_faster() -> bool:
    """Whether a small base's matrix product is clearly faster in bf16 on this CPU, timed once and then remembered.

    With AVX512-BF16 it depends on the CPU: a whole pass took 0.35 of float32's time on one and 1.8 times of it on
    another. Remembered, since two runs of one command must not differ in their dtype because the machine was busy.
    """
    import json

    import torch

    from shared.paths import home
    from shared.work_folder import whole_file

    file, key = home() / TIMINGS_FILE, f"{_cpu_name()}, torch {torch.__version__}"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    known = known if isinstance(known, dict) else {}
    if isinstance(known.get(key), bool):
        return known[key]
    is_faster = _product_seconds(torch.bfloat16) < CLEARLY * _product_seconds(torch.float32)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as new:
            new.write_text(json.dumps(known | {key: is_faster}), encoding="utf-8")
    return is_faster


def _product_seconds(dtype: "torch.dtype") -> float:
    """Best of a few tries of a small base model's matrix product, which busy neighbours slow least."""
    import torch

    states, weight, taken = torch.ones(256, 576, dtype=dtype), torch.ones(1536, 576, dtype=dtype), []
    for _ in range(9):
        started = time.perf_counter()
        torch.nn.functional.linear(states, weight)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _cpu_name() -> str:
    import platform

    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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
