"""One large file from the Hub, in a folder of ours: a download that was cut goes on where it stopped.

huggingface_hub resumes within a call only; what a killed process had is downloaded again.
"""

import hashlib
import re
from pathlib import Path

from shared.errors import HyperLoraError, InputError
from shared.hub import is_offline
from shared.hub_errors import endpoint, explained
from shared.transfer import TIMEOUT


def download_file(repo_id: str, name: str, folder: Path) -> Path:
    """A file of a model repository, checked against the Hub's checksum where that is one of the content.

    A copy in huggingface_hub's own cache is used as it is.

    Args:
        folder: where the file is put, and kept in part while it is not whole.

    Raises:
        InputError: no such repository or file, or no access to it; ``HF_HUB_OFFLINE``.
        HyperLoraError: the Hub cannot be reached or fails, the disk cannot be written, or the content is damaged.
    """
    with explained(repo_id):
        from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url, try_to_load_from_cache
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        cached = try_to_load_from_cache(repo_id, name)
        if isinstance(cached, str):
            return Path(cached)
        if is_offline():
            raise InputError(f"cannot get {repo_id}: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
        token, url = get_token(), hf_hub_url(repo_id, name, endpoint=endpoint())
        facts = get_hf_file_metadata(url, token=token, timeout=TIMEOUT, endpoint=endpoint())
        # A token goes to the Hub, not to where it keeps its files.
        headers = build_hf_headers(token=token if facts.location.startswith(f"{endpoint()}/") else False)
        whole, digest = folder / Path(name).name, facts.etag or "unknown"
        part = folder / f"{re.sub(r'[^0-9A-Za-z]', '', digest)[:64]}.part"
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as opened:
            if facts.size is None or opened.tell() > facts.size:
                opened.truncate(0)
            http_get(facts.location, opened, resume_size=opened.tell(), headers=headers, expected_size=facts.size)
    if re.fullmatch("[0-9a-f]{64}", digest):
        with part.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
                part.unlink()
                raise HyperLoraError(f"{repo_id}/{name} came damaged", "try again: it is downloaded from the start")
    return part.replace(whole)
