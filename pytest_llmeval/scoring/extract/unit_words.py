"""Words beside a number: which may stand before and after one that is a number as a whole."""

from __future__ import annotations

import re

_BOUNDS = (
    "or and to not between least most more less fewer greater than over under above below up mod modulo plus"
    " minus times divided remainder either neither base und oder et ou y o bis"
)
_FUNCTION_NAMES = (
    "pi sin cos tan cot sec csc log ln lg exp sqrt arcsin arccos arctan max min gcd lcm inf infty"
)
_LEADING_WORDS = (
    "approximately approx about exactly roughly around circa ca nearly almost usd us eur gbp rmb cny inr rs"
    " rupees hk a c total nt 约 大约 共 一共 人民币"
)
_SHORT_UNITS = (
    "cm mm km dm nm kg mg ml mL dl cl ft in lb lbs oz yd mi hr hrs min sec ms Hz kHz MHz kW MW kJ eV Pa kPa"
    " mph kmh kph rpm pts pt cal kcal gal qt am pm"
)
#: they make a bound, a list or a choice of what stands beside them
_NOT_ONE = frozenset(_BOUNDS.split())
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_LEADING = frozenset(_LEADING_WORDS.split())
_UNITS = frozenset(_SHORT_UNITS.split())
_UNIT_LETTERS = frozenset("mghslLJNWVAKCFTtdΩ")
_VOWEL = re.compile(r"[aeiouyAEIOUY]|[^\x00-\x7f]")
_GREEK_OR_SIGN = re.compile(r"[\u0370-\u03ff\u2100-\u214f\u221e]")


def leads(word: str, *, as_text: bool) -> bool:
    """Whether ``word`` may stand before a number; ``as_text`` if LaTeX sets it as text, unlike a variable."""
    folded = word.casefold()
    return folded in _LEADING or (as_text and folded not in _NOT_ONE)


def is_unit(word: str, *, as_text: bool, spaced: bool, first: bool) -> bool:
    """Whether ``word`` is a unit or a thing that is counted, not a variable or a function.

    ``spaced`` if a blank stands before it, ``first`` if it stands right behind the number.
    """
    folded = word.casefold()
    if folded in _NOT_ONE or folded in _FUNCTIONS:
        return False
    if as_text or not first:
        return len(word) > 1 or word in _UNIT_LETTERS or not first
    if _GREEK_OR_SIGN.search(word):
        return word == "Ω"
    if len(word) == 1 and word.isascii():
        return spaced and word in _UNIT_LETTERS
    if word in _UNITS or not word.isascii():
        return True
    return _VOWEL.search(word) is not None and (spaced or len(word) > 3)
