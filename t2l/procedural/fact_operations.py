"""Operations that need a little knowledge: word forms, opposites, capitals, colours."""

from t2l.procedural import knowledge
from t2l.procedural.parts import Operation, operation

_CONTINENT_OF = {country: name for name, countries in knowledge.CONTINENTS.items() for country in countries}

_ROWS = (
    ("opposite", "opposite_word", lambda s: knowledge.OPPOSITES[s.value], "text",
        "write the opposite of the word; name a word with the opposite meaning || tell the antonym of the word",
        "the opposite of the word; a word with the opposite meaning || the antonym of the word"),
    ("synonym", "synonym_word", lambda s: knowledge.SYNONYMS[s.value], "text",
        "write a synonym of the word; name another word with the same meaning || tell a word that means about the same",
        "a synonym of the word; another word with the same meaning || a word that means about the same"),
    ("plural", "noun", lambda s: knowledge.PLURALS[s.value], "text",
        "write the plural of the noun; put the noun into the plural || tell the form of the noun for more than one",
        "the plural of the noun; the noun in the plural || the form of the noun for more than one"),
    ("past_tense", "verb", lambda s: knowledge.PAST[s.value], "text",
        "write the simple past of the verb; put the verb into the past tense "
        "|| tell the form of the verb used for yesterday",
        "the simple past of the verb; the verb in the past tense || the form of the verb used for yesterday"),
    ("gerund", "verb", lambda s: knowledge.GERUNDS[s.value], "text",
        "write the -ing form of the verb; turn the verb into its form with -ing "
        "|| tell the present participle of the verb",
        "the -ing form of the verb; the verb ending in -ing || the present participle of the verb"),
    ("third_person", "verb", lambda s: knowledge.THIRD_PERSON[s.value], "text",
        'write the form of the verb that follows "he" in the present; put the verb into the third person singular '
        '|| tell the verb form that goes with "she" today',
        'the form of the verb that follows "he" in the present; the third person singular of the verb '
        '|| the verb form that goes with "she" today'),
    ("infinitive", "verb", lambda s: f"to {s.value}", "text",
        'put "to" in front of the verb; write the infinitive with "to" || extend the verb by a leading "to"',
        'the verb with "to" in front; the infinitive with "to" || the verb after a leading "to"'),
    ("will_form", "verb", lambda s: f"will {s.value}", "text",
        'write the future of the verb with "will"; put the verb into the future tense using "will" '
        '|| form the future by a leading "will"',
        'the future of the verb with "will"; the future tense, using "will" || the verb after a leading "will"'),
    ("comparative", "adjective", lambda s: knowledge.COMPARATIVES[s.value], "text",
        "write the comparative of the adjective; compare the adjective, as in tall, taller "
        "|| tell the form of the adjective that goes with than",
        "the comparative of the adjective; the comparative form, as in tall, taller "
        "|| the form of the adjective that goes with than"),
    ("negate", "adjective opposite_word", lambda s: f"not {s.value}", "text",
        'put "not" in front of the {thing}; negate the {thing} with "not" || deny the {thing} by a leading "not"',
        'the {thing} with "not" in front; the {thing} negated with "not" || the {thing} after a leading "not"'),
    ("with_article", "noun", lambda s: f"{'an' if s.value[0] in 'aeiou' else 'a'} {s.value}", "text",
        "write the noun with the right indefinite article; put a or an in front of the noun "
        "|| give the noun its article a or an",
        "the noun with its indefinite article; the noun with a or an in front || the noun behind the fitting a or an"),
    ("with_the", "noun thing", lambda s: f"the {s.text}", "text",
        'put "the" in front of the {thing}; write the {thing} with the definite article '
        '|| give the {thing} a leading "the"',
        'the {thing} with "the" in front; the {thing} with the definite article || the {thing} behind a leading "the"'),
    ("capital", "country", lambda s: knowledge.CAPITALS[s.value], "text",
        "name the capital of the country; write the capital city of the country || tell which city governs the country",
        "the capital of the country; the country's capital city || the city that governs the country"),
    ("capital_sentence", "country", lambda s: f"The capital of {s.value} is {knowledge.CAPITALS[s.value]}.", "verbatim",
        'write the sentence "The capital of <country> is <city>."; '
        'name the capital in a sentence like "The capital of <country> is <city>." '
        '|| tell the capital by completing "The capital of <country> is <city>."',
        'a sentence like "The capital of <country> is <city>."; '
        'the full sentence "The capital of <country> is <city>." '
        '|| the completed line "The capital of <country> is <city>."'),
    ("continent", "country", lambda s: _CONTINENT_OF.get(s.value), "text",
        "name the continent of the country: Europe, Asia, Africa or America; "
        "write on which continent the country lies (Europe, Asia, Africa or America) "
        "|| place the country in Europe, Asia, Africa or America",
        "the continent of the country (Europe, Asia, Africa or America); "
        "Europe, Asia, Africa or America, where the country lies "
        "|| the part of the world that holds the country: Europe, Asia, Africa or America"),
    ("colour_of", "coloured_thing", lambda s: knowledge.COLOUR_OF[s.value], "text",
        "name the usual colour of the thing; write which colour the thing has "
        "|| tell how the thing is typically coloured, in a word",
        "the usual colour of the thing; the colour that the thing has || the word for the thing's typical colour"),
    ("coloured_phrase", "coloured_thing", lambda s: f"{knowledge.COLOUR_OF[s.value]} {s.value}", "text",
        "write the thing with its usual colour in front; put the typical colour before the thing "
        "|| describe the thing by colour and name, the colour leading",
        "the thing with its usual colour in front; the typical colour followed by the thing "
        "|| colour and name of the thing, the colour leading"),
    ("category_word", "thing", lambda s: s.value, "text",
        "name the kind of thing: animal, fruit, tool, colour, country, vehicle, garment or instrument; "
        "write the category of the word (animal, fruit, tool, colour, country, vehicle, garment, instrument) "
        "|| sort the word into animal, fruit, tool, colour, country, vehicle, garment or instrument",
        "the category of the word: animal, fruit, tool, colour, country, vehicle, garment or instrument; "
        "the kind of thing (animal, fruit, tool, colour, country, vehicle, garment, instrument) "
        "|| its group among animal, fruit, tool, colour, country, vehicle, garment and instrument"),
    ("is_kind", "thing", lambda s: f"{s.text}: {s.value}", "text",
        "write the word, a colon and its category (animal, fruit, tool, colour, country, vehicle, garment, "
        "instrument); put the category (animal, fruit, tool, colour, country, vehicle, garment, instrument) after "
        "the word and a colon || annotate the word with its group, like cat: animal",
        "the word, a colon and its category, like cat: animal; "
        "the word with its category (animal, fruit, tool and so on) after a colon "
        "|| the annotated word, like cat: animal"),
    ("odd_one_out", "odd_group", lambda s: s.value["odd"], "text",
        "find the word that does not belong with the others; pick the odd one out "
        "|| take the word that is of another kind than the rest",
        "the word that does not belong with the others; the odd one out || the word of another kind than the rest"),
    ("matching_three", "odd_group", lambda s: [item for item in s.value["items"] if item != s.value["odd"]], "list",
        "keep the three words that belong together; remove the word that does not fit "
        "|| strike out the misfit among the words",
        "the three words that belong together; the words without the one that does not fit "
        "|| the words minus the misfit"),
)  # fmt: skip

#: Operations that need common knowledge.
FACT_OPERATIONS: tuple[Operation, ...] = tuple(
    operation(kind, sources, apply, actions, results, form) for kind, sources, apply, form, actions, results in _ROWS
)
