"""A base model's tokens and their input embeddings, without the model."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from shared.base.device import choose_placement
from shared.base.model import BaseModel, load_base_model, local_source
from shared.config import read_json
from shared.hypernetwork.features import MAX_PIECES, CopySource

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Names of the input embeddings in checkpoints of decoder-only models.
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")


class Vocabulary:
    """Words as a base model sees them.

    Args:
        table: input embeddings, (vocabulary, hidden_size).
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", table: Tensor) -> None:
        self.tokenizer, self.table = tokenizer, table
        self._openings: dict[int, list[int]] = {}

    @classmethod
    def of(cls, base: BaseModel) -> "Vocabulary":
        return cls(base.tokenizer, base.model.get_input_embeddings().weight)

    @classmethod
    def read(cls, name_or_path: str) -> "Vocabulary":
        """Only the embeddings are read, where the checkpoint is safetensors with a known name for them.

        Raises:
            InputError: no such model.
            HyperLoraError: the Hub cannot be reached.
        """
        source = local_source(name_or_path)
        table = _embedding_table(source)
        if table is None:
            return cls.of(load_base_model(name_or_path, placement=choose_placement("cpu")))
        from transformers import AutoTokenizer

        return cls(AutoTokenizer.from_pretrained(source), table)

    def source(self, texts: list[str]) -> CopySource:
        """The words of each text, padded to the longest, on the CPU."""
        rows = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        shape = len(rows), max(1, *map(len, rows)), 1 + MAX_PIECES
        ids, before = (torch.zeros(shape, dtype=torch.long) for _ in range(2))
        mask, continues = (torch.zeros(shape, dtype=torch.bool) for _ in range(2))
        for index, row in enumerate(rows):
            for position, token in enumerate(row):
                opening = self._opening(token)
                forms = torch.tensor([token, *opening])
                place = index, position, slice(len(forms))
                ids[place], mask[place] = forms, True
                before[index, position, 2 : len(forms)] = forms[1:-1]
                continues[index, position, 2 : len(forms)] = True
                if position:
                    before[index, position, 0], continues[index, position, 0] = row[position - 1], True
        embeddings, previous = (self.table[t.to(self.table.device)].float().cpu() for t in (ids, before))
        return CopySource(embeddings, previous * continues[..., None], mask)

    def _opening(self, token: int) -> list[int]:
        """The first tokens of the same word where no space is before it."""
        if token not in self._openings:
            text = self.tokenizer.decode([token])
            word = text.lstrip()
            whole = [token] if not word or word == text else self.tokenizer(word, add_special_tokens=False)["input_ids"]
            self._openings[token] = whole[:MAX_PIECES]
        return self._openings[token]


def _embedding_table(source: str) -> Tensor | None:
    """Input embeddings of a model directory or Hub id, mapped into memory; ``None``: not found by name."""
    from safetensors import safe_open

    index = _file(source, "model.safetensors.index.json")
    if index is not None:
        names = read_json(index, "model index").get("weight_map", {})
    elif (whole := _file(source, "model.safetensors")) is not None:
        with safe_open(whole, "pt") as file:
            names = dict.fromkeys(file.keys(), "model.safetensors")
    else:
        return None
    found = [key for key in names if key.endswith(_EMBEDDINGS)]
    shard = _file(source, names[found[0]]) if len(found) == 1 else None
    if shard is None:
        return None
    with safe_open(shard, "pt") as file:
        return file.get_tensor(found[0])


def _file(source: str, name: str) -> Path | None:
    """A file of a model, downloaded if need be; ``None`` if there is none or no network."""
    from transformers.utils import cached_file

    quiet = dict.fromkeys(("gated_repo", "missing_entries", "connection_errors"), False)
    try:
        found = cached_file(source, name, **{f"_raise_exceptions_for_{case}": value for case, value in quiet.items()})
    except OSError:  # no such model: whoever loads it says so
        return None
    return Path(found) if found else None
