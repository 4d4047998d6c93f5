"""``hyperlora pull``: an adapter from the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.progress import spinner


def pull(
    repo_id: Annotated[str, typer.Argument(help="Repository on the Hub: owner/name.", show_default=False)],
    output_dir: options.Output = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.", show_default=False)] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="HF_TOKEN", help="Hub token. Default: the one of `hf auth login`.", show_default=False),
    ] = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Download an adapter into a directory.

    Example: hyperlora pull me/weekly-brief -o brief-adapter
    """
    import shutil

    from shared.errors import InputError
    from shared.hub import is_repo_id
    from shared.lora.adapter import is_zero, pull_adapter, read_adapter
    from shared.paths import check_output, own_files, whole_directory

    if not is_repo_id(repo_id):
        raise InputError(f"{repo_id!r} is not a repository id", "use owner/name")
    target = output_dir or Path(repo_id.rpartition("/")[2])
    check_output(target, force=force, what="adapter")
    with spinner("downloading"):
        snapshot = pull_adapter(repo_id, revision=revision, token=token)
    adapter = read_adapter(snapshot)
    if is_zero(adapter.weights):
        output.warning(output.ZERO_ADAPTER)
    with whole_directory(target, force=force) as temporary:
        for name in own_files(snapshot):
            shutil.copyfile(snapshot / name, temporary / name)
    output.result(str(target), {"adapter": str(target), "repo_id": repo_id, "base_model": adapter.base_model})
    output.next_step("hyperlora", "ask", target, "YOUR QUESTION")
