"""``hyperlora push``: an adapter or hypernetwork to the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.progress import spinner


def push(
    path: Annotated[
        Path, typer.Argument(metavar="ADAPTER", help="Adapter (or hypernetwork) directory.", show_default=False)
    ],
    repo_id: Annotated[str, typer.Argument(help="Repository on the Hub: owner/name.", show_default=False)],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public. Default: private.")] = False,
    token: Annotated[
        str | None,
        typer.Option(envvar="HF_TOKEN", help="Hub token. Default: the one of `hf auth login`.", show_default=False),
    ] = None,
    message: Annotated[str, typer.Option(help="Commit message.")] = "Upload with hyperlora",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Publish an adapter; the repository is private unless you say --public, because weights can reveal the document.

    Example: hyperlora push brief-adapter me/weekly-brief
    """
    from shared.hub import push_folder
    from shared.hypernetwork.checkpoint import checkpoint_shapes, read_checkpoint_config
    from shared.lora.adapter import CONFIG_FILE, is_zero, read_adapter
    from shared.paths import own_files

    if (path / CONFIG_FILE).exists() or not (path / "config.json").exists():
        if is_zero(read_adapter(path).weights):
            output.warning(output.ZERO_ADAPTER)
    else:
        read_checkpoint_config(path)
        checkpoint_shapes(path)
    files = own_files(path)
    left_out = sorted(file.name for file in path.iterdir() if file.name not in files)
    if left_out:
        output.note(f"not pushed, since it is not hyperlora's: {', '.join(left_out)}")
    with spinner("uploading"):
        pushed = push_folder(path, repo_id, private=not public, token=token, message=message, files=files)
    output.note(f"pushed {', '.join(pushed.files)} to a {'private' if pushed.private else 'public'} repository")
    if public and pushed.private:
        output.warning(f"{repo_id} was private before and stays so: --public is for new repositories")
    output.result(pushed.url, {"url": pushed.url, "repo_id": repo_id, "private": pushed.private, "files": pushed.files})
    output.next_step("hyperlora", "pull", repo_id)
