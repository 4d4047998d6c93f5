"""What a document costs and gives, by approach: in the prompt, retrieved, distilled, or as a generated adapter."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from d2l.evaluation.distill import DistillConfig, distill
from d2l.model import D2LModel
from d2l.questions import APPROACHES, QA, question_messages
from shared.base.chat import GenerationConfig, chat_ids, generate
from shared.lora.layer import apply_lora
from shared.metrics import answer_recall, exact_match, mean, token_f1
from shared.training.plain_lora import empty_lora
from shared.training.refine import REFINE, RefineConfig


@dataclass(frozen=True)
class Approach:
    """One row of the comparison.

    Attributes:
        update_seconds: from the document to being able to answer (models loaded).
        peak_megabytes: largest resident memory (CPU) or allocated device memory (CUDA) while updating and answering;
            ``None`` where the system does not tell.
        question_seconds, prompt_tokens: per question.
        note: why there are no scores, or what limits them.
    """

    name: str
    update_seconds: float
    peak_megabytes: float | None
    question_seconds: float | None
    prompt_tokens: float | None
    f1: float | None
    exact_match: float | None
    recall: float | None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """All approaches on one document."""

    approaches: list[Approach]
    questions: int
    tokens: int


def compare(
    model: D2LModel,
    text: str,
    questions: Sequence[QA],
    *,
    embed: Callable[[list[str]], Tensor],
    study: Callable[[], Sequence[QA]] = tuple,
    approaches: Sequence[str] = APPROACHES,
    retrieved: int = 2,
    distillation: DistillConfig | None = None,
    refined: RefineConfig = REFINE,
    max_new_tokens: int = 24,
    on_progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Answer the same questions on one document with every approach.

    Args:
        embed: texts -> unit vectors, (n, d), for retrieval.
        study: makes the pairs for ``d2l+study`` (the closed form alone) and ``d2l+refine`` (gradient steps behind it);
            their cost counts.
        retrieved: passages in the prompt of ``retrieval``; passages are the hypernetwork's own chunks.
    """
    base = model.base
    distillation = distillation or DistillConfig()
    chunks = model.chunk(text)
    passages = [base.tokenizer.decode(chunk.ids[chunk.start : chunk.stop]) for chunk in chunks]
    length = len(base.tokenizer(text)["input_ids"])
    rows = []
    for name in approaches:
        if on_progress:
            on_progress(name)
        _reset_peak(base.device)
        started, weights, note = time.perf_counter(), None, ""
        contexts: list[str | None] = [None] * len(questions)
        if name == "context":
            contexts = [text] * len(questions)
        elif name == "retrieval":
            index = embed(passages)
        elif name == "distillation":
            network = model.config.hypernetwork  # the adapter's own shape
            start = empty_lora((*network.targets, *network.bias_targets), model.rank(chunks))
            done = distill(base, passages, start, distillation)
            weights, note = done.weights, f"{done.steps} steps, {done.questions} questions of the model's own"
        elif name != "none":
            pairs = () if name == "d2l" else study()
            weights = model.generate(chunks, pairs=pairs, refined=refined if name == "d2l+refine" else None).weights
            note = f"{len(pairs)} questions" if pairs else ""
        update = 0.0 if name in ("none", "context") else time.perf_counter() - started
        started = time.perf_counter()
        if name == "retrieval":
            scores = embed([qa.question for qa in questions]) @ index.T
            best = [sorted(row.topk(min(retrieved, len(passages))).indices.tolist()) for row in scores]
            contexts = ["\n".join(passages[i] for i in picked) for picked in best]
        prompts = [
            chat_ids(
                base,
                question_messages(qa.question, context=context, system=model.config.question_system, short=True),
            )
            for qa, context in zip(questions, contexts, strict=True)
        ]
        if max(map(len, prompts)) + max_new_tokens > base.context_window:
            rows.append(Approach(name, update, None, None, None, None, None, None, "longer than the model's window"))
            continue
        with apply_lora(base.model, weights and weights.to(base.device)):
            replies = [generate(base, [prompt], GenerationConfig(max_new_tokens))[0] for prompt in prompts]
        seconds = (time.perf_counter() - started) / len(questions)
        pairs = [(reply, qa.answers) for reply, qa in zip(replies, questions, strict=True)]
        rows.append(
            Approach(
                name,
                update,
                _peak(base.device),
                seconds,
                mean([len(prompt) for prompt in prompts]),
                mean([token_f1(*pair) for pair in pairs]),
                mean([exact_match(*pair) for pair in pairs]),
                mean([answer_recall(*pair) for pair in pairs]),
                note,
            )
        )
    return Comparison(rows, len(questions), length)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM starts again from the present size


def _peak(device: torch.device) -> float | None:
    """Megabytes since ``_reset_peak``."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM")), None)
