"""Several adapters of one base in one directory, each of which can be taken out again.

A LoRA's rank is a sum: the factors of all parts side by side are exactly the sum of their updates, and a part's own
columns taken away leave exactly the others. Where columns are mixed (cut to a rank, or documents solved together), the
parts themselves are kept beside the adapter.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from shared.errors import InputError
from shared.lora.adapter import WEIGHTS_FILE, Adapter
from shared.lora.card import WrittenAdapter, is_of_document, save_adapter
from shared.lora.derived import base_spec, stored_dtype
from shared.lora.parts import Part
from shared.lora.weights import LoraFactors, LoraWeights
from shared.paths import PARTS_FOLDER, whole_directory

_NAME_BYTES = 200  # file systems take 255


@dataclass(frozen=True)
class Combination:
    """What becomes an adapter.

    Attributes:
        parts: with their columns of the rank in ``record``.
        mixed: names of parts whose columns are not theirs alone.
        energy_kept: share of the update's squared norm that the rank limit left.
    """

    weights: LoraWeights
    parts: list[Part]
    mixed: list[str]
    energy_kept: float = 1.0


def check_not_a_part(path: Path, adapters: Sequence[Adapter]) -> None:
    """Refuse to write a combined adapter in the place of one of its parts.

    Raises:
        InputError: ``path`` is one of them.
    """
    if path.resolve() in [adapter.path.resolve() for adapter in adapters]:
        raise InputError(f"{path} is one of the adapters", "choose another -o")


def check_bases(adapters: Sequence[Adapter]) -> None:
    """Refuse adapters of different bases.

    Raises:
        InputError: another name, another fingerprint, or a layer of another size.
    """
    first = adapters[0]
    for other in adapters[1:]:
        hint = "only adapters of one base can be combined"
        if first.base_model != other.base_model:
            bases = first.base_model, other.base_model
            raise InputError(f"{first.name} is for {bases[0]}, {other.name} for {bases[1]}", hint)
        prints = [_fingerprint(adapter) for adapter in (first, other)]
        if all(prints) and prints[0] != prints[1]:
            raise InputError(f"{first.name} and {other.name} are for different models of one name", hint)
        for name in first.weights.keys() & other.weights.keys():
            if _size(first.weights[name]) != _size(other.weights[name]):
                raise InputError(f"{first.name} and {other.name} have {name} in different sizes")


def _fingerprint(adapter: Adapter) -> str:
    base = adapter.provenance.get("base_model")
    return str(base.get("fingerprint", "")) if isinstance(base, dict) else ""


def _size(factors: LoraFactors) -> tuple[int, int]:
    return factors.lora_B.shape[-2], factors.lora_A.shape[-1]


def add(parts: Sequence[LoraWeights]) -> LoraWeights:
    """The sum of unbatched updates, side by side; a layer that one of them lacks has zeros there."""
    sizes = {name: _size(factors) for part in parts for name, factors in part.items()}
    some = next(iter(parts[0].values())).lora_A

    def widened(part: LoraWeights) -> LoraWeights:
        def zeros(size: tuple[int, int]) -> LoraFactors:
            return LoraFactors(some.new_zeros(part.r, size[1]), some.new_zeros(size[0], part.r))

        return LoraWeights({name: part[name] if name in part else zeros(size) for name, size in sizes.items()})

    return LoraWeights.concat([widened(part) for part in parts]) if len(parts) > 1 else parts[0]


def as_parts(adapters: Sequence[Adapter], weights: Sequence[float]) -> list[Part]:
    """Adapters as parts of a combination.

    Raises:
        InputError: different bases, or a weight that makes numbers that are not finite.
    """
    check_bases(adapters)
    names: list[str] = []
    parts = []
    for adapter, weight in zip(adapters, weights, strict=True):
        first, number = _part_name(adapter), 1
        name = first
        while name in names:
            number += 1
            name = f"{first}-{number}"
        names.append(name)
        source = adapter.provenance.get("source")
        record = {
            "name": name,
            "kind": _text(adapter.provenance.get("kind")),
            "hypernetwork": _text(adapter.provenance.get("hypernetwork")),
            "of_document": is_of_document(adapter.provenance.get("kind"), source),
            "weight": weight,
            "rank": adapter.weights.r,
            "sha256": hashlib.sha256((adapter.path / WEIGHTS_FILE).read_bytes()).hexdigest(),
            "question_system": adapter.question_system,
            "rows": source.get("rows") if isinstance(source, dict) else None,
        }
        weighted = adapter.weights if weight == 1 else adapter.weights.scaled(weight)
        if not weighted.is_finite:
            raise InputError(f"the weight {weight:g} is too large for {name}", "1 is the adapter as it is")
        parts.append(Part(weighted, record))
    return parts


def _part_name(adapter: Adapter) -> str:
    """An adapter's name as a part's: it becomes a file's, with more behind it, and stands in JSON."""
    name = "".join(c if c.isprintable() else "?" for c in adapter.name)
    return name.encode()[:_NAME_BYTES].decode(errors="ignore")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def combine(
    parts: Sequence[Part],
    *,
    together: Sequence[str] = (),
    solve: Callable[[list[Part]], LoraWeights] | None = None,
    max_rank: int | None = None,
) -> Combination:
    """Put parts side by side.

    Args:
        together: names of documents that ``solve`` makes one memory of.
        max_rank: cut the sum to this rank, by SVD.

    Raises:
        InputError: no parts.
    """
    if not parts:
        raise InputError("nothing is left to combine")
    group = [part for part in parts if part.name in together]
    mixed = [part.name for part in group] if solve and len(group) > 1 else []
    blocks: list[tuple[LoraWeights, list[Part]]] = []
    if solve and mixed:
        blocks.append((solve(group), group))
    blocks += [(part.weights, [part]) for part in parts if part.name not in mixed]
    placed, start = {}, 0
    for weights, members in blocks:
        columns = [start, start + weights.r]
        placed |= {part.name: replace(part, record=part.record | {"columns": columns}) for part in members}
        start += weights.r
    total = add([weights for weights, _ in blocks])
    cut = total.truncate(min(max_rank or total.r, total.r))
    if cut.weights.r < total.r:
        mixed = list(placed)
    return Combination(cut.weights, [placed[part.name] for part in parts], mixed, cut.energy_kept)


def save_combination(
    path: Path, combination: Combination, like: Adapter, *, dtype: str, base: str | None = None, force: bool = False
) -> WrittenAdapter:
    """Write a combined adapter; its ``provenance.json`` names the parts, ``parts/`` holds those that are mixed.

    Args:
        like: any adapter of the same base.
        dtype: of the factors.
        base: see ``base_spec``.

    Raises:
        InputError: ``path`` exists and ``force`` is off.
        HyperLoraError: the disk is full or may not be written.
    """
    from safetensors.torch import save_file

    records = [part.record for part in combination.parts]
    systems = {record["question_system"] for record in records}
    names = [part.name for part in combination.parts]
    with whole_directory(path, force=force) as temporary:
        inside = temporary / "adapter"
        written = save_adapter(
            inside,
            combination.weights,
            base=base_spec(like, base),
            kind="combined",
            title=f"Combined adapter of {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}",
            hypernetwork=", ".join(sorted({str(record["hypernetwork"]) for record in records})),
            source={
                "parts": records,
                "mixed": combination.mixed,
                "energy_kept": combination.energy_kept,
            },
            dtype=dtype,
            question_system=systems.pop() if len(systems) == 1 else None,
        )
        for file in inside.iterdir():
            file.rename(temporary / file.name)
        inside.rmdir()
        if combination.mixed:
            (temporary / PARTS_FOLDER).mkdir()
        for part in combination.parts:
            if part.name in combination.mixed:
                state = part.weights.to(getattr(torch, dtype)).state_dict()
                save_file(state, temporary / PARTS_FOLDER / f"{part.name}.safetensors", metadata={"format": "pt"})
    return replace(written, adapter=str(path))


def common_dtype(adapters: Sequence[Adapter], weights: Sequence[float] = ()) -> str:
    """The dtype that holds the parts' numbers as they are: theirs if it is the same, and no weight changes them."""
    dtypes = {stored_dtype(adapter) for adapter in adapters}
    return dtypes.pop() if len(dtypes) == 1 and all(weight == 1 for weight in weights) else "float32"
