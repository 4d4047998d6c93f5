"""``hyperlora push``: adapters or a hypernetwork to the Hugging Face Hub."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options, output
from cli.progress import spinner

if TYPE_CHECKING:
    from shared.hub import PushedFolder


def push(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="ADAPTER", help="Adapter or hypernetwork directory, or a folder of adapters.", show_default=False
        ),
    ],
    repo_id: Annotated[
        str,
        typer.Argument(
            metavar="OWNER/NAME",
            help="Repository on the Hub; of a folder of adapters, the beginning of each one's name.",
            show_default=False,
        ),
    ],
    public: Annotated[bool, typer.Option("--public", help="Make what is new public. Default: private.")] = False,
    revision: Annotated[
        str | None,
        typer.Option(metavar="BRANCH", help="Branch, made if it is not there. Default: main.", show_default=False),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(metavar="TITLE", help="Put it into your collection of this title, too.", show_default=False),
    ] = None,
    token: options.Token = None,
    message: Annotated[str, typer.Option(help="Commit message.")] = "Upload with hyperlora",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Publish adapters; a repository is private unless you say --public, because weights can reveal the document.

    Of a folder of adapters, each goes to a repository of its own, OWNER/NAME-ADAPTER. The same command goes on where a
    run was cut off, and sends nothing twice.

    Example: hyperlora push brief-adapter me/weekly-brief
    """
    from shared.errors import InputError
    from shared.hub import check_branch, check_repo_id, push_folder
    from shared.hub_card import CARD_FILE, check_card
    from shared.paths import own_files

    check_repo_id(repo_id)
    check_branch(revision)
    if not path.is_dir():
        raise InputError(f"{path} is not a folder" if path.exists() else f"{path} does not exist", "name an adapter")
    parts = _adapters_in(path)
    targets = {f"{repo_id}-{part.name}": part for part in parts} if parts else {repo_id: path}
    for name, part in targets.items():  # all of them before the first one goes
        check_repo_id(name)
        _check(part)
        if (part / CARD_FILE).is_file():
            check_card(part / CARD_FILE)
    group = None
    if collection is not None:
        from shared.hub_collection import find_or_make_collection

        with spinner("looking for the collection"):
            owner = repo_id.partition("/")[0]
            group = find_or_make_collection(owner, collection, private=not public, token=token)
    pushed: dict[str, PushedFolder] = {}
    for name, part in targets.items():
        files = own_files(part)
        left_out = sorted({file.name for file in part.iterdir()} - {file.partition("/")[0] for file in files})
        if left_out:
            output.note(f"not pushed, since it is not hyperlora's: {', '.join(left_out)}")
        with spinner(f"uploading {part.name}"):
            pushed[name] = done = push_folder(
                part, name, private=not public, token=token, message=message, files=files, revision=revision
            )
            if group is not None:
                group.add(name)
        size = sum((part / file).stat().st_size for file in files) / 1e6
        kind = "private" if done.private else "public"
        output.note(f"pushed {', '.join(done.files)} ({size:.2f} MB) to a {kind} repository")
        if public and done.private:
            output.warning(f"{name} was private before and stays so: --public is for new repositories")
    shown: dict[str, Any] = {name: {**asdict(done), "repo_id": name} for name, done in pushed.items()}
    facts: dict[str, Any] = {"repositories": list(shown.values())} if parts else shown[repo_id]
    lines = [done.url for done in pushed.values()]
    if group is not None:
        output.note(f"{len(group.added)} of {len(group.items)} new in the collection {collection}")
        facts["collection"] = {"url": group.url, "private": group.private, "added": group.added, "items": group.items}
        lines.append(group.url)
    output.result("\n".join(lines), facts)
    output.next_step("hyperlora", "pull", next(iter(pushed)), *(("--revision", revision) if revision else ()))


def _adapters_in(path: Path) -> list[Path]:
    """Adapter directories in a folder that is none itself."""
    from shared.hypernetwork.checkpoint import CONFIG_FILE as NETWORK
    from shared.lora.adapter import CONFIG_FILE as ADAPTER

    if (path / ADAPTER).exists() or (path / NETWORK).exists():
        return []
    inside = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    found = [entry for entry in inside if (entry / ADAPTER).is_file()]
    others = [entry.name for entry in inside if entry not in found and entry.is_dir()]
    if found and others:
        output.note(f"no adapters, and left out: {', '.join(others)}")
    return found


def _check(path: Path) -> None:
    """Refuse what nobody could read."""
    from shared.hypernetwork.checkpoint import checkpoint_shapes, read_checkpoint_config
    from shared.lora.adapter import CONFIG_FILE, is_zero, read_adapter

    if (path / CONFIG_FILE).exists() or not (path / "config.json").exists():
        if is_zero(read_adapter(path).weights):
            output.warning(output.ZERO_ADAPTER)
    else:
        read_checkpoint_config(path)
        checkpoint_shapes(path)
