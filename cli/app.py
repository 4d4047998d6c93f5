"""The ``hyperlora`` program: registers the commands and nothing else."""

import os
from typing import Annotated

import typer

from cli.commands import ask, chat, compare, d2l, describe, evaluate, hypernet, inspect, pull, push, t2l, train
from cli.errors import handled

_EPILOG = """Examples:

\b
hyperlora d2l brief.pdf -o brief-adapter
hyperlora ask brief-adapter "Where are avocados short?" --compare
hyperlora t2l "Classify support tickets by product area" -o tickets
hyperlora push brief-adapter me/weekly-brief

Environment: HYPERLORA_HOME, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE, NO_COLOR, HYPERLORA_DEBUG=1."""

app = typer.Typer(
    name="hyperlora",
    help="Write LoRA adapters in one forward pass: from a document (d2l) or a task description (t2l).",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"hyperlora {version('hyperlora')}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    # Libraries' own bars and warnings would mix with ours; a user who wants them sets these variables.
    for name, value in {
        "TQDM_DISABLE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore",
    }.items():
        os.environ.setdefault(name, value)
    if os.environ["PYTHONWARNINGS"] == "ignore":
        import warnings

        warnings.simplefilter("ignore")


for _name, _command in {
    "d2l": d2l.d2l,
    "t2l": t2l.t2l,
    "describe": describe.describe,
    "ask": ask.ask,
    "chat": chat.chat,
    "inspect": inspect.inspect,
    "push": push.push,
    "pull": pull.pull,
    "train": train.train,
    "compare": compare.compare,
}.items():
    app.command(_name)(handled(_command))
app.add_typer(evaluate.app, name="eval")
app.add_typer(hypernet.app, name="hypernet")

if __name__ == "__main__":  # accelerate launch -m cli.app train ...
    app()
