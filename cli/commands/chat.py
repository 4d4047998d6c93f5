"""``hyperlora chat``: a conversation with an adapter in place."""

import sys
from typing import Annotated

import typer

from cli import options, output
from cli.loading import base_of, load_adapter, load_base, opening, scaled_weights


def chat(
    adapter: Annotated[str, typer.Argument(help="Adapter directory or Hub id.", show_default=False)],
    base: options.Base = None,
    system: Annotated[str | None, typer.Option(help="System message.", show_default=False)] = None,
    max_new_tokens: options.MaxNewTokens = 256,
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
    quiet: options.Quiet = False,
) -> None:
    """Talk to the base model with an adapter; /new starts over, /quit or Ctrl-D ends.

    Example: hyperlora chat brief-adapter
    """
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
    from shared.text import check_text

    config = GenerationConfig(max_new_tokens, temperature, top_p, top_k, repetition_penalty)
    first = opening(loaded_adapter, system)
    messages = list(first)
    torch.manual_seed(seed)
    output.note("/new starts over, /quit or Ctrl-D ends")
    with apply_lora(loaded.model, scaled_weights(loaded_adapter, scale, loaded)):
        while True:
            if sys.stdin.isatty():
                output.stderr().print("> ", end="")
            line = sys.stdin.readline()
            text = line.strip()
            if not line or text == "/quit":
                return
            if text == "/new":
                messages = list(first)
            elif text:
                check_text(text, "the message")
                messages.append({"role": "user", "content": text})
                reply = answer(loaded, messages, config, lambda piece: output.write(piece, end=""))
                output.write("")
                messages.append({"role": "assistant", "content": reply})
