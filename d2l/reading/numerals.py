"""Numbers of lists as a page shows them: 4, d, D, iv, IV."""

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"))
_ROMAN += ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


def numeral(number: int, kind: str = "1") -> str:
    """A number in the style ``1``, ``a``, ``A``, ``i`` or ``I``; in digits where the style has none for it."""
    if kind.lower() == "a" and number > 0:
        letters = ""
        while number > 0:
            number, rest = divmod(number - 1, 26)
            letters = chr(ord("a") + rest) + letters
    elif kind.lower() == "i" and 0 < number < 4000:
        letters = ""
        for value, sign in _ROMAN:
            letters += sign * (number // value)
            number %= value
    else:
        return str(number)
    return letters.upper() if kind.isupper() else letters
