"""What a metric is, and the checking of its options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Question

#: (what was read from the completion, its question) -> a score from 0 to 1
Score: TypeAlias = Callable[[str, Question], float]


def _any_gold(answer: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    ``make`` gets the options and where they stand, and gives the scoring function; it raises ``UserError``
    for options that are wrong or a library that is missing. ``extractor`` names the usual reader of answers.
    ``gold_problem`` says what is wrong with a gold answer that this metric cannot compare with.
    One that ``runs_code`` of the model is refused without ``--llm-allow-code`` and a sandbox.
    """

    make: Callable[[Mapping[str, object], str], Score]
    extractor: str
    graded: bool = False
    threshold: float = 1.0
    gold_problem: Callable[[str], str | None] = _any_gold
    runs_code: bool = False


class Reasoned(float):
    """A score that says why it is what it is, in a line that becomes a note of the answer."""

    reason: str

    def __new__(cls, score: float, reason: str = "") -> Reasoned:
        """``score`` from 0 to 1."""
        made = super().__new__(cls, score)
        made.reason = reason
        return made


def checked(options: Mapping[str, object], defaults: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``options`` over ``defaults``, each of its default's type. Raises ``UserError``."""
    for key, given in options.items():
        if key not in defaults:
            raise unknown("key", key, ["name", "threshold", *defaults], where=where)
        wanted = defaults[key]
        numeric = isinstance(wanted, float) and type(given) in (int, float)
        if not numeric and type(given) is not type(wanted):
            raise UserError(
                f"{where}: {key}: {one_line(repr(given), 60)} must be as in {key} = {json.dumps(wanted)}"
            )
    return {**defaults, **options}


def references(question: Question) -> list[str]:
    """The gold answers: one text, or each of a JSON list of texts."""
    gold = question.answer or ""
    if gold.startswith("["):
        try:
            listed = json.loads(gold)
        except (ValueError, RecursionError):
            return [gold]
        if isinstance(listed, list) and listed and all(isinstance(one, str) for one in listed):
            return listed
    return [gold]


def compile_pattern(pattern: str, where: str) -> re.Pattern[str]:
    """A user's regular expression. Raises ``UserError``."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"{where}: not a regular expression: {one_line(error)}") from None
