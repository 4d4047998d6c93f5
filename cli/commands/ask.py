"""``hyperlora ask``: questions to the base model with adapters in place."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options, output
from cli.documents import read_one
from cli.loading import base_of, load_adapters, load_base, opening, scaled_weights

if TYPE_CHECKING:
    from d2l.reader import DocumentText
    from d2l.retrieval import Passage, PassageIndex
    from shared.base.model import BaseModel

BATCH = 8


def ask(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="ADAPTER... QUESTION",
            help="Adapter directories or Hub ids, and the question; - reads stdin.",
            show_default=False,
        ),
    ],
    base: options.Base = None,
    compare: Annotated[bool, typer.Option("--compare", help="Show the base model's answer beside it.")] = False,
    context: Annotated[
        Path | None,
        typer.Option(
            help="With --compare: also the base model's answer with this document in its prompt.", show_default=False
        ),
    ] = None,
    with_context: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Put the passages of this document that match into the prompt.", show_default=False
        ),
    ] = None,
    passages: Annotated[int, typer.Option(min=1, help="How many passages of --with-context.")] = 2,
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Answer all questions of a file, objects with question; - reads stdin. Prints JSON lines with reply.",
            show_default=False,
        ),
    ] = None,
    system: Annotated[str | None, typer.Option(help="System message.", show_default=False)] = None,
    max_new_tokens: options.MaxNewTokens = 128,
    temperature: options.Temperature = 0.0,
    top_p: options.TopP = 1.0,
    top_k: options.TopK = 0,
    repetition_penalty: options.RepetitionPenalty = 1.0,
    think: options.Think = False,
    template_option: options.TemplateOptions = None,
    scale: options.Scale = 1.0,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    load_in_4bit: options.FourBit = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask the base model questions with adapters in place; several adapters add up.

    Example: hyperlora ask brief-adapter "Where are avocados short?" --compare
    """
    from shared.errors import InputError
    from shared.text import check_text

    if context is not None and not compare:
        raise InputError("--context needs --compare")
    if compare and (with_context is not None or questions is not None):
        raise InputError("--compare goes with neither --with-context nor --questions")
    names, asked = _parse(words, questions)
    check_text([asked, system or ""], "the question")
    document = read_one(context) if context else None
    source = read_one(with_context) if with_context else None
    adapters = load_adapters(names)
    loaded = load_base(
        base_of(adapters[0], base),
        device,
        dtype,
        load_in_4bit=load_in_4bit,
        think=think,
        template_options=template_option,
    )
    import torch

    from shared.base.chat import GenerationConfig, answer, chat_ids, generate
    from shared.lora.layer import apply_lora

    config = GenerationConfig(max_new_tokens, temperature, top_p, top_k, repetition_penalty)
    weights = scaled_weights(adapters, scale, loaded)
    index = _index(loaded, source) if source else None

    def prompt(question: str) -> tuple[list[dict[str, str]], "list[Passage]"]:
        from d2l.retrieval import with_passages

        found = index.find(question, passages) if index else []
        content = with_passages(question, found) if found else question
        return [*opening(adapters, system), {"role": "user", "content": content}], found

    torch.manual_seed(seed)
    if questions is not None:
        with apply_lora(loaded.model, weights):
            for start in range(0, len(asked), BATCH):
                records = asked[start : start + BATCH]
                prompts = [prompt(record["question"]) for record in records]
                replies = generate(loaded, [chat_ids(loaded, messages) for messages, _ in prompts], config)
                for record, reply, (_, found) in zip(records, replies, prompts, strict=True):
                    sources = {"sources": [asdict(passage) for passage in found]} if found else {}
                    output.line({**record, "reply": reply, **sources})
        return
    question = asked[0]["question"]
    messages, found = prompt(question)
    stream = not (json or compare)

    def reply(conversation: list[dict[str, str]], live: bool) -> str:
        torch.manual_seed(seed)
        return answer(loaded, conversation, config, _show if live else None)

    answers = {}
    if compare:
        answers["base"] = reply(messages, False)
    with apply_lora(loaded.model, weights):
        answers["adapter"] = reply(messages, stream)
    if document is not None:
        full = [*messages[:-1], {"role": "user", "content": f"{document.text}\n\n{question}"}]
        answers["context"] = reply(full, False)
    if stream:
        output.write("")
        for passage in found:
            output.note(f"[{passage.number}] {' '.join(passage.text.split())[:100]} ...")
        return
    if compare and not json:
        labels = {"base": "base model", "adapter": "with adapter", "context": "document in prompt"}
        output.write(output.columns({labels[name]: text for name, text in answers.items()}))
        return
    report: dict[str, Any] = {"question": question, "adapter": "+".join(names), "answers": answers}
    if found:
        report["sources"] = [asdict(passage) for passage in found]
    output.result(answers["adapter"], report)


def _parse(words: list[str], questions: Path | None) -> tuple[list[str], list[dict[str, Any]]]:
    """Adapters, and records with a question."""
    from shared.errors import InputError
    from shared.jsonl import numbered_records

    if questions is not None:
        records = [record for _, record in numbered_records(str(questions), ("question",))]
        if not all(isinstance(record["question"], str) and record["question"].strip() for record in records):
            raise InputError(f"{questions}: every question must be a text that is not empty")
        return words, records
    names, question = words[:-1], words[-1]
    if not names and not sys.stdin.isatty():  # cat question.txt | hyperlora ask ADAPTER
        names, question = words, "-"
    if not names:
        raise InputError("the question is missing", 'hyperlora ask ADAPTER "QUESTION"')
    question = output.read_stdin() if question == "-" else question
    if not question.strip():
        raise InputError("the question is empty")
    return names, [{"question": question}]


def _index(loaded: "BaseModel", document: "DocumentText") -> "PassageIndex":
    from d2l.retrieval import PassageIndex, cut_passages
    from t2l.encoder import load_text_encoder

    encoder = load_text_encoder()

    def embed(texts: list[str]):
        return encoder.encode(texts, convert_to_tensor=True, normalize_embeddings=True).cpu()

    return PassageIndex(cut_passages(loaded.tokenizer, document.text), embed)


def _show(text: str) -> None:
    output.write(text, end="")
