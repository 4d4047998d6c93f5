"""Trains the question writer: a LoRA with which the frozen base model asks about a piece of text.

The idea is doc2query's (Nogueira et al. 2019), with the answer written in front of its question. The densest data are
QAMR's (Michael et al. 2018): about twenty question-answer pairs by several annotators on one sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d2l.questions import PUBLISHABLE
from d2l.study.writer import QuestionWriter
from d2l.training.writer_data import WriterBatch, WriterData, WriterDataConfig
from shared.base.model import BaseModel
from shared.base.targets import find_targets
from shared.config import Config
from shared.errors import InputError
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import mean
from shared.training.loop import Reporter, TrainingConfig, TrainingResult, fit
from shared.training.losses import logits_at
from shared.training.plain_lora import PlainLora


@dataclass(frozen=True)
class WriterArchitecture(Config):
    """The LoRA to train.

    Attributes:
        target_modules: linear layers of each block that it adapts.
        layers: decoder blocks, all of them by default.
    """

    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    layers: tuple[int, ...] | None = None
    r: int = 16
    scaling: float = 1.0


@dataclass(frozen=True)
class WriterTrainConfig(Config):
    """Everything that decides a run.

    Attributes:
        eval_steps: batches of held-out generated passages for an evaluation.
        initial: checkpoint directory whose writer a new run starts from; ``model.r`` is its rank or a higher one.
    """

    model: WriterArchitecture = WriterArchitecture()
    data: WriterDataConfig = WriterDataConfig()
    training: TrainingConfig = TrainingConfig(
        max_steps=400, lr=1e-3, warmup_steps=20, weight_decay=0.0, bf16=False, eval_every=100, save_every=20
    )
    eval_steps: int = 3
    initial: str | None = None
    kind: Literal["writer"] = "writer"

    @property
    def trained_on(self) -> str:
        """The data, in words."""
        names = [Path(path).name for path in (self.data.qamr, self.data.fairytale, self.data.policy) if path]
        if self.data.docqa:
            names.append(f"of {Path(self.data.docqa).name} the sets {', '.join(PUBLISHABLE)}")
        return "; ".join([f"generated documents (d2l/synthetic, training split, seed {self.data.seed})", *names])


class WriterTrainingModule(nn.Module):
    """Prompt and reply through the base with the LoRA -> next-token loss on the reply."""

    def __init__(self, lora: PlainLora, base: BaseModel) -> None:
        super().__init__()
        self.lora = lora
        self._base = (base,)  # in a tuple, so that the frozen base is no submodule and never saved or synchronised

    def forward(self, batch: WriterBatch) -> dict[str, Tensor]:
        base = self._base[0]
        with apply_lora(base.model, self.lora().to(base.placement.dtype)):
            logits = logits_at(base, batch.ids, batch.mask, batch.targets)
        targets = batch.ids[batch.targets]
        loss = F.cross_entropy(logits, targets)
        return {"loss": loss, "accuracy": (logits.argmax(-1) == targets).float().mean()}


def train_writer(
    config: WriterTrainConfig,
    base: BaseModel,
    run_dir: Path,
    *,
    max_seconds: float | None = None,
    reporter: Reporter | None = None,
) -> tuple[LoraWeights, TrainingResult]:
    """Train (or continue) a writer in ``run_dir``.

    Returns:
        The LoRA, float32 on the CPU, and where the run ended.

    Raises:
        InputError: a layer that the base lacks, a data file that cannot be used, nothing to start from in ``initial``,
            or a run of another configuration.
    """
    targets = find_targets(base.model, config.model.target_modules, config.model.layers)
    lora = PlainLora(targets, config.model.r, config.model.scaling, config.training.seed)
    if config.initial and not (run_dir / "state").exists():  # of a run that goes on, ``fit`` restores the weights
        writer = QuestionWriter.load(Path(config.initial), base)
        if writer is None:
            raise InputError(f"{config.initial} has no question writer to start from", "leave 'initial' out")
        lora.start_from(writer.lora.to(device="cpu", dtype=torch.float32))
    lora = lora.to(base.device).train()
    data = WriterData(config.data, base)
    module = WriterTrainingModule(lora, base)
    generated = config.data.replace(qamr=None, fairytale=None, policy=None, docqa=None, pool_steps=1)
    held_out = WriterData(generated, base, "validation")
    batches = [held_out.batch(step).to(base.device) for step in range(config.eval_steps)]

    def evaluate() -> Mapping[str, float]:
        values = [module(batch) for batch in batches]
        return {name: mean([value[name].item() for value in values]) for name in ("loss", "accuracy")}

    result = fit(
        module,
        lora,
        data.batch,
        config.training,
        run_dir,
        evaluate=evaluate if config.eval_steps else None,
        max_seconds=max_seconds,
        reporter=reporter,
        placement=base.placement,
        described=config.to_dict(),
    )
    return lora().detach().to("cpu"), result
