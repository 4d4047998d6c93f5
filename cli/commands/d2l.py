"""``hyperlora d2l``: documents in, an adapter out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.fidelity import tell_fidelity
from cli.hypernets import find_or_install
from cli.loading import load_d2l
from cli.progress import bar, spinner, staged_bar
from cli.reading import report

if TYPE_CHECKING:
    from d2l.generate import WrittenDocumentAdapter


def d2l(
    files: Annotated[list[str], typer.Argument(help="Documents or folders; - reads stdin.", show_default=False)],
    output_dir: options.Output = None,
    hypernet: options.Hypernet = None,
    base: options.Base = None,
    chunk_tokens: options.ChunkTokens = None,
    memory: Annotated[str, typer.Option(help="For the activations of the chunks encoded at a time.")] = "1GB",
    use_cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep encoded chunks in HYPERLORA_HOME and reuse them.")
    ] = True,
    study: options.Study = None,
    no_study: Annotated[bool, typer.Option("--no-study", help="One pass over the text and nothing else.")] = False,
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Your own questions on the document, objects with question and answer; studied too.",
            show_default=False,
        ),
    ] = None,
    show_questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Write the questions it was studied with, to read, edit and pass back with --questions.",
            show_default=False,
        ),
    ] = None,
    refine: options.Refine = options.REFINE_PASSES,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Hold a few written questions back and ask them at the end.")
    ] = True,
    max_rank: options.MaxRank = options.LARGEST_RANK,
    max_bytes: options.MaxBytes = None,
    scale: options.Scale = 1.0,
    encoding: options.Encoding = None,
    ocr: options.Ocr = False,
    ocr_language: options.OcrLanguage = "eng",
    skip_bad: options.SkipBad = False,
    force: options.Force = False,
    think: options.Think = False,
    template_option: options.TemplateOptions = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    save_dtype: options.SaveDtype = "bfloat16",
    load_in_4bit: options.FourBit = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn a document into an adapter that knows it.

    The document is studied: questions about it are written and put to the base model as they will be asked; a few
    gradient steps on them follow (--refine 0 leaves these out, --no-study all of it).
    A base model that no hypernetwork was trained for (--base) is used without one: the training-free mode.
    Reads PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, EPUB and EML; several documents become one adapter. After an
    edit, the same command with --force encodes only the chunks that changed; so does one after an interruption.

    Example: hyperlora d2l brief.pdf -o brief-adapter
    """
    from d2l.questions import read_questions
    from d2l.reader import read_documents
    from shared.base.device import dtype_name
    from shared.errors import InputError
    from shared.hypernetwork.published import UNTRAINED
    from shared.jsonl import write_jsonl
    from shared.paths import check_file, check_output, default_name
    from shared.provenance import Stages, provenance

    dtype, stages = dtype_name(dtype), Stages()
    save_dtype = dtype_name(save_dtype, auto=False)
    size_limit, memory_limit = options.parse_bytes(max_bytes), options.parse_bytes(memory)
    target = output_dir or Path(default_name(files[0]))
    check_output(target, force=force, what="adapter")
    if no_study and any(given is not None for given in (study, questions, show_questions)):
        raise InputError("--no-study excludes --study, --questions and --show-questions", "leave one of them out")
    own = tuple(read_questions(questions)) if questions else ()
    if show_questions is not None:
        if not show_questions.parent.is_dir():
            raise InputError(f"{show_questions.parent} is no folder", "create it first")
        check_file(show_questions, force=force, magic=b"{")
    with stages("read"), bar("reading") as move:
        read = read_documents(
            files, encoding=encoding, ocr=ocr_language if ocr else None, skip_bad=skip_bad, on_progress=move
        )
    report(read, losses_only=True)
    if hypernet != UNTRAINED:
        find_or_install(hypernet, "d2l")  # refuse a wrong one before the slow imports
    with stages("import"), spinner("importing"):
        from d2l.generate import InternalizeOptions, RankBudget, internalize
        from shared.training.refine import REFINE
    with stages("load"):
        model = load_d2l(
            hypernet, base, device, dtype, load_in_4bit=load_in_4bit, think=think, template_options=template_option
        )
    how = InternalizeOptions(
        chunk_tokens=chunk_tokens,
        memory=memory_limit,
        budget=RankBudget(max_rank, size_limit),
        scale=scale,
        dtype=save_dtype,
        study=0 if no_study else study,
        questions=own,
        refined=REFINE.replace(passes=refine) if refine else None,
        checked=check,
    )
    parts: dict[str, float] = {}
    with stages("generate"), staged_bar(parts) as move:
        adapter = internalize(model, read.documents, how, use_cache=use_cache, unread=read.unread, on_progress=move)
    asked = how.study if how.study is not None else model.writer or not model.trained
    if asked and not adapter.pairs:
        output.warning("the question writer wrote no question that can be used: the document was not studied")
    with stages("write"):
        written = adapter.save(target, force=force)
        if show_questions is not None:
            write_jsonl(show_questions, [{"question": qa.question, "answer": qa.answer} for qa in adapter.asked])
    if written.is_zero:
        output.warning(output.ZERO_ADAPTER)
    _report(written, sum(stages.seconds.values()), parts)
    parts = {stage: round(passed, 3) for stage, passed in parts.items()}
    output.result(written.adapter, written, seconds=stages.seconds, stages=parts, provenance=provenance(model.base))
    output.next_step("hyperlora", "ask", Path(written.adapter), "YOUR QUESTION", "--compare")


def _report(written: "WrittenDocumentAdapter", seconds: float, parts: dict[str, float]) -> None:
    pages = f"{written.pages} pages, " if written.pages else ""
    output.note(
        f"{pages}{written.characters} characters, {written.tokens} tokens in {written.chunks} chunks -> "
        f"rank {written.rank}, {written.bytes / 1e6:.2f} MB, {seconds:.1f} s"
    )
    if written.cached_chunks:
        output.note(f"{written.cached_chunks} of {written.chunks} chunks were encoded before")
    if written.pairs:
        output.note(f"studied with {written.pairs} questions; it answers {written.pairs_answered:.0%} of a sample")
        output.note(", ".join(f"{stage} {passed:.0f} s" for stage, passed in parts.items()))
        if written.asked_about < 1:
            output.note(
                f"long: {written.asked_about:.0%} of the text was asked about, evenly; --study N asks about all of it"
            )
    if written.fidelity is not None:
        tell_fidelity(written.fidelity)
    if not written.trained:
        output.note("training-free: nothing was trained for this base; check its answers with ask --compare")
    changes = [f"{len(names)} {what}" for what, names in (written.changes or {}).items() if names]
    if changes:
        output.note(f"documents: {', '.join(changes)}")
    if written.energy_kept < 1:
        output.note(f"kept by the rank limit: {written.energy_kept:.1%}")
