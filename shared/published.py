"""Where a published hypernetwork comes from, and the card of its import."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shared.base_model import BaseModelSpec, describe_base
from shared.card import command_line, library_versions
from shared.errors import InputError
from shared.targets import Target, find_targets

if TYPE_CHECKING:
    from transformers import PreTrainedModel

D2L_FILE, T2L_FILE = "pytorch_model.bin", "hypermod.pt"
LICENCES = {
    "d2l": "code: MIT (https://github.com/SakanaAI/doc-to-lora); the weights have their publisher's own terms",
    "t2l": "code: Apache-2.0 (https://github.com/SakanaAI/text-to-lora); the weights have their publisher's own terms",
}


@dataclass(frozen=True)
class PublishedSource:
    """A published checkpoint on this machine.

    Attributes:
        kind: ``d2l`` or ``t2l``.
        file: ``pytorch_model.bin`` or ``hypermod.pt``.
        name: what the user called it, for the card.
    """

    kind: Literal["d2l", "t2l"]
    file: Path
    name: str

    def sha256(self) -> str:
        with self.file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()


@dataclass(frozen=True)
class BaseArchitecture:
    """A base model's architecture without its weights.

    Attributes:
        spec: its identity.
        model: on the meta device.
    """

    spec: BaseModelSpec
    model: "PreTrainedModel"

    def check_targets(self, sizes: dict[str, tuple[int, int]]) -> list[Target]:
        """The target layers, if each module has the given in and out features.

        Raises:
            InputError: the base has no such modules, or of another size.
        """
        targets = find_targets(self.model, tuple(sizes))
        for target in targets:
            if (target.in_features, target.out_features) != sizes[target.module]:
                raise InputError(
                    f"the hypernetwork's {target.module} is {sizes[target.module]}, that of {self.spec.name_or_path} "
                    f"is {(target.in_features, target.out_features)}",
                    "give the --base that the hypernetwork was trained for",
                )
        return targets


def read_architecture(name_or_path: str) -> BaseArchitecture:
    """Read a base model's configuration and lay its modules out on the meta device: no weights, no memory.

    Raises:
        InputError: no such model, or not a causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(name_or_path)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(f"cannot read the base model {name_or_path}", text) from error
    return BaseArchitecture(describe_base(model, name_or_path, getattr(config, "_commit_hash", None)), model)


def find_published(source: str, *, subfolder: str | None = None, revision: str | None = None) -> PublishedSource:
    """Locate a published checkpoint: a file, a folder, or a Hub id; the kind follows from the file's name.

    Raises:
        InputError: nothing there, or no checkpoint of a known kind.
    """
    path, name = Path(source), source
    if not path.exists():
        from shared.hub import is_repo_id, pull_snapshot

        if not is_repo_id(source):
            raise InputError(f"{source} does not exist", f"give a {D2L_FILE}, a T2L folder or a Hub id")
        patterns = [D2L_FILE, T2L_FILE, "args.yaml", "adapter_config.json"]
        path = pull_snapshot(source, revision=revision, subfolder=subfolder, allow_patterns=patterns)
        name = "/".join(filter(None, (source, subfolder))) + (f" at {revision}" if revision else "")
    elif subfolder and path.is_dir():
        path = path / subfolder
    if path.is_file():
        return PublishedSource("t2l" if path.name == T2L_FILE else "d2l", path, name)
    for kind, file in (("d2l", D2L_FILE), ("t2l", T2L_FILE)):
        if (path / file).is_file():
            return PublishedSource(kind, path / file, name)
    raise InputError(f"{path} holds neither {D2L_FILE} nor {T2L_FILE}", "name the run's folder with --subfolder")


def import_card(source: PublishedSource, facts: dict[str, Any], dropped: list[str]) -> str:
    """The card of an imported hypernetwork.

    Args:
        facts: rows of the table.
        dropped: what the import does not carry over.
    """
    versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    rows = {
        "source": f"{source.name} ({source.file.name})",
        "sha256": source.sha256(),
        "licence": LICENCES[source.kind],
        **facts,
        "made with": versions,
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    tags = "tags:\n- hyperlora\n- " + ("doc-to-lora" if source.kind == "d2l" else "text-to-lora")
    return (
        f"---\nlibrary_name: hyperlora\nlicense: other\n{tags}\n---\n\n# Imported {source.kind.upper()} hypernetwork\n\n"
        f"A published hypernetwork, converted without executing anything of its file; the numbers are unchanged.\n\n"
        f"| | |\n|---|---|\n{table}\n\nNot carried over: {'; '.join(dropped)}.\n\nMade by:\n\n```\n{command_line()}\n```\n"
    )


def require_tensor(state: dict[str, Any], name: str, dimensions: int) -> Any:
    """A tensor of the checkpoint by name.

    Raises:
        InputError: it is missing or has another number of dimensions.
    """
    import torch

    tensor = state.get(name)
    if not isinstance(tensor, torch.Tensor) or tensor.dim() != dimensions:
        raise InputError(f"the checkpoint lacks the tensor {name}", "it is incomplete or of another kind")
    return tensor


def check_value(what: str, stated: Any, real: int) -> int:
    """A number of the configuration, if the tensors agree; nothing is built from what a file merely claims.

    Raises:
        InputError: they differ.
    """
    if type(stated) is not int or stated != real:
        text = str(stated)[:40]
        raise InputError(f"the checkpoint's configuration says {what} {text}, its tensors say {real}", "refused")
    return real


def check_shapes(state: dict[str, Any], expected: dict[str, tuple[int, ...]]) -> None:
    """Refuse missing, unexpected or wrongly shaped tensors.

    Raises:
        InputError: the first of them by name.
    """
    for key in sorted(set(state) | set(expected)):
        if key not in expected:
            raise InputError(f"the checkpoint holds the unexpected tensor {key[:80]}", "it is of an unknown variant")
        if key not in state:
            raise InputError(f"the checkpoint lacks what becomes {key}", "it is incomplete")
        if tuple(state[key].shape) != expected[key]:
            raise InputError(f"{key} has shape {tuple(state[key].shape)}, expected {expected[key]}", "refused")
