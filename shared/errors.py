"""The only exceptions a user meets: one line that says what is wrong, one that says what to do next."""

import re

MAX_LENGTH = 1000


def one_line(text: str) -> str:
    """A text without line ends and other control characters, cut where it is longer than anybody reads."""
    text = re.sub(r"\s*[\r\n]\s*", " ", text.strip())
    # Names of files that are not UTF-8 stay what they are.
    text = "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else "?" for c in text)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."


class HyperLoraError(Exception):
    """A failure at run time.

    Args:
        message: what went wrong, in one line.
        hint: what to do next, or an empty string.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = one_line(message), one_line(hint)
        super().__init__(self.message)


class InputError(HyperLoraError):
    """The input cannot be used: a bad file, option, checkpoint or base model."""

    exit_code = 2
