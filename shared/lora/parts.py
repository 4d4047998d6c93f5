"""The parts of a combined adapter, as its manifest and its files say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from shared.errors import InputError
from shared.lora.adapter import Adapter, read_factors
from shared.lora.weights import LoraFactors, LoraWeights
from shared.paths import PARTS_FOLDER

_NAME_BYTES = 240  # a file's may have 255, with its ending


@dataclass(frozen=True)
class Part:
    """One of the adapters that make up a combined one.

    Attributes:
        weights: float32, the part's weight folded in.
        record: what the manifest says of it: name, kind, whether it is of a document, weight, rank, sha256 of its
            file, question_system, and what a document's rows are found by.
    """

    weights: LoraWeights
    record: dict[str, Any]

    @property
    def name(self) -> str:
        return self.record["name"]


def read_parts(adapter: Adapter) -> list[Part]:
    """The parts of a combined adapter.

    Raises:
        InputError: it is none, its manifest is damaged, or ``parts/`` is missing.
    """
    source = adapter.provenance.get("source")
    records = source.get("parts") if isinstance(source, dict) else None
    if not records:
        raise InputError(f"{adapter.path} is not a combined adapter", "hyperlora combine makes one")
    if source.get("from"):
        raise InputError(f"{adapter.path} was changed after its parts were combined", "take the part out before that")
    mixed = source.get("mixed")
    if (
        not isinstance(records, list)
        or not isinstance(mixed, list)
        or not all(_is_sound(record) for record in records)
        or len({record["name"] for record in records}) < len(records)
        or any(r["columns"][1] > adapter.weights.r for r in records if r["name"] not in mixed)
    ):
        raise InputError(f"{adapter.path}: the list of its parts is damaged", "combine it again from its parts")
    parts = []
    for record in records:
        if record["name"] not in mixed:
            parts.append(Part(_columns(adapter.weights, *record["columns"]), record))
            continue
        file = adapter.path / PARTS_FOLDER / f"{record['name']}.safetensors"
        if not file.is_file():
            raise InputError(
                f"{adapter.path} lacks {PARTS_FOLDER}/, out of which it was made",
                "combine it again from its parts, or get all of it with hyperlora pull",
            )
        parts.append(Part(LoraWeights.padded(read_factors(file)), record))
    return parts


def _is_sound(record: Any) -> bool:
    """Whether a part's record is one that ``save_combination`` writes; the manifest of a stranger may say anything."""
    if not isinstance(record, dict):
        return False
    name, columns = record.get("name"), record.get("columns")
    return (
        isinstance(name, str)
        and name.isprintable()
        and Path(name).name == name  # it becomes a file's name
        and len(name.encode()) <= _NAME_BYTES
        and isinstance(columns, list)
        and [type(column) for column in columns] == [int, int]
        and 0 <= columns[0] < columns[1]
        and all(isinstance(record.get(key, 0), str | None) for key in ("kind", "hypernetwork", "question_system"))
    )


def without(parts: Sequence[Part], name: str) -> list[Part]:
    """The other parts.

    Raises:
        InputError: no part of that name.
    """
    if name not in [part.name for part in parts]:
        raise InputError(f"no part is called {name!r}", f"the parts: {', '.join(part.name for part in parts)}")
    return [part for part in parts if part.name != name]


def _columns(weights: LoraWeights, start: int, stop: int) -> LoraWeights:
    """Some columns of the rank, without the layers in which they are all zero."""

    def cut(factors: LoraFactors) -> LoraFactors:
        return LoraFactors(factors.lora_A[start:stop], factors.lora_B[:, start:stop])

    parts = {name: cut(factors) for name, factors in weights.items()}
    return LoraWeights({name: f for name, f in parts.items() if _any(f.lora_A) or _any(f.lora_B)} or parts)


def _any(numbers: Tensor) -> bool:
    return bool(numbers.any())
