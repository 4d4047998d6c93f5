"""Released hypernetworks: converted from their publishers' files, installed by name on first use."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import output
from cli.progress import spinner

if TYPE_CHECKING:
    from shared.base.model import BaseArchitecture
    from shared.hypernetwork.published import PublishedHypernetwork
    from shared.hypernetwork.registry import HypernetworkEntry
    from shared.importing.source import PublishedSource


def find_or_install(name: str | None, kind: str | None) -> "HypernetworkEntry":
    """A hypernetwork by name, path or Hub id; a released one that is not here yet is installed."""
    from shared.hypernetwork.published import published
    from shared.hypernetwork.registry import find_hypernetwork, installed_path

    released = published(name)
    if released and kind in (None, released.kind) and not installed_path(released.name).exists():
        install(released)
    return find_hypernetwork(name, kind)


def install(entry: "PublishedHypernetwork", *, dtype: str = "float32", force: bool = False) -> Path:
    """Download and convert a released hypernetwork; a download that was cut goes on where it stopped.

    Returns:
        Its directory.
    """
    from shared.hypernetwork.registry import installed_path
    from shared.importing.source import find_published, needed_files
    from shared.paths import home
    from shared.resumable import download_file

    path, folder = installed_path(entry.name), home() / "downloads" / entry.name
    output.note(f"{entry.name}: {entry.megabytes / 1000:.1f} GB from {entry.repo_id} ({entry.subfolder})")
    with spinner("downloading"):
        files = [download_file(entry.repo_id, f"{entry.subfolder}/{name}", folder) for name in needed_files(entry.kind)]
    with spinner("converting"):
        found = replace(find_published(str(files[0])), name=f"{entry.repo_id}/{entry.subfolder}")
        convert(found, None, path, dtype=dtype, force=force)
    shutil.rmtree(folder, ignore_errors=True)
    return path


def convert(
    found: "PublishedSource", architecture: "BaseArchitecture | None", path: Path, *, dtype: str, force: bool
) -> dict[str, Any]:
    """Write a published checkpoint as a hypernetwork directory, and return its configuration."""
    from shared.hypernetwork.checkpoint import save_checkpoint
    from shared.importing.source import import_card

    if found.kind == "d2l":
        from d2l.importing import import_d2l

        imported = import_d2l(found.file, architecture)
        chunk = f"{imported.config.chunk_tokens} tokens (the checkpoint does not state it; set --chunk-tokens)"
        facts = {"chunk length": chunk}
    else:
        from t2l.importing import import_t2l

        imported = import_t2l(found.file, found.folder, architecture)
        facts = {"text encoder": imported.config.text_encoder}
    base_model = imported.config.base.name_or_path
    card = import_card(found, {"base model": base_model, **facts, "dtype": dtype}, imported.dropped)
    save_checkpoint(path, imported.config.to_dict(), imported.state, card=card, dtype=dtype, force=force)
    return imported.config.to_dict()
