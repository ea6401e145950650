"""Numbers in English words: ``twelve``, ``forty-two apples``, ``one hundred and five``."""

from __future__ import annotations

import re
from fractions import Fraction

_UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_VALUES = {word: number for number, word in enumerate(_UNDER_TWENTY.split())}
_VALUES |= {word: 10 * number for number, word in enumerate(_TENS.split(), 2)}
_WORD = f"(?:{'|'.join(sorted([*_VALUES, 'hundred', 'thousand'], key=len, reverse=True))})"
_BEGINS = re.compile(
    r"[\s:(]{0,8}(?:(?:about|exactly|approximately)\s)?"
    rf"(?P<words>\b{_WORD}(?:(?:\sand\s|[\s-]){_WORD}){{0,8}})\b(?!\s(?:of|or|to|that|which|who|where)\b)",
    re.I,
)
_ANOTHER = re.compile(
    rf"\d|\b(?:{_WORD}|hal(?:f|ves)|(?:third|quarter|fourth|fifth|sixth|dozen)s?|[a-z]{{1,12}}nths?|eighths?"
    r"|million|billion)\b",
    re.I,
)


def spelled(part: str) -> Fraction | None:
    """The number in words at the beginning of ``part``; None if there is none or another number follows."""
    begins = _BEGINS.match(part)
    if begins is None or _ANOTHER.search(part, begins.end()):
        return None
    total = group = 0
    for word in re.findall("[a-z]+", begins["words"].casefold()):
        if word == "thousand":
            total, group = total + max(group, 1) * 1000, 0
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word != "and":
            group += _VALUES[word]
    return Fraction(total + group)
