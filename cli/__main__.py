"""Where the ``hyperlora`` program starts: signals and streams first, then the slower imports."""

from cli.process import end_at_once, open_streams


def main() -> None:
    """Run the program."""
    end_at_once()
    open_streams()
    from cli.app import app

    app()


if __name__ == "__main__":
    main()
