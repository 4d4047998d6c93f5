"""What each part of study is worth: documents with pairs, one part at a time left out or changed.

python -m benchmarks.ablation annotators.jsonl --documents 8 --json ablation.json

The data is that of ``eval docqa`` with a ``study`` list for each document (``benchmarks.annotators_data`` writes such
files): other people's pairs take the writer's part out of the comparison. Every variant is the whole way to an adapter;
what it breaks is the share of general questions that are still right.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from cli.loading import load_d2l
from d2l.evaluation.general import general_share
from d2l.evaluation.scoring import AnswerScore, score_questions
from d2l.model import D2LModel
from d2l.questions import Context, read_docqa
from d2l.study.rows import PASSES
from shared.metrics import mean, spread
from shared.provenance import provenance
from shared.training.refine import REFINE


@dataclass(frozen=True)
class Variant:
    """One way to study.

    Attributes:
        pairs: of a document, evenly over what there is; ``None``: all.
        study: whether there are study rows at all.
        passes: over the pairs in closed form.
        refine: whether gradient steps follow. Fewer passes are no variant: short texts get the least number of steps.
        token_rows, null_rows, anchors: whether the text's own rows, those of unrelated questions and, in the gradient
            steps, the base's replies to these are used.
        gain, ridge: factors on a studied answer's gain and on the ridge.
    """

    pairs: int | None = None
    study: bool = True
    passes: int = PASSES
    refine: bool = True
    token_rows: bool = True
    null_rows: bool = True
    anchors: bool = True
    gain: float = 1.0
    ridge: float = 1.0


VARIANTS = {
    "as shipped": Variant(),
    "no study": Variant(study=False),
    "no gradient steps": Variant(refine=False),
    "no gradient steps, one pass over the pairs": Variant(refine=False, passes=1),
    "no gradient steps, no token rows": Variant(refine=False, token_rows=False),
    "no gradient steps, no null rows": Variant(refine=False, null_rows=False),
    "no gradient steps, gain times 0.5": Variant(refine=False, gain=0.5),
    "no gradient steps, gain times 2": Variant(refine=False, gain=2.0),
    "no gradient steps, ridge times 4": Variant(refine=False, ridge=4.0),
    "gain times 2": Variant(gain=2.0),
    "no token rows": Variant(token_rows=False),
    "no null rows and no anchors": Variant(null_rows=False, anchors=False),
    "16 pairs a document": Variant(pairs=16),
    "8 pairs a document": Variant(pairs=8),
    "4 pairs a document": Variant(pairs=4),
    "2 pairs a document": Variant(pairs=2),
}


@contextmanager
def changed(model: D2LModel, variant: Variant) -> Iterator[None]:
    """The model with a variant's parts, for the duration of the block."""
    head = model.hypernetwork.head
    kept = {name: p.detach().clone() for name, p in head.named_parameters()}
    rows, asked = model.null_rows, model.anchors
    try:
        with torch.no_grad():
            head.log_study_gain.add_(torch.tensor(variant.gain).log())
            head.log_ridge.add_(torch.tensor(variant.ridge).log())
            if not variant.token_rows:
                head.log_token_weight.fill_(-1e4)
        model.null_rows = rows if variant.null_rows else []
        model.anchors = asked if variant.anchors else []
        yield
    finally:
        model.null_rows, model.anchors = rows, asked
        head.load_state_dict(kept, strict=False)


def measure(model: D2LModel, contexts: list[Context], variant: Variant, general: int) -> dict[str, float]:
    """Exact match, F1 and answers in the reply over all questions, general questions, and seconds a document."""
    scores: list[AnswerScore] = []
    shares: list[float] = []
    seconds = 0.0
    for number, context in enumerate(contexts):
        pairs = list(context.study or ()) if variant.study else []
        if variant.pairs:
            pairs = spread(pairs, variant.pairs)
        started = perf_counter()
        with changed(model, variant):
            refined = REFINE if variant.refine else None
            lora = model.generate(model.chunk(context.text), pairs=pairs, passes=variant.passes, refined=refined)
        seconds += perf_counter() - started
        system = model.config.question_system
        scores += score_questions(model.base, context.questions, lora.weights, system=system)
        if number < general:
            shares.append(general_share(model, lora.weights))
    return {
        "exact_match": mean([s.exact_match for s in scores]),
        "f1": mean([s.f1 for s in scores]),
        "recall": mean([s.recall for s in scores]),
        "general": mean(shares),
        "seconds": seconds / len(contexts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--general", type=int, default=3, help="documents whose adapters are asked general questions")
    parser.add_argument("--only", help="variants whose names contain this")
    parser.add_argument("--hypernet")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load_d2l(options.hypernet, None, "auto", "auto")
    contexts = read_docqa(options.data)[: options.documents]
    rows = {}
    for name, variant in VARIANTS.items():
        if not options.only or options.only in name:
            rows[name] = measure(model, contexts, variant, options.general)
            print(name, *(f"{key} {value:.3f}" for key, value in rows[name].items()), flush=True)
    if options.json:
        facts = {"questions": sum(len(c.questions) for c in contexts), "base_general": general_share(model, None)}
        facts |= {"pairs": mean([len(c.study or ()) for c in contexts])}
        source = provenance(model.base, data=options.data.name, hypernetwork=model.name)
        found = {"rows": rows, **facts, "provenance": source}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
