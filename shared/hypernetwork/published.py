"""The hypernetworks that others have released and that can be installed by name."""

from dataclasses import dataclass

from shared.errors import InputError

#: In place of a hypernetwork's name: without one, see ``d2l.untrained``.
UNTRAINED = "training-free"


@dataclass(frozen=True)
class PublishedHypernetwork:
    """A released checkpoint on the Hub.

    Attributes:
        kind: ``d2l`` or ``t2l``.
        megabytes: of the download; computed from the sizes of the published training recipes.
        licence: of the base model, whose terms adapters for it come under as well.
    """

    name: str
    kind: str
    base_model: str
    repo_id: str
    subfolder: str
    megabytes: int
    licence: str


_D2L, _T2L = ("d2l", "SakanaAI/doc-to-lora"), ("t2l", "SakanaAI/text-to-lora")
_BASES = {
    "gemma-2-2b": ("google/gemma-2-2b-it", "Gemma"),
    "llama-3.1-8b": ("meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1"),
    "mistral-7b": ("mistralai/Mistral-7B-Instruct-v0.2", "Apache-2.0"),
    "qwen3-4b": ("Qwen/Qwen3-4B-Instruct-2507", "Apache-2.0"),
}
PUBLISHED = tuple(
    PublishedHypernetwork(f"sakana-{kind}-{base}", kind, _BASES[base][0], repo_id, subfolder, size, _BASES[base][1])
    for (kind, repo_id), base, subfolder, size in (
        (_D2L, "gemma-2-2b", "gemma_2b_d2l/checkpoint-20000", 1300),
        (_D2L, "mistral-7b", "mistral_7b_d2l/checkpoint-20000", 2300),
        (_D2L, "qwen3-4b", "qwen_4b_d2l/checkpoint-20000", 1700),
        (_T2L, "gemma-2-2b", "trained_t2l/gemma_2b_t2l", 200),
        (_T2L, "llama-3.1-8b", "trained_t2l/llama_8b_t2l", 300),
        (_T2L, "mistral-7b", "trained_t2l/mistral_7b_t2l", 300),
    )
)


def published(name: str | None) -> PublishedHypernetwork | None:
    """The released hypernetwork of a name, if there is one."""
    return next((entry for entry in PUBLISHED if entry.name == name), None)


def check_published(name: str) -> PublishedHypernetwork:
    """The released hypernetwork of a name.

    Raises:
        InputError: there is none.
    """
    entry = published(name)
    if entry is None:
        raise InputError(f"no released hypernetwork is called {name}", "hyperlora hypernet list --available names them")
    return entry
