"""Small linear algebra of many layers: each layer on one thread, as many layers at a time as there are threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
