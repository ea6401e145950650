"""The extractor ``number``: the number that a text gives as its answer, in plain form, or None.

It reads the first of these that the text has: a line ``#### 18`` (as in GSM8K), ``\\boxed{18}``, the text
after the last "answer is", "answer:" and the like, or the last number of the text, which is the flexible
rule of lm-evaluation-harness. If the marked text is not a single number (a range, "12 or 15", hours and
minutes, a ratio, a root), the result is None. All patterns have bounded lookahead, so that the time is
linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from fractions import Fraction

from pytest_llmeval.scoring.extract.spelled import spelled

_MAX_DIGITS = 60
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9, "k": 1000}
_SCALES |= {"千": 1000, "万": 10**4, "亿": 10**8}
_KILO = r"千(?![克米瓦卡帕焦字])"  # but not in units such as 千克 (kilogram)
_DATE = re.compile(r"\b(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4})\b(?![.,]?\d)")
_CURRENCY = r"[$€£¥₹]"
_SUBSTITUTES = (
    (re.compile(r"<<[^<>\n]{0,200}>>"), ""),  # calculator annotations of GSM8K
    (re.compile(r"(?<=-)\s?\\[dtc]?frac\s?\{([^{}\n]{1,60})\}\s?\{([^{}\n]{1,60})\}"), r"\1/\2 "),
    (re.compile(r"\\[dtc]?frac\s?\{([^{}\n]{1,60})\}\s?\{([^{}\n]{1,60})\}"), r" \1/\2 "),
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
_CHINESE = re.compile(
    rf"(?<![\w.,])((?:\d{{1,9}}(?:\.\d{{1,9}})?\s?(?:亿|万|{_KILO})\s?){{2,3}})(\d{{2,4}}(?![\d.,]))?"
    rf"|(?<![\w.,])(\d{{1,9}}\s?(?:亿|万))(\d{{2,8}}(?![\d.,亿万千]))"
)
_BULLET = re.compile(r"^[ \t]{0,8}\d{1,2}[.)][ \t]+(?=[^\s\d])", re.M)
_NUMBER = re.compile(
    rf"(?<![\w.,^])(?:(?P<sign>-)\s?)?(?P<currency>{_CURRENCY})?\s?(?P<inner>-)?"
    r"(?P<whole>\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])"  # Indian grouping
    r"|(?P<european>\d{1,3}(?:\.\d{3})+(?=,\d{1,2}(?!\d))|\d{1,3}(?:\.\d{3}){2,}(?![\d.,]\d|\d))"
    r"|\d{1,3}(?:,\d{3})+(?![\d])|\d{1,3}(?:[ \u202f'’]\d{3})+(?!\d|[ ']?\d|[.,/]\d{0,3}\s?[+*/×-])"
    r"|\d+(?:_\d+)*|(?=\.\d))"
    r"(?P<decimals>\.\d+|,\d{1,2}(?![\d,]))?"
    r"(?:[eE](?P<power>[+-]?\d{1,2})(?!\w)|\s?[×x*]\s?10\^\{?(?P<ten>-?\d{1,2})\}?)?"
    r"(?:\s?/\s?(?P<below>\d+(?:\.\d+)?)(?!\s?/\s?\d)|\s(?P<top>\d{1,6})/(?P<bottom>\d{1,6})(?![\d/]))?"
    rf"(?:\s?(?P<scale>thousand|million|billion|万|亿|{_KILO})(?![A-Za-z])|(?P<kilo>[kK])(?![A-Za-z]))?"
)
_HASHES = re.compile(r"####[ \t]*([^\n]{1,200})")
_HEADING = re.compile(r"\d{1,2}[.)]\s+\S|[A-Za-z]")
_ANSWER = re.compile(
    r"(?:(?:final|correct)\s{1,3})?\banswer\b(?:\s{1,3}(?:to|for)\b[^.:=\n]{0,80}?)?\s{0,3}"
    r"(?:\bis\b|\bwould\s{1,3}be\b|=|:|：)\s{0,3}:?"
    r"|(?:最终)?答案\s{0,3}(?:是|为|：|:|应该是|应为)\s{0,3}[:：]?",
    re.I,
)
_SENTENCE = re.compile(r"[.!?](?=\s|$)|[。！？\n]")
_DIRECTLY = re.compile(r"[\s:：$€£¥₹≈(\[{-]*(?:approximately|about|exactly|约)?[\s$€£¥₹≈(\[{-]*(?=[\d.])")
_ITEM = re.compile(r"^[-*•][ \t]+")
_APART = re.compile(r"^-[ \t]+(?=[\d.$€£¥₹])")
_N = r"[-+$€£¥₹]{0,2}\d{1,20}(?:[.,]\d{1,20}){0,6}"
_UNIT = r"\s?(?:%|°?[A-Za-z]{1,12}\b|[\u4e00-\u9fff]{1,3})?\s{0,4}"
_LARGER = r"(?:year|month|week|day|hour|hr|minute|min|pound|lb|dollar)s?|h|feet|foot|ft|k[gm]|m"
_SMALLER = r"(?:month|week|day|hour|hr|minute|min|second|sec|ounce|cent)s?|inch(?:es)?|in|oz|c?m|g"
#: alternatives, ranges, hours and minutes, ratios, roots, lists
_SEVERAL = re.compile(
    r"[\s:：(\[{]{0,8}(?:"
    rf"{_N}{_UNIT}(?:(?:,\s?)?\bor\b|\bto\b|\band\b|-|或|至|到|和)\s{{0,4}}{_N}(?!\d|-\w|\s?/)"
    rf"|{_N}\s?(?:{_LARGER})\s{_N}\s?(?:{_SMALLER})\b"
    rf"|{_N}[\u4e00-\u9fff]{{1,2}}{_N}[\u4e00-\u9fff]"
    rf"|{_N}\s?(?::\d|\\sqrt|√|\\pi\b|π)|(?:\\sqrt|√|\\pi\b|π)"
    rf"|{_N}(?:,\s{_N})+\s{{0,3}}(?:$|[)\]}}]))"
)
_EQUATIONS = re.compile(rf"=\s?{_N}\s{{0,4}}(?:,|;|\bor\b|\band\b|或|和)\s{{0,4}}[A-Za-z]\s?=")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")


def number(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The number that a text gives as its answer, in ``plain`` form; None if there is none."""
    del choices
    text = _cleaned(text)
    for part in _marked(text):
        if _is_unclear(part):
            return None
        answer = _read(part)
        if answer is not None:
            return plain(answer)
    last = _last(_BULLET.sub("", text))
    return None if last is None else plain(last)


def value(text: str) -> Fraction | None:
    """The value of a text that is one number, with or without unit, currency and separators; else None."""
    numbers = list(_numbers(_cleaned(text)))
    return numbers[0] if len(numbers) == 1 else None


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


def _cleaned(text: str) -> str:
    mixed = re.sub(r"(?<=\d)([½¼¾⅓⅔])", r" \1", text)
    raised = _SUPERSCRIPT.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), mixed)
    text = unicodedata.normalize("NFKC", raised).translate(
        {0x2212: "-", 0x2044: "/", 0x2013: "-", 0xFFE5: "¥", 0x00A0: " "}
    )
    for pattern, substitute in _SUBSTITUTES:
        text = pattern.sub(substitute, text)
    return _CHINESE.sub(_summed, _POWER.sub(_raised, text))


def _raised(match: re.Match[str]) -> str:
    """Replace ``2^10`` by its value."""
    digits = str(int(match[1]) ** int(match[2]))
    return digits if len(digits) <= _MAX_DIGITS else match[0]


def _summed(match: re.Match[str]) -> str:
    """Replace ``1亿2000万`` by its value; unchanged unless the scales descend."""
    scaled, rest = match[1] or match[3], match[2] or match[4] or "0"
    parts = re.findall(r"(\d+(?:\.\d+)?)\s?([亿万千])", scaled)
    scales = [_SCALES[scale] for _, scale in parts]
    if sorted(set(scales), reverse=True) != scales or int(rest) >= scales[-1]:
        return match[0]
    return plain(sum((Fraction(digits) * _SCALES[scale] for digits, scale in parts), Fraction(rest)))


def _marked(text: str) -> Iterator[str]:
    """The texts after markers, the most reliable first."""
    hashes = [match[1] for match in _HASHES.finditer(text) if not _HEADING.match(match[1])]
    if hashes:
        yield hashes[-1]
    boxed = _last_boxed(text)
    if boxed is not None:
        yield boxed
    places = [match.end() for match in _ANSWER.finditer(text)]
    for place in reversed(places[-20:]):
        yield _sentence(text, place)


def _last_boxed(text: str) -> str | None:
    place = text.rfind("\\boxed{")
    if place < 0:
        return None
    start = place + len("\\boxed{")
    depth = 1
    for at in range(start, min(len(text), start + 500)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at]
    return None


def _sentence(text: str, start: int) -> str:
    """The rest of the sentence from ``start``, or of the next line if this one ends there."""
    rest = text[start : start + 2000]
    part = rest.lstrip()
    if "\n" in text[max(0, start - 3) : start] + rest[: len(rest) - len(part)]:
        part = _ITEM.sub("", part)
    end = _SENTENCE.search(part)
    return part[: end.start()] if end else part


def _read(part: str) -> Fraction | None:
    """The number in a text marked as the answer: the result of an equation, or a number at the beginning."""
    part = _APART.sub("-", part)
    head, equals, tail = part.rpartition("=")
    if equals and (result := _first(tail)) is not None:
        return result
    begins = _DIRECTLY.match(part)
    if not begins and (in_words := spelled(part)) is not None:
        return in_words
    return _first(part) if begins and not equals else _last(head if equals else part)


def _is_unclear(part: str) -> bool:
    """Whether a text marked as the answer begins with several numbers, or with none that is exact."""
    return _SEVERAL.match(part) is not None if "=" not in part else _EQUATIONS.search(part) is not None


def _first(part: str) -> Fraction | None:
    return next(_numbers(part), None)


def _last(part: str) -> Fraction | None:
    last = None
    for last in _numbers(part):  # noqa: B007
        pass
    return last


def _numbers(text: str) -> Iterator[Fraction]:
    for match in _NUMBER.finditer(text):
        before, after = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 3]
        if re.match(r":\d", after) or re.search(r"\d:$", before) or _ORDINAL.match(after):
            continue  # a time, a ratio or an ordinal
        number = _value(match, before)
        if number is not None:
            yield number


def _value(match: re.Match[str], before: str) -> Fraction | None:
    if len(match[0]) > _MAX_DIGITS + 30:
        return None
    whole = re.sub(r"[, _\u202f'’]", "", match["whole"])
    if match["european"]:
        whole = whole.replace(".", "")
    decimals = (match["decimals"] or "").replace(",", ".")
    if len(whole) + len(decimals) > _MAX_DIGITS:
        return None
    number = Fraction((whole or "0") + decimals)
    power = match["power"] or match["ten"]
    if power is not None:
        number *= Fraction(10) ** int(power)
    if match["below"] is not None:
        if Fraction(match["below"]) == 0:
            return None
        number /= Fraction(match["below"])
    if match["bottom"] is not None:
        if int(match["bottom"]) == 0:
            return None
        number += Fraction(int(match["top"]), int(match["bottom"]))
    if match["scale"]:
        number *= _SCALES[match["scale"]]
    if match["kilo"] and match["currency"]:
        number *= _SCALES["k"]
    # after a digit, a word or a bracket a dash is a hyphen or a minus sign between numbers
    signed = match["inner"] or (match["sign"] and not re.search(r"[\d)\]%]\s?$|\w$", before))
    if match["sign"] and match[0][1:2].isspace() and not before.rstrip().endswith("="):
        signed = match["inner"]  # "- 5 apples" is a list item
    return -number if signed else number
