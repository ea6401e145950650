"""The metric ``ifeval``: whether an answer follows the instructions of its question.

The score is 1 if it follows all of them strictly. Four numbers are reported: the shares of prompts and of
single instructions that are followed strictly and loosely. See ``scoring.instructions`` for the instructions,
and ``following`` for strict and loose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.instructions import INSTRUCTIONS
from pytest_llmeval.scoring.instructions.following import follow
from pytest_llmeval.scoring.instructions.instruction import Check, parse
from pytest_llmeval.scoring.instructions.linguistics import PUNKT, SPLITTERS, LibraryLinguistics, missing
from pytest_llmeval.scoring.metrics.base import Number, Score, Scores, checked

_DEFAULTS = {"instructions": "instruction_id_list", "arguments": "kwargs", "sentences": PUNKT}


def make_ifeval(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer follows all instructions of its question.

    ``instructions`` and ``arguments`` name the columns with the lists of instruction ids and of their
    arguments. ``sentences`` is ``punkt`` (NLTK's model, as the reference has it) or ``rules``, which needs no
    data. Raises ``UserError``.
    """
    settings = checked(options, _DEFAULTS, where)
    if settings["sentences"] not in SPLITTERS:
        raise UserError(f"{where}: sentences: {settings['sentences']!r} is none of {', '.join(SPLITTERS)}")
    linguistics = LibraryLinguistics(settings["sentences"])

    def score(answer: str, question: Question) -> float:
        checks = _checks(question.fields[settings["instructions"]], question.fields[settings["arguments"]])
        followed = follow(answer, checks, linguistics)
        broken = [check.id for check, right in zip(checks, followed.strict, strict=True) if not right]
        numbers: dict[str, Number] = {}
        for name, right in (("strict", followed.strict), ("loose", followed.loose)):
            numbers[f"prompt_level_{name}"] = float(all(right))
            numbers[f"instruction_level_{name}"] = (float(sum(right)), float(len(right)))
        return Scores(float(not broken), numbers, f"not followed: {', '.join(broken)}" if broken else "")

    return score


def row_problem(options: Mapping[str, object], fields: Mapping[str, str]) -> str | None:
    """What is wrong with the instructions of a row, in one line; None if nothing is."""
    settings: dict[str, Any] = {**_DEFAULTS, **options}
    for name in ("instructions", "arguments"):
        column = settings[name]
        if not fields.get(column):
            return f"column {column!r}, with the {name} to verify, is missing or empty"
    try:
        _checks(fields[settings["instructions"]], fields[settings["arguments"]])
    except ValueError as error:
        return str(error)
    return None


def missing_libraries(options: Mapping[str, object], rows: Iterable[Mapping[str, str]]) -> str | None:
    """See ``Metric.missing``: what the instructions of these rows need."""
    settings: dict[str, Any] = {**_DEFAULTS, **options}
    checks = [_checks(row[settings["instructions"]], row[settings["arguments"]]) for row in rows]
    needs = {need for row in checks for check in row for need in check.instruction.needs}
    return missing(needs, settings["sentences"])


@lru_cache(maxsize=1024)
def _checks(ids: str, arguments: str) -> tuple[Check, ...]:
    """The checks that two cells state. Raises ``ValueError`` in one line."""
    return parse(_list(ids), _list(arguments), INSTRUCTIONS)


def _list(cell: str) -> list[object]:
    """Raises ``ValueError``."""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise ValueError(f"{one_line(repr(cell), 60)} is not a JSON list")
    return value
