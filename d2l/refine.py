"""An adapter of a document made better: gradient steps on its questions, checked on those that were held back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from d2l.check import ANCHORS, Fidelity, check, hold_back, kept_share, right_share
from d2l.model import D2LModel
from d2l.questions import QA
from d2l.reader import DocumentText
from d2l.study.document import pairs_of_all
from shared.errors import InputError
from shared.lora.adapter import Adapter
from shared.lora.weights import LoraWeights
from shared.metrics import spread
from shared.training.refine import RefineConfig, RefinedLora


@dataclass(frozen=True)
class RefinedAdapter:
    """What refining gave.

    Attributes:
        weights: the refined ones, or those of before if they answer more of the questions that were held back.
        gradient_steps: all that the adapter has had.
        questions: what the steps were on.
        before, after: how the adapter answers what was held back; ``None`` where nothing was, ``after`` also where the
            last check was interrupted.
        losses: on the questions, before each step, in nats a token.
        checks: shares of what was held back that the adapter answered between the steps.
    """

    weights: LoraWeights
    gradient_steps: int
    questions: int
    before: Fidelity | None
    after: Fidelity | None
    losses: list[float]
    checks: list[float]

    @property
    def is_better(self) -> bool:
        """Whether the refined weights answer no fewer of the questions that were held back."""
        return self.before is None or self.after is None or self.after.adapter >= self.before.adapter

    def facts(self) -> dict[str, Any]:
        """As JSON, without the weights."""
        return {
            "before": self.before and asdict(self.before),
            "after": self.after and asdict(self.after),
            "losses": [round(loss, 4) for loss in self.losses],
            "checks": self.checks,
        }


def refine_adapter(
    model: D2LModel,
    adapter: Adapter,
    documents: Sequence[DocumentText],
    questions: Sequence[QA],
    *,
    study: int | None = None,
    config: RefineConfig,
    max_seconds: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> RefinedAdapter:
    """Gradient steps on an adapter's questions; interrupted, they keep the best that is reached.

    What is held back is asked between the steps: it says when they end, and which state is kept.

    Args:
        documents: all that the adapter was made of; the written questions are those of ``d2l``, a few held back for
            the check. Without them, ``questions`` are all there is.
        questions: the user's own, with their answers.
        study: as in ``InternalizeOptions``.
        max_seconds: stop the steps after this time.

    Raises:
        InputError: no question.
    """
    base, system = model.base, model.config.question_system
    written = pairs_of_all(model, documents, study, use_cache=True)
    studied, held_back = hold_back(written)
    pairs = [*questions, *studied]
    if not pairs:
        raise InputError("no question to refine with", "give --questions, or --study for written ones")
    before = check(base, adapter.weights, held_back, system=system, anchors=model.anchors) if held_back else None
    refined = model.refine(
        adapter.weights,
        pairs,
        config,
        check=(lambda weights: right_share(base, weights, held_back, system=system) or 0.0) if held_back else None,
        max_seconds=max_seconds,
        keep_interrupted=True,
        on_progress=on_progress,
    )
    try:
        after = before and _after(model, refined, before, held_back)
    except KeyboardInterrupt:
        after = None
    steps = _steps_before(adapter) + len(refined.losses)
    found = RefinedAdapter(refined.weights, steps, len(pairs), before, after, refined.losses, refined.checks)
    return found if found.is_better else replace(found, weights=adapter.weights, gradient_steps=_steps_before(adapter))


def _after(model: D2LModel, refined: RefinedLora, before: Fidelity, held_back: Sequence[QA]) -> Fidelity:
    """What is not known yet: the base's answers are those of before, the adapter's mostly those between the steps."""
    started, system = time.monotonic(), model.config.question_system
    weights = refined.weights.to(model.base.device, model.base.placement.dtype)
    share = max(refined.checks) if refined.checks else right_share(model.base, weights, held_back, system=system)
    kept = round(kept_share(model.base, weights, spread(model.anchors, ANCHORS)), 4) if model.anchors else None
    return replace(before, adapter=share, kept=kept, seconds=round(time.monotonic() - started, 1))


def _steps_before(adapter: Adapter) -> int:
    source = adapter.provenance.get("source")
    steps = source.get("gradient_steps", 0) if isinstance(source, dict) else 0
    return steps if isinstance(steps, int) else 0
