"""Trains a task hypernetwork: SFT through the frozen base model, or reconstruction of existing adapters.

The baseline that does not read descriptions, one LoRA for all tasks, trains here too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.copying import CopyConfig
from shared.hypernetwork.linear import LinearHeadConfig
from shared.hypernetwork.memory import MemoryHeadConfig
from shared.hypernetwork.network import HyperNetwork, HyperNetworkShape
from shared.hypernetwork.perceiver import PerceiverConfig
from shared.hypernetwork.vocabulary import Vocabulary
from shared.lora.adapter import read_adapter
from shared.lora.card import save_adapter
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import mean
from shared.training.loop import Reporter, TrainingConfig, TrainingResult, fit
from shared.training.losses import logits_at, row_losses
from shared.training.plain_lora import PlainLora
from t2l.config import T2LConfig
from t2l.distance import training_distances
from t2l.encoder import EMBEDDED_ENCODER, DescriptionCache, load_text_encoder
from t2l.tasks import PUBLISHABLE, Task, read_tasks
from t2l.training.batches import T2LBatch, T2LData, T2LDataConfig
from t2l.training.reconstruction import ReconstructionModule, reconstruction_batches

#: Passes through the base model that the rows of a step are split into, by length.
LENGTH_GROUPS = 3


@dataclass(frozen=True)
class T2LArchitecture(HyperNetworkShape):
    """The hypernetwork to build for whatever base model is given; the defaults are those of the shipped one.

    Attributes:
        text_encoder, features: as in ``T2LConfig``.
    """

    target_modules: tuple[str, ...] = ("q_proj", "v_proj", "down_proj")
    head: LinearHeadConfig | MemoryHeadConfig = LinearHeadConfig(
        CopyConfig(initial_sharpness=3.0, pieces=3, trigger_rank=64)
    )
    scaling: float = 4.0
    perceiver: PerceiverConfig = PerceiverConfig(
        latent_size=64,
        num_latents=8,
        num_blocks=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        mlp_factor=2,
    )
    text_encoder: str = EMBEDDED_ENCODER
    features: Literal["pooled", "tokens"] = "tokens"

    def build(self, base: BaseModel, feature_size: int) -> T2LConfig:
        """The full configuration for a base model.

        Raises:
            InputError: target modules or layers that the base model does not have.
        """
        network = self.network_config(base.model, feature_size)
        return T2LConfig(base.spec, self.text_encoder, network, self.features)


@dataclass(frozen=True)
class T2LObjective(Config):
    """How the hypernetwork learns.

    Attributes:
        mode: ``sft`` trains on the tasks' examples, ``reconstruction`` on a folder of adapters; ``multitask``: one
            LoRA of rank ``r + bias_r`` trained on the batches of ``sft``, a baseline that reads no description.
        adapters: that folder, one PEFT adapter per task, named as the task.
        label_smoothing: of the next-token loss.
        contrast: weight of softplus(contrast_margin + NLL - NLL with a wrong description), in nats per token: the
            wrong description must make a row's output less likely.
        contrast_share: share of a step's rows that have this loss.
    """

    mode: Literal["sft", "reconstruction", "multitask"] = "sft"
    adapters: str | None = None
    label_smoothing: float = 0.0
    contrast: float = 0.5
    contrast_margin: float = 1.0
    contrast_share: float = 0.5

    def __post_init__(self) -> None:
        if self.contrast < 0 or not 0 < self.contrast_share <= 1:
            raise InputError("contrast must be at least 0 and contrast_share above 0, at most 1")


@dataclass(frozen=True)
class T2LTrainConfig(Config):
    """Everything that decides a run.

    Attributes:
        initial: checkpoint directory whose weights a new run starts from (a reconstruction, say), as far as they fit
            (see ``HyperNetwork.grow_from``); in mode ``multitask`` an adapter.
        held_out: what held-out batches are drawn from, if not from ``data``: runs on different data compare on it.
    """

    model: T2LArchitecture = T2LArchitecture()
    data: T2LDataConfig = T2LDataConfig()
    objective: T2LObjective = T2LObjective()
    training: TrainingConfig = TrainingConfig()
    initial: str | None = None
    held_out: T2LDataConfig | None = None
    kind: Literal["t2l"] = "t2l"

    @property
    def trained_on(self) -> str:
        """The data, in words."""
        families = ", ".join(PUBLISHABLE)
        directory = self.data.tasks and Path(self.data.tasks).name
        real = [f"the tasks of {directory} whose split is train, of the families {families}"] if directory else []
        generated = self.data.procedural + self.data.relabelled
        return ", and ".join([*real, *([f"{generated} generated tasks"] if generated else [])])


class T2LTrainingModule(nn.Module):
    """Descriptions -> LoRA weights -> outputs through the frozen base -> losses.

    Args:
        source: the hypernetwork, or one LoRA that is the same for all tasks.
    """

    def __init__(self, source: HyperNetwork | PlainLora, base: BaseModel, objective: T2LObjective) -> None:
        super().__init__()
        self.source, self.objective = source, objective
        self._base = (base,)  # in a tuple, so that the frozen base is no submodule and never saved or synchronised

    def forward(self, batch: T2LBatch, other: bool = False) -> dict[str, Tensor]:
        """Losses of a batch; ``other`` gives every row the description of ``batch.other_index``.

        Every example counts the same, however long its output.
        """
        objective, rows = self.objective, torch.arange(len(batch), device=batch.ids.device)
        if isinstance(self.source, PlainLora):
            nll, smoothed, right = self._row_losses(batch, rows, self.source(), None)
            return {"loss": smoothed.mean(), "nll": nll.mean().detach(), "accuracy": right.sum() / batch.targets.sum()}
        weights = self.source.write(batch.features)
        index = batch.other_index if other else batch.task_index
        contrasted = math.ceil(objective.contrast_share * len(batch)) if objective.contrast and not other else 0
        if contrasted:
            index = torch.cat([index, batch.other_index[:contrasted]])
            rows = torch.cat([rows, rows[:contrasted]])
        nll, smoothed, right = self._row_losses(batch, rows, weights, index)
        own = slice(len(batch))
        losses = {
            "loss": smoothed[own].mean(),
            "nll": nll[own].mean().detach(),
            "accuracy": right[own].sum() / batch.targets.sum(),
        }
        if contrasted:
            difference = nll[len(batch) :] - nll[:contrasted]
            losses["loss"] = (
                losses["loss"] + objective.contrast * F.softplus(objective.contrast_margin - difference).mean()
            )
            losses["other_over_right"] = difference.mean().detach()
        return losses

    def _row_losses(
        self, batch: T2LBatch, rows: Tensor, weights: LoraWeights, index: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of the chosen rows of the batch: negative log likelihood per token, the same with label smoothing, and the
        number of right tokens, each (rows,).

        Rows of similar length go through the model together, so that less of it is padding.

        Args:
            weights: a batch of LoRA weights, ``index`` the one of each row; or one LoRA for all, ``index`` ``None``.
        """
        base, smoothing = self._base[0], self.objective.label_smoothing
        lengths = batch.mask.sum(1)[rows]
        order = lengths.argsort()
        parts = order.tensor_split(min(LENGTH_GROUPS, len(order)))
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for part in parts:
            width = int(lengths[part].max())
            ids, mask, positions = (t[rows[part], :width] for t in (batch.ids, batch.mask, batch.targets))
            lora = weights if index is None else weights.index_select(index[part])
            with apply_lora(base.model, lora.to(base.placement.dtype)):
                logits = logits_at(base, ids, mask, positions)
            nll = row_losses(logits, ids, positions)
            smoothed = row_losses(logits, ids, positions, smoothing) if smoothing else nll
            right = (logits.argmax(-1) == ids[positions]).float()
            count = right.new_zeros(len(part)).index_add(0, positions.nonzero()[:, 0], right)
            found.append((nll, smoothed, count))
        restored = order.argsort()
        return tuple(torch.cat(values)[restored] for values in zip(*found, strict=True))


def training_tasks(config: T2LDataConfig, tasks: list[Task] | None = None) -> list[Task]:
    """What a run trains on: the publishable training tasks of its directory, or of ``tasks``, and the procedural ones.

    Raises:
        InputError: a missing or malformed file.
    """
    if tasks is None:
        tasks = read_tasks(Path(config.tasks)) if config.tasks else []
    real = [t for t in tasks if t.split == "train" and t.family in PUBLISHABLE]
    return real + config.procedural_tasks(real)


def train_t2l(
    config: T2LTrainConfig,
    base: BaseModel,
    run_dir: Path,
    *,
    max_seconds: float | None = None,
    reporter: Reporter | None = None,
    tasks: list[Task] | None = None,
) -> tuple[T2LConfig, HyperNetwork | PlainLora, TrainingResult]:
    """Build and train (or continue) a task hypernetwork, or in mode ``multitask`` one LoRA, in ``run_dir``.

    Args:
        tasks: instead of those that ``config.data.tasks`` holds; the procedural ones come on top.
    """
    torch.manual_seed(config.training.seed)
    unseen, given = config.held_out or config.data, tasks
    tasks = training_tasks(config.data, given)
    unseen_tasks = training_tasks(unseen, given) if config.held_out else tasks
    descriptions = Path(config.data.descriptions or run_dir / "descriptions.safetensors")
    cache = DescriptionCache(descriptions, Vocabulary.of(base) if config.model.head.needs_words else None)
    texts = [text for t in tasks for text in (*t.descriptions, *t.held_out_descriptions)]
    texts += [text for t in unseen_tasks for text in t.held_out_descriptions]
    if cache.missing(texts):
        cache.add(load_text_encoder(config.model.text_encoder), texts)
    feature_size = next(iter(cache.rows.values())).shape[-1]
    built = config.model.build(base, feature_size)
    trainable: HyperNetwork | PlainLora
    # Of a run that goes on, ``fit`` restores the weights.
    initial = Path(config.initial) if config.initial and not (run_dir / "state").exists() else None
    if config.objective.mode == "multitask":
        network = built.hypernetwork
        trainable = PlainLora(network.targets, network.r + network.bias_r, network.scaling, config.training.seed)
        if initial:
            trainable.start_from(read_adapter(initial).weights)
    else:
        trainable = HyperNetwork(built.hypernetwork)
        if initial:
            trainable.grow_from(HyperNetwork.read(initial))
    trainable.to(base.device).train()
    if config.objective.mode == "reconstruction":
        if not config.objective.adapters:
            raise InputError("objective.adapters must name the folder of adapters to reconstruct")
        names = [t.name for t in built.hypernetwork.targets]
        arguments = (Path(config.objective.adapters), tasks, cache, config.data, built.features, names)
        make_batch = reconstruction_batches(*arguments)
        module: nn.Module = ReconstructionModule(trainable)
        make_unseen = reconstruction_batches(*arguments, split="test")
        held_out = [make_unseen(step).to(base.device) for step in range(2)]
    else:
        make_batch = T2LData(config.data, tasks, cache, base, built.features).batch
        module = T2LTrainingModule(trainable, base, config.objective)
        test = T2LData(unseen, unseen_tasks, cache, base, built.features, split="test")
        held_out = [test.batch(step).to(base.device) for step in range(6)]

    def evaluate() -> Mapping[str, float]:
        modes = {"adapter_nll": False} | ({} if isinstance(trainable, PlainLora) else {"other_nll": True})
        return {name: mean([module(batch, other)["nll"].item() for batch in held_out]) for name, other in modes.items()}

    result = fit(
        module,
        trainable,
        make_batch,
        config.training,
        run_dir,
        evaluate=evaluate,
        max_seconds=max_seconds,
        reporter=reporter,
        placement=base.placement,
        described=config.to_dict(),
    )
    distances = training_distances(tasks, cache)
    return built, trainable, replace(result, files=distances.files() if distances else {})


def write_multitask_adapter(path: Path, lora: PlainLora, config: T2LTrainConfig, base: BaseModel) -> int:
    """Write the LoRA of mode ``multitask`` as an adapter directory, replacing an earlier one; returns its bytes."""
    return save_adapter(
        path,
        lora().detach().to("cpu"),
        base=base.spec,
        kind="multitask",
        title="One LoRA for many tasks",
        hypernetwork="none",
        source={"trained_on": config.trained_on, "config": config.to_dict()},
        dtype="bfloat16",
        force=True,
    ).bytes
