"""Finds hypernetworks: those shipped in a package, local directories, and Hub repositories."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.hypernetwork.checkpoint import CONFIG_FILE, read_checkpoint_config
from shared.paths import NETWORK_FILES

PACKAGES = ("d2l", "t2l")


@dataclass(frozen=True)
class HypernetworkEntry:
    """A hypernetwork on this machine."""

    name: str
    kind: str
    path: Path
    config: dict[str, Any]

    @property
    def base_model(self) -> str:
        """The base model it was made for."""
        return self.config["base"]["name_or_path"]


def shipped_hypernetworks() -> list[HypernetworkEntry]:
    """The hypernetworks inside the installed packages, ``<package>/pretrained/<name>/``."""
    entries = []
    for package in PACKAGES:
        folder = Path(str(files(package))) / "pretrained"
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if (path / CONFIG_FILE).exists():
                config = read_checkpoint_config(path)
                entries.append(HypernetworkEntry(path.name, config["kind"], path, config))
    return entries


def find_hypernetwork(name: str | None, kind: str | None) -> HypernetworkEntry:
    """Resolve a shipped name, a local path or a Hub id; ``None`` is the shipped default of that kind.

    Raises:
        InputError: nothing of that name, no hypernetwork there, or one of the other kind.
        HyperLoraError: the Hub cannot be reached.
    """
    shipped = [entry for entry in shipped_hypernetworks() if kind in (None, entry.kind)]
    if name is None:
        if not shipped:
            raise InputError(
                f"no {kind} hypernetwork is installed", "train one with hyperlora train, or give --hypernet"
            )
        return shipped[0]
    for entry in shipped:
        if entry.name == name:
            return entry
    path = Path(name)
    if not path.exists():
        from shared.hub import is_repo_id, pull_snapshot

        if not is_repo_id(name):
            raise InputError(f"hypernetwork {name} does not exist", "hyperlora hypernet list shows what is installed")
        files = {"first": CONFIG_FILE, "check": read_checkpoint_config, "allow_patterns": NETWORK_FILES}
        path = pull_snapshot(name, **files)
    config = read_checkpoint_config(path)
    if kind is not None and config["kind"] != kind:
        raise InputError(
            f"{name} is a {config['kind']} hypernetwork, not {kind}", f"use it with hyperlora {config['kind']}"
        )
    return HypernetworkEntry(name, config["kind"], path, config)
