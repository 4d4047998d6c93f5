"""``hyperlora refine``: gradient steps on a document's adapter."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.documents import read_one
from cli.fidelity import fidelity_text, tell_fidelity
from cli.loading import load_adapter, load_d2l
from cli.progress import bar


def refine(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    context: Annotated[
        Path | None, typer.Option(help="Its document: written questions on it.", show_default=False)
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="Your own questions: JSONL with question and answer (or answers).", show_default=False),
    ] = None,
    output_dir: options.Output = None,
    seconds: Annotated[float, typer.Option(min=1, help="Longest time for the steps.")] = 60,
    passes: Annotated[int, typer.Option(min=1, help="Passes over the questions, at most.")] = 20,
    study: options.Study = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    force: options.Force = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an adapter answer more of the questions on its document, by gradient steps from where it is.

    Written questions are those of d2l; some are held back, and what the adapter answers of these is told before and
    after: the better one is written. Ctrl-C ends the steps and keeps what is reached; the same command on the result
    goes on.

    Example: hyperlora refine brief-adapter --context brief.pdf -o brief-better --seconds 60
    """
    from d2l.questions import read_questions
    from shared.errors import InputError
    from shared.paths import check_output
    from shared.provenance import Stages, provenance

    if context is None and questions is None:
        raise InputError("nothing to refine with", "give --context, --questions, or both")
    stages = Stages()
    own = read_questions(questions) if questions else []
    loaded = load_adapter(adapter)
    target = output_dir or Path(f"{loaded.path.resolve().name}-refined")
    check_output(target, force=force, what="adapter")
    document = None
    if context is not None:
        document = read_one(context)
    with stages("load"):
        model = load_d2l(hypernet, base or loaded.base_model, device, dtype)
    from d2l.refine import refine_adapter
    from shared.lora.derived import save_derived
    from shared.training.refine import REFINE

    with stages("refine"), bar("steps") as move:
        found = refine_adapter(
            model,
            loaded,
            document,
            own,
            study=study,
            config=REFINE.replace(passes=passes),
            max_seconds=seconds,
            on_progress=move,
        )
    if found.before is not None:
        output.note(f"before: {fidelity_text(found.before)}")
        output.note("after:")
        tell_fidelity(found.after)
    if not found.is_better:
        output.warning("the steps made it worse: the adapter is written as it was")
    change = {"gradient_steps": found.gradient_steps, "refined_with": found.questions}
    with stages("write"):
        written = save_derived(target, loaded, found.weights, change, base=base, force=force)
    output.result(
        written.adapter,
        written,
        **found.facts(),
        seconds=stages.seconds,
        provenance=provenance(model.base),
    )
    output.next_step("hyperlora", "ask", Path(written.adapter), "YOUR QUESTION", "--compare")
