"""The tables of seconds and bytes, each from the JSON files of benchmarks/results."""

from benchmarks.cells import figure, result, table


def times() -> str:
    """Whole commands, stage by stage."""
    pairs = result("d2l-brief-study")["pairs"]
    titles = {
        "d2l-brief": "a six-page PDF, 21 chunks, one pass",
        "d2l-brief-study": f"the same, studied with {pairs} written questions",
        "t2l-task": "one description",
    }
    rows = []
    for name, title in titles.items():
        r = result(name)
        s = r["seconds"]
        stages = (figure(s["import"], 1), figure(s["load"], 1), figure(s["generate"]), figure(s["write"]))
        rows.append((title, *stages, r["rank"], f"{r['bytes'] / 1e6:.1f} MB"))
    return table(("", "s to import", "s to load", "s to generate", "s to write", "rank", "adapter"), rows)


def making() -> str:
    """An adapter of one pass beside a plain forward pass over the same tokens."""
    rows = [
        (
            f"{r['tokens']:,}",
            figure(r["forward"], 1),
            figure(r["encoding"], 1),
            figure(r["adapter"], 1),
            figure(r["ratio"]),
        )
        for r in result("speed")["making"]
    ]
    head = (
        "tokens",
        "s, plain pass",
        "s, encoding",
        "s, **adapter**",
        "adapter / plain",
    )
    return table(head, rows)


def answering() -> str:
    """Time to the first token without and with the document in the prompt."""
    rows = [
        (f"{r['tokens']:,}", figure(r["adapter"]), figure(r["context"]), figure(r["times"], 0))
        for r in result("speed")["answering"]
    ]
    return table(("tokens of the document", "s, **adapter**", "s, text in the prompt", "times faster"), rows)


def decoding() -> str:
    """Tokens a second with and without an adapter of rank 512."""
    rows = [(f"{r['engine']}, {r['what']}", figure(r["per_second"], 1)) for r in result("speed")["decoding"]]
    return table(("", "tokens a second"), rows)


def reference_shapes() -> str:
    """The published Doc-to-LoRA shape on a base of gemma-2-2b's widths, with random weights."""
    found = result("reference-shapes")
    rows = [
        (f"{r['tokens']:,}", figure(r["forward"], 1), figure(r["adapter"], 1), figure(r["hypernetwork_per_block"]))
        for r in found["documents"]
    ]
    head = ("tokens", f"s, plain pass, {found['layers']} blocks", "s, **adapter**", "s more for a block")
    return table(head, rows)
