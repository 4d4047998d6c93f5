"""What several commands load the same way."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.progress import spinner

if TYPE_CHECKING:
    from d2l.model import D2LModel
    from d2l.questions import QA
    from shared.base.model import BaseModel
    from shared.lora.adapter import Adapter
    from shared.lora.weights import LoraWeights


def load_base(
    name: str | None, device: str, dtype: str, *, load_in_4bit: bool = False, trust_remote_code: bool = False
) -> "BaseModel":
    """Place and load a base model, with a spinner."""
    with spinner("loading the base model"):
        from shared.base.device import choose_placement
        from shared.base.model import load_base_model

        placement = choose_placement(device, dtype)
        spread = device == "auto" and placement.device.type == "cuda"
        return load_base_model(
            name,
            placement=placement,
            load_in_4bit=load_in_4bit,
            trust_remote_code=trust_remote_code,
            device_map="auto" if spread else None,
        )


def load_d2l(
    hypernet: str | None, base: str | None, device: str, dtype: str, *, load_in_4bit: bool = False
) -> "D2LModel":
    """A document hypernetwork on its base model."""
    from shared.hypernetwork.registry import find_hypernetwork

    entry = find_hypernetwork(hypernet, "d2l")
    loaded = load_base(base or entry.base_model, device, dtype, load_in_4bit=load_in_4bit)
    from d2l.model import D2LModel

    return D2LModel.from_pretrained(entry.path, loaded, entry.name)


def written_pairs(model: "D2LModel", number: int, text: str) -> "list[QA]":
    """Up to ``number`` pairs for each chunk of a text, by the hypernetwork's question writer or the base itself."""
    from d2l.study.document import write_pairs
    from d2l.study.writer import QuestionWriter

    writer = model.writer or QuestionWriter(model.base)
    return write_pairs(writer, text, number, len(model.chunk(text)))


def opening(adapters: "Sequence[Adapter]", system: str | None) -> list[dict[str, str]]:
    """The first messages of a conversation: the user's system message, else the one an adapter was trained with."""
    trained = next((a.question_system for a in adapters if a.question_system is not None), None)
    content = trained if system is None else system
    return [] if content is None else [{"role": "system", "content": content}]


def load_adapter(path: str) -> "Adapter":
    """Read an adapter from a directory or, if it is no such thing but a Hub id, from the Hub."""
    from pathlib import Path

    from shared.hub import is_repo_id, pull_snapshot
    from shared.lora.adapter import read_adapter

    local = Path(path)
    if not local.exists() and is_repo_id(path):
        local = pull_snapshot(path)
    return read_adapter(local)


def load_adapters(paths: "Sequence[str]") -> "list[Adapter]":
    """Adapters of one base."""
    adapters = [load_adapter(path) for path in paths]
    from shared.lora.combine import check_bases

    check_bases(adapters)
    return adapters


def together(adapters: "Sequence[Adapter]") -> "LoraWeights":
    """The sum of their updates."""
    from shared.lora.combine import add

    return add([adapter.weights for adapter in adapters])
