"""Where a published hypernetwork comes from, and the card of its import."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shared.errors import InputError
from shared.provenance import library_versions

if TYPE_CHECKING:
    pass

D2L_FILE, T2L_FILE = "pytorch_model.bin", "hypermod.pt"
T2L_ARGUMENTS, T2L_ADAPTER = "args.yaml", "adapter_config.json"
# Far above any model, and low enough that an outline of the network is made in seconds.
MAX_MODULES, MAX_BLOCKS = 32, 128
_ATTENTION = re.compile(r"(q|k|v|o|qkv)_proj")
_READS_HIDDEN, _WRITES_HIDDEN = re.compile(r"(q|k|v|qkv|gate|up|gate_up)_proj"), re.compile(r"(o|down)_proj")
# Checkpoints of other code than the two families that are read: by repository, and by their file's name.
OTHER_FILE = "hypernet.pt"
OTHER_FAMILIES = {
    "farpluto/doc-to-lora-niah": (
        "a checkpoint of another implementation of Doc-to-LoRA (for Qwen/Qwen3-1.7B), whose format is not read",
        "without it: hyperlora d2l FILE --base Qwen/Qwen3-1.7B",
    )
}
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
        folder: where a T2L checkpoint's ``args.yaml`` and ``adapter_config.json`` are; ``None`` for D2L.
    """

    kind: Literal["d2l", "t2l"]
    file: Path
    name: str
    folder: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All files that are read."""
        return [self.file] + ([self.folder / T2L_ARGUMENTS, self.folder / T2L_ADAPTER] if self.folder else [])

    def sha256(self) -> dict[str, str]:
        """Checksum by file name."""
        sums = {}
        for file in self.files:
            with file.open("rb") as handle:
                sums[file.name] = hashlib.file_digest(handle, "sha256").hexdigest()
        return sums


def needed_files(kind: str) -> tuple[str, ...]:
    """Names of the files that an import reads, the weights first."""
    return (D2L_FILE,) if kind == "d2l" else (T2L_FILE, T2L_ARGUMENTS, T2L_ADAPTER)


def find_published(source: str, *, subfolder: str | None = None, revision: str | None = None) -> PublishedSource:
    """Locate a published checkpoint: a file, a folder, or a Hub id; the kind follows from the file's name.

    Raises:
        InputError: nothing there, or no checkpoint of a known kind.
    """
    path, name = Path(source), source
    if source in OTHER_FAMILIES:
        raise InputError(f"{source} is {OTHER_FAMILIES[source][0]}", OTHER_FAMILIES[source][1])
    if not path.exists():
        from shared.hub import is_repo_id, pull_snapshot

        if not is_repo_id(source):
            raise InputError(f"{source} does not exist", f"give a {D2L_FILE}, a T2L folder or a Hub id")
        patterns = [D2L_FILE, T2L_FILE, f"checkpoints/it_*/{T2L_FILE}", T2L_ARGUMENTS, T2L_ADAPTER]
        path = pull_snapshot(source, revision=revision, subfolder=subfolder, allow_patterns=patterns)
        name = "/".join(filter(None, (source, subfolder))) + (f" at {revision}" if revision else "")
    elif subfolder and path.is_dir():
        path = path / subfolder
    if path.name == OTHER_FILE or (path / OTHER_FILE).is_file():
        what, hint = OTHER_FAMILIES["farpluto/doc-to-lora-niah"]
        raise InputError(f"{path} is, by its name {OTHER_FILE}, {what}", hint)
    if path.is_file():
        return _t2l_source(path, name) if path.name == T2L_FILE else PublishedSource("d2l", path, name)
    if (path / D2L_FILE).is_file():
        return PublishedSource("d2l", path / D2L_FILE, name)
    if (path / T2L_FILE).is_file():
        return _t2l_source(path / T2L_FILE, name)
    steps = {_step(file): file for file in path.glob(f"checkpoints/it_*/{T2L_FILE}")}
    if steps:
        return _t2l_source(steps[max(steps)], name)
    raise InputError(f"{path} holds neither {D2L_FILE} nor {T2L_FILE}", "name the run's folder with --subfolder")


def _step(file: Path) -> int:
    """The training step of ``checkpoints/it_<step>/hypermod.pt``, -1 where it is no number."""
    number = file.parent.name.removeprefix("it_")
    return int(number) if number.isdecimal() and len(number) < 20 else -1


def _t2l_source(file: Path, name: str) -> PublishedSource:
    """Released folders hold all three files; a training run has the weights in its ``checkpoints/it_<step>/``."""
    folders = [file.parent]
    if file.absolute().parent.parent.name == "checkpoints":
        folders.append(file.absolute().parent.parent.parent)
    for folder in folders:
        if (folder / T2L_ARGUMENTS).is_file() and (folder / T2L_ADAPTER).is_file():
            return PublishedSource("t2l", file, name, folder)
    raise InputError(
        f"{file} lacks {T2L_ARGUMENTS} or {T2L_ADAPTER} beside it", "give the whole folder of the Text-to-LoRA run"
    )


def import_card(source: PublishedSource, facts: dict[str, Any], dropped: list[str]) -> str:
    """The card of an imported hypernetwork.

    Args:
        facts: rows of the table.
        dropped: what the import does not carry over.
    """
    versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    rows = {
        "source": f"{source.name} ({source.file.name})",
        "sha256": "<br>".join(f"{file}: {digest}" for file, digest in source.sha256().items()),
        "licence": LICENCES[source.kind],
        **facts,
        "made with": versions,
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    tag = "doc-to-lora" if source.kind == "d2l" else "text-to-lora"
    return (
        f"---\nlibrary_name: hyperlora\nlicense: other\ntags:\n- hyperlora\n- {tag}\n---\n\n"
        f"# Imported {source.kind.upper()} hypernetwork\n\n"
        "A published hypernetwork, converted without executing anything of its files; the numbers are unchanged.\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        f"Not carried over: {'; '.join(dropped)}.\n"
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


def short(value: Any) -> str:
    """A value of the configuration for a message; containers, which could be endless, by their type only."""
    return str(value)[:40] if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"


def check_name(what: str, name: str) -> str:
    """A model's name that may stand in cards and configurations.

    Raises:
        InputError: empty, longer than a path may be, or with line ends and other control characters.
    """
    if not name.strip() or len(name) > 1024 or not name.isprintable():
        raise InputError(f"the checkpoint's {what} is no name of a model", "refused")
    return name


def check_value(what: str, stated: Any, real: int) -> int:
    """A number of the configuration, if the tensors agree; nothing is built from what a file merely claims.

    Raises:
        InputError: the stated number is not the tensors'.
    """
    if type(stated) is not int or stated != real:
        text = short(stated)
        raise InputError(f"the checkpoint's configuration says {what} {text}, its tensors say {real}", "refused")
    return real


def check_count(what: str, number: int, limit: int) -> None:
    """Refuse, before anything is made of them, more parts than a language model or hypernetwork has.

    Raises:
        InputError: too many, or none.
    """
    if not 1 <= number <= limit:
        raise InputError(f"the checkpoint has {number} {what}", f"1 to {limit} are read")


def layer_name(layer: int, module: str) -> str:
    """Where Llama-like models have a target module."""
    return f"model.layers.{layer}.{'self_attn' if _ATTENTION.fullmatch(module) else 'mlp'}.{module}"


def hidden_size(sizes: dict[str, tuple[int, int]]) -> int:
    """The base model's hidden size from (in, out) features by module: what a module reads, or writes, of it.

    Raises:
        InputError: no module of a known name, or they disagree.
    """
    found = {size[0] for module, size in sizes.items() if _READS_HIDDEN.fullmatch(module)}
    found |= {size[1] for module, size in sizes.items() if _WRITES_HIDDEN.fullmatch(module)}
    if len(found) != 1:
        raise InputError("the base model's hidden size does not follow from the checkpoint", "give --base")
    return found.pop()


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
        if not state[key].is_floating_point():
            raise InputError(f"{key} holds {state[key].dtype} numbers", "weights are floating-point numbers")
        if tuple(state[key].shape) != expected[key]:
            raise InputError(f"{key} has shape {tuple(state[key].shape)}, expected {expected[key]}", "refused")
