r"""The extractor ``number``: the number that a text gives as its answer, in plain form, or None.

The last explicit statement decides: ``#### 18``, ``\boxed{18}``, ``<answer>18</answer>``, a field of JSON,
"the answer is", ``Antwort: 18``. What it states is a number or the answer is None: never another number of
the text. ``announced`` finds the statements, in many languages. A box must be a number as a whole
(``arithmetic``); of a sentence the number at its beginning or the result of its equation counts.

A text without such a statement gives what its last sentence with a number states: the result it names, else
its last number that is no aside, as in the flexible rule of lm-evaluation-harness. A refusal gives None.

Of a very long text the first 2,000 and the last 14,000 characters are read. The time is linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from fractions import Fraction

from pytest_llmeval.scoring.extract.announced import Announcement, Kind, announcements
from pytest_llmeval.scoring.extract.arithmetic import evaluated
from pytest_llmeval.scoring.extract.numerals import Numeral, cleaned, joined, normalised, numerals, plain
from pytest_llmeval.scoring.extract.reasoning import split_reasoning
from pytest_llmeval.scoring.extract.refusals import is_refusal, refuses, refuses_before
from pytest_llmeval.scoring.extract.scales import CURRENCY
from pytest_llmeval.scoring.extract.spelled import chinese, spelled
from pytest_llmeval.scoring.extract.turns import first_turn

__all__ = ["number", "plain", "value"]

_HEAD, _TAIL = 2_000, 14_000
_SENTENCE = re.compile(r"[.!?](?=[\s*\"')\]]|$)|[。！？\n]|</")
_DIRECTLY = re.compile(
    rf"[\s:：{CURRENCY[1:-1]}≈(\[{{+\"'“\\-]*(?:(?:approximately|approx\.?|about|exactly|roughly|around|only|just|约|大约"
    rf"|共|一共|ca\.?|circa|etwa|environ|unos|cerca\sde)\b)?[\s{CURRENCY[1:-1]}≈(\[{{+-]*(?=\.?\d)"
)
_ITEM = re.compile(r"^[-*•][ \t]+")
_APART = re.compile(rf"^-[ \t]+(?=[\d.{CURRENCY[1:-1]}])")
_N = rf"[-+{CURRENCY[1:-1]}]{{0,2}}\d{{1,20}}(?:[.,]\d{{1,20}}){{0,6}}"
_UNIT = r"\s?(?:%|°?[A-Za-z]{1,12}\b|[\u4e00-\u9fff]{1,3}?)?\s{0,4}"
_LARGER = r"(?:year|month|week|day|hour|hr|minute|min|pound|lb|dollar)s?|h|feet|foot|ft|k[gm]|m"
_SMALLER = r"(?:month|week|day|hour|hr|minute|min|second|sec|ounce|cent)s?|inch(?:es)?|in|oz|c?m|g"
_AND = (
    r"(?:,\s?)?\b(?:or|and|to|oder|und|bis|ou|et|à|o|u|y|eller|och|og|lub|albo|i|или|и|до|veya|ve|ya\sda|atau|dan"
    r"|hoặc|và|ή|και)\b|-|~|或者?|還是|还是|至|到|和|与|または|か|と|또는|과|와|أو|या|หรือ|และ"
)
#: alternatives, ranges, hours and minutes, ratios, roots, lists
_SEVERAL = re.compile(
    r"[\s:：(\[{]{0,8}(?:(?:either|between|from|entre|zwischen|entweder|tra|fra|między|между)\s)?(?:"
    rf"{_N}{_UNIT}(?:{_AND})\s{{0,4}}(?:[A-Za-z]\s?=\s?)?{_N}(?!\d|-\w|\s?/)"
    rf"|{_N}\s?(?:{_LARGER})\s{_N}\s?(?:{_SMALLER})\b"
    rf"|{_N}[\u4e00-\u9fff]{{1,2}}{_N}[\u4e00-\u9fff]"
    rf"|{_N}\s?(?::\d|\s:\s\d|\\sqrt|√|\\pi\b|π|±|\\pm)|(?:\\sqrt|√|\\pi\b|π|±|\\pm)"
    rf"|{_N}(?:[,、，]\s{_N}|、{_N})+\s{{0,3}}(?:$|[)\]}}])|{_N}(?:[,;，]{_N}){{2,}})",
    re.I,
)
#: thousands where the comma is the decimal sign
_DOTTED = re.compile(r"(?<![\d.,])([1-9]\d{0,2})\.(\d{3})(?!\d|[.,]\d)")
_PAIR = re.compile(rf"[\s:：]{{0,4}}[(\[]\s?{_N}\s?[,;，]\s?{_N}\s?[)\]]")
_THOUSANDS = re.compile(
    rf"[\s:：(\[{{]{{0,8}}[-+{CURRENCY[1:-1]}]{{0,2}}\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?![\d,])(?!,?\s?\d)"
)
_EQUATIONS = re.compile(rf"=\s?{_N}\s{{0,4}}(?:,|;|\bor\b|\band\b|或|和)\s{{0,4}}[A-Za-z]\s?=")
_ONLY_EQUATIONS = re.compile(
    rf"=\s?{_N}\s{{0,4}}(?:,|;|\bor\b|\band\b|或|和)\s{{0,4}}[A-Za-z]\s?=\s?{_N}[^\w]{{0,9}}$"
)
_JOINED = re.compile(rf"[\s*]{{0,3}}(?:{_AND}|[,;])[\s*]{{0,3}}(?=\$|\\[(\[]|-?\d)")
_CONCLUSION = re.compile(
    r"(?:[,;，；—(]\s?(?:(?:and\s)?(?:so|thus|hence|therefore)|making|giving|leaving|i\.?e\.?,?|for\sa\stotal\sof"
    r"|totall?ing|that\sis)\b|\bwhich\s(?:is|makes|gives|equals|rounds)\b|[,，;；]\s?(?:所以|因此))"
    rf"[^\d\n;]{{0,40}}?(?={_N})",
    re.I,
)
_MATH = re.compile(
    r"\$\$?(?=[^\s$])(?P<dollar>[^$\n]{1,300})(?<=\S)\$\$?(?!\d)|\\[(\[](?P<bracket>[^\n]{1,300}?)\\[)\]]"
)
_QUOTE = re.compile(r"^(?:[>#•]+\s+)+")
_SIGNS = re.compile(r"\\[A-Za-z]|[\^_√π]")
_FORMULA = re.compile(r"[\\(\[√π^_<>≤≥±|{]|\d\s?[-:~]\s?\d")
_WORDS = re.compile(r"\\(?:text|mathrm|mbox|operatorname)[a-z]*\s?\{[^{}]*\}")
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}|(?=[^\x00-\u03ff])[^\W\d_]")
_BULLET = re.compile(r"^[ \t]{0,8}\d{1,2}[.)][ \t]+(?=[^\s\d])", re.M)
_ASIDE = re.compile(r"\s?[(（\[][^()（）\[\]\n]{0,200}[)）\]]")
_REFERENCE = re.compile(
    r"(?:\b(?:step|question|problem|part|equation|eq|figure|table|day|line|case|method|option|section|chapter|page|number|no"
    r"|example|note|version|paragraph)s?|[#№第])[.\s]{0,2}\d{1,4}(?:\.\d{1,3})?(?!\d|\.\d)(?![:=])",
    re.I,
)
_GOVERNED = re.compile(
    r"\b(?:in|see|from|on|at|by)\s(?!total|all|fact|sum)[a-z]{2,12}\s\d[\d.,]*|"
    r"\b(?:in|after|since|until|as\sof|by|during|per|every|each|out\sof|(?<=\d\s)of|from|than|within|among|over|at|von|aus|nach|pro"
    r"|sur|après|dans|par|de|en|por|di|su|dopo|из|после|van|av)\s(?:(?:the|a|an|all|these|those|about|last|next|first|only"
    rf"|his|her|their|its|another)\s){{0,2}}(?:{CURRENCY})?\d[\d.,]*",
    re.I,
)


class _Reading(Enum):
    """Why an announced text gives no number."""

    SILENT = "no number in it"
    UNCLEAR = "not one number"


def number(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The number that a text gives as its answer, in ``plain`` form; None if there is none."""
    del choices
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    text = normalised(first_turn(split_reasoning(text)[0]))
    answer = _stated(text)
    return plain(answer) if isinstance(answer, Fraction) else None


def value(text: str) -> Fraction | None:
    """The value of a text that is one number, with or without unit, currency and separators; else None."""
    return evaluated(joined(normalised(text)).strip("\"'`* "))


def _stated(text: str) -> Fraction | _Reading:
    whole = text.strip().strip("*_`\"' ")
    if len(whole) <= 120 and "\n" not in whole and (alone := _alone(whole)) is not None:
        return alone
    found = announcements(text)
    explicit = [statement for statement in found if statement.kind is not Kind.OUTCOME]
    explicit = [statement for statement in explicit if not statement.hypothetical] or explicit
    if explicit and explicit[-1].content is None and _is_refused(text, explicit[-1]):
        return _Reading.UNCLEAR
    silent = len(text)
    for statement in reversed(explicit[-20:]):
        reading = _read(text, statement, found)
        if reading is not _Reading.SILENT:
            return reading
        silent = min(silent, statement.end)
    if silent < len(text) and not re.search(r"\d", text[silent:]):
        return _Reading.SILENT
    if refuses(text):
        return _Reading.SILENT
    return _unannounced(text, found)


def _alone(text: str) -> Fraction | _Reading | None:
    """The number of a short text that is nothing else, UNCLEAR for another formula, None for prose."""
    text = _QUOTE.sub("", text).rstrip(".!?")
    answer = evaluated(joined(text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text))
    if answer is not None:
        return answer
    if not re.search(r"\d", text):
        begins = spelled(text)
        return begins if begins is not None and text.count(" ") <= 5 else None
    if _PROSE.search(text) is None and _FORMULA.search(text) and "box" not in text:
        return _Reading.UNCLEAR
    return None


def _is_refused(text: str, statement: Announcement) -> bool:
    """Whether a statement says that there is no answer: before its noun, or before any number."""
    before = text[max(0, statement.start - 80) : statement.start]
    after = _sentence(text, statement.end)
    return refuses_before(before) or is_refusal(re.split(r"\d", after, maxsplit=1)[0])


def _read(text: str, statement: Announcement, found: Sequence[Announcement] = ()) -> Fraction | _Reading:
    """What a statement states; ``found`` are the statements of the whole text."""
    if statement.content is not None:
        answer = evaluated(joined(statement.content))
        return _Reading.UNCLEAR if answer is None else answer
    part = _sentence(text, statement.end)
    if statement.decimal_comma:
        part = _DOTTED.sub(r"\1\2", part)
    answer = evaluated(joined(part.strip().strip("*_`\"'“”| ").rstrip(".,;")))
    if answer is not None:
        return answer
    math = _MATH.match(part.lstrip())
    if math is not None and _PROSE.search(_WORDS.sub("", _content(math))) is None:
        several = _JOINED.match(part.lstrip(), math.end())
        return _Reading.UNCLEAR if several else _formula(_content(math))
    if not _DIRECTLY.match(part) and "=" not in part:  # "Answer: in all there are 18, at first 20"
        for outcome in found:
            if outcome.kind is Kind.OUTCOME and statement.end <= outcome.start < statement.end + len(part):
                return _read(text, outcome)
    return _sentence_number(cleaned(part))


def _sentence(text: str, start: int) -> str:
    """The rest of the sentence from ``start``, or of the next line if this one ends there."""
    rest = text[start : start + 2000]
    part = rest.lstrip()
    if "\n" in text[max(0, start - 3) : start] + rest[: len(rest) - len(part)]:
        part = _ITEM.sub("", part)
    end = _SENTENCE.search(part)
    return part[: end.start()] if end else part


def _sentence_number(part: str) -> Fraction | _Reading:
    """The number of an announced sentence: the result of an equation, or a number at the beginning."""
    several = _EQUATIONS.search(part) if "=" in part else _SEVERAL.match(part) or _PAIR.match(part)
    if several is not None and not _THOUSANDS.match(part):
        return _Reading.UNCLEAR
    part = _APART.sub("-", part)
    head, equals, tail = part.rpartition("=")
    if equals and (result := _first(tail)) is not None:
        return _whole(result)
    begins = _DIRECTLY.match(part)
    if not begins:
        in_words = spelled(part)
        if in_words is None and not re.search(r"\d", part):
            in_words = chinese(part)
        if in_words is not None:
            return in_words
    if begins and not equals:
        conclusion = _CONCLUSION.search(part, begins.end())
        return _whole(_first(part[conclusion.end() :] if conclusion else part))
    return _whole(_last(head) if equals else _main(part))


def _whole(numeral: Numeral | None) -> Fraction | _Reading:
    if numeral is None:
        return _Reading.SILENT
    return numeral.value if numeral.whole else _Reading.UNCLEAR


def _first(part: str) -> Numeral | None:
    return next(numerals(part), None)


def _last(part: str) -> Numeral | None:
    last = None
    for last in numerals(part):  # noqa: B007
        pass
    return last


def _unannounced(text: str, found: list[Announcement]) -> Fraction | _Reading:
    """The number that the last sentence with a number states."""
    offset = max(0, len(text) - 3_000)
    tail = _BULLET.sub(lambda match: " " * len(match[0]), text[offset:])
    bounds = [0, *(match.end() for match in _SENTENCE.finditer(tail)), len(tail)]
    for start, end in zip(reversed(bounds[:-1]), reversed(bounds[1:]), strict=True):
        sentence = tail[start:end]
        if not re.search(r"\d", sentence):
            if (in_words := chinese(sentence)) is not None and re.search(r"[^\W\d_]", sentence):
                return in_words
            continue
        outcomes = [o for o in found if start <= o.start - offset < end and o.kind is Kind.OUTCOME]
        for statement in sorted(outcomes, key=lambda o: (not o.is_total, o.start), reverse=True):
            reading = _read(text, statement)
            if reading is not _Reading.SILENT:
                return reading
        reading = _last_of(sentence)
        if reading is not _Reading.SILENT:
            return reading
    return _Reading.SILENT


def _last_of(sentence: str) -> Fraction | _Reading:
    """The number of a sentence that announces nothing: its last one that is no aside."""
    math = previous = None
    for match in _MATH.finditer(sentence):
        previous, math = math, match
    joint = math and previous and _JOINED.match(sentence, previous.end())
    if _ONLY_EQUATIONS.search(sentence) or (joint and math and joint.end() == math.start()):
        return _Reading.UNCLEAR
    if math is not None and not re.search(r"\d", sentence[math.end() :]):
        reading = _formula(_content(math)) if _SIGNS.search(_content(math)) else _Reading.SILENT
        if reading is not _Reading.SILENT:
            return reading
    head, equals, tail = cleaned(sentence).rpartition("=")
    if equals and (result := _first(tail)) is not None:
        conclusion = _CONCLUSION.search(tail)
        return _whole(_main(tail[conclusion.end() :]) if conclusion else result)
    return _whole(_main(head + tail))


def _content(math: re.Match[str]) -> str:
    return str(math["dollar"] or math["bracket"])


def _formula(content: str) -> Fraction | _Reading:
    answer = evaluated(joined(content))
    if answer is not None:
        return answer
    return _Reading.UNCLEAR if re.search(r"\d", content) else _Reading.SILENT


def _main(part: str) -> Numeral | None:
    """The last number of a cleaned text that is no aside, no reference and no circumstance, else its last."""
    last = _last(part)
    for aside in (_ASIDE, _REFERENCE, _GOVERNED):
        shorter = aside.sub(" ", part)
        if (other := _last(shorter)) is not None:
            part, last = shorter, other
    return last
