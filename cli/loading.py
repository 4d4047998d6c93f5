"""What several commands load the same way."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli import output
from cli.hypernets import find_or_install
from cli.progress import spinner
from shared.hypernetwork.published import UNTRAINED

if TYPE_CHECKING:
    from d2l.model import D2LModel
    from shared.base.model import BaseModel
    from shared.lora.adapter import Adapter
    from shared.lora.weights import LoraWeights


def load_base(
    name: str | None,
    device: str,
    dtype: str,
    *,
    load_in_4bit: bool = False,
    trust_remote_code: bool = False,
    think: bool = False,
    template_options: list[str] | None = None,
) -> "BaseModel":
    """Place and load a base model, with a spinner.

    Args:
        template_options: arguments of its chat template, as NAME=VALUE.
    """
    with spinner("loading the base model"):
        from shared.base.device import choose_placement
        from shared.base.gguf import runs_from_temporary_base
        from shared.base.model import load_base_model
        from shared.base.template import parse_option

        placement = choose_placement(device, dtype)
        spread = device == "auto" and placement.device.type == "cuda"
        base = load_base_model(
            name,
            placement=placement,
            load_in_4bit=load_in_4bit,
            trust_remote_code=trust_remote_code,
            device_map="auto" if spread else None,
            think=think,
            template_options=dict(map(parse_option, template_options or ())),
        )
    if runs_from_temporary_base():
        output.warning("HYPERLORA_HOME cannot be written: the base model is converted again in every run, for 20 s")
    return base


def base_of(adapter: "Adapter", base: str | None) -> str:
    """The base model that an adapter goes on: the user's word, or the adapter's own.

    Raises:
        InputError: neither names one.
    """
    name = base or adapter.base_model
    if name is None:
        from shared.errors import InputError

        raise InputError(f"{adapter.path} names no base model", "give it with --base")
    return name


def load_d2l(hypernet: str | None, base: str | None, device: str, dtype: str, **options) -> "D2LModel":
    """A document hypernetwork on its base model; for a base that the shipped one is not made for, one without training.

    Args:
        options: of ``load_base``.
    """
    entry = None if hypernet == UNTRAINED else find_or_install(hypernet, "d2l")
    loaded = load_base(base or (entry and entry.base_model), device, dtype, **options)
    with spinner("loading the hypernetwork"):
        from d2l.untrained import load_model

        model = load_model(entry, loaded, named=hypernet is not None)
    if not model.trained:
        output.note(f"no hypernetwork is used for {loaded.spec.name_or_path}: training-free mode (docs/any-base.md)")
    return model


def scaled_weights(adapters: "Sequence[Adapter]", scale: float, base: "BaseModel") -> "LoraWeights":
    """The sum of adapters' updates times a factor, on the base model's device.

    Raises:
        InputError: the factor makes numbers of it that are not finite.
    """
    from shared.lora.combine import add

    return add([adapter.weights for adapter in adapters]).scaled(scale).to(base.device)


def opening(adapters: "Sequence[Adapter]", system: str | None) -> list[dict[str, str]]:
    """The first messages of a conversation: the user's system message, else the one an adapter was trained with."""
    trained = next((a.question_system for a in adapters if a.question_system is not None), None)
    content = trained if system is None else system
    return [] if content is None else [{"role": "system", "content": content}]


def load_adapters(paths: "Sequence[str]") -> "list[Adapter]":
    """Adapters of one base."""
    adapters = [load_adapter(path) for path in paths]
    from shared.lora.combine import check_bases

    check_bases(adapters)
    return adapters


def load_adapter(path: str) -> "Adapter":
    """Read an adapter from a directory or, if it is no such thing but a Hub id, from the Hub."""
    from pathlib import Path

    from shared.hub import is_repo_id
    from shared.lora.adapter import is_zero, pull_adapter, read_adapter

    local = Path(path)
    if not local.exists() and is_repo_id(path):
        local = pull_adapter(path)
    adapter = read_adapter(local)
    if is_zero(adapter.weights):
        output.warning(output.ZERO_ADAPTER)
    return adapter
