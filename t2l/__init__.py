"""Text-to-LoRA: a task description in, an adapter out. ``load()`` is the front door."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2l.generate import TaskAdapter


def load(
    hypernet: str | None = None, *, base: str | None = None, text_encoder: str | None = None, dtype: str = "auto"
) -> "T2L":
    """A task hypernetwork, ready to write adapters.

    Args:
        hypernet: shipped name, path or Hub id; the shipped one by default.
        base: where the base model is; by default the one that the hypernetwork was made for.
        text_encoder: where the text encoder is; by default the one it was trained with.

    Raises:
        InputError: no such hypernetwork, or another base model.
        HyperLoraError: the Hub cannot be reached.
    """
    from shared.hypernetwork.registry import find_hypernetwork
    from t2l.model import T2LModel

    entry = find_hypernetwork(hypernet, "t2l")
    options = {"name": entry.name, "base": base, "text_encoder": text_encoder, "dtype": dtype}
    return T2L(T2LModel.from_pretrained(entry.path, **options))


class T2L:
    """Writes task adapters with one hypernetwork, ``model``."""

    def __init__(self, model) -> None:
        self.model = model

    def write(self, description: str) -> "TaskAdapter":
        """The adapter of a one-line task description.

        Raises:
            InputError: an empty description.
        """
        from t2l.generate import TaskAdapter

        return TaskAdapter(self.model, self.model.generate([description])[0])
