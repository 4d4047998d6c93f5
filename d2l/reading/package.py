"""Zipped XML packages (Office Open XML, EPUB): parts, their relations, and damage that is said instead of passed by."""

import io
import posixpath
import struct
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element


class Damaged(Exception):
    """A package without a part that it names, or with another one than it names."""


@dataclass(frozen=True)
class Relation:
    """A part that another one refers to.

    Attributes:
        kind: last word of the relation's type: ``image``, ``footnotes``, ...
        target: the part's name, or an address outside.
    """

    kind: str
    target: str
    is_external: bool


class Package:
    """A package in memory.

    Raises:
        Damaged: the directory of the package contradicts its entries.
        zipfile.BadZipFile: no package, or a damaged one.
        RuntimeError: an encrypted one.
    """

    def __init__(self, data: bytes) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(data))
        entries = self.zip.infolist()
        end = data.rfind(b"PK\x05\x06")
        (number,) = struct.unpack("<H", data[end + 10 : end + 12])
        self.names = {entry.filename for entry in entries}
        if number not in (len(entries), 0xFFFF) or len(self.names) != len(entries):
            raise Damaged("the directory of the package lists other entries than there are")
        for entry in entries:
            self.zip.open(entry).close()  # compares the entry's own name with the directory's

    def read(self, part: str) -> bytes:
        """The bytes of a part, its checksum compared.

        Raises:
            Damaged: there is none.
        """
        if part not in self.names:
            raise Damaged(f"no part {part}")
        return self.zip.read(part)

    def xml(self, part: str) -> Element:
        """A part's root element."""
        return ElementTree.fromstring(self.read(part))

    def elements(self, part: str) -> Iterator[tuple[str, Element]]:
        """Starts and ends of a part's elements, without holding it; clear what was used."""
        if part not in self.names:
            raise Damaged(f"no part {part}")
        with closing(self.zip.open(part)) as stream:
            yield from ElementTree.iterparse(stream, events=("start", "end"))

    def relations(self, part: str = "") -> dict[str, Relation]:
        """Relations of a part, or of the package, by their ids.

        Raises:
            Damaged: a part that is referred to is missing.
        """
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if rels not in self.names:
            return {}
        found = {}
        for entry in self.xml(rels):
            target, is_external = entry.get("Target", ""), entry.get("TargetMode") == "External"
            if not is_external:
                target = unquote(target.partition("#")[0])
                target = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            found[entry.get("Id", "")] = Relation(entry.get("Type", "").rpartition("/")[2], target, is_external)
        return found

    def related(self, part: str, kind: str) -> list[str]:
        """Parts of a kind that a part refers to.

        Raises:
            Damaged: one of them is missing.
        """
        parts = [r.target for r in self.relations(part).values() if r.kind == kind and not r.is_external]
        for target in parts:
            if target not in self.names:
                raise Damaged(f"no part {target}")
        return parts

    def main_part(self) -> str:
        """The part that the package is about.

        Raises:
            Damaged: there is none.
        """
        for part in self.related("", "officeDocument"):
            return part
        raise Damaged("no main part")


def tag(element: Element) -> str:
    """An element's name without its namespace: strict and transitional files differ in that alone."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Element | None, name: str, otherwise: str = "") -> str:
    """An attribute's value by its name without a namespace; ``otherwise`` without it or without an element."""
    if element is None:
        return otherwise
    if name in element.attrib:
        return element.attrib[name]
    return next((value for key, value in element.attrib.items() if key.endswith("}" + name)), otherwise)


def child(element: Element | None, *names: str) -> Element | None:
    """The first child of that name, or the child of the child ..."""
    for name in names:
        element = next((c for c in element if tag(c) == name), None) if element is not None else None
    return element


def children(element: Element | None, name: str) -> list[Element]:
    """The children of the child of that name; none without one."""
    found = child(element, name)
    return [] if found is None else list(found)


def is_on(element: Element | None) -> bool:
    """Whether a switch such as ``<w:vanish/>`` is there and not set to false."""
    return element is not None and attribute(element, "val", "1").lower() not in ("0", "false", "off")
