"""The one training loop, on accelerate: every way in trains through ``fit``."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from shared.base.device import Placement
from shared.config import Config
from shared.errors import HyperLoraError, InputError
from shared.paths import check_output
from shared.training.state import load_state, open_log, save_state


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How long and how fast to train.

    Attributes:
        max_steps: optimizer steps of the whole run; the cosine schedule ends there.
        lr, min_lr_share: peak rate, and the share of it at the end.
        gain_lr_factor: rate of the module's ``gain_parameters``, relative to ``lr``.
        accumulation: batches per optimizer step.
        bf16: autocast the hypernetwork to bf16.
        workers: processes that prepare batches ahead.
    """

    max_steps: int = 1000
    lr: float = 1e-3
    min_lr_share: float = 0.05
    gain_lr_factor: float = 10.0
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.01
    warmup_steps: int = 20
    clip: float = 1.0
    accumulation: int = 1
    bf16: bool = True
    log_every: int = 10
    eval_every: int = 200
    save_every: int = 200
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("max_steps", "accumulation", "log_every", "eval_every", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"training.{name} must be at least 1")

    def lr_share(self, step: int) -> float:
        """Learning rate at a step, relative to ``lr``: linear warm-up, then a cosine."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        progress = min(1.0, (step - self.warmup_steps) / max(1, self.max_steps - self.warmup_steps))
        return self.min_lr_share + (1 - self.min_lr_share) * 0.5 * (1 + math.cos(math.pi * progress))


class Reporter(Protocol):
    """What the loop tells the outside; the loop itself prints nothing."""

    def step(self, step: int, max_steps: int, metrics: Mapping[str, float]) -> None: ...

    def evaluation(self, step: int, metrics: Mapping[str, float]) -> None: ...


class SilentReporter:
    """Reports nothing."""

    def step(self, step: int, max_steps: int, metrics: Mapping[str, float]) -> None:
        pass

    def evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        pass


class _Steps(Dataset):
    """Batch number i of this process: a pure function of i, so a resumed run sees the same data."""

    def __init__(self, make_batch: Callable[[int], Any], rank: int, world: int, start: int, stop: int) -> None:
        self.make_batch, self.rank, self.world, self.start, self.stop = make_batch, rank, world, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> Any:
        return self.make_batch((self.start + index) * self.world + self.rank)


@dataclass(frozen=True)
class TrainingResult:
    """Where a run (or a slice of one) ended.

    Attributes:
        is_main: false in all but one of several processes.
        files: what else belongs to the checkpoint: tensors of safetensors files, by file name.
    """

    step: int
    finished: bool
    seconds: float
    metrics: Mapping[str, float]
    is_main: bool = True
    files: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)


def fit(
    module: nn.Module,
    trainable: nn.Module,
    make_batch: Callable[[int], Any],
    config: TrainingConfig,
    run_dir: Path,
    *,
    evaluate: Callable[[], Mapping[str, float]] | None = None,
    max_seconds: float | None = None,
    placement: Placement | None = None,
    reporter: Reporter | None = None,
    described: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Train until ``max_steps`` or ``max_seconds``; a later call with the same arguments continues exactly.

    Args:
        module: called with a batch; returns a dict of scalar tensors with the key ``loss``.
        trainable: the part of ``module`` that is trained and saved (frozen weights never are). If it has a method
            ``gain_parameters``, those learn at a rate of their own and do not decay.
        make_batch: batch number i, a pure function of i.
        placement: where the frozen base model is; bf16 there lets ``config.bf16`` autocast. Anywhere by default.
        evaluate: metrics on held-out data, at every ``eval_every`` steps and at the end.
        described: the whole configuration of the run, by part; by default ``config`` as ``training``. A run goes on
            under the same one only.

    Raises:
        InputError: ``run_dir`` holds the state of a run with another configuration.
        HyperLoraError: the loss is not finite.
    """
    from accelerate import Accelerator

    bf16 = config.bf16 and placement is not None and placement.dtype == torch.bfloat16
    accelerator = Accelerator(
        gradient_accumulation_steps=config.accumulation,
        mixed_precision="bf16" if bf16 else "no",
        cpu=placement is not None and placement.device.type == "cpu",
    )
    if reporter is None or not accelerator.is_main_process:
        reporter = SilentReporter()
    torch.manual_seed(config.seed + accelerator.process_index)
    optimizer = torch.optim.AdamW(
        _parameter_groups(trainable, config),
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        fused=accelerator.device.type in ("cuda", "cpu"),
    )
    base_lrs = [group["lr"] for group in optimizer.param_groups]
    state_dir, described = run_dir / "state", described or {"training": config.to_dict()}
    check_output(state_dir, force=True, what="training state")  # now, rather than at the first save
    step = load_state(state_dir, trainable, optimizer, described) if state_dir.exists() else 0
    module, optimizer = accelerator.prepare(module, optimizer)
    steps = _Steps(
        make_batch,
        accelerator.process_index,
        accelerator.num_processes,
        step * config.accumulation,
        config.max_steps * config.accumulation,
    )
    # A loader draws a number when it begins: of its own, or a run that goes on would have other random numbers from
    # there on than one that was never cut.
    own = torch.Generator().manual_seed(config.seed)
    loader = iter(DataLoader(steps, batch_size=None, num_workers=config.workers, generator=own))
    run_dir.mkdir(parents=True, exist_ok=True)
    log = open_log(run_dir / "metrics.jsonl", step) if accelerator.is_main_process else None
    started, last_log, samples, metrics = time.monotonic(), time.monotonic(), 0, {}

    def record(kind: str, values: Mapping[str, float]) -> None:
        if log is not None:
            log.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
            log.flush()

    def any_out_of_time() -> bool:
        """All processes stop at the same step, or those that go on would wait for the others for ever."""
        out = max_seconds is not None and time.monotonic() - started > max_seconds
        if max_seconds is None or accelerator.num_processes == 1:
            return out
        return accelerator.reduce(torch.tensor(float(out), device=accelerator.device), "sum").item() > 0

    try:
        while step < config.max_steps:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = lr * config.lr_share(step)
            for _ in range(config.accumulation):
                batch = next(loader).to(accelerator.device)
                with accelerator.accumulate(module):
                    with accelerator.autocast():
                        losses = module(batch)
                    accelerator.backward(losses["loss"])
                    norm = None
                    if accelerator.sync_gradients:
                        norm = accelerator.clip_grad_norm_(trainable.parameters(), config.clip)
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                samples += len(batch) * accelerator.num_processes
            step += 1
            if step % config.log_every == 0 or step == config.max_steps:
                now = time.monotonic()
                metrics = {name: value.item() for name, value in losses.items()}
                metrics |= {"grad_norm": float(norm), "lr": optimizer.param_groups[0]["lr"]}
                metrics |= {"samples_per_s": samples / (now - last_log), "seconds": now - started}
                last_log, samples = now, 0
                if not math.isfinite(metrics["loss"]):
                    raise HyperLoraError(f"the loss is {metrics['loss']} at step {step}", "lower training.lr")
                record("train", metrics)
                reporter.step(step, config.max_steps, metrics)
            out_of_time = any_out_of_time()
            last = step == config.max_steps
            if evaluate is not None and (last or step % config.eval_every == 0):
                trainable.eval()
                with torch.no_grad(), accelerator.autocast():
                    held_out = evaluate()
                trainable.train()
                record("eval", held_out)
                reporter.evaluation(step, held_out)
                last_log, samples = time.monotonic(), 0
            if last or out_of_time or step % config.save_every == 0:
                if accelerator.is_main_process:
                    save_state(state_dir, trainable, optimizer, described, step)
                accelerator.wait_for_everyone()
            if out_of_time:
                break
    finally:
        if log is not None:
            log.close()
    seconds = time.monotonic() - started
    return TrainingResult(step, step == config.max_steps, seconds, metrics, accelerator.is_main_process)


def _parameter_groups(module: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Matrices decay; norms, biases and gains do not; gains learn faster."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    gains = {id(parameter) for parameter in getattr(module, "gain_parameters", list)()}
    for parameter in module.parameters():
        if not parameter.requires_grad:
            continue
        gain = id(parameter) in gains
        decay = config.weight_decay if parameter.dim() > 1 and not gain else 0.0
        groups.setdefault((config.lr * (config.gain_lr_factor if gain else 1.0), decay), []).append(parameter)
    return [{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()]
