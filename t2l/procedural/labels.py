"""Classification: choices from a closed set of labels, each with several sets of label words."""

from t2l.procedural import knowledge
from t2l.procedural.parts import Choice, Sample, choice

_TENSES = ("past", "present", "future")
_PERSONS = ("first", "second", "third")
_TOPICS = ("billing", "shipping", "login", "returns")
_INTENTS = ("question", "complaint", "praise", "request")
_FILE_TYPES = (("png", "jpg"), ("pdf", "txt", "docx", "xlsx", "csv"), ("py", "html", "json"))
_DOMAINS = ("food", "gadget", "film", "hotel", "app")


def _flag(key: str):
    """Class 0 if the input has the attribute, class 1 if not."""
    return lambda s: 0 if s.value[key] else 1


def _index(key: str, classes: tuple[str, ...]):
    return lambda s: classes.index(s.value[key])


def _has_digit(s: Sample) -> int:
    return 0 if any(c.isdigit() for c in s.text) else 1


def _is_kind(kind: str):
    return lambda s: 0 if s.value == kind else 1


def _compared(a: int, b: int) -> int | None:
    return None if a == b else int(a < b)


def _file_type(s: Sample) -> int | None:
    return next((index for index, extensions in enumerate(_FILE_TYPES) if s.value[1] in extensions), None)


def _list_size(s: Sample) -> int | None:
    """Long lists, short ones, and in between lists that are neither."""
    return None if len(s.value) == 4 else int(len(s.value) < 4)


_ROWS = (
    ("sentiment", "review", _flag("liked"),
        "the sentiment of the review; the opinion in the review || the reviewer's verdict",
        ["the writer is satisfied; the review is favourable || the reviewer liked it",
         "the writer is dissatisfied; the review is unfavourable || the reviewer disliked it"],
        ["positive/negative", "good/bad", "?yes/no", "?1/0", "favourable/unfavourable", "?A/B",
         "happy/unhappy", "?+/-"]),
    ("review_domain", "review", _index("domain", _DOMAINS),
        "the kind of thing under review; the subject area of the review || the field that the review belongs to",
        ["it is about a dish; a meal is reviewed || somebody ate something",
         "it is about a device; a device is reviewed || somebody used a device",
         "it is about a film; a film is reviewed || somebody watched something",
         "it is about a place to stay; a hotel is reviewed || somebody stayed overnight",
         "it is about software; an app is reviewed || somebody used an app"],
        ["food/gadget/film/hotel/app", "restaurant/electronics/cinema/travel/software", "?1/2/3/4/5"]),
    ("review_named", "review", _flag("name"),
        "whether the review mentions a person by name; whether there is a person's name in the review "
        "|| whether somebody is named in the review",
        ["the review mentions a person by name; a person is named || somebody's name occurs",
         "no person is named; the review mentions nobody by name || nobody's name occurs"],
        ["named/nobody", "?yes/no", "?true/false"]),
    ("has_number", "review", _has_digit,
        "whether the {thing} contains digits; whether there is a number in digits in the {thing} "
        "|| whether the {thing} holds any digit",
        ["the {thing} contains a digit; there is a number in digits || some digit occurs",
         "the {thing} contains no digit; there is no number in digits || not one digit occurs"],
        ["number/none", "?yes/no", "?true/false", "?1/0"]),
    ("topic", "ticket", _index("topic", _TOPICS),
        "the topic of the support ticket; the department for the ticket || the team that should handle the ticket",
        ["it is about invoices or charges; money was charged || the bill is the issue",
         "it is about a delivery; a parcel is on its way || the transport is the issue",
         "it is about signing in; the customer cannot sign in || access is the issue",
         "something is to be sent back; the customer wants to return a product || sending back is the issue"],
        ["billing/shipping/login/returns", "finance/delivery/account/refund", "Accounting/Logistics/IT/Service",
         "?1/2/3/4", "?A/B/C/D"]),
    ("urgency", "ticket", _flag("urgent"),
        "the urgency of the ticket; how urgent the ticket is || the priority of the ticket",
        ["the customer presses for time; the ticket is urgent || it must be done at once",
         "the customer can wait; the ticket is not urgent || it may take a while"],
        ["urgent/normal", "high/low", "now/later", "?yes/no", "?1/0", "?red/green"]),
    ("intent", "message", _index("intent", _INTENTS),
        "the intent of the message; what kind of message it is || the purpose of the message",
        ["the writer asks for information; something is asked || the writer wants to know something",
         "the writer is unhappy with something; something is criticised || the writer is displeased",
         "the writer is pleased; something is praised || the writer is full of approval",
         "the writer wants something done; an action is wanted || the writer asks for a deed"],
        ["question/complaint/praise/request", "ask/blame/thanks/order", "?Q/C/P/R", "?1/2/3/4"]),
    ("register", "message", _flag("formal"),
        "the register of the message; the style of the message || the tone of the writing",
        ["it is written formally; the wording is polite and official || the style is that of a letter",
         "it is written casually; the wording is casual || the style is that of a chat"],
        ["formal/informal", "official/casual", "?yes/no", "stiff/relaxed"]),
    ("is_question", "message", lambda s: 0 if s.value["intent"] == "question" else 1,
        "whether the message asks a question; whether there is a question in the message "
        "|| whether the writer asks something",
        ["the message asks a question; there is a question || the writer asks something",
         "the message asks nothing; there is no question || the writer asks nothing"],
        ["question/statement", "?yes/no", "?true/false"]),
    ("is_praise", "message", lambda s: 0 if s.value["intent"] == "praise" else 1,
        "whether the message praises something; whether the writer is pleased "
        "|| whether there is praise in the message",
        ["the message praises something; the writer is pleased || there is praise",
         "the message praises nothing; the writer gives no praise || praise is missing"],
        ["praise/other", "?yes/no", "?1/0"]),
    ("tense", "sentence", _index("tense", _TENSES),
        "the tense of the sentence; when the sentence takes place || the time that the verb points to",
        ["it tells of the past; the verb is in the past tense || it has already happened",
         "it tells of the present; the verb is in the present tense || it happens now",
         "it tells of the future; the verb is in the future tense || it is still to come"],
        ["past/present/future", "before/now/later", "yesterday/today/tomorrow", "?1/2/3"]),
    ("grammatical_person", "sentence", _index("person", _PERSONS),
        "the grammatical person of the subject; the person of the sentence's subject "
        "|| the person in which the sentence is told",
        ["the subject is I or we; the speaker acts || it is said of the speaker",
         "the subject is you; the person addressed acts || it is said of the listener",
         "the subject is he, she, they or a name; others act || it is said of others"],
        ["first/second/third", "?speaker/listener/other", "?1/2/3"]),
    ("sentence_named", "sentence", _flag("name"),
        "whether the sentence starts with a person's name; whether the subject is a named person "
        "|| whether the sentence has a named subject",
        ["it starts with a person's name; the subject has a name || a named person acts",
         "it does not start with a person's name; the subject is a pronoun || no named person acts"],
        ["name/pronoun", "?yes/no", "?Y/N"]),
    ("language", "foreign", lambda s: list(knowledge.LANGUAGES).index(s.value),
        "the language of the sentence; in which language the sentence is written || the tongue that the sentence is in",
        ["it is written in English; the words are English || an English speaker wrote it",
         "it is written in French; the words are French || a French speaker wrote it",
         "it is written in Spanish; the words are Spanish || a Spanish speaker wrote it",
         "it is written in German; the words are German || a German speaker wrote it"],
        ["English/French/Spanish/German", "en/fr/es/de", "?1/2/3/4", "England/France/Spain/Germany"]),
    ("is_english", "foreign", _is_kind("English"),
        "whether the sentence is English; whether the language of the sentence is English "
        "|| whether English is the language used",
        ["the sentence is English; the language is English || English is used",
         "the sentence is not English; the language is a foreign one || another tongue than English is used"],
        ["English/foreign", "?yes/no", "?true/false"]),
    ("is_animal", "thing", _is_kind("animal"),
        "whether the word names an animal; whether it is an animal || whether the word stands for an animal",
        ["the word names an animal; it is an animal || the word stands for an animal",
         "the word names something else; it is not an animal || the word stands for no animal"],
        ["animal/other", "?yes/no", "?true/false", "?1/0"]),
    ("is_country", "thing", _is_kind("country"),
        "whether the word names a country; whether it is a country || whether the word stands for a country",
        ["the word names a country; it is a country || the word stands for a country",
         "the word names something else; it is not a country || the word stands for no country"],
        ["country/other", "?yes/no", "?Y/N"]),
    ("is_fruit", "thing", _is_kind("fruit"),
        "whether the word names a fruit; whether it is a fruit || whether the word stands for a fruit",
        ["the word names a fruit; it is a fruit || the word stands for a fruit",
         "the word names something else; it is not a fruit || the word stands for no fruit"],
        ["fruit/other", "?yes/no", "?1/0"]),
    ("thing_group", "thing", lambda s: {"animal": 0, "vehicle": 1, "tool": 2}.get(s.value),
        "whether the word names an animal, a vehicle or a tool; the kind of thing that the word names "
        "|| the group that the word falls into",
        ["the word names an animal; it lives || it is a creature",
         "the word names a vehicle; one travels in it || it is a means of transport",
         "the word names a tool; one works with it || it is a piece of equipment"],
        ["animal/vehicle/tool", "?1/2/3", "?A/B/C"]),
    ("parity", "number", lambda s: s.value % 2,
        "whether the number is even or odd; the parity of the number "
        "|| whether the number can be halved without remainder",
        ["the number is even; the last digit is even || it is divisible by two",
         "the number is odd; the last digit is odd || it is not divisible by two"],
        ["even/odd", "?yes/no", "?0/1", "?true/false"]),
    ("above_hundred", "number", lambda s: 0 if s.value > 100 else 1,
        "whether the number is greater than 100; how the number compares to 100 "
        "|| whether the number exceeds a hundred",
        ["the number is greater than 100; it is above 100 || it exceeds a hundred",
         "the number is 100 or less; it is not above 100 || it does not exceed a hundred"],
        ["above/below", "?yes/no", "large/small", "?true/false"]),
    ("digit_count", "number", lambda s: {2: 0, 3: 1}.get(len(s.text)),
        "the number of digits; how many digits the number has || the digit count",
        ["it has two digits; it is below 100 || a pair of digits makes it up",
         "it has three digits; it is 100 or more || a trio of digits makes it up"],
        ["two/three", "?tens/hundreds"]),
    ("which_larger", "pair two_numbers", lambda s: _compared(*s.value),
        "which of the two numbers is larger; the position of the larger number || where the greater number stands",
        ["the first number is larger; the larger number comes first || the greater number leads",
         "the second number is larger; the larger number comes second || the greater number follows"],
        ["first/second", "?left/right", "?A/B"]),
    ("am_pm", "time24", lambda s: 0 if s.value[0] < 12 else 1,
        "whether the time is before or after noon; the half of the day || the side of noon that the time is on",
        ["the time is before noon; it is earlier than 12:00 || noon is still to come",
         "the time is noon or later; it is 12:00 or later || noon has passed"],
        ["am/pm", "morning/afternoon", "?yes/no", "?0/1"]),
    ("century", "iso_date long_date", lambda s: 0 if s.value.year < 2000 else 1,
        "whether the date is before the year 2000; the century of the date "
        "|| the side of the year 2000 that the date is on",
        ["the year is before 2000; the year begins with 19 || it lies in the nineteen hundreds",
         "the year is 2000 or later; the year begins with 20 || it lies in the two thousands"],
        ["old/new", "20th/21st", "?yes/no"]),
    ("half_of_year", "iso_date long_date", lambda s: 0 if s.value.month <= 6 else 1,
        "whether the date is in the first half of the year; the half of the year "
        "|| the part of the year that the date lies in",
        ["the month is January to June; it is in the first half of the year || it comes before July",
         "the month is July to December; it is in the second half of the year || it comes after June"],
        ["first/second", "H1/H2", "?1/2"]),
    ("weekend", "note", lambda s: 0 if s.value["weekday"] in ("Saturday", "Sunday") else 1,
        "whether the day in the note is on the weekend; the part of the week "
        "|| whether the appointment is on Saturday or Sunday",
        ["the day is Saturday or Sunday; it is on the weekend || it falls on the weekend",
         "the day is Monday to Friday; it is not on the weekend || it falls on a working day"],
        ["weekend/workday", "?yes/no", "?free/work", "?true/false"]),
    ("home_win", "score", lambda s: 0 if s.value[1] > s.value[2] else 1,
        "whether the first team won; which team won, the first or the second || the side that carried off the match",
        ["the first team scored more; the left team won || the home side prevailed",
         "the second team scored more; the right team won || the visitors prevailed"],
        ["home/away", "?1/2", "?won/lost", "?W/L"]),
    ("age_group", "profile csv_row", lambda s: 0 if int(s.value["age"]) < 40 else 1,
        "whether the person is under 40; the age group of the person || the side of forty that the person is on",
        ["the person is younger than 40; the age is below 40 || forty is still ahead",
         "the person is 40 or older; the age is 40 or more || forty has been reached"],
        ["younger/older", "under/over", "?yes/no", "?Y/N"]),
    ("vowel_start", "word", lambda s: 0 if s.text[0] in "aeiou" else 1,
        "whether the {thing} starts with a vowel; the kind of letter the {thing} starts with "
        "|| whether a vowel opens the {thing}",
        ["the {thing} starts with a vowel; the first letter is a vowel || a vowel opens it",
         "the {thing} starts with a consonant; the first letter is a consonant || a consonant opens it"],
        ["vowel/consonant", "?yes/no", "?true/false"]),
    ("long_word", "word", lambda s: 0 if len(s.text) > 5 else 1,
        "whether the {thing} has more than five letters; the length class of the {thing} "
        "|| whether the {thing} exceeds five letters",
        ["the {thing} has more than five letters; there are six letters or more || it exceeds five letters",
         "the {thing} has at most five letters; there are five letters or fewer || it does not exceed five letters"],
        ["long/short", "?yes/no", "?L/S"]),
    ("list_size", "words groceries", _list_size,
        "how long the {thing} is; the size of the {thing} || whether the {thing} goes beyond four {items}",
        ["there are more than four {items}; it has five {items} or more || it goes beyond four {items}",
         "there are fewer than four {items}; it has three {items} || it stays under four {items}"],
        ["long/short", "?yes/no", "many/few"]),
    ("sentence_count", "passage", lambda s: len(s.value) - 2,
        "how many sentences the passage has; the number of sentences || the sentence count",
        ["the passage has two sentences; there are two sentences || a pair of sentences makes it up",
         "the passage has three sentences; there are three sentences || a trio of sentences makes it up"],
        ["two/three", "?A/B"]),
    ("exclaimed", "passage", lambda s: 0 if "!" in s.text else 1,
        "whether the passage contains an exclamation mark; the excitement of the passage by its marks "
        "|| whether an exclamation mark occurs",
        ["there is an exclamation mark; the passage contains an exclamation mark || an exclamation mark occurs",
         "there is no exclamation mark; the passage has full stops only || every sentence closes with a dot"],
        ["excited/calm", "?yes/no", "?true/false"]),
    ("longer_name", "full_name", lambda s: _compared(len(s.value[0]), len(s.value[1])),
        "which of the two names has more letters; the longer one of the two names || where the letters are more",
        ["the first name has more letters; the first name is longer || the forename wins in letters",
         "the last name has more letters; the last name is longer || the surname wins in letters"],
        ["first/last", "?1/2", "?A/B"]),
    ("file_type", "file_name", _file_type,
        "the kind of file; what the extension stands for || the use of the file by its extension",
        ["the extension is png or jpg; it is a picture || it can be looked at",
         "the extension is pdf, txt, docx, xlsx or csv; it is an office document || it belongs in an office",
         "the extension is py, html or json; it is source code || a programmer wrote it"],
        ["image/document/code", "?1/2/3", "picture/office/program"]),
)  # fmt: skip

#: All choices.
CHOICES: tuple[Choice, ...] = tuple(
    choice(kind, sources, classify, what, conditions, labels)
    for kind, sources, classify, what, conditions, labels in _ROWS
)
