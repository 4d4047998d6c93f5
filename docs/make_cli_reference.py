"""Writes docs/cli.md from the commands' own --help, found by walking the app; a test fails when the file is stale."""

from collections.abc import Iterator
from pathlib import Path

import typer
from typer.testing import CliRunner

from cli.app import app


def commands() -> Iterator[list[str]]:
    """The words of every command that help shows, groups before their commands."""
    todo: list[tuple[list[str], object]] = [([], typer.main.get_command(app))]
    while todo:
        words, command = todo.pop(0)
        if not command.hidden:
            yield words
            todo = [([*words, name], sub) for name, sub in getattr(command, "commands", {}).items()] + todo


def reference() -> str:
    """The reference as Markdown."""
    parts = ["# Command line reference\n\nGenerated from `--help` by `make docs`.\n"]
    for words in commands():
        done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
        text = "\n".join(line.rstrip() for line in done.output.strip().splitlines())
        parts.append(f"## {' '.join(['hyperlora', *words])}\n\n```\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "cli.md").write_text(reference(), encoding="utf-8")
