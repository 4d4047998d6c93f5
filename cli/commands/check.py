"""``hyperlora check``: how good an adapter is."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.documents import read_one
from cli.fidelity import fidelity_text, tell_fidelity
from cli.loading import load_adapter, load_base, load_d2l
from cli.progress import spinner


def check(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    context: Annotated[
        Path | None,
        typer.Option(help="Its document: written questions, and answers with it in the prompt.", show_default=False),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="Your own questions: JSONL with question and answer (or answers).", show_default=False),
    ] = None,
    min_fidelity: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit with 1 if fewer are answered.", show_default=False)
    ] = None,
    study: options.Study = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    scale: options.Scale = 1.0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask an adapter questions that it was not studied with, and unrelated ones.

    Fidelity is the share of these questions whose answer holds the right one. Written questions (--context) are those
    that d2l holds back from study.

    Example: hyperlora check brief-adapter --context brief.pdf --min-fidelity 0.5
    """
    from d2l.questions import read_questions
    from shared.errors import InputError
    from shared.provenance import Stages, provenance

    if min_fidelity is not None and context is None and questions is None:
        raise InputError("--min-fidelity needs questions", "give --context, --questions, or both")
    stages = Stages()
    asked = read_questions(questions) if questions else []
    text = None
    if context is not None:
        document = read_one(context)
        text = document.text
    loaded = load_adapter(adapter)
    with stages("load"):
        if context is None:
            model, bound = None, load_base(base or loaded.base_model, device, dtype)
        else:
            model = load_d2l(hypernet, base or loaded.base_model, device, dtype)
            bound = model.base
    from d2l.check import check as run
    from d2l.check import hold_back
    from d2l.study.anchors import anchors
    from d2l.study.document import document_pairs, title_of

    if model is not None:
        with stages("ask"), spinner("asking"):
            asked += hold_back(document_pairs(model, text, study, title=title_of(document), use_cache=True))[1]
    with stages("check"), spinner("checking"):
        found = run(
            bound,
            loaded.weights.scaled(scale),
            asked,
            system=loaded.question_system,
            text=text,
            anchors=anchors(bound, system=loaded.question_system),
        )
    if output.is_json():
        output.result("", found, seconds=stages.seconds, provenance=provenance(bound))
    else:
        print(fidelity_text(found))
        if found.is_low:
            tell_fidelity(found)
    if min_fidelity is not None and (found.adapter is None or found.adapter < min_fidelity):
        raise typer.Exit(1)
