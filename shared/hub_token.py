"""Tokens of the Hub: cleaned before they are used, and masked in every message."""

import contextlib
import os
import re
import sys
from pathlib import Path
from urllib.parse import quote

from shared.errors import InputError

MASK = "hf_***"
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SHAPE = re.compile(r"hf_[A-Za-z0-9]{16,}")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
# Shorter texts are no tokens, and would be masked in the middle of words.
_MIN_LENGTH = 6
_used: set[str] = set()


def find_token(given: str | None = None) -> str | None:
    """The token to use: the one given, else that of the environment or of ``hf auth login``; ``None`` without any.

    Space, line ends and quotes around it, as a copy or a file may have them, are no part of it.

    Raises:
        InputError: something within it that no token has.
    """
    from huggingface_hub import constants, get_token

    token = _clean(given)
    if not token and not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        token = _clean(get_token())
    if not token:
        return None
    _used.add(token)
    if not re.fullmatch(r"[!#-&(-~]+", token):
        raise InputError(
            "the Hugging Face token has a space, a line end, quotes or a letter in it that no token has",
            "check --token, HF_TOKEN, or the one of hf auth login",
        )
    return token


def masked(text: str) -> str:
    """A message without tokens and without passwords in addresses."""
    secrets = {*_used, *(os.environ.get(name, "") for name in _VARIABLES)}
    constants = sys.modules.get("huggingface_hub.constants")
    if hasattr(constants, "HF_TOKEN_PATH"):
        # Not get_token, which may go to the network to renew what it finds.
        with contextlib.suppress(OSError, ValueError):
            secrets.add(Path(constants.HF_TOKEN_PATH).read_text(encoding="utf-8"))
    secrets |= {_clean(secret) for secret in secrets}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_LENGTH:
            text = text.replace(secret, MASK).replace(quote(secret, safe=""), MASK)
    return _CREDENTIALS.sub("***@", _SHAPE.sub(MASK, text))


def _clean(token: str | None) -> str:
    return (token or "").strip().strip("'\"").strip()
