"""Metrics that say right or wrong: choice, exact, number, regex, contains, json."""

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
_KEPT = "-+%#@$€£¥°"
_MOST_CHARACTERS = 100_000


def make_choice(options: Mapping[str, object], where: str) -> Score:
    """The label is the gold one."""
    checked(options, {}, where)
    return lambda answer, question: float(answer == question.answer)


def make_exact(options: Mapping[str, object], where: str) -> Score:
    """The answer is one of the gold ones, both normalised as the options say.

    With ``pattern`` the answer is what its first group (or all of it) matches last.
    """
    given = checked(
        options,
        {"pattern": "", "ignore_case": True, "ignore_punctuation": True, "ignore_articles": False},
        where,
    )
    pattern = compile_pattern(given["pattern"], f"{where}: pattern") if given["pattern"] else None

    def normalised(text: str) -> str:
        return normalise(
            text,
            case=given["ignore_case"],
            punctuation=given["ignore_punctuation"],
            articles=given["ignore_articles"],
        )

    def score(answer: str, question: Question) -> float:
        if pattern is not None:
            found = None
            for found in pattern.finditer(answer[-_MOST_CHARACTERS:]):  # noqa: B007
                pass
            if found is None:
                return 0.0
            answer = (found[1] if pattern.groups else found[0]) or ""
        return float(normalised(answer) in map(normalised, references(question)))

    return score


def make_number(options: Mapping[str, object], where: str) -> Score:
    """The number is the gold one, or at most ``tolerance`` from it."""
    given = checked(options, {"tolerance": 0.0}, where)
    if not 0 <= given["tolerance"] < float("inf"):
        raise UserError(f"{where}: tolerance: {given['tolerance']} is below 0 or no number")
    tolerance = Fraction(repr(float(given["tolerance"])))

    def score(answer: str, question: Question) -> float:
        read, gold = value(answer), value(question.answer or "")
        return float(read is not None and gold is not None and abs(read - gold) <= tolerance)

    return score


def make_regex(options: Mapping[str, object], where: str) -> Score:
    """The gold answer is a regular expression, found in the answer (all of it with ``whole = true``)."""
    given = checked(options, {"ignore_case": False, "whole": False}, where)
    flags = re.I if given["ignore_case"] else re.NOFLAG

    def score(answer: str, question: Question) -> float:
        pattern = re.compile(question.answer or "", flags)
        answer = answer[:_MOST_CHARACTERS].strip()
        found = pattern.fullmatch(answer) if given["whole"] else pattern.search(answer)
        return float(found is not None)

    return score


def make_contains(options: Mapping[str, object], where: str) -> Score:
    """One of the gold answers stands in the answer, as whole words unless ``whole_words = false``."""
    given = checked(options, {"ignore_case": True, "whole_words": True}, where)

    def score(answer: str, question: Question) -> float:
        text = normalise(answer, case=given["ignore_case"])
        golds = (normalise(gold, case=given["ignore_case"]) for gold in references(question))
        return float(any(gold and _stands_in(gold, text, given["whole_words"]) for gold in golds))

    return score


def _stands_in(gold: str, text: str, whole: bool) -> bool:
    if not whole:
        return gold in text
    before = r"(?<![0-9A-Za-z])" if gold[0].isascii() and gold[0].isalnum() else ""
    after = r"(?![0-9A-Za-z])" if gold[-1].isascii() and gold[-1].isalnum() else ""
    return re.search(before + re.escape(gold) + after, text) is not None


def make_json(options: Mapping[str, object], where: str) -> Score:
    """The JSON value equals the gold one; the order of keys and the spelling of numbers are free."""
    checked(options, {}, where)

    def score(answer: str, question: Question) -> float:
        try:
            return float(_same(json.loads(answer), json.loads(question.answer or "")))
        except (ValueError, RecursionError):
            return 0.0

    return score


def _same(one: Any, other: Any) -> bool:
    """Python takes true for 1; JSON does not."""
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
    """``text`` in Unicode's compatibility form with single blanks; what is True is not told apart.

    ``punctuation`` is that around the text, never within it: 3.5 is not 35.
    """
    text = unicodedata.normalize("NFKC", text)
    text = text.casefold() if case else text
    if articles:
        text = _ARTICLES.sub(" ", text)
    text = " ".join(text.split())
    if punctuation:
        start, end = 0, len(text)
        while start < end and _is_loose(text[start]) and not text[start + 1 : start + 2].isdigit():
            start += 1
        while end > start and _is_loose(text[end - 1]):
            end -= 1
        text = text[start:end]
    return text


def _is_loose(char: str) -> bool:
    return char.isspace() or (unicodedata.category(char)[0] == "P" and char not in _KEPT) or char in "`"


def no_number(gold: str) -> str | None:
    """What is wrong with a gold answer of the metric number."""
    return None if value(gold) is not None else f"answer {one_line(repr(gold), 40)} is not a number"


def no_pattern(gold: str) -> str | None:
    """What is wrong with a gold answer of the metric regex."""
    try:
        compile_pattern(gold, f"answer {one_line(repr(gold), 40)}")
    except UserError as error:
        return str(error)
    return None


def no_json(gold: str) -> str | None:
    """What is wrong with a gold answer of the metric json."""
    try:
        json.loads(gold)
    except (ValueError, RecursionError):
        return f"answer {one_line(repr(gold), 40)} is not JSON"
    return None
