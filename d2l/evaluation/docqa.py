"""Does the adapter know its document? NLL and generated answers with and without it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from d2l.evaluation.scoring import AnswerScore, score_questions
from d2l.model import D2LModel
from d2l.questions import QA, Context
from shared.base.model import BaseModel
from shared.errors import InputError
from shared.lora.weights import LoraWeights
from shared.metrics import mean, normalize_answer
from shared.training.refine import REFINE, RefineConfig

# Upper bounds of the context lengths that scores are also given for, in tokens.
BUCKETS = (128, 256, 512, 1024)


@dataclass(frozen=True)
class Mode:
    """How the questions on a document are asked: with which LoRA, and whether with the document in the prompt."""

    lora: LoraWeights | None
    in_prompt: bool = False


@dataclass(frozen=True)
class ModeScores:
    """Means over questions; NLL in nats per answer token. The others are ``None`` where no answers were generated."""

    nll: float
    f1: float | None
    exact_match: float | None
    recall: float | None


@dataclass(frozen=True)
class GroupScores:
    """Scores of a part of the questions, by mode; ``gap_closed`` as in ``DocQAResult``."""

    questions: int
    modes: dict[str, ModeScores]
    gap_closed: float | None


@dataclass(frozen=True)
class DocQAResult:
    """Scores by mode, and how many contexts and questions they are over.

    Attributes:
        adapter_over_context: adapter's F1 / F1 with the document in the prompt; ``None`` if 0 or unmeasured.
        gap_closed: (nll other - nll adapter) / (nll other - nll context+bias).
        f1_gap_closed, em_gap_closed, recall_gap_closed: the same of generated answers, (adapter - other) /
            (context+bias - other). All are ``None`` if unmeasured or if context+bias is not better than other.
        lengths: the same scores by the context's length in tokens, "<128" to "1024+".
        kinds: and by the kind of question that the data names.
        pairs: mean number of pairs that a context was studied with; ``None`` without study.
        coverage: share of the questions one of whose answers is that of some pair; ``None`` without study.
        covered: the scores of these questions and of the others.
    """

    modes: dict[str, ModeScores]
    contexts: int
    questions: int
    skipped: int
    adapter_over_context: float | None
    gap_closed: float | None
    f1_gap_closed: float | None
    em_gap_closed: float | None
    recall_gap_closed: float | None
    lengths: dict[str, GroupScores]
    kinds: dict[str, GroupScores]
    pairs: float | None = None
    coverage: float | None = None
    covered: dict[str, GroupScores] = field(default_factory=dict)


@dataclass(frozen=True)
class AdapterScores:
    """Scores of an adapter that exists: by mode (none, adapter, other), and the same by the kind of question."""

    modes: dict[str, ModeScores]
    kinds: dict[str, GroupScores]
    questions: int


@dataclass(frozen=True)
class _Answered(AnswerScore):
    """The score of one question, with the groups that it belongs to."""

    length: str
    kind: str
    covered: str = ""


def evaluate_docqa(
    model: D2LModel,
    contexts: list[Context],
    *,
    generate_answers: bool = True,
    short: bool = True,
    with_context: bool = True,
    study: Callable[[Context], Sequence[QA]] | None = None,
    refined: RefineConfig | None = REFINE,
    max_new_tokens: int = 24,
    on_progress: Callable[[int, int], None] | None = None,
) -> DocQAResult:
    """Ask every question of every context in all modes, with one question template.

    none: the question alone. bias: with the bias LoRA alone. adapter: with the document's. other: with another
    document's. study: with the document's, studied and refined. context: the document in the prompt. context+bias:
    the same with the bias LoRA; a hypernetwork without one has neither mode. A context whose prompt exceeds
    the base model's window is skipped and counted.

    Args:
        short: ask for a short answer; otherwise the question is all there is, as ``hyperlora ask`` puts it, and the
            number to read is how many answers contain the gold one.
        study: the pairs that a context is studied with; ``None`` leaves the mode out.
        refined: gradient steps on these pairs; ``None``: none.
        with_context: also with the document in the prompt; without it, documents beyond the window are asked too.

    Raises:
        InputError: no context fits the window. With a single one there is no ``other``.
    """
    window = model.base.context_window - max_new_tokens - 128
    sized = [(len(model.base.tokenizer(c.text)["input_ids"]), c) for c in contexts]
    usable = [(length, c) for length, c in sized if length < window or not with_context]
    if not usable:
        raise InputError("no context fits the base model's window", "--no-context asks without the text in the prompt")
    answered: dict[str, list[_Answered]] = {}
    bias = model.hypernetwork.bias()
    other = _lora(model, usable[-1][1]) if len(usable) > 1 else None  # else it would be the document's own adapter
    sizes: list[float] = []
    for number, (length, context) in enumerate(usable):
        adapter = _lora(model, context)
        used = {"none": Mode(None), "adapter": Mode(adapter)} | ({"bias": Mode(bias)} if bias is not None else {})
        known: set[str] = set()
        if study is not None:
            pairs = study(context)
            known = {normalize_answer(answer) for pair in pairs for answer in pair.answers}
            sizes.append(len(pairs))
            used["study"] = Mode(_lora(model, context, pairs, refined) if pairs else adapter)
        if other is not None:
            used["other"] = Mode(other)
        if with_context:
            used["context"] = Mode(None, in_prompt=True)
            if bias is not None:
                used["context+bias"] = Mode(bias, in_prompt=True)
        other = adapter if other is not None else None
        for name, mode in used.items():
            rows = score_questions(
                model.base,
                context.questions,
                mode.lora,
                system=model.config.question_system,
                text=context.text if mode.in_prompt else None,
                generate_answers=generate_answers,
                max_new_tokens=max_new_tokens,
                short=short,
            )
            answered.setdefault(name, []).extend(
                _Answered(**vars(row), length=_bucket(length), kind=qa.kind, covered=_covered(qa, known))
                for qa, row in zip(context.questions, rows, strict=True)
            )
        if on_progress:
            on_progress(number + 1, len(usable))
    modes = _scores(answered, generate_answers)
    kinds = sorted({row.kind for row in answered["none"]} - {""})
    return DocQAResult(
        modes,
        len(usable),
        len(answered["none"]),
        len(contexts) - len(usable),
        modes["adapter"].f1 / modes["context"].f1 if with_context and modes["context"].f1 else None,
        _closed(modes, "nll"),
        _closed(modes, "f1"),
        _closed(modes, "exact_match"),
        _closed(modes, "recall"),
        _groups(answered, "length", [_bucket(n) for n in (*(b - 1 for b in BUCKETS), BUCKETS[-1])], generate_answers),
        _groups(answered, "kind", kinds, generate_answers),
        *(
            (
                mean(sizes),
                mean([float(row.covered == "covered") for row in answered["none"]]),
                _groups(answered, "covered", ["covered", "uncovered"], generate_answers),
            )
            if study is not None
            else ()
        ),
    )


def _covered(qa: QA, known: set[str]) -> str:
    return "covered" if known & {normalize_answer(answer) for answer in qa.answers} else "uncovered"


def evaluate_adapter(
    base: BaseModel,
    adapter: LoraWeights,
    questions: Sequence[QA],
    *,
    system: str | None = None,
    other: LoraWeights | None = None,
    short: bool = True,
    max_new_tokens: int = 24,
    on_progress: Callable[[int, int], None] | None = None,
) -> AdapterScores:
    """Ask an adapter questions with known answers, and the base without it.

    Args:
        system: message that the adapter was trained with.
        other: another adapter for the same base, as a measure of what is not knowledge of the document.
        short: as in ``evaluate_docqa``.
    """
    used = {"none": None, "adapter": adapter} | ({"other": other} if other is not None else {})
    answered: dict[str, list[_Answered]] = {}
    for number, (mode, lora) in enumerate(used.items()):
        rows = score_questions(base, questions, lora, system=system, max_new_tokens=max_new_tokens, short=short)
        answered[mode] = [
            _Answered(**vars(row), length="", kind=qa.kind) for qa, row in zip(questions, rows, strict=True)
        ]
        if on_progress:
            on_progress(number + 1, len(used))
    return AdapterScores(
        _scores(answered, True),
        _groups(answered, "kind", sorted({qa.kind for qa in questions} - {""}), True),
        len(questions),
    )


def _bucket(length: int) -> str:
    for low, high in zip((0, *BUCKETS), BUCKETS, strict=False):
        if length < high:
            return f"{low}-{high - 1}" if low else f"<{high}"
    return f"{BUCKETS[-1]}+"


def _scores(answered: dict[str, list[_Answered]], generated: bool) -> dict[str, ModeScores]:
    return {
        mode: ModeScores(
            # NLL is a mean over tokens, the others over questions.
            sum(row.nll for row in rows) / max(1, sum(row.tokens for row in rows)),
            *(
                mean([getattr(row, name) for row in rows]) if generated else None
                for name in ("f1", "exact_match", "recall")
            ),
        )
        for mode, rows in answered.items()
    }


def _groups(
    answered: dict[str, list[_Answered]], attribute: str, names: list[str], generated: bool
) -> dict[str, GroupScores]:
    """Scores of the questions whose ``attribute`` is each of ``names``; names without questions are left out."""
    result = {}
    for name in names:
        part = {mode: [r for r in rows if getattr(r, attribute) == name] for mode, rows in answered.items()}
        if part["none"]:
            scores = _scores(part, generated)
            result[name] = GroupScores(len(part["none"]), scores, _closed(scores, "nll"))
    return result


def _closed(modes: dict[str, ModeScores], metric: str) -> float | None:
    """Share of the way from ``other`` to ``context+bias``, or ``context`` without a bias, that the adapter goes."""
    best = "context+bias" if "context+bias" in modes else "context"
    if best not in modes or "other" not in modes:
        return None
    other, adapter, full = (getattr(modes[mode], metric) for mode in ("other", "adapter", best))
    if full is None or (full >= other if metric == "nll" else full <= other):
        return None
    return (adapter - other) / (full - other)


def _lora(
    model: D2LModel, context: Context, pairs: Sequence[QA] = (), refined: RefineConfig | None = None
) -> LoraWeights:
    return model.generate(model.chunk(context.text), pairs=pairs, refined=refined).weights
