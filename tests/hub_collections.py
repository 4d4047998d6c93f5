"""Collections of the test Hub, as huggingface_hub asks for them."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.hub_repo import HubError, Request, endpoint

SLUG = r"(?P<slug>[\w.-]+/[\w.-]+)"


@dataclass
class Collection:
    """A collection: its owner, title and visibility, and the repositories in it."""

    slug: str
    owner: str
    title: str
    private: bool
    items: list[str] = field(default_factory=list)

    @property
    def json(self) -> dict[str, Any]:
        items = [
            {"_id": f"{n:024x}", "id": repo_id, "type": "model", "position": n} for n, repo_id in enumerate(self.items)
        ]
        dates = {"lastUpdated": "2026-01-01T00:00:00.000Z", "position": 0, "theme": "green", "upvotes": 0}
        facts = {"slug": self.slug, "title": self.title, "owner": {"name": self.owner}, "private": self.private}
        return {**facts, **dates, "items": items}


class Collections:
    """The part of the server that answers for collections."""

    collections: dict[str, Collection]
    users: dict[str, str]
    write_token: str
    makes_all_public: bool

    @endpoint("POST", "/api/collections")
    def make_collection(self, request: Request) -> Any:
        owner, title = request.json["namespace"], request.json["title"]
        if request.token != self.write_token or self.users[request.token] != owner:
            raise HubError(403, "You don't have the rights to create a collection under this namespace")
        slug = f"{owner}/{re.sub('[^a-z0-9]+', '-', title.lower())}-{len(self.collections):024x}"
        for known in self.collections.values():
            if (known.owner, known.title) == (owner, title):
                raise HubError(409, "Collection already exists", data={"slug": known.slug})
        private = request.json["private"] and not self.makes_all_public
        made = self.collections[slug] = Collection(slug, owner, title, private)
        return made.json

    @endpoint("GET", f"/api/collections/{SLUG}")
    def collection(self, request: Request, slug: str) -> Any:
        return self._collection(request, slug).json

    @endpoint("POST", f"/api/collections/{SLUG}/items")
    def add_to_collection(self, request: Request, slug: str) -> Any:
        found, item = self._collection(request, slug), request.json["item"]
        if request.token != self.write_token:
            raise HubError(403, "You don't have the required permissions to write")
        self._open(item["id"], request.token, write=False)
        if item["id"] in found.items:
            raise HubError(409, "Item already in collection")
        found.items.append(item["id"])
        return found.json

    def _collection(self, request: Request, slug: str) -> Collection:
        found = self.collections.get(slug)
        if found is None or (found.private and self.users.get(request.token or "") != found.owner):
            raise HubError(404, "Collection not found")
        return found
