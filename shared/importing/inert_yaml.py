"""Reads the ``args.yaml`` of a published Text-to-LoRA checkpoint as inert data."""

from pathlib import Path
from typing import Any

import yaml

from shared.errors import InputError

# All training arguments take 3 kB; what is far larger is something else, and slow to parse.
MAX_BYTES = 256 << 10
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp")}


def read_arguments(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The named top-level values of a YAML mapping, those that are there; each must be a number, string, bool or null.

    Nothing else is constructed: an alias costs no more than its few bytes, and no merge key is expanded.

    Raises:
        InputError: no such file, no YAML mapping, a tag that would make an object, or a named value that is no scalar.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES >> 10} kB", "it is no file of training arguments")
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        _check_tags(root, path)
        if not isinstance(root, yaml.MappingNode):
            raise InputError(f"{path} holds no training arguments", "get the file again")
        return {
            key.value: _scalar(loader, key.value, value, path)
            for key, value in root.value
            if isinstance(key, yaml.ScalarNode) and key.value in names
        }
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "give the whole folder of the Text-to-LoRA run") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        text = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is not valid YAML ({text})", "get the file again") from None


def _scalar(loader: yaml.SafeLoader, name: str, node: yaml.Node, path: Path) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        raise InputError(f"{path}: {name} is a {node.id}, not a single value", "get the file again")
    return loader.construct_object(node)


def _check_tags(root: yaml.Node | None, path: Path) -> None:
    """Refuse by name whatever a less careful loader would make an object of; a walk without recursion."""
    seen, todo = set(), [root]
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        # "<<" and "=" have tags of their own, but are plain text here.
        if node.tag not in _TAGS and not node.tag.endswith((":merge", ":value")):
            raise InputError(f"{path} was refused: it holds {node.tag[:80]}", "nothing of it was run")
        if isinstance(node, yaml.MappingNode):
            todo += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
