"""``hyperlora ask``: a question to the base model with an adapter."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import base_of, load_adapter, load_base, opening, scaled_weights


def ask(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    question: Annotated[str, typer.Argument(help="The question; - reads stdin.", show_default=False)],
    base: options.Base = None,
    compare: Annotated[bool, typer.Option("--compare", help="Show the base model's answer beside it.")] = False,
    context: Annotated[
        Path | None,
        typer.Option(
            help="With --compare: also the base model's answer with this document in its prompt.", show_default=False
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
    """Ask the base model a question with an adapter in place.

    Example: hyperlora ask brief-adapter "Where are avocados short?" --compare
    """
    from shared.errors import InputError
    from shared.text import check_text

    if question == "-":
        question = sys.stdin.read()
    check_text([question, system or ""], "the question")
    if not question.strip():
        raise InputError("the question is empty")
    if context is not None and not compare:
        raise InputError("--context needs --compare")
    document = None
    if context is not None:
        from d2l.reader import read_document

        document = read_document(str(context))
    loaded_adapter = load_adapter(adapter)
    loaded = load_base(
        base_of(loaded_adapter, base),
        device,
        dtype,
        load_in_4bit=load_in_4bit,
        think=think,
        template_options=template_option,
    )
    import torch

    from shared.base.chat import GenerationConfig, answer
    from shared.lora.layer import apply_lora

    config = GenerationConfig(max_new_tokens, temperature, top_p, top_k, repetition_penalty)
    messages = [*opening(loaded_adapter, system), {"role": "user", "content": question}]
    weights = scaled_weights(loaded_adapter, scale, loaded)
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
        return
    if compare and not json:
        names = {"base": "base model", "adapter": "with adapter", "context": "document in prompt"}
        output.write(output.columns({names[name]: text for name, text in answers.items()}))
        return
    output.result(answers["adapter"], {"question": question, "adapter": adapter, "answers": answers})


def _show(text: str) -> None:
    output.write(text, end="")
