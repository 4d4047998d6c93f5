"""``hyperlora chat``: a conversation with adapters in place."""

import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options, output
from cli.loading import base_of, load_adapters, load_base, opening, scaled_weights

if TYPE_CHECKING:
    from shared.base.chat import GenerationConfig
    from shared.base.model import BaseModel
    from shared.lora.adapter import Adapter
    from shared.lora.weights import LoraWeights

HELP = """/adapter            which adapters are in place
/adapter A B ...    put these in place; /adapter none takes all away
/compare QUESTION   the base model's answer beside the adapters'
/system TEXT        another system message; without a text, the adapters' own
/history            the conversation so far
/new                start over
/quit               end; so does Ctrl-D"""


def chat(
    adapters: Annotated[
        list[str],
        typer.Argument(metavar="ADAPTER...", help="Adapter directories or Hub ids.", show_default=False),
    ],
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
    """Talk to the base model with adapters; several add up. /help lists the commands.

    Example: hyperlora chat brief-adapter
    """
    loaded_adapters = load_adapters(adapters)
    loaded = load_base(
        base_of(loaded_adapters[0], base),
        device,
        dtype,
        load_in_4bit=load_in_4bit,
        think=think,
        template_options=template_option,
    )
    import torch

    from shared.base.chat import GenerationConfig

    config = GenerationConfig(max_new_tokens, temperature, top_p, top_k, repetition_penalty)
    session = _Session(loaded, config, scale, system)
    session.use(loaded_adapters)
    torch.manual_seed(seed)
    output.note("/help lists the commands, /quit or Ctrl-D ends")
    while (line := _next_line()) is not None:
        text = line.strip()
        if text == "/quit":
            return
        if text:
            _handle(session, text)


@dataclass
class _Session:
    """A conversation.

    Attributes:
        system: the user's own system message, ``None`` for the adapters'.
        turns: messages behind the system message.
    """

    base: "BaseModel"
    config: "GenerationConfig"
    scale: float
    system: str | None
    adapters: "list[Adapter]" = field(default_factory=list)
    weights: "LoraWeights | None" = None
    turns: list[dict[str, str]] = field(default_factory=list)
    _in_place: ExitStack = field(default_factory=ExitStack)

    def use(self, adapters: "list[Adapter]") -> None:
        """Put other adapters in place.

        Raises:
            InputError: they do not fit the base.
        """
        from shared.lora.layer import apply_lora

        weights = scaled_weights(adapters, self.scale, self.base) if adapters else None
        with apply_lora(self.base.model, weights):
            pass
        self.adapters, self.weights = adapters, weights
        self._put_in_place()

    def _put_in_place(self) -> None:
        """The adapters stay in place from question to question, so that folding them in is paid once."""
        from shared.lora.layer import apply_lora

        self._in_place.close()
        self._in_place.enter_context(apply_lora(self.base.model, self.weights, fold=True))

    @property
    def messages(self) -> list[dict[str, str]]:
        return [*opening(self.adapters, self.system), *self.turns]

    def say(self, text: str) -> None:
        """Ask, with all that was said before; the oldest turns are left out when the window is full."""
        from shared.base.chat import answer, chat_ids

        self.turns.append({"role": "user", "content": text})
        room, dropped = self.base.context_window - self.config.max_new_tokens, 0
        while len(self.turns) > 1 and len(chat_ids(self.base, self.messages)) > room:
            del self.turns[:2]
            dropped += 1
        if dropped:
            output.note(f"the oldest {dropped} questions no longer fit and are left out")
        try:
            reply = answer(self.base, self.messages, self.config, _show)
        except BaseException:
            self.turns.pop()  # a question without an answer would be asked again with the next
            raise
        output.write("")
        self.turns.append({"role": "assistant", "content": reply})

    def compare(self, text: str) -> None:
        """Show what the base alone and the adapters answer; neither becomes part of the conversation."""
        from shared.base.chat import answer

        messages = [*self.messages, {"role": "user", "content": text}]
        self._in_place.close()
        answers = {"base model": answer(self.base, messages, self.config)}
        self._put_in_place()
        name = " + ".join(a.name for a in self.adapters) or "no adapter"
        answers[name] = answer(self.base, messages, self.config)
        output.write(output.columns(answers))


def _handle(session: _Session, text: str) -> None:
    """A command or a question; what goes wrong ends neither the conversation nor the program."""
    from shared.errors import HyperLoraError
    from shared.text import check_text

    command, _, rest = text.partition(" ")
    rest = rest.strip()
    try:
        check_text(text, "the message")
        if command == "/new":
            session.turns.clear()
        elif command == "/adapter":
            if rest:
                session.use([] if rest == "none" else load_adapters(rest.split()))
            output.note(f"in place: {', '.join(a.name for a in session.adapters) or 'no adapter'}")
        elif command == "/compare" and rest:
            session.compare(rest)
        elif command == "/system":
            session.system = rest or None
        elif command == "/history":
            for message in session.messages:
                output.write(f"{message['role']}: {message['content']}")
        elif command.startswith("/"):
            output.note(HELP)
        else:
            session.say(text)
    except HyperLoraError as error:
        output.warning(f"{error.message}; {error.hint}" if error.hint else error.message)


def _next_line() -> str | None:
    """A line from the user, ``None`` at the end; on a terminal with the line editing that Python has."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401  arrow keys and former lines
        try:
            return input("> ")
        except EOFError:
            return None
    return sys.stdin.readline() or None


def _show(text: str) -> None:
    output.write(text, end="")
