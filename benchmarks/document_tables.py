"""The tables of what a document's adapter answers, each from the JSON files of benchmarks/results."""

from benchmarks.cells import MODES, figure, of, result, table

APPROACHES = {
    "none": "nothing",
    "context": "full text in the prompt",
    "retrieval": "two best chunks in the prompt",
    "distillation": "context distillation",
    "d2l": "adapter, one pass",
    "d2l+study": "adapter, studied in closed form",
    "d2l+refine": "**adapter, studied**",
}

METHODS = {"all": "whole", "cut": "cut", "svd": "plain SVD", "drop": "first chunks", "average": "mean of chunks"}


def docqa() -> str:
    found = result("docqa-synthetic")
    rows = []
    for name, title in MODES.items():
        s = found["modes"][name]
        right = of(s["exact_match"], found["questions"])
        rows.append((title, right, figure(s["f1"]), of(s["recall"], found["questions"]), figure(s["nll"])))
    return table(("with", "exactly right", "F1", "answer in the reply", "NLL"), rows)


def study() -> str:
    """Adapters without and with study beside the text in the prompt, where the data has it."""
    sets = {
        "study-annotators": "6 sentences, pairs by other annotators",
        "study-annotators-30": "30 sentences, pairs by other annotators",
        "study-generated": "generated documents, written pairs",
        "study-longer": "the same 14 documents as one, written pairs",
        "study-real": "Wikipedia paragraphs, adversarial questions, written pairs",
    }
    modes, rows = ("none", "adapter", "study", "context", "context+bias"), []
    for name, title in sets.items():
        found = result(name)
        for metric, label in (("exact_match", "exactly right"), ("recall", "answer in the reply"), ("f1", "F1")):
            values = [found["modes"].get(mode, {}).get(metric) for mode in modes]
            rows.append((f"{title} ({found['questions']} questions), {label}", *map(figure, values)))
        covered = found["covered"].get("covered")
        share = of(found["coverage"], found["questions"])
        modes_of = covered["modes"] if covered else {}
        first, right = (figure(modes_of.get(mode, {}).get("exact_match")) for mode in ("adapter", "study"))
        rows.append((f"- a pair has the answer of {share}; of these exactly right", "", first, right, "", ""))
        if other := found["covered"].get("uncovered"):
            one_pass, studied = (figure(other["modes"][mode]["exact_match"]) for mode in ("adapter", "study"))
            rows.append((f"- of the other {other['questions']} exactly right", "", one_pass, studied, "", ""))
    head = ("", "nothing", "adapter, one pass", "**adapter, studied**", MODES["context"], MODES["context+bias"])
    return table(head, rows)


def docqa_kinds() -> str:
    rows = []
    for kind, title in (("fact", "one fact"), ("multi", "two facts"), ("unanswerable", "not in the document")):
        part = result("docqa-synthetic")["kinds"][kind]
        rows.append(
            (title, *(of(part["modes"][m]["exact_match"], part["questions"]) for m in ("adapter", "context+bias")))
        )
    return table(("question on", "**adapter**", MODES["context+bias"]), rows)


def docqa_real() -> str:
    found = result("docqa-real-nll")
    parts = {"all": found, **found["lengths"]}
    head = ("tokens of the document", "questions", *MODES.values())
    return table(head, ((n, p["questions"], *(figure(p["modes"][m]["nll"]) for m in MODES)) for n, p in parts.items()))


def docqa_plain() -> str:
    found = result("docqa-plain")
    rows = (
        (MODES[m], of(found["modes"][m]["recall"], found["questions"]), figure(found["modes"][m]["nll"]))
        for m in ("none", "bias", "other", "adapter")
    )
    return table(("with", "answer in the reply", "NLL"), rows)


def docqa_long() -> str:
    found = result("docqa-long")["modes"]
    return table(("with", "NLL"), ((MODES[m], figure(found[m]["nll"])) for m in ("none", "bias", "other", "adapter")))


def needle_rows(*names: str) -> list[tuple[str, int, float, float | None, float]]:
    """Length, documents, shares found by adapter and by the base with the text, and the mean rank."""
    rows = []
    for name in names:
        for length, at in result(name)["lengths"].items():
            count = sum(cell["samples"] for cell in result(name)["cells"] if cell["length"] == int(length))
            rows.append((length, count, at["adapter"], at["context"], at["rank"]))
    return rows


def _needles(*names: str) -> str:
    rows = (
        (f"{int(length):,}", of(adapter, n), "beyond its window" if text is None else of(text, n), round(rank))
        for length, n, adapter, text, rank in needle_rows(*names)
    )
    return table(("tokens", "**adapter** finds it", "base with the text in its prompt", "rank"), rows)


def needles() -> str:
    return _needles("niah", "niah-long", "niah-32k")


def needles_prose() -> str:
    return _needles("niah-prose")


def compare() -> str:
    found = result("compare-brief")
    rows = (
        (
            APPROACHES[a["name"]] + (f" ({a['note']})" if a["note"] else ""),
            of(a["recall"], found["questions"]),
            figure(a["f1"]),
            f"{a['prompt_tokens']:,.0f}",
            figure(a["question_seconds"], 1),
            figure(a["update_seconds"], 1),
            f"{a['peak_megabytes']:,.0f}",
        )
        for a in found["approaches"]
    )
    head = ("approach", "answer in the reply", "F1", "prompt tokens", "s a question", "s to prepare", "peak MB")
    return table(head, rows)


def budget() -> str:
    count = result("budget")["provenance"]["needles"]
    rows = (
        (METHODS[r["method"]], round(r["rank"]), figure(r["nll"]), figure(r["f1"]), of(r["needles"], count))
        for r in result("budget")["rows"]
    )
    return table(("method", "rank", "NLL", "F1", "needles found"), rows)


def general() -> str:
    found, low, high = result("general"), *(f(result("general")["by_document"]) for f in (min, max))
    rows = [
        ("nothing", figure(found["base"])),
        (MODES["bias"], figure(found["bias"])),
        (f"adapter of one pass, mean of {len(found['by_document'])} documents", figure(found["adapter"])),
        ("adapter, worst document", figure(low)),
        ("adapter, best document", figure(high)),
        ("nothing, in bfloat16", figure(result("general-study")["base"])),
        ("**adapter, studied**, mean of the same documents, in bfloat16", figure(result("general-study")["adapter"])),
    ]
    return table(("with", f"share of {found['questions']} general questions right"), rows)


def conflicts() -> str:
    found = result("conflicts")
    rows = []
    for name, title in MODES.items():
        s = found["modes"][name]
        rows.append((title, of(s["recall"], found["questions"]), figure(s["nll"])))
    return table(("with", "the document's answer in the reply", "NLL"), rows)


def brief() -> str:
    """The six-page brief, studied, by the kind of question."""
    found = result("brief-study")
    parts = {"all": found, **found["kinds"]}
    names = {"all": "all questions", "fact": "one fact", "multi": "two facts"}
    rows = [
        (names.get(kind, kind), *(of(part["modes"][m]["recall"], part["questions"]) for m in ("none", "adapter")))
        for kind, part in parts.items()
    ]
    made = result("d2l-brief-study")
    own = f"{made['pairs_answered']:.0%} of a sample"
    rows.append((f"the {made['pairs']} written pairs that it was studied with", "-", own))
    return table(("answer in the reply to", "nothing", "**adapter, studied**"), rows)


def any_base() -> str:
    """Document adapters without a trained hypernetwork, beside the embedded base with its own."""
    sets = {
        "study-annotators": "SmolLM2-135M-Instruct, its hypernetwork",
        "any-base-0.5b": "Qwen2.5-Coder-0.5B-Instruct",
        "any-base-1.5b": "Qwen2.5-Coder-1.5B-Instruct",
        "any-base-0.5b-own": "Qwen2.5-Coder-0.5B-Instruct, questions of its own",
        "any-base-1.5b-own": "Qwen2.5-Coder-1.5B-Instruct, questions of its own",
    }
    modes = ("none", "context", "adapter", "study")
    rows = []
    for name, title in sets.items():
        found = result(name)["modes"]
        right = (figure(found[mode]["exact_match"]) if mode in found else "-" for mode in modes)
        rows.append((f"{title} ({result(name)['questions']})", *right, figure(found["study"]["f1"])))
    head = ("base (questions)", "nothing", MODES["context"], "adapter, not studied", "**adapter, studied**", "its F1")
    return table(head, rows)


def ablation() -> str:
    """Parts of study left out or changed; more gain and fewer pairs are runs of their own."""
    found = {
        name: row
        for part in ("ablation", "ablation-gain", "ablation-pairs")
        for name, row in result(part)["rows"].items()
    }
    rows = [(name, *(figure(row[key]) for key in ("exact_match", "f1", "general"))) for name, row in found.items()]
    return table(("", "exactly right", "F1", "general questions right"), rows)
