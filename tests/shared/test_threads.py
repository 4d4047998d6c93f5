"""Large products through another library: as exact as float32, and only inside the block."""

import pytest
import torch

from shared import threads
from shared.threads import large_products


def test_large_products_are_those_of_float32():
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(300, 700, generator=generator), torch.randn(700, 500, generator=generator)
    exact = left.double() @ right.double()
    with large_products():
        found = left @ right
    assert (found - exact).norm() < 2e-6 * exact.norm()


def test_the_switch_is_set_in_the_block_alone_and_only_where_it_is_exact(monkeypatch):
    settings = torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    for exact in (True, False):
        monkeypatch.setattr(threads, "_is_exact", lambda exact=exact: exact)
        with pytest.raises(KeyError), large_products():
            assert (settings.fp32_precision == threads._SWITCH) is exact or before == threads._SWITCH
            raise KeyError
        assert settings.fp32_precision == before


def test_a_cpu_that_rounds_to_bf16_inside_keeps_its_own_library(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(threads, "_through_onednn", _Rounding)
    threads._is_exact.cache_clear()
    try:
        assert not threads._is_exact()
    finally:
        threads._is_exact.cache_clear()


class _Rounding:
    """In this block products have bf16's error."""

    def __enter__(self):
        self.product = torch.Tensor.__matmul__
        torch.Tensor.__matmul__ = lambda a, b: self.product(a.bfloat16(), b.bfloat16()).float()

    def __exit__(self, *_):
        torch.Tensor.__matmul__ = self.product
