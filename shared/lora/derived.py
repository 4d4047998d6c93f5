"""Adapters made from adapters: scaled, cut to a rank, or put together; written with the origin of their parts."""

from pathlib import Path
from typing import Any

from shared.base.model import BaseModelSpec, read_architecture
from shared.errors import InputError
from shared.lora.adapter import WEIGHTS_FILE, Adapter
from shared.lora.card import TAGS, WrittenAdapter, save_adapter
from shared.lora.weights import LoraWeights

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def stored_dtype(adapter: Adapter) -> str:
    """The dtype of an adapter's file, float32 for any other than the usual three."""
    from safetensors import safe_open

    with safe_open(adapter.path / WEIGHTS_FILE, framework="pt") as file:
        return _DTYPES.get(file.get_slice(next(iter(file.keys()))).get_dtype(), "float32")


def base_spec(adapter: Adapter, base: str | None = None) -> BaseModelSpec:
    """The base model an adapter is for: from its provenance, else from the base's own configuration.

    Args:
        base: where the base is, if not under the name in the adapter's configuration.

    Raises:
        InputError: an adapter made elsewhere whose base cannot be read.
    """
    recorded = adapter.provenance.get("base_model")
    if isinstance(recorded, dict):
        # Provenance says the base's name without folders, the configuration where it is.
        spec = BaseModelSpec.from_dict(recorded)
        return spec.replace(name_or_path=adapter.base_model or spec.name_or_path)
    spec = read_architecture(base or adapter.base_model).spec
    return spec.replace(name_or_path=adapter.base_model)


def save_derived(
    path: Path,
    adapter: Adapter,
    weights: LoraWeights,
    change: dict[str, Any],
    *,
    base: str | None = None,
    force: bool = False,
) -> WrittenAdapter:
    """Write a changed adapter, with its origin and what was changed.

    Args:
        change: joins the ``source`` of its provenance.
        base: see ``base_spec``.

    Raises:
        InputError: ``path`` exists and ``force`` is off, or it is the adapter itself.
    """
    if path.resolve() == adapter.path.resolve():
        raise InputError(f"{path} is the adapter itself", "choose another -o")
    kind = adapter.provenance.get("kind")
    hypernetwork = adapter.provenance.get("hypernetwork")
    stale = dict.fromkeys(("rows", "fidelity", "pairs_answered"))
    return save_adapter(
        path,
        weights,
        base=base_spec(adapter, base),
        kind=kind if isinstance(kind, str) and kind in TAGS else "combined",
        title=f"{adapter.name}, changed",
        hypernetwork=hypernetwork if isinstance(hypernetwork, str) else "-",
        # What was measured, and the rows, are of the adapter as it was.
        source={**_sound_source(adapter), **stale, "from": adapter.name, **change},
        dtype=stored_dtype(adapter),
        question_system=adapter.question_system,
        force=force,
    )


# What a card says of an adapter's source, and of which type that is.
_CARD_FIELDS = {
    "pairs": int,
    "gradient_steps": int,
    "examples": int,
    "description": str,
    "trained_on": str,
    "read": list,
    "not_read": list,
    "parts": list,
}


def _sound_source(adapter: Adapter) -> dict[str, Any]:
    """The ``source`` of an adapter's provenance, without what a card cannot say: a stranger's may hold anything."""
    source = adapter.provenance.get("source")
    if not isinstance(source, dict):
        return {}
    sound = {k: v for k, v in source.items() if k not in _CARD_FIELDS or type(v) is _CARD_FIELDS[k]}
    for key in ("read", "not_read"):
        if not all(isinstance(entry, str) for entry in sound.get(key, [])):
            del sound[key]
    if not all(isinstance(part, dict) and isinstance(part.get("name"), str) for part in sound.get("parts", [])):
        del sound["parts"]
    return sound
