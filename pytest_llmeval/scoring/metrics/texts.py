"""Metrics that give 0 or 1: choice, exact, number, regex, contains, json."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.extract.numbers import value
from pytest_llmeval.scoring.extract.plain import stated
from pytest_llmeval.scoring.metrics.base import Misfit, Score, checked, references
from pytest_llmeval.scoring.metrics.containment import mentions
from pytest_llmeval.scoring.patterns import MAX_CHARACTERS, compile_pattern, find, find_all

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SAME_SIGNS = {ord(sign): "-" for sign in "\u2010\u2011\u2012\u2013\u2212"}
_SAME_SIGNS |= {ord(sign): "'" for sign in "\u2018\u2019\u02bc"} | {ord(sign): '"' for sign in "\u201c\u201d"}
_THIN_THOUSANDS = re.compile("(?<=\\d)[\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])")
_SIGNS = "-+%#@$€£¥°"
_FORMULA = re.compile(r"[\d\\^_=<>+*/√π∞≤≥±{}()\[\]]|(?<![^\W\d_])[a-zA-Z](?![^\W\d_])")


def make_choice(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer is the label of the gold choice."""
    checked(options, {}, where)
    return lambda answer, question: float(answer == question.answer)


def make_exact(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer equals one of the gold answers, both normalised according to the options.

    With ``pattern`` the answer is its last match (the first group, if it has one). Otherwise it is the whole
    answer or, with ``ignore_label``, what its last explicit statement states: ``Answer: Paris``. Matches of
    ``ignore_pattern`` count as blanks, in answers and gold answers.
    """
    settings = checked(
        options,
        {
            "pattern": "",
            "ignore_case": True,
            "ignore_punctuation": True,
            "ignore_articles": False,
            "ignore_label": True,
            "ignore_pattern": "",
        },
        where,
    )
    pattern, ignored = (
        compile_pattern(settings[key], f"{where}: {key}") if settings[key] else None
        for key in ("pattern", "ignore_pattern")
    )

    def normalised(text: str) -> str:
        return normalise(
            text if ignored is None else _without(text, ignored),
            case=settings["ignore_case"],
            punctuation=settings["ignore_punctuation"],
            articles=settings["ignore_articles"],
        )

    def score(answer: str, question: Question) -> float:
        if pattern is not None:
            last = find(pattern, answer[-MAX_CHARACTERS:], "last")
            if last is None:
                return 0.0
            answer = last.text or ""
        golds = set(map(normalised, references(question)))
        if normalised(answer) in golds:
            return 1.0
        labelled = settings["ignore_label"] and pattern is None
        return float(labelled and any(normalised(short) in golds for short in stated(answer)))

    return score


def _without(text: str, ignored: re.Pattern[str]) -> str:
    """A text with a blank for each match of ``ignored``."""
    text, end = text[-MAX_CHARACTERS:], 0
    kept = []
    for match in find_all(ignored, text):
        kept.append(text[end : match.start])
        end = match.end
    return " ".join([*kept, text[end:]])


def make_number(options: Mapping[str, object], where: str) -> Score:
    """1 if the number differs from the gold one by at most ``tolerance``."""
    settings = checked(options, {"tolerance": 0.0}, where)
    if not 0 <= settings["tolerance"] < float("inf"):
        raise UserError(f"{where}: tolerance: {settings['tolerance']} is negative or not a number")
    tolerance = Fraction(repr(float(settings["tolerance"])))

    def score(answer: str, question: Question) -> float:
        number, gold = value(answer), value(question.answer or "")
        return float(number is not None and gold is not None and abs(number - gold) <= tolerance)

    return score


def make_regex(options: Mapping[str, object], where: str) -> Score:
    """1 if the gold answer, a regular expression, matches in the answer (all of it with ``whole = true``)."""
    settings = checked(options, {"ignore_case": False, "whole": False}, where)
    flags = re.I if settings["ignore_case"] else re.NOFLAG

    def score(answer: str, question: Question) -> float:
        pattern = re.compile(question.answer or "", flags)
        answer = answer[:MAX_CHARACTERS].strip()
        return float(find(pattern, answer, "whole" if settings["whole"] else "first") is not None)

    return score


def make_contains(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer mentions one of the gold answers, as whole words unless ``whole_words = false``.

    A mention that is denied ("not Paris") does not count unless ``count_denied = true``.
    """
    settings = checked(options, {"ignore_case": True, "whole_words": True, "count_denied": False}, where)

    def score(answer: str, question: Question) -> float:
        text = normalise(answer[:MAX_CHARACTERS], case=settings["ignore_case"])
        golds = (normalise(gold, case=settings["ignore_case"]) for gold in references(question))
        whole, denied = settings["whole_words"], settings["count_denied"]
        return float(any(mentions(gold, text, whole=whole, denied=denied) for gold in golds))

    return score


def make_json(options: Mapping[str, object], where: str) -> Score:
    """1 if the JSON value equals the gold one, whatever the order of keys and the notation of numbers."""
    checked(options, {}, where)

    def score(answer: str, question: Question) -> float:
        try:
            return float(_same(json.loads(answer), json.loads(question.answer or "")))
        except (ValueError, RecursionError):
            return 0.0

    return score


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values; unlike in Python, true is not equal to 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return (type(one) in (int, float) and type(other) in (int, float) and one == other) or (
        type(one) is type(other) and one == other
    )


def normalise(text: str, *, case: bool = True, punctuation: bool = False, articles: bool = False) -> str:
    """``text`` in Unicode's compatibility form with single spaces, without the differences that are ignored.

    Minus signs and hyphens become ``-``, typographic quotes straight ones, and numbers lose the separators of
    their thousands. ``case`` ignores case, ``articles`` the words a, an and the, ``punctuation`` punctuation
    around the text but not within it: 3.5 does not become 35.
    """
    text = _THIN_THOUSANDS.sub("", text)
    text = unicodedata.normalize("NFKC", text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text.translate(_SAME_SIGNS))
    text = text.casefold() if case else text
    if articles:
        text = _ARTICLES.sub(" ", text)
    text = " ".join(text.split())
    if punctuation:
        start, end = 0, len(text)
        while start < end and _is_decoration(text[start]) and not text[start + 1 : start + 2].isdigit():
            start += 1
        while end > start and _is_decoration(text[end - 1]):
            end -= 1
        text = text[start:end]
    return text


def _is_decoration(char: str) -> bool:
    return char.isspace() or (unicodedata.category(char)[0] == "P" and char not in _SIGNS) or char in "`"


def number_problem(gold: str) -> str | None:
    """None if a gold answer is one number as a whole. Otherwise raises ``Misfit``."""
    if value(gold) is not None:
        return None
    other = "math" if _FORMULA.search(gold) else "exact"
    raise Misfit(f"answer {one_line(repr(gold), 40)} is not one number", other)


def pattern_problem(gold: str) -> str | None:
    """The problem of a gold answer that is not a regular expression, or None."""
    try:
        compile_pattern(gold, f"answer {one_line(repr(gold), 40)}")
    except UserError as error:
        return str(error)
    return None


def json_problem(gold: str) -> str | None:
    """None if a gold answer is JSON. Otherwise raises ``Misfit``."""
    try:
        json.loads(gold)
    except (ValueError, RecursionError):
        raise Misfit(f"answer {one_line(repr(gold), 40)} is not JSON", "exact") from None
    return None
