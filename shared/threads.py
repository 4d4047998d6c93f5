"""Small linear algebra of many layers: each layer on one thread, as many layers at a time as there are threads."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

_T, _R = TypeVar("_T"), TypeVar("_R")
#: Each layer at work holds a few matrices of its own.
MOST = 8


def each_on_one_thread(function: Callable[[_T], _R], items: Sequence[_T], device: torch.device) -> list[_R]:
    """``function`` of each item, in their order, without gradients.

    A factorisation of a thousand rows gains little from several threads, which wait for each other at every step: where
    a neighbour takes one of two cores, an inverse of 0.02 s takes up to 5 s. It also rounds by their number; on one
    thread the same numbers give the same bits.

    Args:
        device: of the tensors; on others than a CPU the items come one after the other.
    """
    function = torch.no_grad()(function)
    if device.type != "cpu":
        return [function(item) for item in items]
    workers = min(MOST, torch.get_num_threads())
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(function, items))


#: It only allows bf16 inside a float32 product; oneDNN does not use it on every CPU.
_SWITCH = "bf16"
#: Relative, of a product of 256 terms in float32; bf16 inside gives a thousand times as much.
_FLOAT32_ERROR = 2e-6


@contextmanager
def large_products() -> Iterator[None]:
    """Large float32 products on the CPU go through oneDNN in this block, where that is as exact.

    The library that torch uses by default knows AVX-512 on Intel's CPUs only: on another one oneDNN took 0.47 of its
    time. Small products, such as those of decoding, lose by it.
    """
    if not _is_exact():
        yield
        return
    with _through_onednn():
        yield


@contextmanager
def _through_onednn() -> Iterator[None]:
    settings = torch.backends.mkldnn.matmul
    before, settings.fp32_precision = settings.fp32_precision, _SWITCH
    try:
        yield
    finally:
        settings.fp32_precision = before


@cache
def _is_exact() -> bool:
    """Whether products through oneDNN are float32's on this CPU, and worth it."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    angles = torch.arange(1 << 16, dtype=torch.float32).view(256, 256)
    left, right = angles.cos(), angles.sin()
    try:
        with _through_onednn():
            found = left @ right
    except (AttributeError, RuntimeError):  # a torch without the switch, or without oneDNN
        return False
    exact = left.double() @ right.double()
    return bool((found - exact).norm() <= _FLOAT32_ERROR * exact.norm())
