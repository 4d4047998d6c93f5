"""Training in several processes: two do what one does with twice the accumulation.

``accelerate launch`` starts processes through torch.distributed.run wherever there are several devices; on a machine
with CPUs only it would start a single one.
"""

import json
import os
import subprocess
import sys

import torch

from d2l.training.train import D2LTrainConfig, train_d2l
from tests.models import d2l_train_config


def test_two_processes_equal_one_with_two_batches_a_step(tiny_base, tiny_base_path, tmp_path):
    from safetensors.torch import load_file

    one = d2l_train_config(accumulation=2)
    train_d2l(one, tiny_base, tmp_path / "one")
    data = d2l_train_config(accumulation=1).to_dict()
    (tmp_path / "config.json").write_text(json.dumps(data))
    assert D2LTrainConfig.from_dict(data) == d2l_train_config(accumulation=1)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = ["-m", "cli.app", "train", str(tmp_path / "config.json"), "-o", str(tmp_path / "two")]
    options = ["--base", str(tiny_base_path), "--dtype", "float32", "--device", "cpu", "--max-seconds", "600", "--json"]
    done = subprocess.run(
        [sys.executable, *launch, *command, *options],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)  # printed once, by the first process
    assert report["finished"] and report["step"] == one.training.max_steps
    records = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if r["kind"] == "train"] == list(range(1, one.training.max_steps + 1))
    expected, found = (load_file(tmp_path / run / "state" / "state.safetensors") for run in ("one", "two"))
    weights = [key for key in expected if key.startswith("module.")]
    assert weights
    for key in weights:
        torch.testing.assert_close(found[key], expected[key], rtol=1e-3, atol=1e-5)
