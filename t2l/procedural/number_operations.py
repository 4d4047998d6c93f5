"""Operations on numbers, dates, times and units."""

from t2l.procedural import fillers
from t2l.procedural.inputs import clock12
from t2l.procedural.parts import Operation, Sample, operation

_DATES = "iso_date long_date"
_TIMES = "time12 time24"


def _shifted(s: Sample, hours: int) -> str:
    """The time some hours later, written like the input."""
    hour, minute = (s.value[0] + hours) % 24, s.value[1]
    return clock12(hour, minute) if s.text.endswith("m") else f"{hour:02d}:{minute:02d}"


def _weekday(s: Sample, days: int) -> str:
    return fillers.WEEKDAYS[(fillers.WEEKDAYS.index(s.value["weekday"]) + days) % 7]


def _month(s: Sample, months: int) -> str:
    return fillers.MONTHS[(fillers.MONTHS.index(s.value["month"]) + months) % 12]


_ROWS = (
    ("add", "pair two_numbers", lambda s: str(sum(s.value)), "number",
        "add the two numbers; compute the sum of the two numbers || work out the total of both numbers",
        "the sum of the two numbers; the two numbers added || the total of both numbers"),
    ("difference", "pair two_numbers", lambda s: str(abs(s.value[0] - s.value[1])), "number",
        "subtract the smaller number from the larger; compute the difference of the two numbers "
        "|| work out how far the two numbers are apart",
        "the larger number minus the smaller; the difference of the two numbers "
        "|| the distance between the two numbers"),
    ("larger", "pair two_numbers", lambda s: str(max(s.value)), "number",
        "pick the larger of the two numbers; write the greater number || take whichever number is higher",
        "the larger of the two numbers; the greater number || whichever number is higher"),
    ("smaller", "pair two_numbers", lambda s: str(min(s.value)), "number",
        "pick the smaller of the two numbers; write the lesser number || take whichever number is lower",
        "the smaller of the two numbers; the lesser number || whichever number is lower"),
    ("product_of", "two_numbers", lambda s: str(s.value[0] * s.value[1]), "number",
        "multiply the two numbers; compute the product of the two numbers || work out one number times the other",
        "the product of the two numbers; the two numbers multiplied || one number times the other"),
    ("equation", "pair two_numbers", lambda s: f"{s.value[0]} + {s.value[1]} = {sum(s.value)}", "whole",
        'write the addition of the two numbers with its result, like "2 + 3 = 5"; '
        'add the numbers and show the equation "a + b = c" '
        '|| spell the sum out as an equation in the manner of "2 + 3 = 5"',
        'the addition with its result, like "2 + 3 = 5"; the equation "a + b = c" for the two numbers '
        '|| the sum spelled out in the manner of "2 + 3 = 5"'),
    ("swap_pair", "pair two_numbers", lambda s: f"{s.value[1]}, {s.value[0]}", "whole",
        "swap the two numbers and put a comma between them; write the second number, a comma and the first number "
        "|| exchange the places of both numbers, with a comma between",
        "the two numbers swapped, with a comma between; the second number, a comma and the first number "
        "|| both numbers in exchanged places with a comma between"),
    ("double", "number number_word", lambda s: str(2 * s.value), "number",
        "double the number, in digits; multiply the number by 2 and use digits || work out twice the number as digits",
        "the doubled number in digits; the number times 2, in digits || twice the number as digits"),
    ("triple", "number", lambda s: str(3 * s.value), "number",
        "triple the number; multiply the number by 3 || work out three times the number",
        "the tripled number; the number times 3 || three times the number"),
    ("plus_one", "number number_word", lambda s: str(s.value + 1), "number",
        "write the next number in digits; add 1 to the number, in digits || work out in digits which number follows",
        "the next number in digits; the number plus 1, in digits || the digits of the number that follows"),
    ("minus_one", "number", lambda s: str(s.value - 1), "number",
        "write the previous number; subtract 1 from the number || work out which number comes just ahead",
        "the previous number; the number minus 1 || the number that comes just ahead"),
    ("plus_ten", "number", lambda s: str(s.value + 10), "number",
        "add 10 to the number; increase the number by ten || raise the number by ten",
        "the number plus 10; the number increased by ten || the number raised by ten"),
    ("times_ten", "number", lambda s: str(10 * s.value), "number",
        "multiply the number by 10; make the number ten times as large || work out ten times the number",
        "the number times 10; the number multiplied by ten || ten times the number"),
    ("last_digit", "number", lambda s: s.text[-1], "number",
        "write the last digit of the number; pick the final digit || take the ones digit",
        "the last digit of the number; the final digit || the ones digit"),
    ("reverse_digits", "number", lambda s: s.text[::-1] if len(s.text) > 1 and s.text[-1] != "0" else None, "number",
        "reverse the digits of the number; write the digits from last to first || turn the order of the digits around",
        "the digits in reverse order; the digits from last to first || the digits with their order turned around"),
    ("zero_pad", "number", lambda s: s.text.zfill(5), "number",
        "pad the number with leading zeros to five digits; write the number with five digits "
        "|| fill the number up to five digits with zeros in front",
        "the number with leading zeros, five digits in all; the five-digit form with leading zeros "
        "|| the number filled up to five digits with zeros in front"),
    ("to_digits", "number_word", lambda s: str(s.value), "number",
        "write the number in digits; convert the number word to digits || turn the spelled number into digits",
        "the number in digits; the digits for the number word || digits for the spelled number"),
    ("to_words", "two_numbers", lambda s: [fillers.number_word(n) for n in s.value], "list",
        "spell out both numbers in English words; write each number as a word || turn both numbers into words",
        "both numbers in English words; each number as a word || words for both numbers"),
    ("order_total", "order", lambda s: f"${s.value['count'] * s.value['price']}", "text",
        "compute the total price with a dollar sign in front; "
        "multiply pieces by price and write the dollars like $12 || work out the amount due as a figure such as $12",
        "the total price with a dollar sign in front; pieces times price, as dollars like $12 "
        "|| the amount due as a figure such as $12"),
    ("order_count", "order", lambda s: str(s.value["count"]), "number",
        "write how many pieces were ordered; extract the number of pieces || tell the ordered quantity",
        "the number of pieces; how many pieces were ordered, as a number || the ordered quantity"),
    ("order_product", "order price", lambda s: s.value["product"], "text",
        "write what the {thing} is for; extract the product from the {thing} || tell which article the {thing} names",
        "what the {thing} is for; the product of the {thing} || the article that the {thing} names"),
    ("price_words", "price", lambda s: f"{s.value['price']} dollars", "whole",
        'write the price with the word dollars; state the price in the form "5 dollars" '
        '|| give the price as a number followed by "dollars"',
        'the price with the word dollars; the price in the form "5 dollars" || a number followed by "dollars"'),
    ("price_usd", "price", lambda s: f"USD {s.value['price']}.00", "whole",
        'write the price in the form "USD 5.00"; state the price with USD in front and two decimals '
        '|| give the price as USD with cents',
        'the price in the form "USD 5.00"; the price with USD in front and two decimals '
        '|| the price as USD with cents'),
    ("year", _DATES, lambda s: str(s.value.year), "number",
        "extract the year; write only the year of the date || pull the year out of the date",
        "the year of the date; only the year || the year pulled out of the date"),
    ("day_of_month", _DATES, lambda s: str(s.value.day), "number",
        "extract the day of the month, without leading zero; write only the day number of the date "
        "|| pull the day number out of the date",
        "the day of the month, without leading zero; only the day number || the day number pulled out of the date"),
    ("month_name", _DATES, lambda s: fillers.MONTHS[s.value.month - 1], "text",
        "write the month of the date as a word; name the month of the date || tell in which named month the date lies",
        "the month of the date as a word; the name of the month || the named month in which the date lies"),
    ("month_number", "long_date", lambda s: str(s.value.month), "number",
        "write the month of the date as a number; turn the month into its number "
        "|| tell which month of the year it is, in digits",
        "the month of the date as a number; the number of the month || the month in digits"),
    ("month_short", _DATES, lambda s: fillers.MONTHS[s.value.month - 1][:3], "text",
        "write the month as three letters; abbreviate the month of the date to three letters "
        "|| cut the month's name to three letters",
        "the month as three letters; the three-letter abbreviation of the month "
        "|| the first three letters of the month's name"),
    ("to_long_date", "iso_date", lambda s: f"{s.value.day} {fillers.MONTHS[s.value.month - 1]} {s.value.year}", "whole",
        "rewrite the date with the month as a word, like 5 March 2024; write day, month name and year "
        "|| turn the digits into a date such as 5 March 2024",
        "the date in the form 5 March 2024; day, month name and year || a date such as 5 March 2024"),
    ("to_iso_date", "long_date", lambda s: s.value.isoformat(), "whole",
        "rewrite the date as YYYY-MM-DD; convert the date to digits like 2024-03-05 || turn the date into ISO form",
        "the date as YYYY-MM-DD; the date in digits like 2024-03-05 || the date in ISO form"),
    ("to_slash_date", _DATES, lambda s: f"{s.value.day}/{s.value.month}/{s.value.year}", "whole",
        "rewrite the date as day/month/year without leading zeros; write the date with slashes, like 5/3/2024 "
        "|| turn the date into D/M/YYYY",
        "the date as day/month/year without leading zeros; the date with slashes, like 5/3/2024 "
        "|| the date in the form D/M/YYYY"),
    ("to_us_date", _DATES, lambda s: f"{fillers.MONTHS[s.value.month - 1]} {s.value.day}, {s.value.year}", "whole",
        "rewrite the date in American style, like March 5, 2024; write month name, day, comma and year "
        "|| turn the date into the form March 5, 2024",
        "the date in American style, like March 5, 2024; month name, day, comma and year "
        "|| the date in the form March 5, 2024"),
    ("next_year", _DATES, lambda s: str(s.value.year + 1), "number",
        "write the year after the year of the date; add one to the year and write only that year "
        "|| tell which year follows the one in the date",
        "the year after the year of the date; the year plus one || the year that follows the one in the date"),
    ("to_24h", "time12", lambda s: f"{s.value[0]:02d}:{s.value[1]:02d}", "whole",
        "convert the time to the 24-hour clock; rewrite the time as HH:MM with 24 hours "
        "|| turn am and pm into 24-hour time",
        "the time on the 24-hour clock; the time as HH:MM with 24 hours || 24-hour time"),
    ("to_12h", "time24", lambda s: clock12(*s.value), "whole",
        "convert the time to am or pm, like 3:05 pm; rewrite the time on the 12-hour clock "
        "|| turn 24-hour time into am and pm",
        "the time with am or pm, like 3:05 pm; the time on the 12-hour clock || the time in am and pm"),
    ("hour", _TIMES, lambda s: str(int(s.text.split(":")[0])), "number",
        "extract the hour as it is written, without leading zero; "
        "write only the number before the colon, without leading zero || pull out the hour, no leading zero",
        "the hour as written, without leading zero; the number before the colon, without leading zero "
        "|| the bare hour, no leading zero"),
    ("minutes_part", _TIMES, lambda s: f"{s.value[1]:02d}", "number",
        "extract the minutes as two digits; write only the two digits after the colon || pull out the minutes",
        "the minutes as two digits; the two digits after the colon || the bare minutes"),
    ("hour_later", _TIMES, lambda s: _shifted(s, 1), "whole",
        "write the time one hour later in the same style; add one hour to the time || move the time ahead by an hour",
        "the time one hour later, in the same style; the time plus one hour || the time an hour ahead"),
    ("hour_earlier", _TIMES, lambda s: _shifted(s, -1), "whole",
        "write the time one hour earlier in the same style; subtract one hour from the time "
        "|| move the time back by an hour",
        "the time one hour earlier, in the same style; the time minus one hour || the time an hour back"),
    ("day_after", "note", lambda s: _weekday(s, 1), "text",
        "write the weekday after the one in the note; name the day that follows the day in the note "
        "|| tell which weekday comes right behind the one mentioned",
        "the weekday after the one in the note; the day that follows the day in the note "
        "|| the weekday right behind the one mentioned"),
    ("day_before", "note", lambda s: _weekday(s, -1), "text",
        "write the weekday before the one in the note; name the day that precedes the day in the note "
        "|| tell which weekday comes right ahead of the one mentioned",
        "the weekday before the one in the note; the day that precedes the day in the note "
        "|| the weekday right ahead of the one mentioned"),
    ("day_short", "note", lambda s: s.value["weekday"][:3], "text",
        "abbreviate the weekday in the note to three letters; write the first three letters of the weekday "
        "|| cut the weekday down to three letters",
        "the weekday in three letters; the three-letter abbreviation of the weekday "
        "|| the weekday cut down to three letters"),
    ("month_after", "note", lambda s: _month(s, 1), "text",
        "write the month after the one in the note; name the month that follows the month in the note "
        "|| tell which month comes right behind the one mentioned",
        "the month after the one in the note; the month that follows the month in the note "
        "|| the month right behind the one mentioned"),
    ("month_of_note", "note", lambda s: str(fillers.MONTHS.index(s.value["month"]) + 1), "number",
        "write the number of the month in the note; turn the month of the note into a number from 1 to 12 "
        "|| tell the month mentioned in digits",
        "the number of the month in the note; the month of the note as a number from 1 to 12 "
        "|| the digits for the month mentioned"),
    ("note_24h", "note", lambda s: f"{s.value['hour'] + 12}:00", "text",
        "write the time in the note on the 24-hour clock, as HH:00; "
        "convert the hour in the note to 24-hour time like 15:00 || tell the start in 24-hour style such as 15:00",
        "the time in the note on the 24-hour clock, as HH:00; the hour of the note in 24-hour time like 15:00 "
        "|| the start in 24-hour style such as 15:00"),
    ("to_seconds", "duration", lambda s: f"{s.value[0] * 60} seconds", "whole",
        'convert the minutes to seconds; multiply the minutes by 60 and write "seconds" '
        '|| restate the time span in seconds',
        'the duration in seconds, with the word; the minutes times 60, followed by "seconds" '
        '|| the time span in seconds'),
    ("short_minutes", "duration", lambda s: f"{s.value[0]} min", "whole",
        'abbreviate minutes to "min"; write the number of minutes and "min" '
        '|| restate the time span with "min" for minutes',
        'the duration with "min" for minutes; the number of minutes and "min" '
        '|| the time span, its unit shortened to "min"'),
    ("hours_to_minutes", "hours", lambda s: f"{s.value[0] * 60} minutes", "whole",
        'convert the hours to minutes; multiply the hours by 60 and write "minutes" '
        '|| restate the time span in minutes',
        'the duration in minutes, with the word; the hours times 60, followed by "minutes" '
        '|| the time span in minutes'),
    ("cm_to_m", "length", lambda s: f"{s.value[0] / 100:g} m", "whole",
        "convert the centimetres to metres, like 2.5 m; divide by 100 and write m "
        "|| restate the length in metres with the unit m",
        "the length in metres, like 2.5 m; the centimetres divided by 100, with m "
        "|| the length in metres with the unit m"),
    ("cm_to_mm", "length", lambda s: f"{s.value[0] * 10} mm", "whole",
        "convert the centimetres to millimetres, like 250 mm; multiply by 10 and write mm "
        "|| restate the length in millimetres with the unit mm",
        "the length in millimetres, like 250 mm; the centimetres times 10, with mm "
        "|| the length in millimetres with the unit mm"),
    ("kg_to_g", "weight", lambda s: f"{s.value[0] * 1000} g", "whole",
        "convert the kilograms to grams, like 3000 g; multiply by 1000 and write g "
        "|| restate the weight in grams with the unit g",
        "the weight in grams, like 3000 g; the kilograms times 1000, with g || the weight in grams with the unit g"),
    ("bare_amount", "duration hours length weight", lambda s: str(s.value[0]), "number",
        "write the {thing} without the unit; remove the unit from the {thing} || cut the {thing} to its bare number",
        "the {thing} without the unit; only the number of the {thing} || the bare number of the {thing}"),
)  # fmt: skip

#: Operations on numbers, dates, times and units.
NUMBER_OPERATIONS: tuple[Operation, ...] = tuple(
    operation(kind, sources, apply, actions, results, form) for kind, sources, apply, form, actions, results in _ROWS
)
