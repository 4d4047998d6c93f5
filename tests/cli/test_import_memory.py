"""A checkpoint converts in memory near its tensors' size, whatever dtype it is written in."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.d2l.importing.checkpoints import edit
from tests.reference import needs_reference

ROOT = Path(__file__).parents[2]
WIDE = 1_200_000  # inputs of the one target module
RUN = """
import resource, sys
from cli.app import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_megabytes(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "PEAK" in done.stdout, done.stderr
    return int(done.stdout.rpartition("PEAK")[2]) / (1 << 10 if sys.platform == "linux" else 1 << 20)


def widened(entries):
    """A head and bias of hundreds of megabytes."""
    entries["hypernet_config"].feature_sizes = ({"down_proj": WIDE}, {"down_proj": 64})
    entries["head.weight"] = torch.full((4, 11, WIDE + 64), 0.5)
    entries["bias_A.down_proj"] = torch.full((4, 8, WIDE), 0.5)


@needs_reference
@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="no resource usage here")
def test_peak_memory(tmp_path):
    small = edit("main_llama", tmp_path / "small.bin", lambda entries: None)
    large = edit("main_llama", tmp_path / "large.bin", widened)
    megabytes = large.stat().st_size / (1 << 20)
    assert megabytes > 300
    alone = peak_megabytes("hypernet", "import", small, "-o", tmp_path / "small", "-q")
    for dtype in ("float32", "bf16"):
        peak = peak_megabytes("hypernet", "import", large, "--dtype", dtype, "-o", tmp_path / dtype, "-q")
        assert peak - alone < 1.25 * megabytes, f"{dtype}: {peak:.0f} MB, {alone:.0f} MB without tensors"
