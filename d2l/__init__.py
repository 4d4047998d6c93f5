"""Doc-to-LoRA: a document in, an adapter that knows it out. ``load()`` is the front door."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d2l.generate import DocumentAdapter, InternalizeOptions


def load(hypernet: str | None = None, *, base: str | None = None, device: str = "auto", dtype: str = "auto") -> "D2L":
    """A document hypernetwork on its base model, ready to read.

    Args:
        hypernet: name, path or Hub id, or training-free for none; the shipped one by default.
        base: where the base model is; by default the one that the hypernetwork was made for. With another one and no
            name, documents are read without a trained hypernetwork (``d2l.untrained``).
        device: auto, cpu, mps, cuda or cuda:N.
        dtype: auto, float32, bfloat16 or float16.

    Raises:
        InputError: no such hypernetwork, another base model, or a device that this machine lacks.
        HyperLoraError: the Hub cannot be reached, or memory runs out.
    """
    from d2l.untrained import load_model
    from shared.base.device import choose_placement
    from shared.base.model import load_base_model
    from shared.hypernetwork.published import UNTRAINED
    from shared.hypernetwork.registry import find_hypernetwork

    entry = None if hypernet == UNTRAINED else find_hypernetwork(hypernet, "d2l")
    loaded = load_base_model(base or (entry and entry.base_model), placement=choose_placement(device, dtype))
    return D2L(load_model(entry, loaded, named=hypernet is not None))


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
