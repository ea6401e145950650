"""Numbers in prose: their notations, and how they are written plainly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pytest_llmeval.scoring.extract.scales import CURRENCY, CURRENCY_SCALES, SCALES, WIDE_SCALE

_MAX_DIGITS = 60
_DATE = re.compile(r"(?<!\d)(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4})(?!\d)(?![.,]?\d)")
_SUBSTITUTES = (
    (re.compile(r"<<[^<>\n]{0,200}>>"), ""),  # calculator annotations of GSM8K
    (re.compile(r"~~(?=\S)[^~\n]{1,200}~~|<(?:del|s)>[^<\n]{0,200}</(?:del|s)>"), " "),  # struck through
    (re.compile(r"\\[dtc]?frac\s?(\d)\s?(\d)(?!\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\[dtc]?frac\s?(\d)\s?\{"), r"\\frac{\1}{"),
    (re.compile(r"\\[dtc]?frac\s?\{([^{}\n]{1,60})\}\s?(\d)(?!\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"(?<=-)\s?\\[dtc]?frac\s?\{([^{}\n]{1,60})\}\s?\{([^{}\n]{1,60})\}"), r"\1/\2 "),
    (re.compile(r"\s?\\[dtc]?frac\s?\{([^{}\n]{1,60})\}\s?\{([^{}\n]{1,60})\}"), r" \1/\2 "),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s?\{([^{}\n]{0,200})\}"), r" \1 "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"(?<=\d)\\[,;:! ](?=\d{3})"), ","),
    (re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[,;:!()\[\]]"), " "),
    (re.compile(r"\\([%$#])"), r"\1"),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z])"), "×"),
    (re.compile(r"\\(?:approx|quad|qquad)(?![A-Za-z])|~"), " "),
    (re.compile(r"\*\*|__|`"), ""),
    (re.compile(r"(?<![A-Za-z])(?:US\$|USD|EUR|GBP|RMB|CNY|Rs\.?)\s?(?=-?\d)"), "$"),
    (re.compile(r"\$(?=\$|\s|$|\\|[.,])|(?<=[\d%)}])\$"), " "),  # math delimiters of LaTeX, not a currency
    (re.compile(r"(?<==)\s{1,3}-\s{1,3}(?=\d)"), " -"),
    (re.compile(r"(?<=[A-Za-z}])\s?\^\s?\{?-?\d{1,2}\}?(?!\d)"), ""),  # exponents of units
    (_DATE, " "),
)
_POWER = re.compile(r"(?<![\w.,^])(?<![×x*]\s)(?<![×x*])(\d{1,4})\s?\^\s?\{?(\d{1,2})\}?(?!\d)")
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}")
_VULGAR = re.compile(r"(?<=\d)([½¼¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])")
_SCALED = rf"\d{{1,9}}(?:\.\d{{1,9}})?\s?{WIDE_SCALE}"
_CHINESE = re.compile(
    rf"(?<![\d.,])((?:{_SCALED}\s?){{2,3}})(\d{{2,4}}(?![\d.,]))?"
    rf"|(?<![\d.,])(\d{{1,9}}\s?[亿億万萬])(\d{{2,8}}(?![\d.,亿億万萬千]))"
)
_LETTER = r"A-Za-z\u00c0-\u024f\u0370-\u04ff"
_WORDS = "|".join(sorted((word for word in SCALES if len(word) > 1), key=len, reverse=True))
_NUMBER = re.compile(
    rf"(?<![\d.,^_{_LETTER}])(?:(?P<sign>-)\s?)?(?P<currency>{CURRENCY})?\s?(?P<inner>-)?"
    r"(?P<whole>\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])"  # Indian grouping
    r"|(?P<european>\d{1,3}(?:\.\d{3})+(?=,\d{1,2}(?!\d))|\d{1,3}(?:\.\d{3}){2,}(?![\d.,]\d|\d))"
    r"|\d{1,3}(?:,\d{3})+(?![\d])|\d{1,3}(?:[ \u202f'’]\d{3})+(?!\d|[ ']?\d|[.,/]\d{0,3}\s?[+*/×-])"
    r"|\d+(?:_\d+)*|(?=\.\d))"
    r"(?P<decimals>\.\d+|,\d{1,2}(?![\d,]))?"
    r"(?:[eE](?P<power>[+-]?\d{1,2})(?!\w)|\s?[×x*]\s?10\s?\^\s?\{?(?P<ten>-?\d{1,2})\}?)?"
    r"(?:\s?/\s?(?P<below>\d+(?:\.\d+)?)(?!\s?/\s?\d)|\s{1,2}(?P<top>\d{1,6})/(?P<bottom>\d{1,6})(?![\d/]))?"
    rf"(?:\s?(?P<scale>(?i:{_WORDS})(?![A-Za-z])|{WIDE_SCALE}|[百백])|(?P<letter>mil|mn|bn|MM|[kKmMbBtT]n?)(?![A-Za-z]))?"
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_RATIO_AFTER = re.compile(r":\d|\s:\s\d")
_RATIO_BEFORE = re.compile(r"\d(?::|\s:\s)$")
#: signs around a number that make it a part of something that is no number
_PART_BEFORE = re.compile(
    r"(?:\\sqrt(?:\[\d\])?\s?\{?|√\(?|\\pi|π|\\pm\s?|±\s?|\\(?:log|ln)\s?|[A-Za-z}]_\{?)$"
)
_PART_AFTER = re.compile(r"\s?(?:\\sqrt|√|\\pi|π|\\infty|∞)|(?:[a-z]\^|_\{?\d)")


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text: ``text[start:end]``. ``whole`` is False for a part of an expression: ``3√2``."""

    value: Fraction
    start: int
    end: int
    whole: bool


def normalised(text: str) -> str:
    """``text`` in compatibility form, with superscripts as powers and plain minus signs."""
    if text.isascii():
        return text
    text = _SUPERSCRIPT.sub(
        lambda match: "^" + unicodedata.normalize("NFKC", match[0]), _VULGAR.sub(r" \1", text)
    )
    return _SIGN.sub(lambda match: _SIGNS[match[0]], unicodedata.normalize("NFKC", text))


_SIGNS = {
    **dict.fromkeys("\u2212\u2013\u2012\u2010\u2011", "-"),
    **dict.fromkeys("\u200b\u200e\u200f\ufeff", ""),
    **{"\u2044": "/", "\uffe5": "¥", "\u00a0": " ", "\u066b": ".", "\u066c": ","},
}
_SIGN = re.compile(f"[{''.join(_SIGNS)}]")


def cleaned(text: str) -> str:
    """Normalised text without LaTeX and Markdown, with powers and compound Chinese numbers computed."""
    for pattern, substitute in _SUBSTITUTES:
        text = pattern.sub(substitute, text)
    return joined(_POWER.sub(_raised, text))


def joined(text: str) -> str:
    """``text`` with ``1亿2000万`` and the like replaced by their value."""
    return text if text.isascii() else _CHINESE.sub(_summed, text)


def numerals(text: str) -> Iterator[Numeral]:
    """The numbers of a cleaned text. Times, ratios and ordinals are left out."""
    for match in _NUMBER.finditer(text):
        start = match.start("whole")
        before, after = text[max(0, match.start() - 8) : match.start()], text[match.end() : match.end() + 8]
        near = text[max(0, start - 4) : start]
        if _RATIO_AFTER.match(after) or _RATIO_BEFORE.search(near) or _ORDINAL.match(after):
            continue
        value = _value(match, before)
        if value is not None:
            whole = not _PART_BEFORE.search(text[max(0, start - 12) : start]) and not _PART_AFTER.match(after)
            yield Numeral(value, match.start(), match.end(), whole)


def plain(number: Fraction) -> str:
    """A number in digits without trailing zeros; as ``a/b`` if its decimals do not terminate."""
    if number.denominator == 1:
        return str(number.numerator)
    rest, places = number.denominator, {2: 0, 5: 0}
    for prime in places:
        while rest % prime == 0:
            rest //= prime
            places[prime] += 1
    if rest != 1:
        return f"{number.numerator}/{number.denominator}"
    digits = max(places.values())
    scaled = abs(number.numerator) * 10**digits // number.denominator
    shown = str(scaled).rjust(digits + 1, "0")
    return f"{'-' if number < 0 else ''}{shown[:-digits]}.{shown[-digits:]}"


def _raised(match: re.Match[str]) -> str:
    """Replace ``2^10`` by its value."""
    digits = str(int(match[1]) ** int(match[2]))
    return digits if len(digits) <= _MAX_DIGITS else match[0]


def _summed(match: re.Match[str]) -> str:
    """Replace ``1亿2000万`` by its value; unchanged unless the scales descend."""
    scaled, rest = match[1] or match[3], match[2] or match[4] or "0"
    parts = re.findall(rf"(\d+(?:\.\d+)?)\s?({WIDE_SCALE})", scaled)
    scales = [SCALES[scale] for _, scale in parts]
    if sorted(set(scales), reverse=True) != scales or int(rest) >= scales[-1]:
        return match[0]
    return plain(sum((Fraction(digits) * SCALES[scale] for digits, scale in parts), Fraction(rest)))


def _fraction(digits: str) -> Fraction:
    return Fraction(int(digits)) if digits.isdecimal() else Fraction(digits)


def _value(match: re.Match[str], before: str) -> Fraction | None:
    if len(match[0]) > _MAX_DIGITS + 30:
        return None
    whole = re.sub(r"[, _\u202f'’]", "", match["whole"])
    if match["european"]:
        whole = whole.replace(".", "")
    decimals = (match["decimals"] or "").replace(",", ".")
    if len(whole) + len(decimals) > _MAX_DIGITS:
        return None
    number = _fraction((whole or "0") + decimals)
    power = match["power"] or match["ten"]
    if power is not None:
        number *= Fraction(10) ** int(power)
    if match["below"] is not None:
        below = _fraction(match["below"])
        if below == 0:
            return None
        number /= below
    if match["bottom"] is not None:
        if int(match["bottom"]) == 0:
            return None
        number += Fraction(int(match["top"]), int(match["bottom"]))
    if match["scale"]:
        number *= SCALES[match["scale"].casefold()]
    if match["letter"] and match["currency"]:
        number *= CURRENCY_SCALES.get(match["letter"], 1)
    # after a digit, a word or a bracket a dash is a hyphen or a minus sign between numbers
    signed = match["inner"] or (match["sign"] and not _HYPHEN_AFTER.search(before))
    if match["sign"] and match[0][1:2].isspace() and not before.rstrip().endswith("="):
        signed = match["inner"]  # "- 5 apples" is a list item
    return -number if signed else number


_HYPHEN_AFTER = re.compile(rf"[\d)\]%]\s?$|[{_LETTER}]$")
