"""Doc-to-LoRA: a document in, an adapter that knows it out. ``load()`` is the front door."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d2l.generate import DocumentAdapter, InternalizeOptions


def load(hypernet: str | None = None, *, base: str | None = None, device: str = "auto", dtype: str = "auto") -> "D2L":
    """A document hypernetwork on its base model, ready to read.

    Args:
        hypernet: shipped name, path or Hub id; the shipped one by default.
        base: where the base model is; by default the one that the hypernetwork was made for.
        device: auto, cpu, mps, cuda or cuda:N.
        dtype: auto, float32, bfloat16 or float16.

    Raises:
        InputError: no such hypernetwork, another base model, or a device that this machine lacks.
        HyperLoraError: the Hub cannot be reached, or memory runs out.
    """
    from d2l.model import D2LModel
    from shared.base.device import choose_placement
    from shared.base.model import load_base_model
    from shared.hypernetwork.registry import find_hypernetwork

    entry = find_hypernetwork(hypernet, "d2l")
    loaded = load_base_model(base or entry.base_model, placement=choose_placement(device, dtype))
    return D2L(D2LModel.from_pretrained(entry.path, loaded, entry.name))


class D2L:
    """Reads documents with one hypernetwork, ``model``."""

    def __init__(self, model) -> None:
        self.model = model

    def read(self, *paths: str, options: "InternalizeOptions | None" = None) -> "DocumentAdapter":
        """The adapter of documents or folders of them.

        Raises:
            InputError: a file that cannot be read.
        """
        from d2l.generate import InternalizeOptions, RankBudget, internalize
        from d2l.reader import read_documents
        from shared.lora.card import VLLM_RANKS

        options = options or InternalizeOptions(budget=RankBudget(VLLM_RANKS[-1]))
        read = read_documents([str(path) for path in paths])
        return internalize(self.model, read.documents, options, unread=read.unread)
