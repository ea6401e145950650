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
from pytest_llmeval.scoring.metrics.base import Score, checked, compile_pattern, references

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SIGNS = "-+%#@$€£¥°"
_MAX_CHARACTERS = 100_000


def make_choice(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer is the label of the gold choice."""
    checked(options, {}, where)
    return lambda answer, question: float(answer == question.answer)


def make_exact(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer equals one of the gold answers, both normalised according to the options.

    With ``pattern`` the answer is its last match (the first group, if it has one).
    """
    settings = checked(
        options,
        {"pattern": "", "ignore_case": True, "ignore_punctuation": True, "ignore_articles": False},
        where,
    )
    pattern = compile_pattern(settings["pattern"], f"{where}: pattern") if settings["pattern"] else None

    def normalised(text: str) -> str:
        return normalise(
            text,
            case=settings["ignore_case"],
            punctuation=settings["ignore_punctuation"],
            articles=settings["ignore_articles"],
        )

    def score(answer: str, question: Question) -> float:
        if pattern is not None:
            match = None
            for match in pattern.finditer(answer[-_MAX_CHARACTERS:]):  # noqa: B007
                pass
            if match is None:
                return 0.0
            answer = (match[1] if pattern.groups else match[0]) or ""
        return float(normalised(answer) in map(normalised, references(question)))

    return score


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
        answer = answer[:_MAX_CHARACTERS].strip()
        match = pattern.fullmatch(answer) if settings["whole"] else pattern.search(answer)
        return float(match is not None)

    return score


def make_contains(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer contains one of the gold answers, as whole words unless ``whole_words = false``."""
    settings = checked(options, {"ignore_case": True, "whole_words": True}, where)

    def score(answer: str, question: Question) -> float:
        text = normalise(answer, case=settings["ignore_case"])
        golds = (normalise(gold, case=settings["ignore_case"]) for gold in references(question))
        return float(any(gold and _contains(gold, text, settings["whole_words"]) for gold in golds))

    return score


def _contains(gold: str, text: str, whole: bool) -> bool:
    if not whole:
        return gold in text
    before = r"(?<![0-9A-Za-z])" if gold[0].isascii() and gold[0].isalnum() else ""
    after = r"(?![0-9A-Za-z])" if gold[-1].isascii() and gold[-1].isalnum() else ""
    return re.search(before + re.escape(gold) + after, text) is not None


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

    ``case`` ignores case, ``articles`` the words a, an and the, ``punctuation`` punctuation around the text
    but not within it: 3.5 does not become 35.
    """
    text = unicodedata.normalize("NFKC", text)
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
    """The problem of a gold answer that is not a number, or None."""
    return None if value(gold) is not None else f"answer {one_line(repr(gold), 40)} is not a number"


def pattern_problem(gold: str) -> str | None:
    """The problem of a gold answer that is not a regular expression, or None."""
    try:
        compile_pattern(gold, f"answer {one_line(repr(gold), 40)}")
    except UserError as error:
        return str(error)
    return None


def json_problem(gold: str) -> str | None:
    """The problem of a gold answer that is not JSON, or None."""
    try:
        json.loads(gold)
    except (ValueError, RecursionError):
        return f"answer {one_line(repr(gold), 40)} is not JSON"
    return None
