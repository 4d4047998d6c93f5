"""Operations on words, sentences and passages: their looks, their parts."""

from t2l.procedural.parts import Operation, Sample, operation

_TEXTS = "sentence title passage review"
_VOWELS = set("aeiouAEIOU")


def _word_at(index: int):
    def apply(s: Sample) -> str | None:
        tokens = s.text.rstrip(".!").split()
        return tokens[index] if len(tokens) > max(index, 2) else None

    return apply


def _swap_case_of_first(s: Sample) -> str:
    return s.text[0].upper() + s.text[1:]


_ROWS = (
    ("upper", f"{_TEXTS} full_name words names", lambda s: s.text.upper(), "whole",
        "write the {thing} in upper case; convert the {thing} to capital letters "
        "|| capitalise every letter of the {thing}",
        "the {thing} in upper case; the {thing} in capital letters || the {thing} with all letters capitalised"),
    ("lower", f"{_TEXTS} full_name cities", lambda s: s.text.lower(), "whole",
        "write the {thing} in lower case; convert the {thing} to small letters "
        "|| remove all capitals from the {thing} by making them small",
        "the {thing} in lower case; the {thing} in small letters || the {thing} without capital letters"),
    ("title_case", "sentence title words", lambda s: s.text.title() if "'" not in s.text else None, "whole",
        "capitalise the first letter of each word; write the {thing} in title case "
        "|| let every word of the {thing} begin with a capital",
        "the {thing} in title case; the {thing} with each word capitalised "
        "|| the {thing} with every word beginning in a capital"),
    ("sentence_case", "title words", _swap_case_of_first, "whole",
        "capitalise only the first letter of the {thing}; write the {thing} with a capital at the start "
        "|| begin the {thing} with a capital letter and change nothing else",
        "the {thing} with only its first letter capitalised; the {thing} with a capital at the start "
        "|| the {thing} beginning with a capital, otherwise unchanged"),
    ("snake_case", "title sentence", lambda s: s.text.rstrip(".").lower().replace(" ", "_"), "whole",
        "write the {thing} in snake_case; convert the {thing} to lower case with underscores for spaces "
        "|| make the {thing} a snake_case identifier",
        "the {thing} in snake_case; the {thing} in lower case with underscores for spaces "
        "|| a snake_case identifier for the {thing}"),
    ("kebab_case", "title sentence", lambda s: s.text.rstrip(".").lower().replace(" ", "-"), "whole",
        "write the {thing} in kebab-case; convert the {thing} to lower case with hyphens for spaces "
        "|| make the {thing} a kebab-case slug",
        "the {thing} in kebab-case; the {thing} in lower case with hyphens for spaces "
        "|| a kebab-case slug for the {thing}"),
    ("constant_case", "title", lambda s: s.text.upper().replace(" ", "_"), "whole",
        "write the {thing} as a constant name in capitals with underscores; "
        "convert the {thing} to UPPER_CASE_WITH_UNDERSCORES || make the {thing} a CONSTANT_NAME",
        "the {thing} in capitals with underscores; the {thing} in UPPER_CASE_WITH_UNDERSCORES "
        "|| a CONSTANT_NAME for the {thing}"),
    ("pascal_case", "title", lambda s: s.text.title().replace(" ", ""), "whole",
        "write the {thing} in PascalCase; join the words of the {thing} with each word capitalised "
        "|| make the {thing} a PascalCase class name",
        "the {thing} in PascalCase; the words of the {thing} capitalised and joined "
        "|| a PascalCase class name for the {thing}"),
    ("acronym", "title", lambda s: "".join(word[0] for word in s.value).upper(), "whole",
        "form the acronym of the {thing}; join the first letters of the words as capitals "
        "|| shorten the {thing} to its initials in capitals",
        "the acronym of the {thing}; the first letters of the words, joined as capitals "
        "|| the capital initials of the {thing}"),
    ("quote", f"{_TEXTS} full_name", lambda s: f'"{s.text}"', "verbatim",
        "put the {thing} in double quotes; repeat the {thing} between double quotation marks "
        "|| enclose the {thing} in double quotes",
        "the {thing} in double quotes; the {thing} between double quotation marks "
        "|| the {thing} enclosed in double quotes"),
    ("parenthesise", f"{_TEXTS} full_name email", lambda s: f"({s.text})", "verbatim",
        "put the {thing} in round brackets; repeat the {thing} between parentheses "
        "|| enclose the {thing} in parentheses",
        "the {thing} in round brackets; the {thing} between parentheses || the {thing} enclosed in parentheses"),
    ("repeat", f"{_TEXTS} word number email", lambda s: s.text, "verbatim",
        "repeat the {thing} exactly; copy the {thing} unchanged || echo the {thing} word for word",
        "the {thing}, unchanged; an exact copy of the {thing} || the very same {thing}"),
    ("prefix_note", f"{_TEXTS} note", lambda s: f"Note: {s.text}", "verbatim",
        'put "Note: " in front of the {thing}; repeat the {thing} with "Note: " before it '
        '|| open with "Note: " and then copy the {thing}',
        'the {thing} with "Note: " in front; "Note: " followed by the {thing} || "Note: " and then the {thing}'),
    ("suffix_end", f"{_TEXTS} note", lambda s: f"{s.text} END", "verbatim",
        'add the word "END" after the {thing}; repeat the {thing} with " END" behind it '
        '|| copy the {thing} and finish with " END"',
        'the {thing} followed by "END"; the {thing} with " END" behind it '
        '|| a copy of the {thing} that finishes with " END"'),
    ("exclaim", "sentence", lambda s: s.text[:-1] + "!", "whole",
        "replace the full stop with an exclamation mark; end the {thing} with an exclamation mark "
        "|| make the {thing} an exclamation by its final mark",
        "the {thing} with an exclamation mark for the full stop; the {thing} ending in an exclamation mark "
        "|| the {thing} as an exclamation"),
    ("unstop", "sentence foreign", lambda s: s.text[:-1], "whole",
        "remove the full stop; repeat the {thing} without its full stop || drop the final dot of the {thing}",
        "the {thing} without its full stop; the {thing} with the full stop removed || the {thing} minus the final dot"),
    ("add_stop", "title words", lambda s: s.text + ".", "whole",
        "add a full stop at the end; end the {thing} with a full stop || put a dot behind the {thing}",
        "the {thing} with a full stop at the end; the {thing} ending in a full stop "
        "|| the {thing} with a dot behind it"),
    ("no_spaces", "title", lambda s: s.text.replace(" ", ""), "whole",
        "remove the spaces; write the words of the {thing} without spaces || push the words of the {thing} together",
        "the {thing} without spaces; the {thing} with the spaces removed || the words of the {thing} pushed together"),
    ("first_word", f"{_TEXTS} message foreign", _word_at(0), "text",
        "pick the first word of the {thing}; write the word the {thing} starts with "
        "|| take the opening word of the {thing}",
        "the first word of the {thing}; the word the {thing} starts with || the opening word of the {thing}"),
    ("last_word", "sentence title passage", _word_at(-1), "text",
        "pick the last word of the {thing}; write the word the {thing} ends with "
        "|| take the closing word of the {thing}",
        "the last word of the {thing}; the word the {thing} ends with || the closing word of the {thing}"),
    ("second_word", f"{_TEXTS} foreign", _word_at(1), "text",
        "pick the second word of the {thing}; write the second word in the {thing} "
        "|| take word number two of the {thing}",
        "the second word of the {thing}; the word after the first in the {thing} || word number two of the {thing}"),
    ("third_word", f"{_TEXTS} foreign", _word_at(2), "text",
        "pick the third word of the {thing}; write the third word in the {thing} "
        "|| take word number three of the {thing}",
        "the third word of the {thing}; the word in third place of the {thing} || word number three of the {thing}"),
    ("count_words", "sentence title foreign", lambda s: str(len(s.text.split())), "number",
        "count the words of the {thing}; count how many words the {thing} has || tell the word count of the {thing}",
        "the number of words of the {thing}; how many words the {thing} has, as a number "
        "|| the word count of the {thing}"),
    ("words_listed", "sentence title foreign", lambda s: s.text.rstrip(".").split(), "list",
        "split the {thing} into its words; list the words of the {thing} || take the {thing} apart word by word",
        "the words of the {thing}; the single words of the {thing} || the {thing} taken apart word by word"),
    ("reverse_words", "sentence title", lambda s: s.text.rstrip(".").split()[::-1], "list",
        "reverse the word order of the {thing}; write the words of the {thing} from last to first "
        "|| turn the word order of the {thing} around",
        "the words of the {thing} in reverse order; the words of the {thing} from last to first "
        "|| the {thing} with its word order turned around"),
    ("first_sentence", "passage", lambda s: s.value[0], "whole",
        "pick the first sentence of the {thing}; write the first sentence of the {thing} "
        "|| take the opening sentence of the {thing}",
        "the first sentence of the {thing}; only the first sentence of the {thing} "
        "|| the opening sentence of the {thing}"),
    ("last_sentence", "passage", lambda s: s.value[-1], "whole",
        "pick the last sentence of the {thing}; write the last sentence of the {thing} "
        "|| take the closing sentence of the {thing}",
        "the last sentence of the {thing}; only the last sentence of the {thing} "
        "|| the closing sentence of the {thing}"),
    ("count_sentences", "passage", lambda s: str(len(s.value)), "number",
        "count the sentences of the {thing}; count how many sentences the {thing} has "
        "|| tell the sentence count of the {thing}",
        "the number of sentences of the {thing}; how many sentences the {thing} has, as a number "
        "|| the sentence count of the {thing}"),
    ("first_letter", "word verb noun foreign full_name", lambda s: s.text[0], "text",
        "write the first letter of the {thing}; pick the letter the {thing} starts with "
        "|| take the opening letter of the {thing}",
        "the first letter of the {thing}; the letter the {thing} starts with || the opening letter of the {thing}"),
    ("last_letter", "word verb noun full_name", lambda s: s.text[-1], "text",
        "write the last letter of the {thing}; pick the letter the {thing} ends with "
        "|| take the closing letter of the {thing}",
        "the last letter of the {thing}; the letter the {thing} ends with || the closing letter of the {thing}"),
    ("letter_count", "word verb noun", lambda s: str(len(s.text)) if " " not in s.text else None, "number",
        "count the letters of the {thing}; count how many letters the {thing} has "
        "|| tell the letter count of the {thing}",
        "the number of letters of the {thing}; how many letters the {thing} has, as a number "
        "|| the letter count of the {thing}"),
    ("no_vowels", "word noun", lambda s: "".join(c for c in s.text if c not in _VOWELS), "whole",
        "remove the vowels from the {thing}; write the {thing} without vowels "
        "|| drop every a, e, i, o and u of the {thing}",
        "the {thing} without vowels; the consonants of the {thing}, joined "
        "|| the {thing} minus every a, e, i, o and u"),
    ("spell", "word verb noun", lambda s: "-".join(s.text), "whole",
        "spell the {thing} with hyphens between the letters; separate the letters of the {thing} with hyphens "
        "|| put a hyphen between all letters of the {thing}",
        "the letters of the {thing} separated by hyphens; the {thing} spelled with hyphens "
        "|| the {thing} with a hyphen between all letters"),
)  # fmt: skip

#: Operations on texts; ``verbatim`` ones have the plain format only.
TEXT_OPERATIONS: tuple[Operation, ...] = tuple(
    operation(kind, sources, apply, actions, results, form) for kind, sources, apply, form, actions, results in _ROWS
)
