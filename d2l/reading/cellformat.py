"""Numbers as a spreadsheet's number formats show them (ECMA-376 part 1, 18.8.30 and 18.8.31)."""

import calendar
import functools
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

# Where the shown form depends on the reader's country, dates are shown as ISO 8601 has them.
_DATE, _TIME = "yyyy-mm-dd", "h:mm:ss"
BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: '"$"#,##0_);("$"#,##0)', 6: '"$"#,##0_);("$"#,##0)',
    7: '"$"#,##0.00_);("$"#,##0.00)', 8: '"$"#,##0.00_);("$"#,##0.00)', 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??", 14: _DATE, 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: _TIME, 22: f"{_DATE} h:mm", 37: "#,##0_);(#,##0)", 38: "#,##0_);(#,##0)",
    39: "#,##0.00_);(#,##0.00)", 40: "#,##0.00_);(#,##0.00)", 41: '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)',
    42: '_("$"* #,##0_);_("$"* (#,##0);_("$"* "-"_);_(@_)', 43: '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)',
    44: '_("$"* #,##0.00_);_("$"* (#,##0.00);_("$"* "-"??_);_(@_)', 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    48: "##0.0E+0", 49: "@", **dict.fromkeys((*range(27, 37), *range(50, 59)), _DATE),
}  # fmt: skip

# In the order of trial: text in quotes or behind a backslash, a blank as wide as a letter, a filler, brackets, dates.
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<wide>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]|(?P<general>general)'
    r"|(?P<ampm>am/pm|a/p)|(?P<date>y+|m+|d+|h+|s+|g+|e+(?![+-]))|(?P<exponent>e[+-])|(?P<digit>[0#?])|(?P<mark>.)",
    re.IGNORECASE | re.DOTALL,
)
_MONTHS, _DAYS = list(calendar.month_name)[1:], list(calendar.day_name)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[\d.]+(?:[eE][+-]?\d+)?)$")
_COMPARE = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<>": lambda a, b: a != b,
}
Token = tuple[str, str]


def shown_number(value: float, code: str, *, since_1904: bool = False) -> str:
    """A number under a format code; under one that is not understood, as the format General has it."""
    try:
        return _shown(value, code or "General", since_1904)
    except (ValueError, OverflowError, ArithmeticError, IndexError):
        return general(value)


def shown_text(text: str, code: str) -> str:
    """A text under a format code: its fourth section, or the one with ``@``."""
    sections = _sections(code)
    section = sections[3] if len(sections) > 3 else next((s for s in sections if ("mark", "@") in s), None)
    if section is None:
        return text
    return "".join(text if token == ("mark", "@") else _literal(token) for token in section).strip()


def general(value: float) -> str:
    """Integers in full, other numbers in at most eleven characters, without the noise of binary fractions."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if not 1e-4 <= abs(value) < 1e11:
        mantissa, exponent = f"{value:.5e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
    digits = max(1, 10 - len(str(int(abs(value)))) if abs(value) >= 1 else 9)
    return f"{_rounded(abs(value), digits):f}".rstrip("0").rstrip(".").join(("-" if value < 0 else "", ""))


def _shown(value: float, code: str, since_1904: bool) -> str:
    sections = _sections(code)
    section, shown = _choose(value, sections)
    if any(kind == "general" for kind, _ in section):
        return "".join(general(shown) if t[0] == "general" else _literal(t) for t in section).strip()
    if any(kind in ("date", "ampm", "elapsed") for kind, _ in section):
        return _date(value, section, since_1904).strip()
    if not any(kind == "digit" for kind, _ in section):
        sign = "-" if shown < 0 and section else ""
        return sign + "".join(general(abs(value)) if t == ("mark", "@") else _literal(t) for t in section).strip()
    sign = "-" if shown < 0 else ""
    number = _fraction if ("mark", "/") in section else _number
    text = number(abs(shown), section).strip()
    return sign + text if sign and re.search(r"[1-9]", text) else text


@functools.lru_cache(1000)
def _sections(code: str) -> list[list[Token]]:
    sections: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "", match[match.lastgroup or 0]
        if kind == "mark" and text == ";":
            sections.append([])
        elif kind == "bracket":
            sections[-1].append(_bracket(text))
        else:
            sections[-1].append((kind, text.lower() if kind in ("date", "ampm", "general") else text))
    return sections


def _bracket(text: str) -> Token:
    if re.fullmatch(r"h+|m+|s+", text, re.IGNORECASE):
        return "elapsed", text.lower()
    if text.startswith("$"):  # [$€-407]: a currency and a locale
        return "quoted", text[1:].partition("-")[0]
    return ("condition", text) if _CONDITION.match(text) else ("colour", text)


def _choose(value: float, sections: list[list[Token]]) -> tuple[list[Token], float]:
    """The section for a number, and the number without a sign that the section itself shows."""
    conditions = [next((t for kind, t in section if kind == "condition"), None) for section in sections[:3]]
    if any(conditions):
        for section, condition in zip(sections, conditions, strict=False):
            match = condition and _CONDITION.match(condition)
            if not match or _COMPARE[match[1]](value, float(match[2])):
                return section, abs(value) if match and float(match[2]) <= 0 and match[1][0] == "<" else value
        return sections[-1], value
    numeric = sections[:3]
    if value < 0 and len(numeric) > 1:
        return numeric[1], -value
    if value == 0 and len(numeric) > 2:
        return numeric[2], value
    return numeric[0], value


def _literal(token: Token) -> str:
    kind, text = token
    if kind in ("quoted", "escaped", "mark", "digit"):
        return "" if kind == "digit" or text in "@" else text
    return " " if kind == "wide" else ""


def _rounded(value: float, digits: int) -> Decimal:
    """Half away from zero, of the number as its 15 significant digits have it."""
    return Decimal(f"{value:.15g}").quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _number(value: float, section: list[Token]) -> str:
    value *= 100 ** sum(token == ("mark", "%") for token in section)
    places = [i for i, (kind, _) in enumerate(section) if kind == "digit"]
    exponent = next((i for i, (kind, _) in enumerate(section) if kind == "exponent"), len(section))
    point = next((i for i, t in enumerate(section[:exponent]) if t == ("mark", ".")), None)
    end = point if point is not None else exponent
    whole = [i for i in places if i < end]
    decimals = [i for i in places if end < i < exponent]
    last = max([i for i in places if i < exponent], default=0)
    commas = [i for i, t in enumerate(section) if t == ("mark", ",")]
    thousands = any(whole and whole[0] < i < whole[-1] for i in commas)
    scaling = [i for i in commas if i > last and all(j in commas for j in range(last + 1, i))]
    scaling += [i for i in commas if point is not None and whole and whole[-1] < i < point]
    value /= 1000 ** len(scaling)
    power = 0
    if exponent < len(section) and value:
        power = int(f"{value:e}".split("e")[1])
        step = max(1, len(whole))
        power -= power % step if step > 1 else 0
        value = float(Decimal(f"{value:.15g}").scaleb(-power))
        if _rounded(value, len(decimals)) >= 10**step:  # 9.99 becomes 10.0
            value, power = float(Decimal(f"{value:.15g}").scaleb(-step)), power + step
    text = f"{_rounded(value, len(decimals)):f}"
    digits, _, fraction = text.partition(".")
    digits = digits.lstrip("0").rjust(sum(section[i][1] == "0" for i in whole), "0") if whole else digits.lstrip("0")
    fraction = _cut(fraction, [section[i][1] for i in decimals])
    filled = _fill_whole(digits, whole, thousands)
    out = []
    for i, token in enumerate(section):
        if i in filled:
            out.append(filled[i])
        elif i in decimals:
            out.append(fraction[decimals.index(i)])
        elif i == exponent:
            width = sum(section[j][1] == "0" for j in places if j > exponent)
            sign = "-" if power < 0 else "+" if token[1][1] == "+" else ""
            out.append(f"E{sign}{abs(power):0{width}d}")
        elif i not in places and i not in commas:
            out.append(_literal(token))
    return "".join(out)


def _cut(fraction: str, places: list[str]) -> list[str]:
    """The decimals, without zeros at the end where the format has # or ?."""
    shown = list(fraction)
    for i in range(len(places) - 1, -1, -1):
        if shown[i] != "0" or places[i] == "0":
            break
        shown[i] = " " if places[i] == "?" else ""
    return shown


def _fill_whole(digits: str, places: list[int], thousands: bool) -> dict[int, str]:
    """Digits by the place that shows them, filled from the right; the first place takes all that are left."""
    filled = dict.fromkeys(places, "")
    for count, place in enumerate(reversed(places)):
        left = len(digits) - count
        if left <= 0:
            break
        taken = digits[:left] if place == places[0] else digits[left - 1]
        for offset, digit in enumerate(reversed(taken)):
            comma = "," if thousands and (count + offset) and (count + offset) % 3 == 0 else ""
            filled[place] = digit + comma + filled[place]
    return filled


def _fraction(value: float, section: list[Token]) -> str:
    bar = section.index(("mark", "/"))
    behind = "".join(text for kind, text in section[bar + 1 :] if kind in ("digit", "mark") and text != " ")
    fixed = re.match(r"\d*[1-9]\d*", behind)
    most = int(fixed[0]) if fixed else 10 ** max(1, len(behind)) - 1
    groups = "".join(
        " " if t[0] == "mark" and t[1] == " " else t[1] for t in section[:bar] if t[0] in ("digit", "mark")
    )
    has_whole = " " in groups.strip()
    whole = int(value) if has_whole else 0
    rest = Fraction(f"{value:.15g}") - whole
    part = Fraction(round(rest * most), most) if fixed else _convergent(rest, most)
    if part == 1 and has_whole:
        whole, part = whole + 1, Fraction(0)
    scale = most // part.denominator if fixed else 1
    text = f"{part.numerator * scale}/{part.denominator * scale}" if part or not has_whole else ""
    return " ".join(filter(None, [str(whole) if whole or not text else "", text]))


def _convergent(value: Fraction, most: int) -> Fraction:
    """The last convergent of a continued fraction with a denominator up to ``most``, as Excel takes it."""
    before, last, rest = (0, 1), (1, 0), value
    while True:
        whole = rest.numerator // rest.denominator
        before, last = last, (whole * last[0] + before[0], whole * last[1] + before[1])
        if last[1] > most:
            return Fraction(*before)
        rest -= whole
        if not rest:
            return Fraction(*last)
        rest = 1 / rest


def _date(value: float, section: list[Token], since_1904: bool) -> str:
    if value < 0:
        raise ValueError("dates start at 0")
    after_point = [i for i, t in enumerate(section[:-1]) if t == ("mark", ".") and section[i + 1] == ("digit", "0")]
    places = 0
    for i in after_point:
        places = next((n for n, t in enumerate(section[i + 1 :]) if t != ("digit", "0")), len(section) - i - 1)
    seconds = _rounded(value * 86400, places)
    days, moment = divmod(seconds, 86400)
    whole, part = int(moment), f"{moment % 1:.{places}f}"[2:]
    hour, minute, second = whole // 3600, whole // 60 % 60, whole % 60
    day = _day(int(days), since_1904)
    twelve = any(kind == "ampm" for kind, _ in section)
    out = []
    timed = [i for i, (kind, _) in enumerate(section) if kind in ("date", "elapsed")]
    for i, (kind, text) in enumerate(section):
        if kind == "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[text[0]]
            out.append(f"{int(seconds) // unit:0{len(text)}d}")
        elif kind == "ampm":
            half = "AM" if hour < 12 else "PM"
            out.append(half if text == "am/pm" else half[0])
        elif kind == "date":
            order = timed.index(i)
            before = section[timed[order - 1]][1][0] if order else ""
            behind = section[timed[order + 1]][1][0] if order + 1 < len(timed) else ""
            if text[0] == "m" and len(text) < 3 and (before == "h" or behind == "s"):
                out.append(f"{minute:0{len(text)}d}")
            elif text[0] == "h":
                out.append(f"{(hour % 12 or 12) if twelve else hour:0{min(2, len(text))}d}")
            elif text[0] == "s":
                out.append(f"{second:0{min(2, len(text))}d}")
            else:
                out.append(_day_part(text, *day))
        elif i - 1 in after_point:
            out.append(part)
        elif kind != "digit":
            out.append(_literal((kind, text)))
    return "".join(out)


def _day(days: int, since_1904: bool) -> tuple[int, int, int, int]:
    """Year, month, day and weekday (0 is Monday); 1900 has a 0 January and a 29 February, as in Lotus 1-2-3."""
    if since_1904:
        date = datetime(1904, 1, 1) + timedelta(days)
    elif days == 0:
        return 1900, 1, 0, 5
    elif days == 60:
        return 1900, 2, 29, 2
    else:
        date = datetime(1899, 12, 31 if days < 60 else 30) + timedelta(days)
    return date.year, date.month, date.day, date.weekday()


def _day_part(text: str, year: int, month: int, day: int, weekday: int) -> str:
    letter, length = text[0], len(text)
    if letter == "g":  # an era, which the year is shown without
        return ""
    if letter in "ye":
        return f"{year % 100:02d}" if letter == "y" and length < 3 else f"{year:04d}"
    if length < 3:
        return f"{month if letter == 'm' else day:0{length}d}"
    name = _MONTHS[month - 1] if letter == "m" else _DAYS[weekday]
    return name[0] if letter == "m" and length == 5 else name[:3] if length == 3 else name
