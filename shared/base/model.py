"""The frozen base model and its tokenizer: a local path, a GGUF file, a Hub id, or the embedded default."""

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.base.device import Placement
from shared.base.failures import load_error
from shared.base.gguf import EMBEDDED_BASE, converted, embedded_file, is_gguf
from shared.base.targets import Target, find_targets
from shared.base.template import set_template_options, thinking
from shared.config import Config
from shared.errors import HyperLoraError, InputError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

# Far above any model, and low enough that an outline of the network is made in seconds.
MAX_LAYERS = 512
# What stands for "no limit" in tokenizers is larger than any list of tokens.
UNLIMITED = 1 << 20
# What decides whether a hypernetwork fits; fields that only describe the checkpoint's packaging are left out.
_IDENTITY_FIELDS = [
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "tie_word_embeddings",
    "hidden_act",
    "rms_norm_eps",
]


@dataclass(frozen=True)
class BaseModelSpec(Config):
    """Which base model a hypernetwork or an adapter belongs to.

    Attributes:
        name_or_path: Hub id, or the local path where no id is known.
        revision: commit on the Hub, if known.
        fingerprint: sha256 over the architecture's configuration and all weights' names and shapes; empty where a
            hypernetwork was imported without its base model at hand.
    """

    name_or_path: str
    hidden_size: int
    num_hidden_layers: int
    fingerprint: str
    revision: str | None = None

    def fits(self, other: "BaseModelSpec") -> bool:
        """Whether another base model has the same architecture."""
        try:
            self.check(other, "")
        except InputError:
            return False
        return True

    def check(self, other: "BaseModelSpec", what: str) -> None:
        """Refuse another base model.

        Raises:
            InputError: hidden size, depth or fingerprint differ.
        """
        for field, word in (("hidden_size", "hidden size"), ("num_hidden_layers", "number of layers")):
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise InputError(
                    f"{what} is for {self.name_or_path} ({word} {mine}), not for {other.name_or_path} ({theirs})",
                    f"use --base {self.name_or_path}",
                )
        if self.fingerprint and self.fingerprint != other.fingerprint:
            raise InputError(
                f"{what} is for {self.name_or_path}; {other.name_or_path} has the same size but another architecture",
                f"use --base {self.name_or_path}",
            )


@dataclass(frozen=True)
class BaseModel:
    """A frozen causal language model, ready to run."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    spec: BaseModelSpec
    placement: Placement

    @property
    def device(self):
        """Where inputs go: the device of the embeddings, or the chosen one if accelerate keeps those elsewhere."""
        device = self.model.get_input_embeddings().weight.device
        return self.placement.device if device.type == "meta" else device

    @property
    def context_window(self) -> int:
        """Positions the model was trained for; of a model that states none (Mamba), what its tokenizer does."""
        stated = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(min(stated or self.tokenizer.model_max_length, UNLIMITED))


def load_base_model(
    name_or_path: str | None = None,
    *,
    placement: Placement,
    revision: str | None = None,
    trust_remote_code: bool = False,
    load_in_4bit: bool = False,
    device_map: str | None = None,
    think: bool = False,
    template_options: Mapping[str, Any] | None = None,
) -> BaseModel:
    """Load a base model and freeze it.

    Args:
        name_or_path: local directory, GGUF file or Hub id; the embedded default if ``None``.
        device_map: ``auto`` spreads a large model over the devices that accelerate finds.
        load_in_4bit: NF4 through bitsandbytes.
        think: let a model think before it answers, where its chat template has a switch for that.
        template_options: arguments of the chat template by name.

    Raises:
        InputError: no such model, not a causal language model, one that needs another package, or an argument that the
            chat template does not have.
        HyperLoraError: the Hub cannot be reached, or memory runs out.
    """
    import torch
    from transformers import AutoConfig, AutoTokenizer

    name = name_or_path or EMBEDDED_BASE
    source = local_source(name)
    options: dict = {"trust_remote_code": trust_remote_code, "revision": revision if source == name else None}
    model_options = dict(options)
    if load_in_4bit:
        if importlib.util.find_spec("bitsandbytes") is None:
            raise InputError("4-bit loading needs bitsandbytes", "pip install bitsandbytes")
        from transformers import BitsAndBytesConfig

        model_options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
        device_map = device_map or "auto"
    if device_map:
        model_options["device_map"] = device_map
    config = None
    try:
        config = AutoConfig.from_pretrained(source, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        model, loading = _auto_class(config).from_pretrained(
            source, dtype=placement.dtype, output_loading_info=True, **model_options
        )
        if not device_map:
            model = model.to(placement.device)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise HyperLoraError(f"not enough memory for {name}", "use --dtype bfloat16 or a smaller base") from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise load_error(name, config, error) from error
    missing = sorted(loading["missing_keys"])
    if missing:  # transformers would go on with random numbers in their place
        raise InputError(f"{name} lacks the weights {missing[0]}, {len(missing)} in all", "get the model again")
    model.requires_grad_(False)
    model.eval()
    _keep_only_the_ends(model, tokenizer)
    _read_states_whole(model)
    set_template_options(tokenizer, {**thinking(tokenizer, think), **(template_options or {})})
    commit = getattr(model.config, "_commit_hash", None)
    return BaseModel(model, tokenizer, describe_base(model, name, commit), placement)


def _read_states_whole(model: "PreTrainedModel") -> None:
    """For a slice of states bf16 on a CPU copies the output layer once a row: 15 GB for 32 rows of a 1.5B model."""
    if (head := model.get_output_embeddings()) is not None:
        head.register_forward_pre_hook(lambda _module, args: (args[0].contiguous(), *args[1:]) if args else None)


def _keep_only_the_ends(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
    """Of the base's own generation settings only the tokens that end an answer are used.

    Beams, suppressed and forced tokens or a least length would change what an adapter is measured by, and what a
    decoding option of ours means.
    """
    from transformers import GenerationConfig

    theirs = model.generation_config or GenerationConfig()
    ends = theirs.eos_token_id if isinstance(theirs.eos_token_id, list) else [theirs.eos_token_id]
    ends = list(dict.fromkeys(end for end in (*ends, tokenizer.eos_token_id) if end is not None))
    if tokenizer.eos_token_id is None and ends:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends[0])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.generation_config = GenerationConfig(
        bos_token_id=theirs.bos_token_id, eos_token_id=ends or None, pad_token_id=tokenizer.pad_token_id
    )


def _auto_class(config: "PretrainedConfig") -> type:
    """transformers' class for a causal language model, or for a multimodal wrapper around one."""
    import transformers

    plain = type(config) in transformers.AutoModelForCausalLM._model_mapping
    if plain or "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {}):
        return transformers.AutoModelForCausalLM
    for wrapper in ("AutoModelForImageTextToText", "AutoModelForMultimodalLM"):
        found = getattr(transformers, wrapper, None)
        if found is not None and type(config) in found._model_mapping:
            return found
    return transformers.AutoModelForCausalLM


def local_source(name_or_path: str) -> str:
    """Where transformers finds a base model: the folder that a GGUF file (the embedded default's, or any) was converted
    to, else the name as it is.

    Raises:
        InputError: a GGUF file that is missing or cannot be converted.
    """
    file = embedded_file() if name_or_path == EMBEDDED_BASE else Path(name_or_path) if is_gguf(name_or_path) else None
    return name_or_path if file is None else str(converted(file))


def describe_base(model: "PreTrainedModel", name: str, revision: str | None = None) -> BaseModelSpec:
    """The identity of a loaded base model."""
    config = model.config.get_text_config()
    facts = {field: getattr(config, field, None) for field in _IDENTITY_FIELDS}
    shapes = sorted((key, list(getattr(p, "quant_state", p).shape)) for key, p in model.named_parameters())
    digest = hashlib.sha256(json.dumps([facts, shapes], sort_keys=True, default=str).encode()).hexdigest()
    return BaseModelSpec(name, config.hidden_size, config.num_hidden_layers, digest, revision)


@dataclass(frozen=True)
class BaseArchitecture:
    """A base model's architecture without its weights.

    Attributes:
        spec: its identity.
        model: on the meta device.
    """

    spec: BaseModelSpec
    model: "PreTrainedModel"

    def check_targets(self, sizes: dict[str, tuple[int, int]]) -> list[Target]:
        """The target layers, if each module has the given in and out features.

        Raises:
            InputError: the base has no such modules, or of another size.
        """
        targets = find_targets(self.model, tuple(sizes))
        for target in targets:
            if (target.in_features, target.out_features) != sizes[target.module]:
                raise InputError(
                    f"the hypernetwork's {target.module} is {sizes[target.module]}, that of {self.spec.name_or_path} "
                    f"is {(target.in_features, target.out_features)}",
                    "give the --base that the hypernetwork was trained for",
                )
        return targets


def read_architecture(name_or_path: str) -> BaseArchitecture:
    """Read a base model's configuration and lay its modules out on the meta device: no weights, no memory.

    Raises:
        InputError: no such model, or not a causal language model.
    """
    import torch
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(local_source(name_or_path), trust_remote_code=False)
        depth = getattr(config.get_text_config(), "num_hidden_layers", 0)
        if depth > MAX_LAYERS:
            raise InputError(f"{name_or_path} states {depth} layers", f"at most {MAX_LAYERS} are read")
        with torch.device("meta"):
            model = _auto_class(config).from_config(config, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(f"cannot read the base model {name_or_path}", text) from error
    return BaseArchitecture(describe_base(model, name_or_path, getattr(config, "_commit_hash", None)), model)


def weights_digest(module: "nn.Module") -> str:
    """A digest of a module's weights that tells fine-tunes of one architecture apart, in a fraction of a second.

    Of every tensor a thousand numbers and the sum; weights that accelerate keeps elsewhere count by name and shape.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        if tensor.device.type == "meta" or not tensor.numel():
            continue
        flat = tensor.detach().reshape(-1)
        sample = flat[:: max(1, flat.numel() // 1000)].contiguous().cpu()
        digest.update(sample.view(torch.uint8).numpy().tobytes())
        if tensor.is_floating_point():
            # Rounded: the order of summation depends on the number of threads.
            accumulated = flat.sum(dtype=torch.float32 if tensor.device.type == "mps" else torch.float64)
            digest.update(f"{accumulated.item():.6e}".encode())
    return digest.hexdigest()
