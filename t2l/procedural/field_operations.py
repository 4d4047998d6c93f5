"""Operations that extract or rewrite the fields of records, names, addresses and notices."""

import json

from t2l.procedural.parts import Operation, Sample, operation

_RECORDS = "profile csv_row json_record"


def _field(key: str):
    return lambda s: s.value.get(key) or None


def _extraction(kind: str, key: str, what: str, sources: str, form: str = "text") -> tuple:
    """The row of a task that extracts a field; ``what`` is what a description calls it."""
    return (
        kind, sources, _field(key), form,
        f"extract {what} from the {{thing}}; find {what} in the {{thing}} || pull {what} out of the {{thing}}",
        f"{what} in the {{thing}}; {what} that stands in the {{thing}} || {what} contained in the {{thing}}",
    )  # fmt: skip


def _name(s: Sample) -> str:
    """The full name in a record, or the input if it is a name."""
    return s.text if isinstance(s.value, tuple) else s.value["name"]


def _works_as(s: Sample) -> str | None:
    job = s.value["job"]
    return None if job[0] in "aeiou" else f"{s.value['name']} works as a {job}."


def _initials(s: Sample) -> str:
    return "".join(f"{part[0]}." for part in s.value)


_ROWS = (
    _extraction("get_name", "name", "the name", f"{_RECORDS} contact ticket message"),
    _extraction("get_city", "city", "the city", f"{_RECORDS} contact"),
    _extraction("get_job", "job", "the job", _RECORDS),
    _extraction("get_age", "age", "the age", "profile csv_row", "number"),
    _extraction("get_email", "email", "the mail address", "contact"),
    _extraction("get_phone", "phone", "the phone number", "contact"),
    _extraction("get_date", "date", "the date", "contact"),
    _extraction("get_number", "number", "the customer number", "ticket", "number"),
    _extraction("get_product", "product", "the product", "product_sheet"),
    _extraction("get_colour", "colour", "the colour", "product_sheet"),
    _extraction("get_material", "material", "the material", "product_sheet"),
    _extraction("get_price", "price", "the price, as a bare number,", "product_sheet", "number"),
    _extraction("get_thing", "thing", "the kind of thing under review", "review"),
    _extraction("get_weekday", "weekday", "the weekday", "note"),
    _extraction("get_month", "month", "the month", "note"),
    _extraction("get_event", "event", "the event", "note"),
    _extraction("get_room", "room", "the room number", "note", "number"),
    _extraction("get_remark", "inner", "the text within brackets", "bracketed"),
    ("drop_remark", "bracketed", lambda s: s.value["rest"], "whole",
        "remove the remark in brackets together with its brackets; "
        "write the sentence without the part in brackets || cut out the bracketed part of the sentence",
        "the sentence without the part in brackets; the sentence with the bracketed remark removed "
        "|| the sentence after cutting its brackets and what they hold"),
    ("keys", "profile product_sheet json_record", lambda s: list(s.value), "list",
        "list the field names of the {thing}; write only the keys of the {thing} "
        "|| name the fields of the {thing} without their values",
        "the field names of the {thing}; only the keys of the {thing} "
        "|| the fields of the {thing} without their values"),
    ("values", "profile product_sheet json_record", lambda s: list(s.value.values()), "list",
        "list the values of the {thing}; write only the values of the {thing}, without the keys "
        "|| strip the field names from the {thing}",
        "the values of the {thing}; only the values of the {thing}, without the keys "
        "|| what remains of the {thing} without field names"),
    ("first_value", "profile product_sheet json_record", lambda s: next(iter(s.value.values())), "text",
        "pick the first value of the {thing}; write the value of the first field of the {thing} "
        "|| take whatever value stands first in the {thing}",
        "the first value of the {thing}; the value of the first field of the {thing} "
        "|| the value that stands first in the {thing}"),
    ("to_json", "profile product_sheet", lambda s: json.dumps(s.value), "verbatim",
        "convert the {thing} to JSON; rewrite the {thing} as a JSON object || turn the {thing} into JSON",
        "the {thing} as JSON; a JSON object with the fields of the {thing} || the JSON form of the {thing}"),
    ("to_lines", "profile csv_row json_record", lambda s: "\n".join(f"{k}: {v}" for k, v in s.value.items()),
        "verbatim",
        'write the {thing} as lines of the form "key: value"; '
        'put each field of the {thing} on a line like "key: value" '
        '|| lay out the {thing} with a "key: value" line per field',
        'the {thing} as lines of the form "key: value"; each field of the {thing} on a line like "key: value" '
        '|| one "key: value" line per field of the {thing}'),
    ("job_and_city", _RECORDS, lambda s: f"{s.value['job']} in {s.value['city']}", "whole",
        'write the job and the city as "<job> in <city>"; '
        'state job and city of the {thing} in the form "<job> in <city>" '
        '|| summarise the {thing} as "<job> in <city>"',
        'job and city in the form "<job> in <city>"; the job, the word "in" and the city '
        '|| a summary like "<job> in <city>"'),
    ("name_and_city", _RECORDS, lambda s: f"{s.value['name']} ({s.value['city']})", "whole",
        'write the name with the city in parentheses behind it; state name and city in the form "<name> (<city>)" '
        '|| summarise the {thing} as "<name> (<city>)"',
        'the name with the city in parentheses; name and city in the form "<name> (<city>)" '
        '|| a summary like "<name> (<city>)"'),
    ("lives_in", _RECORDS, lambda s: f"{s.value['name']} lives in {s.value['city']}.", "verbatim",
        'write the sentence "<name> lives in <city>."; '
        'turn the {thing} into a sentence like "<name> lives in <city>." '
        '|| say in the form "<name> lives in <city>." where the person is at home',
        'a sentence of the form "<name> lives in <city>."; the sentence "<name> lives in <city>." filled in '
        '|| the place of living as "<name> lives in <city>."'),
    ("is_a", _RECORDS, _works_as, "verbatim",
        'write the sentence "<name> works as a <job>."; '
        'turn the {thing} into a sentence like "<name> works as a <job>." '
        '|| say in the form "<name> works as a <job>." what the person does',
        'a sentence of the form "<name> works as a <job>."; the sentence "<name> works as a <job>." filled in '
        '|| the occupation as "<name> works as a <job>."'),
    ("greet", f"{_RECORDS} full_name ticket message", lambda s: f"Hello {_name(s).split()[0]}!", "verbatim",
        'greet the person with "Hello <first name>!"; write "Hello", the first name and an exclamation mark '
        '|| say hello by first name, as in "Hello Tom!"',
        'the greeting "Hello <first name>!"; "Hello" with the first name and an exclamation mark '
        '|| a greeting by first name like "Hello Tom!"'),
    ("first_name", "full_name profile csv_row", lambda s: _name(s).split()[0], "text",
        "extract the first name from the {thing}; write only the given name found in the {thing} "
        "|| take the forename from the {thing}",
        "the first name in the {thing}; only the given name found in the {thing} || the forename from the {thing}"),
    ("last_name", "full_name profile csv_row", lambda s: _name(s).split()[1], "text",
        "extract the last name from the {thing}; write only the family name found in the {thing} "
        "|| take the surname from the {thing}",
        "the last name in the {thing}; only the family name found in the {thing} || the surname from the {thing}"),
    ("last_first", "full_name", lambda s: f"{s.value[1]}, {s.value[0]}", "whole",
        "write the last name, a comma and the first name; put the name in the form \"<last>, <first>\" "
        "|| rewrite the name with the surname leading, as in a phone book",
        "the last name, a comma and the first name; the name in the form \"<last>, <first>\" "
        "|| the name as a phone book prints it, \"<last>, <first>\""),
    ("name_initials", "full_name", _initials, "whole",
        'write the initials with a dot after each, without spaces; reduce the name to initials like "A.B." '
        '|| shorten both names to a letter and a dot',
        'the initials with a dot after each, without spaces; the initials in the form "A.B." '
        '|| a letter and a dot for both names'),
    ("short_name", "full_name", lambda s: f"{s.value[0][0]}. {s.value[1]}", "whole",
        'shorten the first name to its initial and a dot; write the name in the form "A. Smith" '
        '|| keep the surname and only an initial of the forename',
        'the name with the first name as an initial; the name in the form "A. Smith" '
        '|| an initial with a dot, then the surname'),
    ("username", "full_name", lambda s: (s.value[0][0] + s.value[1]).lower(), "whole",
        "make a user name from the first initial and the last name in lower case; "
        "join first initial and last name, all in small letters || build a login like jsmith from the name",
        "the first initial and the last name joined in lower case; a user name like jsmith "
        "|| a login like jsmith built from the name"),
    ("formal_name", "full_name", lambda s: f"Dr. {s.value[1]}", "whole",
        'address the person with "Dr." and the last name; write "Dr." and the family name '
        '|| call the person "Dr." plus surname',
        '"Dr." and the last name; the title "Dr." with the family name || "Dr." plus surname'),
    ("mail_user", "email", lambda s: s.value[0], "text",
        "write the part of the mail address before the @; extract the user name from the mail address "
        "|| cut off the @ and all that follows",
        "the part before the @; the user name of the mail address "
        "|| what remains when the @ and all behind it are cut"),
    ("mail_domain", "email", lambda s: s.value[1], "text",
        "write the part of the mail address after the @; extract the domain from the mail address "
        "|| cut off the @ and all that precedes it",
        "the part after the @; the domain of the mail address || what remains when the @ and all ahead of it are cut"),
    ("mail_masked", "email", lambda s: f"***@{s.value[1]}", "whole",
        "replace the part before the @ with three asterisks; mask the user name of the mail address as *** "
        "|| hide what stands ahead of the @ behind ***",
        "the mail address with *** before the @; the mail address with its user name masked as *** "
        "|| the address with *** for what stands ahead of the @"),
    ("extension", "file_name", lambda s: s.value[1], "text",
        "write the extension of the file name, without the dot; extract the part after the dot "
        "|| cut the file name down to its extension, no dot",
        "the extension without the dot; the part after the dot || the bare extension of the file"),
    ("stem", "file_name", lambda s: s.value[0], "text",
        "remove the extension from the file name; write the file name up to the dot "
        "|| cut the dot and the extension off",
        "the file name without its extension; the part before the dot || the bare name with dot and extension cut off"),
    ("to_pdf", "file_name", lambda s: f"{s.value[0]}.pdf", "whole",
        "change the extension to pdf; replace the part after the dot with pdf "
        "|| rename the file so that it ends in .pdf",
        "the file name with the extension pdf; the file name with pdf after the dot "
        "|| the file renamed to end in .pdf"),
    ("first_speaker", "dialogue", lambda s: s.value["speakers"][0], "text",
        "name the first speaker; write who speaks first || tell whose line opens the dialogue",
        "the name of the first speaker; who speaks first || the name of whoever opens the dialogue"),
    ("second_speaker", "dialogue", lambda s: s.value["speakers"][1], "text",
        "name the second speaker; write who speaks last || tell whose line closes the dialogue",
        "the name of the second speaker; who speaks last || the name of whoever closes the dialogue"),
    ("first_line", "dialogue", lambda s: s.value["lines"][0], "whole",
        "write what the first speaker says, without the name; repeat the first line without its speaker "
        "|| quote the opening line but not who says it",
        "what the first speaker says, without the name; the first line without its speaker "
        "|| the opening line, not who says it"),
    ("last_line", "dialogue", lambda s: s.value["lines"][1], "whole",
        "write what the second speaker says, without the name; repeat the last line without its speaker "
        "|| quote the closing line but not who says it",
        "what the second speaker says, without the name; the last line without its speaker "
        "|| the closing line, not who says it"),
    ("winner", "score", lambda s: s.value[0] if s.value[1] > s.value[2] else s.value[3], "text",
        "name the team that won; write the winner of the match || tell which team scored more",
        "the team that won; the winner of the match || the team that scored more"),
    ("loser", "score", lambda s: s.value[3] if s.value[1] > s.value[2] else s.value[0], "text",
        "name the team that lost; write the loser of the match || tell which team scored less",
        "the team that lost; the loser of the match || the team that scored less"),
    ("home_team", "score", lambda s: s.value[0], "text",
        "name the team that stands first; write the first team || tell which team is on the left",
        "the team that stands first; the first team || the team on the left"),
    ("total_goals", "score", lambda s: str(s.value[1] + s.value[2]), "number",
        "add the goals of both teams; count all goals of the match || tell how many goals fell in all",
        "the goals of both teams added; the number of all goals || the goals in all"),
)  # fmt: skip

#: Operations on the fields of records.
FIELD_OPERATIONS: tuple[Operation, ...] = tuple(
    operation(kind, sources, apply, actions, results, form) for kind, sources, apply, form, actions, results in _ROWS
)
