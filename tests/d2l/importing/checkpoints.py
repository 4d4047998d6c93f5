"""Golden D2L checkpoints with something changed, written by ``torch.save`` as the reference would."""

import sys
import types
from contextlib import contextmanager

import torch

from tests.reference import REFERENCE

CLASSES = {
    "HypernetConfig": "ctx_to_lora.modeling.hypernet",
    "AggregatorConfig": "ctx_to_lora.modeling.aggregator",
    "CtxEncoderArguments": "ctx_to_lora.configs",
}


@contextmanager
def reference_classes():
    """Empty classes under the reference's names, which is all that pickling its configurations takes."""
    names = {".".join(path.split(".")[: i + 1]) for path in CLASSES.values() for i in range(path.count(".") + 1)}
    modules = {name: types.ModuleType(name) for name in (*names, "ctx_to_lora.modeling_utils")}
    sys.modules |= modules
    try:
        for class_name, module in CLASSES.items():
            setattr(modules[module], class_name, type(class_name, (), {"__module__": module}))
        yield {name: getattr(modules[module], name) for name, module in CLASSES.items()}
    finally:
        for name in modules:
            del sys.modules[name]


def edit(case, file, change, *, old_module=False):
    """Write a copy of a golden ``pytorch_model.bin``.

    Args:
        change: called with the checkpoint's dictionary, which it changes, or returns another dictionary instead.
        old_module: save the hypernetwork's configuration under its former module name.
    """
    with reference_classes() as classes:
        entries = torch.load(REFERENCE / "d2l" / case / "pytorch_model.bin", weights_only=False)
        other = change(entries)
        entries = other if isinstance(other, dict) else entries
        if old_module:
            hypernet = classes["HypernetConfig"]
            hypernet.__module__ = "ctx_to_lora.modeling_utils"
            sys.modules["ctx_to_lora.modeling_utils"].HypernetConfig = hypernet
        torch.save(entries, file)
    return file
