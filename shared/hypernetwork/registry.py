"""Finds hypernetworks: those shipped in a package or installed by name, local directories, and Hub repositories."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.hypernetwork.checkpoint import CONFIG_FILE, read_checkpoint_config
from shared.hypernetwork.published import published
from shared.paths import NETWORK_FILES, home

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


def installed_path(name: str) -> Path:
    """Where a released hypernetwork is kept once it is installed."""
    return home() / "hypernets" / name


def installed_hypernetworks() -> list[HypernetworkEntry]:
    """The released hypernetworks on this machine."""
    entries = []
    for path in sorted(installed_path("").glob("[!.]*")):
        if (path / CONFIG_FILE).exists():
            config = read_checkpoint_config(path)
            entries.append(HypernetworkEntry(path.name, config["kind"], path, config))
    return entries


def find_hypernetwork(name: str | None, kind: str | None) -> HypernetworkEntry:
    """Resolve a shipped or installed name, a local path or a Hub id; ``None`` is the shipped default of that kind.

    Raises:
        InputError: nothing of that name, a released one that is not installed, or one of the other kind.
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
    released = published(name)
    if released and kind not in (None, released.kind):
        raise _other_kind(name, released.kind, kind)
    path = installed_path(name) if released else Path(name)
    if released and not path.exists():
        raise InputError(f"{name} is not installed", f"hyperlora hypernet install {name}")
    if not path.exists():
        from shared.hub import is_repo_id

        if not is_repo_id(name):
            raise InputError(f"hypernetwork {name} does not exist", "hyperlora hypernet list shows what is installed")
        path = pull_hypernetwork(name)
    config = read_checkpoint_config(path)
    if kind is not None and config["kind"] != kind:
        raise _other_kind(name, config["kind"], kind)
    return HypernetworkEntry(name, config["kind"], path, config)


def pull_hypernetwork(
    repo_id: str, *, revision: str | None = None, subfolder: str | None = None, token: str | None = None
) -> Path:
    """Download a hypernetwork's own files from the Hub, its configuration first; returns the local directory.

    Raises:
        InputError, HyperLoraError: as ``pull_snapshot``, or no hypernetwork there.
    """
    from shared.hub import pull_snapshot

    files = {"first": CONFIG_FILE, "check": read_checkpoint_config, "allow_patterns": NETWORK_FILES}
    return pull_snapshot(repo_id, revision=revision, subfolder=subfolder, token=token, **files)


def _other_kind(name: str, found: str, kind: str | None) -> InputError:
    return InputError(f"{name} is a {found} hypernetwork, not {kind}", f"use it with hyperlora {found}")
