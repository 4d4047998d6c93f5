"""What the question writer covers: pairs a window, gold questions whose answer they hold, by number of replies.

python benchmarks/research/writer.py --qamr qamr_validation.jsonl --docqa docqa/validation.jsonl --brief --json w.json

Measured on the trained writer (or with --few-shot on the examples in the prompt, without one):

- parsed: share of the replies with a usable pair; literal: share of the lines whose answer stands in the text.
- named: share of the pairs whose question has two content words of the window or its headings.
- coverage: share of the gold questions with a pair of the same (normalised) answer on the same context.
- asked: the same, and the pair's question has at least half of the gold question's content words: of near-equal facts
  ("$3.29") the answer alone says little.
- right: of the pairs whose question has at least 0.8 of a gold question's content words and the reverse, those with its
  answer; before and after ``check_pairs`` (with --check).
- loss: nats per token of held-out replies, at the rank as trained and at smaller ones (with --ranks).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from cli.loading import load_base
from d2l.questions import PUBLISHABLE, QA, Context, read_docqa, read_questions
from d2l.reader import read_document
from d2l.study.pairs import content_words, named_words
from d2l.study.windows import Window, cut_windows
from d2l.study.writer import QuestionWriter, check_pairs, drop_ambiguous, parse_pairs
from d2l.training.writer import WriterTrainingModule
from d2l.training.writer_data import WriterData, WriterDataConfig
from shared.lora.weights import LoraWeights
from shared.metrics import mean, normalize_answer, spread
from shared.provenance import provenance

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "d2l/pretrained/smollm2-135m-d2l"


def overlap(question: str, other: str) -> float:
    """Share of the content words of ``question`` that ``other`` has."""
    words = content_words(question)
    return len(words & content_words(other)) / max(1, len(words))


def same(pair: QA, gold: QA) -> bool:
    return normalize_answer(pair.answer) in {normalize_answer(answer) for answer in gold.answers}


def brief(pages: int) -> Context:
    """The generated report of examples/make_brief.py, read from its PDF as a user's would be."""
    with tempfile.TemporaryDirectory() as folder:
        pdf, questions = Path(folder) / "brief.pdf", Path(folder) / "questions.jsonl"
        command = [ROOT / "examples/make_brief.py", pdf, "--pages", str(pages), "--questions", questions]
        subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)
        return Context(read_document(pdf).text, tuple(read_questions(questions)), "brief")


def measure(writer: QuestionWriter, contexts: list[Context], options: argparse.Namespace) -> dict:
    """The metrics of this file's docstring on some contexts, by number of replies a window."""
    windows: list[Window] = []
    owner: list[int] = []
    for number, context in enumerate(contexts):
        cut = cut_windows(context.text)
        windows += cut
        owner += [number] * len(cut)
    counts = sorted(map(int, options.samples.split(",")))
    started = time.monotonic()
    replies = writer.replies(windows, samples=counts[-1], batch_size=options.batch_size, seed=options.seed)
    seconds = time.monotonic() - started
    flat = [(reply, window) for own, window in zip(replies, windows, strict=True) for reply in own]
    lines = [(line, window) for reply, window in flat for line in reply.splitlines() if line.strip()]
    result: dict = {
        "contexts": len(contexts),
        "windows": len(windows),
        "questions": sum(len(context.questions) for context in contexts),
        "seconds": round(seconds, 1),
        "replies_per_second": len(flat) / seconds,
        "parsed": mean([float(bool(parse_pairs(reply, window))) for reply, window in flat]),
        "literal": mean([float(bool(parse_pairs(line, window))) for line, window in lines]),
        "by_samples": {},
    }
    for count in counts:
        written = [
            list({(qa.question, qa.answer): qa for reply in own[:count] for qa in parse_pairs(reply, window)}.values())
            for own, window in zip(replies, windows, strict=True)
        ]
        result["by_samples"][count] = scores(written, windows, owner, contexts)
        if count == counts[0] and options.check:
            result["checked"] = checked(writer, written, windows, owner, contexts)
    result["pairs_per_second"] = result["by_samples"][counts[-1]]["pairs"] / seconds
    shown = spread(range(len(windows)), 8)
    result["examples"] = [
        {"context": windows[i].context, "text": windows[i].text, "greedy": replies[i][0], "sampled": replies[i][-1]}
        for i in shown
    ]
    return result


def scores(written: list[list[QA]], windows: list[Window], owner: list[int], contexts: list[Context]) -> dict:
    pairs = [(qa, window) for own, window in zip(written, windows, strict=True) for qa in own]
    covered, asked = [], []
    for number, context in enumerate(contexts):
        own = [qa for found, place in zip(written, owner, strict=True) if place == number for qa in found]
        for gold in context.questions:
            fits = [qa for qa in own if same(qa, gold)]
            covered.append(float(bool(fits)))
            asked.append(float(any(overlap(gold.question, qa.question) >= 0.5 for qa in fits)))
    unambiguous = 0
    for number in range(len(contexts)):
        places = [i for i, place in enumerate(owner) if place == number]
        kept = drop_ambiguous([written[i] for i in places], [windows[i] for i in places])
        unambiguous += sum(map(len, kept))
    right = [float(same(qa, gold)) for qa, gold in matched(written, owner, contexts)]
    return {
        "pairs": len(pairs),
        "pairs_per_window": len(pairs) / len(windows),
        "named": mean([float(named_words(qa.question, window) > 1) for qa, window in pairs]),
        "unambiguous": unambiguous / max(1, len(pairs)),
        "coverage": mean(covered),
        "asked": mean(asked),
        "matched": len(right),
        "right": mean(right),
    }


def matched(written: list[list[QA]], owner: list[int], contexts: list[Context]) -> list[tuple[QA, QA]]:
    """Pairs that ask what a gold question asks, with the gold question whose words fit best."""
    found = []
    for own, number in zip(written, owner, strict=True):
        for qa in own:
            rated = [
                (min(overlap(gold.question, qa.question), overlap(qa.question, gold.question)), place)
                for place, gold in enumerate(contexts[number].questions)
            ]
            best, place = max(rated, default=(0.0, 0))
            if best >= 0.8:
                found.append((qa, contexts[number].questions[place]))
    return found


def checked(
    writer: QuestionWriter, written: list[list[QA]], windows: list[Window], owner: list[int], contexts: list[Context]
) -> dict:
    """What checking costs and does: pairs kept, the coverage that is left, and whether the wrong ones went."""
    started = time.monotonic()
    masks = check_pairs(writer.base, windows, written)
    seconds = time.monotonic() - started
    kept = [[qa for qa, keep in zip(own, mask, strict=True) if keep] for own, mask in zip(written, masks, strict=True)]
    total = sum(map(len, written))
    return {
        "kept": sum(map(len, kept)) / max(1, total),
        "checks_per_second": total / seconds,
        **scores(kept, windows, owner, contexts),
    }


@torch.no_grad()
def held_out_losses(writer: QuestionWriter, ranks: list[int], data: WriterDataConfig) -> dict[str, dict[str, float]]:
    """Loss and token accuracy of held-out replies with the LoRA cut to some ranks (SVD of each product)."""
    rows = WriterData(data, writer.base, "validation")
    batches = [rows.batch(step) for step in range(data.pool_steps)]
    found = {}
    for r in ranks:
        cut = writer.lora.truncate(r)
        module = WriterTrainingModule(lambda weights=cut.weights: weights, writer.base)
        values = [module(batch) for batch in batches]
        found[str(r)] = {key: mean([value[key].item() for value in values]) for key in ("loss", "accuracy")}
        found[str(r)]["energy_kept"] = cut.energy_kept
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="directory with writer.safetensors")
    parser.add_argument("--few-shot", action="store_true")
    parser.add_argument("--qamr", type=Path)
    parser.add_argument("--docqa", type=Path)
    parser.add_argument("--brief", type=int, default=0, metavar="PAGES")
    parser.add_argument("--qamr-contexts", type=int, default=48)
    parser.add_argument("--docqa-contexts", type=int, default=16)
    parser.add_argument("--samples", default="1,3,6")
    parser.add_argument("--batch-size", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--ranks", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    base = load_base(None, "auto", "auto")
    writer = QuestionWriter(base) if options.few_shot else QuestionWriter.load(options.checkpoint, base)
    assert writer is not None, f"no writer in {options.checkpoint}"
    results: dict = {"few_shot": options.few_shot, "writer": writer.identity, "sets": {}}
    if options.ranks and isinstance(writer.lora, LoraWeights):
        qamr = str(options.qamr) if options.qamr else None
        data = WriterDataConfig(qamr=qamr, qamr_share=0.6, generated_share=0.4, pool_steps=2)
        results["ranks"] = held_out_losses(writer, list(map(int, options.ranks.split(","))), data)
        print(results["ranks"], flush=True)
    sets: dict[str, list[Context]] = {}
    if options.qamr:
        sets["qamr"] = list(spread(read_docqa(options.qamr), options.qamr_contexts))
    if options.docqa:
        contexts = [
            Context(c.text, tuple(q for q in c.questions if q.kind == "extractive"), c.dataset)
            for c in read_docqa(options.docqa)
            if c.dataset in PUBLISHABLE and c.dataset != "wiki_hop"
        ]
        sets["docqa"] = list(spread([c for c in contexts if c.questions], options.docqa_contexts))
    if options.brief:
        sets["brief"] = [brief(options.brief)]
    for name, contexts in sets.items():
        results["sets"][name] = measure(writer, contexts, options)
        print(name, json.dumps({k: v for k, v in results["sets"][name].items() if k != "examples"}), flush=True)
        if options.json:  # after each set, for the last one takes long
            facts = {"threads": options.threads, "checkpoint": options.checkpoint.name, "seed": options.seed}
            options.json.write_text(json.dumps({**results, "provenance": provenance(**facts)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
