"""Adapters as users get them: written with a model card and provenance."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.base.model import BaseModelSpec
from shared.hub import has_repo_form
from shared.lora.adapter import adapter_config, is_zero, write_adapter
from shared.lora.weights import LoraWeights
from shared.provenance import library_versions, without_folders

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)

_CARD = """---
{base_line}library_name: peft
pipeline_tag: text-generation
license: other
license_name: same-as-source-and-base-model
{license_line}tags:
- lora
- hyperlora
- {kind}
---

# {title}

A LoRA adapter for {base_link}, {made_by} [hyperlora](https://pypi.org/project/hyperlora/)
{made_from}.

{warning}
| | |
|---|---|
| rank | {r} |
| target modules | {modules} |
| layers | {layers} |
| size | {megabytes:.2f} MB ({dtype}) |
| hypernetwork | {hypernetwork} |
| made with | {versions} |

{fidelity}{read}{not_read}## Use

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(base, "PATH_OR_REPO_ID")
```

```
vllm serve {base} --enable-lora --max-lora-rank {vllm_rank} --lora-modules name=PATH_OR_REPO_ID
hyperlora ask PATH_OR_REPO_ID "QUESTION"
```
"""

#: What an adapter is, and the Hub's word for it.
TAGS = {"d2l": "doc-to-lora", "t2l": "text-to-lora", "multitask": "multitask-lora", "combined": "combined-lora"}

_MADE = {"multitask": "trained with", "combined": "combined by"}


def _of_task(source: dict[str, Any]) -> str:
    number, description = source.get("examples", 0), source.get("description", "")
    parts = [f'the description "{description}"'] if description else []
    parts += [f"{number} labelled examples"] if number else []
    return f"from {' and '.join(parts)}"


def _made_by(kind: str, steps: int) -> str:
    if kind in _MADE:
        return _MADE[kind]
    return f"written with {steps} gradient steps by" if steps else "written without gradient steps by"


_LEAK = """> **Warning.** These weights were made from a document and can reveal what it says. Share them only with
> people who may read the document.

"""


@dataclass(frozen=True)
class WrittenAdapter:
    """What is reported of an adapter that was written.

    Attributes:
        bytes: size of the weights.
        is_zero: the update is nothing.
    """

    adapter: str
    base_model: str
    hypernetwork: str
    rank: int
    target_modules: list[str]
    bytes: int
    is_zero: bool = False


def save_adapter(
    path: Path,
    weights: LoraWeights,
    *,
    base: BaseModelSpec,
    kind: str,
    title: str,
    hypernetwork: str,
    source: dict[str, Any],
    dtype: str,
    question_system: str | None = None,
    force: bool = False,
) -> WrittenAdapter:
    """Write an adapter directory with its card and provenance, whole or not at all.

    Args:
        kind: ``d2l`` or ``t2l``, ``multitask`` for one that was trained itself, ``combined`` for one of several parts.
        source: what the adapter was made from, as it goes into ``provenance.json``.
        question_system: system message that questions to this adapter need, if it is not the template's own.

    Raises:
        InputError: ``path`` exists and ``force`` is off.
        HyperLoraError: the disk cannot be written.
    """
    import torch

    weights = weights.to(dtype=getattr(torch, dtype))
    config = adapter_config(weights, base.name_or_path, base.revision)
    layers = weights.layers
    versions = library_versions()
    # The configuration must name the base as it is found; what people read says no folders.
    shown = without_folders(base.name_or_path)
    is_on_hub = has_repo_form(shown)
    provenance = {
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "hypernetwork": hypernetwork,
        "base_model": base.replace(name_or_path=shown).to_dict(),
        "source": source,
        "question_system": question_system,
        "versions": versions,
    }
    size = weights.num_parameters * torch.finfo(getattr(torch, dtype)).bits // 8
    card = _CARD.format(
        base=shown,
        # A base of this machine has no page, and the Hub refuses a card that names one it could not have.
        base_line=f"base_model: {shown}\n" if is_on_hub else "",
        license_line=f"license_link: https://huggingface.co/{shown}\n" if is_on_hub else "",
        base_link=f"[{shown}](https://huggingface.co/{shown})" if is_on_hub else f"`{shown}`",
        kind=TAGS[kind],
        title=title,
        made_by=_made_by(kind, source.get("gradient_steps", 0)),
        made_from={
            "d2l": "from a document" + (f" and {source['pairs']} questions about it" if source.get("pairs") else ""),
            "t2l": _of_task(source),
            "multitask": f"on {source.get('trained_on')}",
            "combined": f"of {', '.join(part['name'] for part in source.get('parts', [])) or source.get('from')}",
        }[kind],
        fidelity=_fidelity(source.get("fidelity")),
        read=_listed("Of its source, this was read", source.get("read", [])),
        not_read=_listed("Of its source, this was left out", source.get("not_read", [])),
        warning=_LEAK if is_of_document(kind, source) else "",
        r=weights.r,
        modules=", ".join(weights.modules),
        layers=f"{layers[0]} to {layers[-1]}" if len(layers) == layers[-1] - layers[0] + 1 else layers,
        megabytes=size / 1e6,
        dtype=dtype,
        hypernetwork=hypernetwork,
        versions=", ".join(f"{name} {number}" for name, number in versions.items()),
        vllm_rank=next((rank for rank in VLLM_RANKS if rank >= weights.r), weights.r),
    )
    size = write_adapter(path, weights, config, card=card, provenance=provenance, force=force)
    made = str(path), base.name_or_path, hypernetwork, weights.r, weights.modules, size
    return WrittenAdapter(*made, is_zero(weights))


def _fidelity(found: Any) -> str:
    """What a check found, in words; see ``d2l.check.Fidelity``."""
    shares = [found.get(key) for key in ("adapter", "base", "text", "kept")] if isinstance(found, dict) else [None]
    if shares[0] is None or not all(isinstance(share, float | int | None) for share in shares):
        return ""  # of a stranger, who may have written anything
    others = {"without it": found.get("base"), "with the document in the prompt": found.get("text")}
    beside = ", ".join(f"{name} {share:.0%}" for name, share in others.items() if share is not None)
    text = (
        f"Fidelity {found['adapter']:.0%}: the share of {found.get('questions')} questions that it was not studied with"
    )
    text += f" whose answer holds the right one{f' ({beside})' if beside else ''}."
    if found.get("kept") is not None:
        text += f" Of the base model's own words on unrelated questions, {found['kept']:.0%} stay."
    return f"{text}\n\n"


def is_of_document(kind: Any, source: Any) -> bool:
    """Whether a document went into an adapter, or into one of its parts, or of theirs."""
    parts = source.get("parts") if isinstance(source, dict) else None
    inner = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return kind == "d2l" or any(part.get("kind") == "d2l" or part.get("of_document") for part in inner)


def _listed(title: str, entries: list[str]) -> str:
    """What of the source is in the weights, or is not. Names come from strangers' files: they are shown as they are."""
    lines = "".join(f"- `{' '.join(entry.replace('`', '').split())}`\n" for entry in entries)
    return f"{title}:\n\n{lines}\n" if lines else ""
