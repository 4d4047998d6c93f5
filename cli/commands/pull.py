"""``hyperlora pull``: an adapter or a hypernetwork from the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options, output
from cli.progress import spinner


def pull(
    repo_id: Annotated[str, typer.Argument(help="Repository on the Hub: owner/name.", show_default=False)],
    output_dir: options.Output = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.", show_default=False)] = None,
    subfolder: Annotated[
        str | None, typer.Option(help="Folder of the repository that holds it.", show_default=False)
    ] = None,
    token: options.Token = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Download an adapter, or a hypernetwork, into a directory; its configuration first, and its digests compared.

    Example: hyperlora pull me/weekly-brief -o brief-adapter
    """
    import shutil

    from shared.hub import check_repo_id
    from shared.lora.adapter import CONFIG_FILE, is_zero, read_adapter
    from shared.paths import check_output, own_files, whole_directory

    check_repo_id(repo_id)
    target = output_dir or Path((subfolder or "").strip("/").rpartition("/")[2] or repo_id.rpartition("/")[2])
    check_output(target, force=force, what="adapter")
    with spinner("downloading"):
        snapshot = _download(repo_id, revision, subfolder, token)
    is_adapter = (snapshot / CONFIG_FILE).exists()
    if is_adapter:
        adapter = read_adapter(snapshot)
        if is_zero(adapter.weights):
            output.warning(output.ZERO_ADAPTER)
        facts: dict[str, Any] = {"adapter": str(target), "base_model": adapter.base_model}
    else:
        from shared.hypernetwork.checkpoint import checkpoint_shapes, read_checkpoint_config

        checkpoint_shapes(snapshot)
        facts = {"hypernetwork": str(target), "kind": read_checkpoint_config(snapshot)["kind"]}
    with whole_directory(target, force=force) as temporary:
        for name in own_files(snapshot):
            (temporary / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(snapshot / name, temporary / name)
    output.result(str(target), {**facts, "repo_id": repo_id})
    if is_adapter:
        output.next_step("hyperlora", "ask", target, "YOUR QUESTION")
    else:
        output.next_step("hyperlora", facts["kind"], "--hypernet", target, "...")


def _download(repo_id: str, revision: str | None, subfolder: str | None, token: str | None) -> Path:
    """An adapter's files, or a hypernetwork's; of a repository that is neither, it says what an adapter needs."""
    from shared.hub import MissingFile
    from shared.hypernetwork.checkpoint import NoHypernetwork
    from shared.hypernetwork.registry import pull_hypernetwork
    from shared.lora.adapter import pull_adapter

    where = {"revision": revision, "subfolder": subfolder, "token": token}
    try:
        return pull_adapter(repo_id, with_parts=True, **where)
    except MissingFile as error:
        missing = error
    # Not within the handler: the Hub's failures are explained from all that they came from.
    try:
        return pull_hypernetwork(repo_id, **where)
    except (MissingFile, NoHypernetwork):
        raise missing from None
