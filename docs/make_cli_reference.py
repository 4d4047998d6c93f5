"""Writes docs/cli.md from the commands' own --help; a test fails when the file is stale."""

from pathlib import Path

from typer.testing import CliRunner

from cli.app import app

COMMANDS = (
    "",
    "d2l",
    "t2l",
    "describe",
    "ask",
    "chat",
    "inspect",
    "push",
    "pull",
    "train",
    "compare",
    "eval docqa",
    "eval general",
    "eval niah",
    "eval tasks",
    "hypernet list",
    "hypernet info",
    "hypernet import",
)


def reference() -> str:
    """The reference as Markdown."""
    parts = ["# Command line reference\n\nGenerated from `--help` by `make docs`.\n"]
    for command in COMMANDS:
        done = CliRunner().invoke(
            app, [*command.split(), "--help"], env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
        )
        text = "\n".join(line.rstrip() for line in done.output.strip().splitlines())
        parts.append(f"## {f'hyperlora {command}'.strip()}\n\n```\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "cli.md").write_text(reference(), encoding="utf-8")
