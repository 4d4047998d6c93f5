"""A model card's metadata, checked before anything is sent: what the Hub refuses can be found without it.

The Hub checks the same block again when a commit comes (``/api/validate-yaml``), and knows the names of licences.
"""

from pathlib import Path
from typing import Any

from shared.errors import InputError

CARD_FILE = "README.md"
_HINT = "correct the lines between the --- at the card's top"
# https://huggingface.co/docs/hub/model-cards#model-card-metadata
_TEXTS = ("license", "license_name", "license_link", "library_name", "pipeline_tag")
_LISTS = ("tags", "datasets", "metrics", "base_model", "language")


def check_card(path: Path) -> None:
    """Refuse a card whose metadata no Hub takes; one without metadata is fine.

    Raises:
        InputError: no text, no YAML, a field of another type, or a base model or data set that no id names.
    """
    from huggingface_hub import ModelCard

    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text", "write the card anew") from None
    if not content.startswith("---"):
        return
    try:
        data = ModelCard(content).data.to_dict()
    except Exception as error:  # of PyYAML, of the client, or of the field's own constructor
        raise InputError(f"{path}: the metadata cannot be read: {error}", _HINT) from None
    for name in _TEXTS:
        if not isinstance(data.get(name, ""), str):
            raise InputError(f"{path}: {name} is {data[name]!r}, which is no text", _HINT)
    for name in _LISTS:
        for value in _as_list(data.get(name)):
            if not isinstance(value, str):
                raise InputError(f"{path}: {name} holds {value!r}, which is no text", _HINT)
            if name in ("base_model", "datasets") and not _is_id(value):
                raise InputError(f"{path}: {name} is {value!r}, which is no id of the Hub", _HINT)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_id(text: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(text)
    except HFValidationError:
        return False
    return True
