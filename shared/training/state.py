"""A training run on disk: the state it goes on from, and its log. Nothing to unpickle on resume."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor, nn

from shared.config import read_json
from shared.errors import InputError
from shared.paths import whole_directory
from shared.work_folder import whole_file


def save_state(path: Path, module: nn.Module, optimizer: Any, described: Mapping[str, Any], step: int) -> None:
    """Weights, optimizer moments and random state, as safetensors and JSON: nothing to unpickle on resume."""
    from safetensors.torch import save_file

    inner = getattr(optimizer, "optimizer", optimizer)
    tensors = {f"module.{key}": value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    for index, moments in inner.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value.detach().cpu().contiguous() for key, value in moments.items()}
    tensors["rng.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["rng.cuda"] = torch.cuda.get_rng_state()
    # The old state stays until the new one is whole.
    with whole_directory(path, force=True, what="training state") as temporary:
        save_file(tensors, temporary / "state.safetensors")
        (temporary / "config.json").write_text(json.dumps({"step": step, **described}, indent=1))


def load_state(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, described: Mapping[str, Any]) -> int:
    """Put a saved state into module, optimizer and random state; returns its step.

    Raises:
        InputError: a state of a run with another configuration, or a damaged one.
    """
    from safetensors import SafetensorError

    facts = read_json(path / "config.json", "training state")
    if not isinstance(facts, dict) or type(facts.get("step")) is not int:
        raise InputError(f"{path} is damaged: its config.json names no step", "delete it to start again")
    changed = _changed(json.loads(json.dumps(described)), facts)
    if changed:
        raise InputError(
            f"{path.parent} holds a run with another {', '.join(changed)}",
            "give another --output, or delete it to start again",
        )
    try:
        _restore(path / "state.safetensors", module, optimizer)
    except (SafetensorError, OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is damaged: {reason}", "delete it to start again") from error
    return facts["step"]


def _restore(file: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = load_file(file)
    module.load_state_dict({k.removeprefix("module."): v for k, v in tensors.items() if k.startswith("module.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["rng.cpu"])
    if "rng.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["rng.cuda"])


def _changed(described: Mapping[str, Any], facts: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the settings that differ."""
    found: list[str] = []
    for key, value in described.items():
        if isinstance(value, dict) and isinstance(facts.get(key), dict):
            found += _changed(value, facts[key], f"{prefix}{key}.")
        elif key not in facts or facts[key] != value:
            found.append(prefix + key)
    return found


def open_log(path: Path, step: int) -> TextIO:
    """The log of metrics, without what a run that was killed logged after the last state that it saved.

    Args:
        step: of that state, 0 without one.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        lines = []
    kept = [line for line in lines if line.endswith("\n") and _logged_step(line) <= step]
    if kept != lines:
        with whole_file(path) as new:
            new.write_text("".join(kept), encoding="utf-8")
    return path.open("a", encoding="utf-8")


def _logged_step(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 0
