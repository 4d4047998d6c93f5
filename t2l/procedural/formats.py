"""Output formats: how an answer is written, and how a description says so."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from t2l.procedural.parts import Phrases, phrases


@dataclass(frozen=True)
class Format:
    """A way to write an answer; ``how`` are adverbials ("in upper case"), none for the plain format."""

    name: str
    write: Callable[[str], str]
    how: Phrases


@dataclass(frozen=True)
class ListFormat:
    """A way to write an answer of several items."""

    name: str
    write: Callable[[list[str]], str]
    how: Phrases


PLAIN = Format("plain", str, phrases(""))

_WRAPS = (
    Format(
        "quoted",
        lambda text: f'"{text}"',
        phrases("in double quotes; between double quotation marks || enclosed in double quote characters"),
    ),
    Format(
        "answer",
        lambda text: f"Answer: {text}",
        phrases('after the prefix "Answer: "; starting with "Answer: " || with "Answer: " in front'),
    ),
    Format(
        "json",
        lambda text: json.dumps({"result": text}, ensure_ascii=False),
        phrases(
            'as JSON like {"result": "x"}; as a string in a JSON object under the key "result" '
            '|| in the form {"result": "..."}'
        ),
    ),
    Format(
        "brackets",
        lambda text: f"[{text}]",
        phrases("in square brackets; between [ and ] || surrounded by square brackets"),
    ),
    Format(
        "bold",
        lambda text: f"**{text}**",
        phrases("in Markdown bold; in bold with two asterisks on each side || with ** on both sides"),
    ),
    Format(
        "bullet",
        lambda text: f"- {text}",
        phrases('as a bullet that starts with "- "; after a dash and a space || with a dash and a space in front'),
    ),
    Format(
        "arrow",
        lambda text: f"=> {text}",
        phrases('after an arrow "=> "; starting with "=> " || with the arrow "=> " in front'),
    ),
    Format(
        "tagged",
        lambda text: f"<out>{text}</out>",
        phrases("inside <out> tags; between <out> and </out> || wrapped in an <out> element"),
    ),
    Format(
        "twice",
        lambda text: f"{text} {text}",
        phrases(
            "twice, with a space in between; two times in a row with a space between || repeated once after a space"
        ),
    ),
    Format(
        "done",
        lambda text: f"{text} (done)",
        phrases('followed by " (done)"; with " (done)" at the end || with the ending " (done)"'),
    ),
)
_CASES = (
    Format("upper", str.upper, phrases("in upper case; in capital letters || with every letter capitalised")),
    Format("lower", str.lower, phrases("in lower case; in small letters || without any capital letters")),
    Format(
        "spaced", " ".join, phrases("with a space between all characters; spelled out with spaces || letter by letter")
    ),
)
_LISTS = (
    ListFormat("lines", "\n".join, phrases("with one {item} per line; each on its own line || on separate lines")),
    ListFormat("commas", ", ".join, phrases("separated by commas; with a comma between them || comma-separated")),
    ListFormat(
        "semicolons", "; ".join, phrases("separated by semicolons; with semicolons between them || semicolon-separated")
    ),
    ListFormat("slashes", " / ".join, phrases("separated by slashes; with a slash between them || slash-separated")),
    ListFormat(
        "numbered",
        lambda items: "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1)),
        phrases('as a numbered list; as lines numbered "1.", "2." and so on || in a numbered list, one per line'),
    ),
    ListFormat(
        "bullets",
        lambda items: "\n".join(f"- {item}" for item in items),
        phrases("as a bulleted list with dashes; as a list with a dash before each {item} || in dashed bullet points"),
    ),
    ListFormat(
        "json_list",
        lambda items: json.dumps(items, ensure_ascii=False),
        phrases("as a JSON list of strings; as a JSON array of strings || in JSON, as an array of strings"),
    ),
    ListFormat(
        "uppercase_list",
        lambda items: ", ".join(items).upper(),
        phrases(
            "in capital letters, separated by commas; in upper case with commas between "
            "|| comma-separated and in capitals"
        ),
    ),
)

#: A changed input may be long, and is written once.
_SHORT_WRAPS = tuple(wrap for wrap in _WRAPS if wrap.name != "twice")

#: The formats that fit each form of answer, apart from the plain one.
FORMATS: dict[str, tuple[Format, ...]] = {"text": _CASES + _WRAPS, "number": _WRAPS, "whole": _SHORT_WRAPS}
LIST_FORMATS: tuple[ListFormat, ...] = _LISTS


def joined(separator: str) -> ListFormat:
    """The plain format of a list, separated like the input."""
    return ListFormat("plain", separator.join, phrases(""))
