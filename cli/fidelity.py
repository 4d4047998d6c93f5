"""How a check is told."""

from typing import TYPE_CHECKING

from cli import output
from cli.progress import spinner
from cli.reading import report

if TYPE_CHECKING:
    from d2l.check import Fidelity
    from d2l.reader import DocumentText
    from shared.lora.adapter import Adapter

LOW_FIDELITY = (
    "the adapter answers few questions that it was not studied with; your own ones (--questions), more written ones "
    "(--study) or hyperlora refine may help"
)


def read_context(paths: list[str], adapter: "Adapter") -> "list[DocumentText]":
    """The documents of an adapter; says so where they are not those that it was made of."""
    if not paths:
        return []
    from d2l.reader import read_documents

    with spinner("reading"):
        read = read_documents(paths)
    report(read, losses_only=True)
    documents, source = read.documents, adapter.provenance.get("source")
    files = source.get("files") if isinstance(source, dict) else None
    made_of = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    known = {str(file.get("sha256")): file.get("name") for file in made_of}
    if known and {document.sha256 for document in documents} != set(known):
        output.warning(
            f"the adapter was made of {', '.join(map(str, known.values()))}, not of exactly these documents: questions "
            "may be asked that it was studied with"
        )
    return documents


def tell_fidelity(found: "Fidelity") -> None:
    """Lines for the user, and a warning where the adapter knows little."""
    output.note(fidelity_text(found))
    if found.is_low:
        output.warning(LOW_FIDELITY)


def fidelity_text(found: "Fidelity") -> str:
    parts = []
    if found.adapter is not None:
        others = {"without it": found.base, "with the text in the prompt": found.text}
        beside = ", ".join(f"{name} {share:.0%}" for name, share in others.items() if share is not None)
        parts.append(f"fidelity {found.adapter:.0%}: right answers to {found.questions} questions")
        parts[0] += f" ({beside})" if beside else ""
    if found.kept is not None:
        parts.append(f"{found.kept:.0%} of the base model's own words on unrelated questions stay")
    return f"{'; '.join(parts)} ({found.seconds:.0f} s)"
