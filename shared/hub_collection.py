"""Collections of the Hub: repositories under one title."""

from dataclasses import dataclass, field

from shared.errors import InputError
from shared.hub import check_repo_id, client, is_offline
from shared.hub_errors import LOGIN, explained
from shared.hub_token import find_token


@dataclass
class Collection:
    """A collection that repositories are put into.

    Attributes:
        slug: its name on the Hub.
        private: its visibility, as the Hub states it.
        items: names of the model repositories in it.
        added: of them, those that were not there before.
    """

    slug: str
    url: str
    private: bool
    items: list[str]
    token: str = field(repr=False)
    added: list[str] = field(default_factory=list)

    def add(self, repo_id: str) -> None:
        """Put a repository in, unless it is there.

        Raises:
            InputError, HyperLoraError: as ``push_folder``.
        """
        if repo_id in self.items:
            return
        with explained(repo_id):
            client(self.token).add_collection_item(self.slug, repo_id, "model", exists_ok=True)
        self.items.append(repo_id)
        self.added.append(repo_id)


def find_or_make_collection(owner: str, title: str, *, private: bool = True, token: str | None = None) -> Collection:
    """The owner's collection of this title, made if there is none.

    Args:
        private: visibility of a new one; a public one is refused, because its titles and names can be read by anybody.

    Raises:
        InputError: an empty title, a public collection against ``private``, no token, or one without the right to
            write there, ``HF_HUB_OFFLINE``.
        HyperLoraError: the Hub cannot be reached or fails.
    """
    title = " ".join(title.split())
    if not title:
        raise InputError("the collection has no title", 'such as --collection "Ticket tasks"')
    check_repo_id(f"{owner}/name")
    if is_offline():
        raise InputError("cannot push: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
    token = find_token(token)
    if token is None:
        raise InputError("no Hugging Face token", LOGIN)
    with explained(f"the collection {title!r} of {owner}"):
        made = client(token).create_collection(title, namespace=owner, private=private, exists_ok=True)
    if private and not made.private:
        raise InputError(
            f"the collection {title!r} of {owner} is public, and names can reveal what adapters are about",
            "choose another title, or publish with --public",
        )
    items = [item.item_id for item in made.items if item.item_type == "model"]
    return Collection(made.slug, made.url, made.private, items, token)
