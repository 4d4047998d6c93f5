"""Trains a task hypernetwork: SFT through the frozen base model, or reconstruction of existing adapters."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.adapter import read_adapter
from shared.base_model import BaseModel
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork import ContextFeatures, HyperNetwork, HyperNetworkConfig, target_configs
from shared.lora import LoraFactors, LoraWeights
from shared.lora_layer import apply_lora
from shared.losses import l2_loss, logits_at
from shared.perceiver import PerceiverConfig
from shared.targets import find_targets
from shared.training import Reporter, TrainingConfig, TrainingResult, fit
from t2l.config import T2LConfig
from t2l.data import PUBLISHABLE, T2LBatch, T2LData, T2LDataConfig, Task, read_tasks
from t2l.encoder import EMBEDDED_ENCODER, DescriptionCache, load_text_encoder


@dataclass(frozen=True)
class T2LArchitecture(Config):
    """The hypernetwork to build for whatever base model is given (see ``HyperNetworkConfig``)."""

    target_modules: tuple[str, ...] = ("q_proj", "v_proj")
    layers: tuple[int, ...] | None = None
    text_encoder: str = EMBEDDED_ENCODER
    features: Literal["pooled", "tokens"] = "tokens"
    r: int = 8
    bias_r: int = 8
    scaling: float = 4.0
    perceiver: PerceiverConfig = PerceiverConfig()
    num_pre_head_layers: int = 0
    per_layer_processing: bool = False

    def build(self, base: BaseModel, feature_size: int) -> T2LConfig:
        """The full configuration for a base model.

        Raises:
            InputError: target modules or layers that the base model does not have.
        """
        hypernetwork = HyperNetworkConfig(
            targets=target_configs(find_targets(base.model, self.target_modules, self.layers)),
            r=self.r,
            feature_size=feature_size,
            perceiver=self.perceiver,
            num_pre_head_layers=self.num_pre_head_layers,
            per_layer_processing=self.per_layer_processing,
            bias_r=self.bias_r,
            scaling=self.scaling,
        )
        return T2LConfig(base.spec, self.text_encoder, hypernetwork, self.features)


@dataclass(frozen=True)
class T2LObjective(Config):
    """How the hypernetwork learns.

    Attributes:
        mode: ``sft`` trains on the tasks' examples, ``reconstruction`` on a folder of adapters.
        adapters: that folder, one PEFT adapter per task, named as the task.
        label_smoothing: of the next-token loss.
        l2: weight of the mean square of the generated factors.
    """

    mode: Literal["sft", "reconstruction"] = "sft"
    adapters: str | None = None
    label_smoothing: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class T2LTrainConfig(Config):
    """Everything that decides a run."""

    model: T2LArchitecture = T2LArchitecture()
    data: T2LDataConfig = T2LDataConfig()
    objective: T2LObjective = T2LObjective()
    training: TrainingConfig = TrainingConfig()
    kind: Literal["t2l"] = "t2l"

    @property
    def trained_on(self) -> str:
        """The data, in words."""
        return f"the training tasks of {Path(self.data.tasks).name} in the families {', '.join(PUBLISHABLE)}"


class T2LTrainingModule(nn.Module):
    """Descriptions -> LoRA weights -> outputs through the frozen base -> losses."""

    def __init__(self, hypernetwork: HyperNetwork, base: BaseModel, objective: T2LObjective) -> None:
        super().__init__()
        self.hypernetwork, self.objective = hypernetwork, objective
        self._base = (base,)  # in a tuple, so that the frozen base is no submodule and never saved or synchronised

    def forward(self, batch: T2LBatch, shift: int = 0) -> dict[str, Tensor]:
        """Losses of a batch; ``shift`` gives every task the description of the task so many places on.

        Every example counts the same, however long its output.
        """
        base = self._base[0]
        generated = self.hypernetwork(batch.features)
        num_tasks = batch.features.hidden_states.shape[0]
        weights = self.hypernetwork.combine(generated, num_tasks)
        rows = weights.index_select((batch.task_index + shift) % num_tasks).to(base.placement.dtype)
        with apply_lora(base.model, rows):
            logits = logits_at(base, batch.ids, batch.mask, batch.targets)
        targets = batch.ids[batch.targets]
        tokens = F.cross_entropy(logits, targets, reduction="none", label_smoothing=self.objective.label_smoothing)
        row = batch.targets.nonzero()[:, 0]
        lengths = batch.targets.sum(1)
        loss = nll = (tokens / lengths[row]).sum() / len(lengths)
        if self.objective.l2:
            loss = loss + self.objective.l2 * l2_loss(generated)
        return {"loss": loss, "nll": nll.detach(), "accuracy": (logits.argmax(-1) == targets).float().mean()}


@dataclass
class ReconstructionBatch:
    """Descriptions and the adapters they belong to."""

    features: ContextFeatures
    adapters: LoraWeights

    def __len__(self) -> int:
        return self.features.hidden_states.shape[0]

    def to(self, device: torch.device) -> "ReconstructionBatch":
        features = ContextFeatures(self.features.hidden_states.to(device), self.features.attention_mask.to(device))
        return ReconstructionBatch(features, self.adapters.to(device))


class ReconstructionModule(nn.Module):
    """Squared error of delta W, relative to the target's norm; factors are not compared, they are not unique.

    |B A - D C|^2 expands to traces of (r, r) products, so no delta W is ever formed.
    """

    def __init__(self, hypernetwork: HyperNetwork) -> None:
        super().__init__()
        self.hypernetwork = hypernetwork

    def forward(self, batch: ReconstructionBatch, shift: int = 0) -> dict[str, Tensor]:
        """The loss of a batch; ``shift`` compares with the adapter of the task so many places on."""
        generated = self.hypernetwork.combine(self.hypernetwork(batch.features), len(batch))
        error, norm = 0.0, 0.0
        for name, f in generated.items():
            g = batch.adapters[name]
            a, b = f.lora_A.float(), f.lora_B.float()
            c, d = g.lora_A.roll(-shift, 0), g.lora_B.roll(-shift, 0)
            own = ((b.mT @ b) * (a @ a.mT)).sum((-1, -2))
            other = ((d.mT @ d) * (c @ c.mT)).sum((-1, -2))
            cross = ((b.mT @ d) * (a @ c.mT)).sum((-1, -2))
            error, norm = error + own - 2 * cross + other, norm + other
        relative = (error / norm).mean()
        return {"loss": relative, "nll": relative.detach()}


def reconstruction_batches(
    adapters: Path, tasks: list[Task], cache: DescriptionCache, config: T2LDataConfig, features: str, names: list[str]
):
    """A function that makes batch number i from a folder of adapters.

    Raises:
        InputError: no adapter of any task, or adapters of another shape.
    """
    pairs = [(task, read_adapter(adapters / task.name).weights) for task in tasks if (adapters / task.name).is_dir()]
    if not pairs:
        raise InputError(f"{adapters} holds no adapter named as a task")
    for task, weights in pairs:
        if set(weights) != set(names) or weights.r != pairs[0][1].r:
            raise InputError(f"the adapter {adapters / task.name} does not have the hypernetwork's layers and rank")

    def make_batch(step: int) -> ReconstructionBatch:
        rng = random.Random(f"{config.seed}/reconstruction/{step}")
        chosen = rng.sample(pairs, min(config.tasks_per_step, len(pairs)))
        descriptions = [rng.choice(task.descriptions) for task, _ in chosen]
        one_rank = [LoraWeights({n: w[n] for n in names}) for _, w in chosen]
        stacked = LoraWeights(
            {
                n: LoraFactors(
                    torch.stack([w[n].lora_A for w in one_rank]), torch.stack([w[n].lora_B for w in one_rank])
                )
                for n in names
            }
        )
        return ReconstructionBatch(cache.features(descriptions, features), stacked)

    return make_batch


def train_t2l(
    config: T2LTrainConfig,
    base: BaseModel,
    run_dir: Path,
    *,
    max_seconds: float | None = None,
    reporter: Reporter | None = None,
    tasks: list[Task] | None = None,
) -> tuple[T2LConfig, HyperNetwork, TrainingResult]:
    """Build and train (or continue) a task hypernetwork in ``run_dir``.

    Args:
        tasks: instead of those that ``config.data.tasks`` holds.
    """
    torch.manual_seed(config.training.seed)
    tasks = tasks if tasks is not None else read_tasks(Path(config.data.tasks))
    tasks = [t for t in tasks if t.split == "train" and t.family in PUBLISHABLE]
    cache = DescriptionCache(Path(config.data.descriptions))
    texts = [text for t in tasks for text in (*t.descriptions, *t.held_out_descriptions)]
    if cache.missing(texts):
        cache.add(load_text_encoder(config.model.text_encoder), texts)
    feature_size = next(iter(cache.rows.values())).shape[-1]
    built = config.model.build(base, feature_size)
    hypernetwork = HyperNetwork(built.hypernetwork).to(base.device).train()
    if config.objective.mode == "reconstruction":
        if not config.objective.adapters:
            raise InputError("objective.adapters must name the folder of adapters to reconstruct")
        names = [t.name for t in built.hypernetwork.targets]
        make_batch = reconstruction_batches(
            Path(config.objective.adapters), tasks, cache, config.data, built.features, names
        )
        module: nn.Module = ReconstructionModule(hypernetwork)
        held_out = [make_batch(-1 - step).to(base.device) for step in range(2)]
    else:
        make_batch = T2LData(config.data, tasks, cache, base, built.features).batch
        module = T2LTrainingModule(hypernetwork, base, config.objective)
        test = T2LData(config.data, tasks, cache, base, built.features, split="test")
        held_out = [test.batch(step).to(base.device) for step in range(6)]

    def evaluate() -> Mapping[str, float]:
        sums = {"adapter_nll": 0.0, "other_nll": 0.0}
        for batch in held_out:
            for name, shift in (("adapter", 0), ("other", 1)):
                sums[f"{name}_nll"] += module(batch, shift)["nll"].item() / len(held_out)
        return sums

    result = fit(
        module,
        hypernetwork,
        make_batch,
        config.training,
        run_dir,
        evaluate=evaluate,
        max_seconds=max_seconds,
        reporter=reporter,
        mixed_precision="bf16" if config.training.bf16 and base.placement.dtype == torch.bfloat16 else "no",
        cpu=base.device.type == "cpu",
    )
    return built, hypernetwork, result
