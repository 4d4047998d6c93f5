"""Where the ``hyperlora`` program starts: signals, streams and threads first, then the slower imports."""

from cli.process import end_at_once, open_streams, share_cores


def main() -> None:
    """Run the program."""
    end_at_once()
    open_streams()
    share_cores()
    from cli.app import app

    app()


if __name__ == "__main__":
    main()
