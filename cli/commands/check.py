"""``hyperlora check``: how good an adapter is."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.fidelity import fidelity_text, read_context, tell_fidelity
from cli.loading import load_adapter, load_base, load_d2l
from cli.progress import spinner


def check(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    context: options.Context = None,
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
    that d2l holds back from study, if --study is the same; they are also asked with the document in the prompt.

    Example: hyperlora check brief-adapter --context brief.pdf --min-fidelity 0.5
    """
    from d2l.questions import read_questions
    from shared.errors import HyperLoraError, InputError
    from shared.provenance import Stages, provenance

    if min_fidelity is not None and not context and questions is None:
        raise InputError("--min-fidelity needs questions", "give --context, --questions, or both")
    stages = Stages()
    asked = read_questions(questions) if questions else []
    loaded = load_adapter(adapter)
    documents = read_context(context or [], loaded)
    with stages("load"):
        if not documents:
            model, bound = None, load_base(base or loaded.base_model, device, dtype)
        else:
            model = load_d2l(hypernet, base or loaded.base_model, device, dtype)
            bound = model.base
    from d2l.check import check as run
    from d2l.check import hold_back
    from d2l.study.anchors import anchors
    from d2l.study.document import pairs_of_all

    if model is not None:
        with stages("ask"), spinner("asking"):
            asked += hold_back(pairs_of_all(model, documents, study, use_cache=True))[1]
    with stages("check"), spinner("checking"):
        found = run(
            bound,
            loaded.weights.scaled(scale),
            asked,
            system=loaded.question_system,
            text="\n\n".join(document.text for document in documents) or None,
            anchors=anchors(bound, system=loaded.question_system),
        )
    if output.is_json():
        output.result("", found, seconds=stages.seconds, provenance=provenance(bound))
    else:
        output.write(fidelity_text(found))
        if found.is_low:
            tell_fidelity(found)
    if min_fidelity is not None and found.adapter is None:
        raise HyperLoraError("no question was asked", "give --questions, or --study for written ones")
    if min_fidelity is not None and found.adapter < min_fidelity:
        raise HyperLoraError(
            f"fidelity {found.adapter:.0%} is below --min-fidelity {min_fidelity:.0%}", "hyperlora refine may help"
        )
