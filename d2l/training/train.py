"""Trains a document hypernetwork on a frozen base model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d2l.calibration import calibrate
from d2l.config import D2LConfig, EncoderConfig
from d2l.encoder import encode_chunks
from d2l.questions import PUBLISHABLE
from d2l.training.batches import D2LBatch, D2LData, D2LDataConfig
from d2l.training.studied import studied_weights
from shared.base.chat import pad_answers
from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError
from shared.hypernetwork.linear import LinearHeadConfig
from shared.hypernetwork.memory import MemoryHeadConfig
from shared.hypernetwork.network import HyperNetwork, HyperNetworkShape
from shared.hypernetwork.perceiver import PerceiverConfig
from shared.lora.layer import apply_lora
from shared.metrics import mean
from shared.training.loop import Reporter, TrainingConfig, TrainingResult, fit
from shared.training.losses import distillation_loss, logits_at


@dataclass(frozen=True)
class D2LArchitecture(HyperNetworkShape):
    """The hypernetwork to build for whatever base model is given; the defaults are those of the shipped one.

    Attributes:
        encoder, chunk_tokens: as in ``D2LConfig``.
    """

    target_modules: tuple[str, ...] = ("down_proj",)
    head: LinearHeadConfig | MemoryHeadConfig = MemoryHeadConfig()
    r: int = 128
    bias_r: int = 16
    bias_modules: tuple[str, ...] = ("q_proj", "v_proj")
    perceiver: PerceiverConfig = PerceiverConfig(
        latent_size=224, num_latents=32, num_blocks=4, num_attention_heads=4, num_key_value_heads=4, head_dim=64
    )
    encoder: EncoderConfig = EncoderConfig()
    chunk_tokens: int = 128

    def build(self, base: BaseModel) -> D2LConfig:
        """The full configuration for a base model.

        Raises:
            InputError: target modules or layers that the base model does not have.
        """
        per_layer = self.encoder.type == "per_layer_activations"
        network = self.network_config(base.model, base.spec.hidden_size, per_layer_features=per_layer)
        return D2LConfig(base.spec, self.encoder, network, self.chunk_tokens)


@dataclass(frozen=True)
class D2LObjective(Config):
    """Weights of the losses.

    Attributes:
        nll: next-token loss on the given answers.
        first_token: weight of an answer's first token in it, relative to the others: it chooses the fact, and those
            behind it only recite.
        distill: KL to the top-k distribution of a teacher that has the context in its prompt.
        teacher: ``base``, the base model alone, or ``bias``, the base with the hypernetwork's own bias LoRA, which
            knows the form of the answers.
        top_k: tokens of the teacher's distribution that are kept.
    """

    nll: float = 1.0
    first_token: float = 2.0
    distill: float = 0.0
    teacher: Literal["base", "bias"] = "base"
    top_k: int = 16


@dataclass(frozen=True)
class D2LTrainConfig(Config):
    """Everything that decides a run.

    Attributes:
        initial: checkpoint directory whose weights and calibration a new run starts from, as far as they fit (see
            ``HyperNetwork.grow_from``).
    """

    model: D2LArchitecture = D2LArchitecture()
    data: D2LDataConfig = D2LDataConfig()
    objective: D2LObjective = D2LObjective()
    training: TrainingConfig = TrainingConfig()
    initial: str | None = None
    kind: Literal["d2l"] = "d2l"

    @property
    def trained_on(self) -> str:
        """The data, in words."""
        annotated = f"; {Path(self.data.annotated).name}" if self.data.annotated and self.data.studied else ""
        real = f"; of {Path(self.data.docqa).name}, the sets {', '.join(PUBLISHABLE)}" if self.data.docqa else ""
        return (
            f"generated documents and needles (d2l/synthetic, training split, seed {self.data.seed}){real}{annotated}"
        )


class D2LTrainingModule(nn.Module):
    """Chunks -> LoRA weights -> answers through the frozen base -> losses."""

    def __init__(self, config: D2LConfig, hypernetwork: HyperNetwork, base: BaseModel, objective: D2LObjective) -> None:
        super().__init__()
        self.config, self.hypernetwork, self.objective = config, hypernetwork, objective
        self._base = (base,)  # in a tuple, so that the frozen base is no submodule and never saved or synchronised

    @property
    def base(self) -> BaseModel:
        return self._base[0]

    def forward(self, batch: D2LBatch, shift: int = 0) -> dict[str, Tensor]:
        """Losses of a batch; ``shift`` gives every question the adapter of the context that many places on."""
        base, objective = self.base, self.objective
        network = self.hypernetwork
        factors = network(encode_chunks(base, self.config, batch.chunks)).by_context(batch.num_contexts)
        if batch.study:
            weights, idle = studied_weights(base, network, factors, batch.study), network.reading_parameters()
        else:
            weights, idle = network.join(factors).weights, getattr(network.head, "study_parameters", list)()
        weights = weights.to(base.placement.dtype)
        if shift:
            weights = weights.index_select((torch.arange(batch.num_contexts) + shift) % batch.num_contexts)
        rows = batch.context_index.bincount(minlength=batch.num_contexts).tolist()
        with apply_lora(base.model, weights, rows):
            logits = logits_at(base, batch.ids, batch.mask, batch.targets)
        targets = batch.ids[batch.targets]
        first = batch.targets.clone()
        first[:, 1:] &= ~batch.targets[:, :-1]
        first = first[batch.targets]
        token_losses = F.cross_entropy(logits, targets, reduction="none")
        right = (logits.argmax(-1) == targets).float()
        losses = {"nll": token_losses.mean().detach(), "accuracy": right.mean(), "first_accuracy": right[first].mean()}
        weight = 1 + (objective.first_token - 1) * first
        loss = objective.nll * (token_losses * weight).sum() / weight.sum()
        if objective.distill and batch.teacher_prompts:  # evaluations have none
            kl = distillation_loss(logits, self._teacher_logits(batch), objective.top_k)
            loss, losses["kl"] = loss + objective.distill * kl, kl.detach()
        # Several processes wait for a gradient of every parameter, whatever their own step is made of.
        loss = loss + 0 * sum(parameter.sum() for parameter in idle if parameter.requires_grad)
        return {"loss": loss, **losses}

    @torch.no_grad()
    def _teacher_logits(self, batch: D2LBatch) -> Tensor:
        """The teacher's logits at the same answer tokens, with the context in its prompt."""
        answers = [ids[chosen].tolist() for ids, chosen in zip(batch.ids, batch.targets, strict=True)]
        pad_id = self.base.tokenizer.pad_token_id
        ids, mask, targets = pad_answers(batch.teacher_prompts, answers, pad_id, batch.ids.device)
        bias = self.hypernetwork.bias() if self.objective.teacher == "bias" else None
        with apply_lora(self.base.model, bias and bias.to(self.base.placement.dtype)):
            return logits_at(self.base, ids, mask, targets)


def train_d2l(
    config: D2LTrainConfig,
    base: BaseModel,
    run_dir: Path,
    *,
    max_seconds: float | None = None,
    reporter: Reporter | None = None,
) -> tuple[D2LConfig, HyperNetwork, TrainingResult]:
    """Build, calibrate and train (or continue) a document hypernetwork in ``run_dir``."""
    torch.manual_seed(config.training.seed)
    built = config.model.build(base)
    hypernetwork = HyperNetwork(built.hypernetwork)
    data = D2LData(config.data, base, built.chunk_tokens, with_teacher=config.objective.distill > 0)
    if not (run_dir / "state").exists():  # else ``fit`` restores weights and calibration
        calibrate(hypernetwork, built, base, [data.document(index).text for index in range(96)])
        if config.initial:
            hypernetwork.grow_from(HyperNetwork.read(Path(config.initial)))
    if config.data.studied:
        if not built.hypernetwork.head.needs_states:
            raise InputError("data.studied: only a memory can be studied", "set model.head to {kind: memory}")
        for parameter in hypernetwork.head.study_parameters():
            parameter.requires_grad_()
    hypernetwork.to(base.device).train()
    module = D2LTrainingModule(built, hypernetwork, base, config.objective)
    synthetic = config.data.replace(docqa=None)
    held_out = D2LData(synthetic, base, built.chunk_tokens, split="validation", own_answers=data.own_answers)
    batches = [held_out.batch(step).to(base.device) for step in range(4)]

    def evaluate() -> Mapping[str, float]:
        values: dict[str, list[float]] = {}
        for batch in batches:
            shifts = {"adapter": 0} | ({"other": batch.num_contexts // 2} if batch.num_contexts > 1 else {})
            for name, shift in shifts.items():
                losses = module(batch, shift)
                for key in ("nll", "accuracy", "first_accuracy"):
                    values.setdefault(f"{name}_{key}", []).append(losses[key].item())
        return {name: mean(found) for name, found in values.items()}

    result = fit(
        module,
        hypernetwork,
        data.batch,
        config.training,
        run_dir,
        evaluate=evaluate,
        max_seconds=max_seconds,
        reporter=reporter,
        placement=base.placement,
        described=config.to_dict(),
    )
    return built, hypernetwork, result
