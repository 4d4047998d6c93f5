"""Task descriptions as text."""

from shared.errors import InputError


def finish_sentence(description: str) -> str:
    """A description on one line, with a full stop if it ends in a letter (as Text-to-LoRA was trained).

    Raises:
        InputError: an empty description.
    """
    return add_full_stop(" ".join(description.split()))


def add_full_stop(text: str) -> str:
    """A full stop behind a text that ends in a letter.

    Raises:
        InputError: an empty text.
    """
    if not text:
        raise InputError("the description is empty", 'describe the task in a sentence: hyperlora t2l "..."')
    return text + "." if text[-1].isalpha() else text
