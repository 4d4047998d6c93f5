"""Hypernetwork checkpoints: config.json + model.safetensors (or shards) + card, read strictly, nothing unpickled."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.config import read_json, written_json
from shared.errors import InputError
from shared.paths import check_utf8, whole_directory
from shared.safetensors_file import write_safetensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from shared.training.loop import TrainingResult

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"


class NoHypernetwork(InputError):
    """A directory with a ``config.json`` of something else."""


def save_checkpoint(
    path: Path,
    config: dict[str, Any],
    state: "dict[str, Tensor]",
    *,
    card: str,
    dtype: str | None = None,
    max_shard_size: str = "5GB",
    files: "Mapping[str, Mapping[str, Tensor]] | None" = None,
    force: bool = False,
) -> None:
    """Write a checkpoint directory, whole or not at all.

    Args:
        dtype: cast floating tensors, such as ``bfloat16``.
        files: the tensors of further safetensors files by file name, written as they are.
        max_shard_size: split larger weights into ``model-0000X-of-0000Y.safetensors`` with an index.
    """
    import torch
    from huggingface_hub import split_torch_state_dict_into_shards

    wanted = None if dtype is None else getattr(torch, dtype)
    dtypes = {key: wanted if wanted and t.is_floating_point() else t.dtype for key, t in state.items()}
    outline = {key: torch.empty(t.shape, dtype=dtypes[key], device="meta") for key, t in state.items()}
    split = split_torch_state_dict_into_shards(outline, max_shard_size=max_shard_size)
    with whole_directory(path, force=force, what="hypernetwork") as temporary:
        for name, keys in split.filename_to_tensors.items():
            write_safetensors(temporary / name, {key: state[key] for key in keys}, dtypes)
        for name, tensors in (files or {}).items():
            write_safetensors(temporary / name, tensors, {key: t.dtype for key, t in tensors.items()})
        if split.is_sharded:
            index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
            (temporary / f"{WEIGHTS_FILE}.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        (temporary / CONFIG_FILE).write_text(written_json(config, indent=1), encoding="utf-8")
        (temporary / CARD_FILE).write_text(card, encoding="utf-8", errors="replace")


def read_checkpoint_config(path: Path) -> dict[str, Any]:
    """The parsed ``config.json`` of a checkpoint directory.

    Raises:
        InputError: no such directory, or no hypernetwork in it (``NoHypernetwork``).
    """
    if not path.is_dir():
        raise InputError(f"hypernetwork {path} does not exist", "hyperlora hypernet list shows what is installed")
    check_utf8(path.absolute(), "rename its folder")
    config = read_json(path / CONFIG_FILE, "hypernetwork")
    if not isinstance(config, dict) or "kind" not in config:
        raise NoHypernetwork(f"{path} is not a hyperlora hypernetwork", "its config.json names no kind")
    return config


def checkpoint_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors, from the headers alone."""
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(path):
        try:
            with safe_open(file, framework="pt") as handle:
                shapes |= {key: tuple(handle.get_slice(key).get_shape()) for key in handle.keys()}  # noqa: SIM118
        except Exception as error:  # safetensors raises its own Rust error type for a damaged file
            raise InputError(f"{file} is damaged: {error}", "get the checkpoint again") from None
    return shapes


def load_network(path: Path, build: "Callable[[], nn.Module]") -> "nn.Module":
    """A module built from a checkpoint's config, with the checkpoint's tensors.

    It is laid out without memory first: a config that claims more than the files hold allocates nothing.

    Args:
        build: makes the module, on torch's default device.

    Raises:
        InputError: as ``load_weights``, or a config from which no module can be built.
    """
    import torch

    try:
        with torch.device("meta"):
            outline = build()
    except (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the hypernetwork {path} has an impossible config: {reason}", "get it again") from None
    _check_shapes(path, outline)
    module = build()
    load_weights(path, module)
    return module


def load_weights(path: Path, module: "nn.Module") -> None:
    """Load a checkpoint's tensors into a module built from its config, strictly.

    Raises:
        InputError: a missing, unexpected or wrongly shaped tensor, one that is not finite, or a damaged file.
    """
    from safetensors.torch import load_file

    _check_shapes(path, module)
    for file in _weight_files(path):
        tensors = load_file(file)
        for key, tensor in tensors.items():
            if not tensor.is_floating_point() or not tensor.isfinite().all():
                raise InputError(f"the hypernetwork {path} has numbers in {key} that are not finite", "get it again")
        module.load_state_dict(tensors, strict=False, assign=False)


def _check_shapes(path: Path, module: "nn.Module") -> None:
    shapes = checkpoint_shapes(path)
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    for key in sorted(set(shapes) | set(expected)):
        if key not in shapes:
            raise InputError(f"the hypernetwork {path} lacks the tensor {key}", "get the checkpoint again")
        if key not in expected:
            raise InputError(f"the hypernetwork {path} holds the unexpected tensor {key}", "config and weights differ")
        if shapes[key] != expected[key]:
            raise InputError(
                f"the hypernetwork {path} has {key} of shape {shapes[key]}, expected {expected[key]}",
                "config and weights differ",
            )


def _weight_files(path: Path) -> list[Path]:
    index = path / f"{WEIGHTS_FILE}.index.json"
    if index.exists():
        data = read_json(index, "hypernetwork")
        names = sorted(set(data.get("weight_map", {}).values())) if isinstance(data, dict) else []
        # Names come from a file of foreign origin: they must not lead out of the directory.
        if not names or any(not isinstance(n, str) or Path(n).name != n for n in names):
            raise InputError(f"{index} is not a valid index of weight files")
        files = [path / name for name in names]
    else:
        files = [path / WEIGHTS_FILE]
    for file in files:
        if not file.is_file():
            raise InputError(f"the hypernetwork lacks {file}", "get the checkpoint again")
    return files


_CARD = """---
library_name: hyperlora
base_model: {base}
tags:
- hypernetwork
- lora
---

# {kind} hypernetwork for {base}

{parameters:.1f} M parameters, trained with hyperlora for {step} steps. Use it with `hyperlora {kind} --hypernet PATH`.

Trained on: {trained_on}.

Trained with this configuration (`hyperlora train CONFIG -o RUN`):

```json
{config}
```

{metrics}"""


def save_trained(
    path: Path,
    config: Mapping[str, Any],
    hypernetwork: "nn.Module",
    train_config: Mapping[str, Any],
    result: "TrainingResult",
    trained_on: str,
    *,
    files: "Mapping[str, Mapping[str, Tensor]] | None" = None,
) -> None:
    """Write a trained hypernetwork in bf16 with a card that holds the configuration; replaces an earlier one.

    Args:
        trained_on: the data, in words, for the card.
        files: as in ``save_checkpoint``.
    """
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items())
    card = _CARD.format(
        base=config["base"]["name_or_path"],
        kind=config["kind"],
        parameters=sum(p.numel() for p in hypernetwork.parameters()) / 1e6,
        step=result.step,
        trained_on=trained_on,
        config=json.dumps(train_config, indent=1),
        metrics=f"Last training metrics: {metrics}\n" if metrics else "",
    )
    save_checkpoint(path, dict(config), hypernetwork.state_dict(), card=card, dtype="bfloat16", files=files, force=True)
