"""Operations on lists of words, names and numbers."""

from collections import Counter

from t2l.procedural.parts import Operation, Sample, operation

_WORDS = "words names groceries cities colours"


def _unique(candidates: list) -> str | None:
    """The only candidate, as text; None if several qualify."""
    return str(candidates[0]) if len(candidates) == 1 else None


def _longest(s: Sample, pick: type(max) = max) -> str | None:
    length = pick(map(len, s.value))
    return _unique([item for item in s.value if len(item) == length])


def _starting(s: Sample, letters: str) -> list[str] | None:
    kept = [item for item in s.value if item[0].lower() in letters]
    return kept if 0 < len(kept) < len(s.value) else None


def _most_common(s: Sample) -> str | None:
    top = Counter(s.value).most_common()
    return top[0][0] if len(top) == 1 or top[0][1] > top[1][1] else None


def _kept(s: Sample, keep: list) -> list[str] | None:
    """The kept part of a list as text, None if nothing is kept or nothing left out."""
    return [str(item) for item in keep] if 0 < len(keep) < len(s.value) else None


_ROWS = (
    ("sort_az", _WORDS, lambda s: sorted(s.value, key=str.lower), "list",
        "sort the {items} alphabetically; put the {items} in alphabetical order || arrange the {items} from A to Z",
        "the {items} in alphabetical order; the alphabetically sorted {items} || the {items} ordered from A to Z"),
    ("sort_za", _WORDS, lambda s: sorted(s.value, key=str.lower, reverse=True), "list",
        "sort the {items} in reverse alphabetical order; put the {items} in order from Z to A "
        "|| arrange the {items} backwards through the alphabet",
        "the {items} in reverse alphabetical order; the {items} sorted from Z to A "
        "|| the {items} with Z first and A last"),
    ("sort_length", "words groceries",
        lambda s: sorted(s.value, key=len) if len(set(map(len, s.value))) == len(s.value) else None, "list",
        "sort the {items} by length, shortest first; order the {items} from shortest to longest "
        "|| arrange the {items} by growing length",
        "the {items} from shortest to longest; the {items} sorted by length || the {items} by growing length"),
    ("reverse_list", f"{_WORDS} numbers", lambda s: [str(item) for item in reversed(s.value)], "list",
        "reverse the order of the {items}; write the {items} in reverse order || turn the order of the {items} around",
        "the {items} in reverse order; the {items} from last to first || the {items} with the order turned around"),
    ("first", f"{_WORDS} numbers", lambda s: str(s.value[0]), "text",
        "pick the first {item}; write the {item} at the start of the {thing} || take the {item} that comes first",
        "the first {item}; the {item} at the start of the {thing} || the {item} that opens the {thing}"),
    ("last", f"{_WORDS} numbers", lambda s: str(s.value[-1]), "text",
        "pick the last {item}; write the {item} at the end of the {thing} || take the {item} that comes last",
        "the last {item}; the {item} at the end of the {thing} || the {item} that closes the {thing}"),
    ("second", f"{_WORDS} numbers", lambda s: str(s.value[1]), "text",
        "pick the second {item}; write the {item} in second place || take {item} number two",
        "the second {item}; the {item} in second place || {item} number two"),
    ("third", _WORDS, lambda s: str(s.value[2]), "text",
        "pick the third {item}; write the {item} in third place || take {item} number three",
        "the third {item}; the {item} in third place || {item} number three"),
    ("before_last", f"{_WORDS} numbers", lambda s: str(s.value[-2]), "text",
        "pick the {item} before the last one; write the second to last {item} "
        "|| take the {item} just ahead of the final one",
        "the {item} before the last; the second to last {item} || the {item} next to the final one"),
    ("longest", _WORDS, _longest, "text",
        "find the longest {item}; pick the {item} with the most letters || take the {item} of greatest length",
        "the longest {item}; the {item} with the most letters || the {item} of greatest length"),
    ("shortest", _WORDS, lambda s: _longest(s, min), "text",
        "find the shortest {item}; pick the {item} with the fewest letters || take the {item} of smallest length",
        "the shortest {item}; the {item} with the fewest letters || the {item} of smallest length"),
    ("alphabet_first", _WORDS, lambda s: min(s.value, key=str.lower), "text",
        "find the {item} that comes first in the alphabet; pick the alphabetically first {item} "
        "|| take the {item} a dictionary lists earliest",
        "the alphabetically first {item}; the {item} that comes first in the alphabet "
        "|| the {item} a dictionary lists earliest"),
    ("count", f"{_WORDS} tags numbers", lambda s: str(len(s.value)), "number",
        "count the {items}; count how many {items} there are || tell how long the {thing} is in {items}",
        "the number of {items}; how many {items} there are, as a number || the count of {items}"),
    ("drop_first", f"{_WORDS} numbers", lambda s: [str(item) for item in s.value[1:]], "list",
        "remove the first {item}; leave out the first {item} || drop the {item} that comes first",
        "the {items} without the first; all {items} but the first || everything after the opening {item}"),
    ("drop_last", f"{_WORDS} numbers", lambda s: [str(item) for item in s.value[:-1]], "list",
        "remove the last {item}; leave out the last {item} || drop the {item} that comes last",
        "the {items} without the last; all {items} but the last || everything ahead of the final {item}"),
    ("first_two", _WORDS, lambda s: s.value[:2], "list",
        "keep only the first two {items}; pick the first two {items} || take the opening pair of {items}",
        "the first two {items}; only the first two {items} || the opening pair of {items}"),
    ("last_two", _WORDS, lambda s: s.value[-2:], "list",
        "keep only the last two {items}; pick the last two {items} || take the closing pair of {items}",
        "the last two {items}; only the last two {items} || the closing pair of {items}"),
    ("ends", _WORDS, lambda s: [s.value[0], s.value[-1]], "list",
        "pick the first and the last {item}; keep only the first and last {item} || take the {items} at both ends",
        "the first and the last {item}; only the first and last {item} || the {items} at both ends"),
    ("swap_ends", _WORDS, lambda s: [s.value[-1], *s.value[1:-1], s.value[0]], "list",
        "swap the first and the last {item}; exchange the first {item} and the last {item} "
        "|| let the two outer {items} trade places",
        "the {items} with the first and last swapped; the {thing} with its first and last {item} exchanged "
        "|| the {items} after the outer two trade places"),
    ("rotate", _WORDS, lambda s: [*s.value[1:], s.value[0]], "list",
        "move the first {item} to the end; put the first {item} last || send the opening {item} to the back",
        "the {items} with the first moved to the end; the {items} with the first put last "
        "|| the {items} after the opening one went to the back"),
    ("dedupe", "tags", lambda s: list(dict.fromkeys(s.value)), "list",
        "remove the duplicate {items}; keep each {item} only once || strike out every repeated {item}",
        "the {items} without duplicates; the distinct {items} in order || each {item} a single time"),
    ("most_common", "tags", _most_common, "text",
        "find the most frequent {item}; pick the {item} that occurs most often "
        "|| take the {item} that is repeated most",
        "the most frequent {item}; the {item} that occurs most often || the {item} repeated most"),
    ("count_distinct", "tags", lambda s: str(len(set(s.value))), "number",
        "count the different {items}; count the {items} without repetitions "
        "|| tell how many distinct {items} there are",
        "the number of different {items}; how many different {items} there are, as a number "
        "|| the count of distinct {items}"),
    ("start_vowel", "words names cities groceries", lambda s: _starting(s, "aeiou"), "list",
        "keep only the {items} that start with a vowel; pick the {items} with a vowel as first letter "
        "|| filter for {items} whose first letter is a, e, i, o or u",
        "the {items} that start with a vowel; only the {items} with a vowel as first letter "
        "|| the {items} opening with a, e, i, o or u"),
    ("start_early", "words names cities groceries", lambda s: _starting(s, "abcdefghijklm"), "list",
        "keep only the {items} that start with a letter from A to M; "
        "pick the {items} from the first half of the alphabet "
        "|| filter for {items} with a first letter no later than M",
        "the {items} that start with a letter from A to M; the {items} from the first half of the alphabet "
        "|| the {items} with a first letter no later than M"),
    ("initials", "words names cities groceries", lambda s: [item[0] for item in s.value], "list",
        "write the first letter of each {item}; take the first letter of every {item} "
        "|| reduce each {item} to its opening letter",
        "the first letter of each {item}; the first letters of the {items} "
        "|| each {item} cut down to its opening letter"),
    ("lengths", "words names colours", lambda s: [str(len(item)) for item in s.value], "list",
        "count the letters of each {item}; write how many letters each {item} has "
        "|| replace every {item} with its length",
        "the number of letters of each {item}; the letter counts of the {items} || each {item} replaced by its length"),
    ("and_list", _WORDS, lambda s: f"{', '.join(s.value[:-1])} and {s.value[-1]}", "whole",
        'write the {items} as a phrase with commas and "and" before the last; list the {items} like "a, b and c" '
        '|| phrase the {thing} in the style "a, b and c"',
        'the {items} in a phrase like "a, b and c"; the {items} with commas, and "and" before the last '
        '|| the {thing} in the style "a, b and c"'),
    ("plus_join", _WORDS, lambda s: " + ".join(s.value), "whole",
        "join the {items} with plus signs; connect the {items} with \" + \" "
        "|| glue the {items} together with + in between",
        "the {items} joined with plus signs; the {items} connected with \" + \" || the {items} with + in between"),
    ("dash_join", _WORDS, lambda s: "-".join(s.value), "whole",
        "join the {items} with hyphens; connect the {items} with hyphens and without spaces "
        "|| glue the {items} together with - in between",
        "the {items} joined with hyphens; the {items} connected by hyphens, no spaces "
        "|| the {items} with - in between"),
    ("relist", _WORDS, lambda s: list(s.value), "list",
        "write out the {items} again; list the {items} || set down the {items} once more",
        "the {items}; the {items} in their order || the same {items}"),
    ("largest", "numbers", lambda s: str(max(s.value)), "number",
        "find the largest number; pick the highest number || take the number that exceeds the others",
        "the largest number; the highest number || the number that exceeds the others"),
    ("smallest", "numbers", lambda s: str(min(s.value)), "number",
        "find the smallest number; pick the lowest number || take the number below all the others",
        "the smallest number; the lowest number || the number below all the others"),
    ("sum", "numbers", lambda s: str(sum(s.value)), "number",
        "add up the numbers; compute the sum of the numbers || total the numbers",
        "the sum of the numbers; the numbers added up || the total"),
    ("ascending", "numbers", lambda s: [str(n) for n in sorted(s.value)], "list",
        "sort the numbers from smallest to largest; put the numbers in ascending order "
        "|| arrange the numbers so that they grow",
        "the numbers from smallest to largest; the numbers in ascending order || the numbers so that they grow"),
    ("descending", "numbers", lambda s: [str(n) for n in sorted(s.value, reverse=True)], "list",
        "sort the numbers from largest to smallest; put the numbers in descending order "
        "|| arrange the numbers so that they shrink",
        "the numbers from largest to smallest; the numbers in descending order || the numbers so that they shrink"),
    ("even_only", "numbers", lambda s: _kept(s, [n for n in s.value if n % 2 == 0]), "list",
        "keep only the even numbers; pick the even numbers || filter for numbers divisible by two",
        "the even numbers; only the even numbers || the numbers divisible by two"),
    ("odd_only", "numbers", lambda s: _kept(s, [n for n in s.value if n % 2]), "list",
        "keep only the odd numbers; pick the odd numbers || filter for numbers not divisible by two",
        "the odd numbers; only the odd numbers || the numbers not divisible by two"),
    ("over_ten", "numbers", lambda s: _kept(s, [n for n in s.value if n > 10]), "list",
        "keep only the numbers greater than 10; pick the numbers above 10 || filter for numbers that exceed ten",
        "the numbers greater than 10; only the numbers above 10 || the numbers that exceed ten"),
    ("increment_all", "numbers", lambda s: [str(n + 1) for n in s.value], "list",
        "add 1 to each number; increase every number by 1 || raise all numbers by one",
        "each number plus 1; every number increased by 1 || all numbers raised by one"),
    ("double_all", "numbers", lambda s: [str(n * 2) for n in s.value], "list",
        "double each number; multiply every number by 2 || replace all numbers by twice their value",
        "each number doubled; every number times 2 || twice the value of all numbers"),
)  # fmt: skip

#: Operations on lists; ``relist`` makes sense only in a format of its own.
LIST_OPERATIONS: tuple[Operation, ...] = tuple(
    operation(kind, sources, apply, actions, results, form) for kind, sources, apply, form, actions, results in _ROWS
)
