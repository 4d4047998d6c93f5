"""Finds the layers of a causal LM by walking its modules, never by guessed prefixes."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from shared.config import Config
from shared.errors import InputError


@dataclass(frozen=True)
class Target(Config):
    """One linear layer that a LoRA adapts.

    Attributes:
        name: full module name in the base model, such as ``model.layers.3.mlp.down_proj``.
        layer: number of the decoder block, from 0.
        module: last part of the name, such as ``down_proj``.
    """

    name: str
    layer: int
    module: str
    in_features: int
    out_features: int


@dataclass(frozen=True)
class TargetGrid:
    """Target layers as a grid: the same modules in every adapted block."""

    targets: tuple[Target, ...]

    @cached_property
    def modules(self) -> list[str]:
        """Target modules, sorted: their order in all tensors."""
        return sorted({t.module for t in self.targets})

    @cached_property
    def layers(self) -> list[int]:
        """Adapted blocks, in order."""
        return sorted({t.layer for t in self.targets})

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """In and out features by module, the largest over the layers."""
        return {
            module: (
                max(t.in_features for t in self.targets if t.module == module),
                max(t.out_features for t in self.targets if t.module == module),
            )
            for module in self.modules
        }

    def check(self) -> None:
        """Refuse what is no grid.

        Raises:
            InputError: blocks with different modules, or a layer that is listed twice.
        """
        modules = set(self.modules)
        for layer in self.layers:
            if {t.module for t in self.targets if t.layer == layer} != modules:
                raise InputError(f"layer {layer} does not have the same target modules as the others")
        if len(self.targets) != len(self.layers) * len(modules):
            raise InputError("a target layer is listed twice")


@dataclass(frozen=True)
class DecoderStack:
    """The blocks of a causal LM.

    Attributes:
        name: module name of the list of blocks, such as ``model.layers``.
        blocks: the decoder blocks, in order.
        final_norm: the normalisation behind the last block.
    """

    name: str
    blocks: nn.ModuleList
    final_norm: nn.Module


def find_decoder(model: nn.Module) -> DecoderStack:
    """The list of decoder blocks and the norm that follows it in the same parent.

    Raises:
        InputError: the model has no such list (it is not a decoder-only transformer of transformers).
    """
    depth = model.config.get_text_config().num_hidden_layers
    # Of a multimodal model the language model alone: a vision tower may be as deep.
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    inside = {id(module) for module in decoder.modules()}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth and id(module) in inside:
            parent_name, _, leaf = name.rpartition(".")
            siblings = list(model.get_submodule(parent_name).named_children())
            behind = siblings[[child for child, _ in siblings].index(leaf) + 1 :]
            # OPT has it in front, by this name.
            last = behind + [(child, module) for child, module in siblings if child.startswith("final")]
            norms = [child for _, child in last if "norm" in type(child).__name__.lower()]
            if norms:
                return DecoderStack(name, module, norms[0])
    raise InputError(
        f"{type(model).__name__} has no stack of decoder blocks followed by a norm",
        "use a decoder-only causal language model",
    )


def find_targets(
    model: nn.Module,
    target_modules: tuple[str, ...],
    layers: tuple[int, ...] | None = None,
    *,
    where_present: bool = False,
) -> list[Target]:
    """All linear layers with one of the given last names, ordered by block and then by name.

    Args:
        layers: decoder blocks to adapt, all of them by default.
        where_present: a block may lack a module that another one has.

    Raises:
        InputError: a name that does not exist, is not linear, or occurs several times in one block.
    """
    stack = find_decoder(model)
    check_linear(model, stack)
    wanted = range(len(stack.blocks)) if layers is None else layers
    if any(not 0 <= layer < len(stack.blocks) for layer in wanted):
        raise InputError(f"the base model has {len(stack.blocks)} layers; layers must be 0 to {len(stack.blocks) - 1}")
    targets = []
    for layer in wanted:
        found = [
            (name, module)
            for name, module in stack.blocks[layer].named_modules()
            if name.split(".")[-1] in target_modules
        ]
        for leaf in sorted(target_modules):
            matches = [(name, module) for name, module in found if name.split(".")[-1] == leaf]
            having = [n for n in wanted if _has(stack.blocks[n], leaf)]
            if not matches and having and where_present:
                continue
            if not matches:
                names = {n.split(".")[-1] for n, m in stack.blocks[layer].named_modules() if _is_linear(m)}
                hint = f"its linear modules: {', '.join(sorted(names))}"
                if having:
                    hint += f"; choose layers that have it: layers: {having}"
                raise InputError(f"layer {layer} has no module {leaf!r}", hint)
            if len(matches) > 1 or not _is_linear(matches[0][1]):
                reason = (
                    "occurs several times" if len(matches) > 1 else f"is a {type(matches[0][1]).__name__}, not linear"
                )
                raise InputError(f"{leaf!r} in layer {layer} {reason}", "choose other --target-modules")
            name, module = matches[0]
            targets.append(Target(f"{stack.name}.{layer}.{name}", layer, leaf, module.in_features, module.out_features))
    return targets


def check_linear(model: nn.Module, stack: DecoderStack) -> None:
    """Refuse a model whose blocks have transposed layers in place of linear ones.

    Raises:
        InputError: GPT-2 and its like.
    """
    if any(map(_is_transposed, stack.blocks.modules())):
        raise InputError(
            f"{type(model).__name__} has Conv1D layers, whose weights are transposed: no adapter is written for them",
            "use a base model with linear layers",
        )


def check_targets(model: nn.Module, expected: Iterable[Target], base_model: str) -> None:
    """Compare a hypernetwork's target layers with a base model's, for one that was imported without its base at hand.

    Args:
        expected: all target layers of the hypernetwork.
        base_model: the base model that the hypernetwork names.

    Raises:
        InputError: a layer is missing or has another size.
    """
    wanted = set(expected)
    modules = tuple(sorted({target.module for target in wanted}))
    if set(find_targets(model, modules)) != wanted:
        raise InputError("the base model has other target layers than the hypernetwork", f"use --base {base_model}")


def _has(block: nn.Module, leaf: str) -> bool:
    return any(name.split(".")[-1] == leaf for name, _ in block.named_modules())


def _is_linear(module: nn.Module) -> bool:
    """nn.Linear or a quantised stand-in of it, which may have no ``weight``."""
    return all(isinstance(getattr(module, name, None), int) for name in ("in_features", "out_features"))


def _is_transposed(module: nn.Module) -> bool:
    """GPT-2's Conv1D, whose weight is (in_features, out_features)."""
    return type(module).__name__ == "Conv1D"
