"""One adapter in the format of another runtime, and what to type there."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from shared.base.device import choose_placement
from shared.base.gguf import EMBEDDED_BASE, embedded_file
from shared.base.model import BaseArchitecture, load_base_model, read_architecture
from shared.errors import InputError
from shared.export import vllm
from shared.export.gguf_files import check_fits, open_gguf, write_lora_gguf, write_merged_gguf
from shared.export.gguf_names import GgufAdapter, gguf_adapter
from shared.export.merged import checkpoint_dtype, write_merged
from shared.export.mlx import write_mlx
from shared.export.ollama import MODELFILE, write_ollama
from shared.lora.adapter import Adapter
from shared.lora.derived import save_derived
from shared.lora.weights import LoraWeights
from shared.provenance import library_versions


@dataclass(frozen=True)
class ExportOptions:
    """What to write.

    Attributes:
        to: ``gguf``: a LoRA for llama.cpp, one file; ``merged``: base and adapter in one model, a directory for
            transformers; ``merged-gguf``: the same as one GGUF file; ``mlx``: a directory for MLX-LM; ``ollama``: one
            with a Modelfile; ``vllm``: nothing, unless the rank is cut, since vLLM loads the adapter's own directory.
        base: where the base model is, if not under the name in the adapter.
        gguf: the base in GGUF: a file, or for Ollama a model's name there; the embedded base has its own.
        dtype: of what is written; ``auto``: float32 for a LoRA, float16 in a merged GGUF file, else the base's own.
        max_rank: cut the adapter to this rank first.
    """

    to: str
    base: str | None = None
    gguf: str | None = None
    dtype: str = "auto"
    max_rank: int | None = None

    def written_dtype(self, default: str) -> str:
        return default if self.dtype == "auto" else self.dtype


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        bytes: of the weights in it.
        energy_kept: share of the update's squared norm that cutting the rank left.
        run: the command that uses it.
    """

    to: str
    output: str
    base_model: str
    rank: int
    bytes: int
    energy_kept: float
    run: str


@dataclass(frozen=True)
class _Job:
    adapter: Adapter
    weights: LoraWeights
    output: Path
    options: ExportOptions
    base: BaseArchitecture
    force: bool

    @property
    def facts(self) -> dict[str, Any]:
        """What ``export.json`` says."""
        return {
            "format": self.options.to,
            "adapter": self.adapter.name,
            "base_model": self.adapter.base_model,
            "rank": self.weights.r,
            "versions": library_versions(),
        }

    def renamed(self) -> GgufAdapter:
        """The factors under llama.cpp's names; a base in GGUF that is at hand must have these tensors."""
        renamed, source = gguf_adapter(self.weights, self.base), self.base_gguf()
        if source is not None:
            check_fits(open_gguf(source), renamed, source)
        return renamed

    def base_gguf(self) -> Path | None:
        return base_gguf(self.adapter.base_model, self.options.gguf)


def export_adapter(adapter: Adapter, output: Path, options: ExportOptions, *, force: bool = False) -> Exported:
    """Write an adapter in another format.

    Args:
        output: the file or directory; with vLLM and no smaller rank nothing is written there.

    Raises:
        InputError: a base that does not fit the adapter or that the format does not have, a rank that the runtime does
            not take, or ``output`` exists and ``force`` is off, or is the adapter itself.
        HyperLoraError: the disk is full or may not be written.
    """
    if options.to != "vllm" and output.resolve() == adapter.path.resolve():
        raise InputError(f"{output} is the adapter itself", "choose another -o")
    cut = adapter.weights.truncate(options.max_rank or adapter.weights.r)
    base = read_architecture(options.base or adapter.base_model)
    size, run = _WRITERS[options.to](_Job(adapter, cut.weights, output, options, base, force))
    kept = round(cut.energy_kept, 4)
    return Exported(options.to, str(output), adapter.base_model, cut.weights.r, size, kept, run)


def base_gguf(base_model: str, given: str | None) -> Path | None:
    """A base's GGUF file: the given one, the base's own, or the embedded base's; ``None`` if it is a name or none.

    Raises:
        InputError: a file that does not exist.
    """
    if given is None:
        if base_model.endswith(".gguf") and Path(base_model).is_file():
            return Path(base_model)
        return embedded_file() if base_model == EMBEDDED_BASE else None
    if given.endswith(".gguf") and not Path(given).is_file():
        raise InputError(f"{given} does not exist", "give the base model's GGUF file with --gguf")
    return Path(given) if Path(given).is_file() else None


def _quoted(path: object) -> str:
    return shlex.quote(str(path))


def _gguf(job: _Job) -> tuple[int, str]:
    size = write_lora_gguf(
        job.output,
        job.renamed(),
        name=job.adapter.name,
        base_model=job.adapter.base_model,
        dtype=job.options.written_dtype("float32"),
        force=job.force,
    )
    return size, f"llama-cli -m {_quoted(job.base_gguf() or 'BASE.gguf')} --lora {_quoted(job.output)}"


def _merged_gguf(job: _Job) -> tuple[int, str]:
    source = job.base_gguf()
    if source is None:
        raise InputError("merged-gguf needs the base in GGUF", "give it with --gguf BASE.gguf")
    dtype = job.options.written_dtype("float16")
    size = write_merged_gguf(job.output, source, job.renamed(), dtype=dtype, force=job.force)
    return size, f"llama-cli -m {_quoted(job.output)}"


def _merged(job: _Job) -> tuple[int, str]:
    name = job.options.base or job.adapter.base_model
    dtype = job.options.written_dtype(checkpoint_dtype(name))
    base = load_base_model(name, placement=choose_placement("cpu", dtype))
    size = write_merged(job.output, job.weights, base, {**job.facts, "dtype": dtype}, force=job.force)
    return size, f"AutoModelForCausalLM.from_pretrained({str(job.output)!r})"


def _mlx(job: _Job) -> tuple[int, str]:
    weights = job.weights.to(getattr(torch, job.options.written_dtype("float32")))
    size = write_mlx(job.output, weights, job.base, job.facts, force=job.force)
    model = _quoted(job.adapter.base_model)
    return size, f"mlx_lm.generate --model {model} --adapter-path {_quoted(job.output)} --prompt QUESTION"


def _ollama(job: _Job) -> tuple[int, str]:
    renamed, source = job.renamed(), job.base_gguf()
    base = str(source.resolve()) if source else job.options.gguf
    if base is None:
        raise InputError("ollama needs the base", "give its GGUF file or its name in Ollama with --gguf")
    size = write_ollama(
        job.output,
        renamed,
        base,
        job.facts,
        dtype=job.options.written_dtype("float32"),
        system=job.adapter.question_system,
        force=job.force,
    )
    return size, f"ollama create {_quoted(job.output.name)} -f {_quoted(job.output / MODELFILE)}"


def _vllm(job: _Job) -> tuple[int, str]:
    adapter, directory, name = job.adapter, job.adapter.path, job.adapter.name
    if job.weights.r != adapter.weights.r:
        directory, name, change = job.output, job.output.name, {"cut_from_rank": adapter.weights.r}
        save_derived(directory, adapter, job.weights, change, base=job.options.base, force=job.force)
    named = job.base.model.named_modules()
    linear = {name.rpartition(".")[2] for name, module in named if hasattr(module, "in_features")}
    rank = vllm.check_vllm(directory, linear)
    command = vllm.serve_command(adapter.base_model, {name: str(directory)}, rank)
    return sum(file.stat().st_size for file in directory.glob("*.safetensors")), shlex.join(command)


_WRITERS = {
    "gguf": _gguf,
    "merged": _merged,
    "merged-gguf": _merged_gguf,
    "mlx": _mlx,
    "ollama": _ollama,
    "vllm": _vllm,
}
