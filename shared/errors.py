"""The only exceptions a user meets: one line that says what is wrong, one that says what to do next."""


class HyperLoraError(Exception):
    """A failure at run time.

    Args:
        message: what went wrong, in one line.
        hint: what to do next, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(HyperLoraError):
    """The input cannot be used: a bad file, option, checkpoint or base model."""

    exit_code = 2
