"""The ``hyperlora`` program: registers the commands and nothing else."""

import os
from typing import Annotated

if __name__ == "__main__":  # accelerate launch -m cli.app train ...; before the slower imports
    from cli.process import end_at_once, open_streams

    end_at_once()
    open_streams()

import typer

from cli import output
from cli.commands import (
    ask,
    chat,
    check,
    combine,
    compare,
    d2l,
    describe,
    export,
    hypernet,
    inspect,
    pull,
    push,
    read,
    refine,
    scale,
    serve,
    t2l,
    train,
)
from cli.commands.eval import adapter, docqa, general, needles, tasks
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
    help="Write LoRA adapters from a document (d2l) or a task description (t2l).",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
evaluate = typer.Typer(help="Measure hypernetworks and adapters on data they have not seen.", no_args_is_help=True)
hypernets = typer.Typer(help="List, describe, install and import hypernetworks.", no_args_is_help=True)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        output.write(f"hyperlora {version('hyperlora')}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=handled(_version), is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    # Libraries' own bars and warnings would mix with ours; a user who wants them sets these variables.
    for name, value in {
        "TQDM_DISABLE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_VERBOSITY": "error",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore",
    }.items():
        os.environ.setdefault(name, value)
    if os.environ["PYTHONWARNINGS"] == "ignore":
        import warnings

        warnings.simplefilter("ignore")


_COMMANDS = {
    app: {
        "d2l": d2l.d2l,
        "t2l": t2l.t2l,
        "describe": describe.describe,
        "ask": ask.ask,
        "chat": chat.chat,
        "read": read.read,
        "inspect": inspect.inspect,
        "check": check.check,
        "refine": refine.refine,
        "combine": combine.combine,
        "scale": scale.scale,
        "export": export.export,
        "serve": serve.serve,
        "push": push.push,
        "pull": pull.pull,
        "train": train.train,
        "compare": compare.compare,
    },
    evaluate: {
        "adapter": adapter.adapter,
        "docqa": docqa.docqa,
        "general": general.general,
        "needles": needles.needles,
        "tasks": tasks.tasks,
    },
    hypernets: {
        "list": hypernet.list_,
        "info": hypernet.info,
        "install": hypernet.install_,
        "import": hypernet.import_,
    },
}
for _group, _commands in _COMMANDS.items():
    for _name, _command in _commands.items():
        _group.command(_name)(handled(_command))
evaluate.command("niah", hidden=True)(handled(needles.needles))  # its name until 0.1
app.add_typer(evaluate, name="eval")
app.add_typer(hypernets, name="hypernet")

if __name__ == "__main__":
    app()
