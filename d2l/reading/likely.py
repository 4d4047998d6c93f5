"""Which encoding a text that is no UTF-8 is likely to be in: good enough for a hint, not for reading by it."""

import re
from collections.abc import Callable

# Letters of a language or two, the most frequent first, and the code pages that have them, the usual one first.
_SCRIPTS = (
    ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґўћђљњџј", ("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5")),
    ("αοιετσνηυρπκμλςωόίάέθγδύχήβφώξζψϊϋ", ("cp1253", "iso8859_7", "cp737")),
    ("יוהלארתבשמנםעדפקחגכצןסטזךףץ", ("cp1255", "cp862")),
    ("اليمنوتربدسعةفكقحجأهشصخطذضغزءثظىئإآؤ", ("cp1256", "iso8859_6")),
)
_LATIN = (
    ("éèàùçâêîôûëïüöäßáíóúñãõåøæìòœ", ("cp1252", "mac_roman", "cp850", "cp437")),
    ("áéíóúýþðæö", ("cp1252",)),  # Icelandic
    ("áčďéěíňóřšťúůýžąćęłńóśźżőűöüăâîşţđľĺŕôä", ("cp1250", "iso8859_2", "cp852")),
    ("ışğüöçâîû", ("cp1254",)),
    ("āčēģīķļņšūžąęėįųõäöü", ("cp1257",)),
    ("đươăâêôàáèéìíòóùúýãõ", ("cp1258",)),
)
# What charset-normalizer decides on.
_OTHER = ("cp932", "gb18030", "big5", "cp949", "euc_jp", "cp874")
_MARKS = frozenset("\xa0«»“”„‘’‚‹›–—…•·№€£§©®™°¿¡،؟؛\u0300\u0301\u0303\u0309\u0323")
_MOST_RANK, _ABSENT = 12.0, 40.0  # of letters on the average; of what is no letter


def likely_encoding(data: bytes) -> str | None:
    """The codec of a text, None where nothing fits."""
    sample = data[:50_000]
    accents = re.findall(rb"[\x80-\xff]+", sample)
    alone = sum(len(run) for run in accents if len(run) < 3)
    latin = 2 * alone > sum(map(len, accents))  # in other scripts, words are full of them
    return (_latin(sample) if latin else _script(sample)) or _east_asian(sample) or _latin(sample) or _by_words(sample)


def _latin(sample: bytes) -> str | None:
    shares = [(_missing(sample, codec, letters), codec) for letters, codecs in _LATIN for codec in codecs]
    share, best = min(shares, key=lambda entry: entry[0])  # of equals the first
    return best if share < 0.3 else None


def _script(sample: bytes) -> str | None:
    ranks = {codec: _mean_rank(sample, codec, letters) for letters, codecs in _SCRIPTS for codec in codecs}
    best = min(ranks, key=lambda codec: ranks[codec])
    return best if ranks[best] < _MOST_RANK else None


def _east_asian(sample: bytes) -> str | None:
    """Japanese has kana, Korean syllables, Chinese the characters of its code's first level."""
    for codec, is_usual, least in _EAST_ASIAN:
        text = [character for character in sample.decode(codec, "replace") if not character.isascii()]
        if text.count("\ufffd") <= len(text) // 50 and sum(map(is_usual, text)) > least * len(text):
            return codec
    return None


def _by_words(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    match = from_bytes(sample, cp_isolation=list(_OTHER)).best()
    return match.encoding if match else None


def _is_kana(character: str) -> bool:
    return "\u3041" <= character <= "\u30ff"


def _is_hangul(character: str) -> bool:
    return "\uac00" <= character <= "\ud7a3"


def _is_first_level(codec: str, last: int) -> Callable[[str], bool]:
    return lambda character: (code := character.encode(codec, "replace"))[0] <= last and len(code) == 2


_EAST_ASIAN: tuple[tuple[str, Callable[[str], bool], float], ...] = (
    ("euc_jp", _is_kana, 0.2),
    ("cp932", _is_kana, 0.2),
    ("cp949", _is_hangul, 0.85),
    ("gb18030", _is_first_level("gb2312", 0xD7), 0.85),
    ("big5", _is_first_level("big5", 0xC6), 0.85),
)


def _mean_rank(data: bytes, codec: str, letters: str) -> float:
    """The average place of a text's letters in the order of their frequency."""
    places = [letters.find(letter) for letter in _letters(data, codec)]
    return sum(_ABSENT if place < 0 else place for place in places) / len(places) if places else _ABSENT


def _missing(data: bytes, codec: str, letters: str) -> float:
    """The share of a text's letters that a language does not have."""
    found = [letter not in letters for letter in _letters(data, codec)]
    return sum(found) / len(found) if found else 0.0


def _letters(data: bytes, codec: str) -> list[str]:
    """What is neither ASCII nor a mark, in small letters; a NUL for capitals within words, as a wrong code page has."""
    found = []
    before = ""
    for character in data.decode(codec, "replace"):
        if not character.isascii() and character not in _MARKS:
            found.append("\0" if character.isupper() and before.islower() else character.lower()[0])
        before = character
    return found
