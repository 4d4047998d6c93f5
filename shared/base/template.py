"""Arguments of chat templates: whether a model thinks before it answers, and whatever else a template asks for.

They are set in the template itself, so that every place that renders a conversation, of a document's chunks as well as
of questions, renders the same.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: What templates call the switch: Qwen3, SmolLM3, GLM-4.5, Gemma 4; DeepSeek-V3.1, Granite, Kimi.
THINKING_SWITCHES = ("enable_thinking", "thinking")
# What the tokenizer itself passes to a template.
_GIVEN = {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"}


def thinking(tokenizer: "PreTrainedTokenizerBase", think: bool) -> dict[str, Any]:
    """The template's switch for thinking, set; empty where it has none."""
    known = template_arguments(tokenizer)
    return {name: think for name in THINKING_SWITCHES if name in known}


def template_arguments(tokenizer: "PreTrainedTokenizerBase") -> set[str]:
    """Names that the chat template reads and nothing in it sets; some of them are given by the tokenizer."""
    from jinja2 import Environment, TemplateSyntaxError, meta, nodes
    from jinja2.ext import Extension, loopcontrols

    class Generation(Extension):
        """transformers' own tag around what the assistant says."""

        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    environment = Environment(extensions=[Generation, loopcontrols])
    names: set[str] = set()
    for text in _templates(tokenizer).values():
        try:
            names |= meta.find_undeclared_variables(environment.parse(text))
        except TemplateSyntaxError:
            continue  # the tokenizer will say so when it renders
    return names - _GIVEN - set(tokenizer.special_tokens_map)


def set_template_options(tokenizer: "PreTrainedTokenizerBase", options: Mapping[str, Any]) -> None:
    """Fix arguments of the tokenizer's chat template.

    Raises:
        InputError: an argument that the template does not read, or no template.
    """
    if not options:
        return
    known = template_arguments(tokenizer)
    for name in options:
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            raise InputError(f"the base model's chat template has no argument {name!r}", f"it takes: {takes}")
    # The plus keeps a line break that the template begins with.
    head = "".join(f"{{% set {name} = {_literal(value)} +%}}" for name, value in options.items())
    templates = {name: head + text for name, text in _templates(tokenizer).items()}
    tokenizer.chat_template = templates if isinstance(tokenizer.chat_template, dict) else templates[""]


def _literal(value: Any) -> str:
    """A value in Jinja, which reads JSON but for one word."""
    return "none" if value is None else json.dumps(value)


def parse_option(text: str) -> tuple[str, Any]:
    """``name=value``; the value as JSON, or as the text it is.

    Raises:
        InputError: no such form, or a list or an object.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise InputError(f"{text!r} is no argument of a chat template", "write it as name=value")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    if isinstance(parsed, (list, dict)):
        raise InputError(f"{text!r} is a list or an object", "give a number, true, false, null or a text")
    return name.strip(), parsed


def _templates(tokenizer: "PreTrainedTokenizerBase") -> dict[str, str]:
    template = tokenizer.chat_template
    return template if isinstance(template, dict) else {} if template is None else {"": template}
