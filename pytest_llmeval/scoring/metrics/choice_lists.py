"""The metric ``choice_list``: the answers to several questions about one passage."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Score, Scores, checked


def choice_list_problem(gold: str) -> str | None:
    """Why a gold answer is no list of answers such as ``["B", "AC"]``; None if it is one."""
    return None if _gold(gold) else 'it must be a list of labels, as in ["B", "AC"]'


def points_problem(options: Mapping[str, object], fields: Mapping[str, str]) -> str | None:
    """Why a row's points are not a number above 0; None if they are, or all questions have the same."""
    columns = options.get("columns")
    if not isinstance(columns, Mapping) or "points" not in columns:
        return None
    column = str(columns["points"])
    try:
        points = float(fields.get(column, ""))
    except ValueError:
        points = 0.0
    if 0 < points < math.inf:
        return None
    return f"{column} must be a number of points above 0, not {one_line(repr(fields.get(column, '')), 40)}"


def make_choice_list(options: Mapping[str, object], where: str) -> Score:
    """The share of a passage's questions that are answered right, half for part of several right choices.

    The gold answer is a list with an entry for each question: a label, or the labels of all right choices.
    ``scoring_rate`` is the share of the points that were earned, over all rows. A row's column
    ``columns.points`` has the points of each of its questions (default: 1). ``questions`` is the share of
    questions without a mistake.

    Source: OpenLMLab/GAOKAO-Bench (Apache-2.0), ``Bench/OBJ_score_evaluation.py``.
    """
    columns = checked(options, {"columns": {}}, where)["columns"]
    checked(columns, {"points": ""}, f"{where} columns")
    points_column = columns.get("points")

    def score(answer: str, question: Question) -> float:
        gold = _gold(question.answer or "")
        points = float(question.fields[points_column]) if points_column else 1.0
        answers = _answers(answer, gold)
        count = len(gold)
        earned = [_credit(*pair) for pair in zip(answers, gold, strict=True)] if len(answers) == count else []
        reason = f"{len(answers)} answers to {count} questions" if answers and not earned else ""
        return Scores(
            sum(earned) / count,
            {
                "scoring_rate": (points * sum(earned), points * count),
                "questions": (sum(credit == 1 for credit in earned), count),
            },
            reason,
        )

    return score


def _gold(text: str) -> list[str]:
    """The entries of a gold answer; none if it is not a list of labels."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return []
    labels = [entry.strip() for entry in entries]
    return labels if all(labels) else []


def _answers(answer: str, gold: Sequence[str]) -> list[str]:
    """The answers to the questions of ``gold`` in a text such as ``B, AC``.

    Of several answers to a single question, the last counts. One answer with a label for each question
    (``BDA``) is an answer to each.
    """
    answers = [part.strip() for part in answer.split(",") if part.strip()]
    if len(gold) == 1:
        return answers[-1:]
    return list(answers[0]) if len(answers) == 1 and len(answers[0]) == len(gold) else answers


def _credit(answer: str, gold: str) -> float:
    """1 for the labels of ``gold``, one half for some of them without a wrong one, else 0."""
    labels = set(answer)
    if labels == set(gold):
        return 1.0
    return 0.5 if labels < set(gold) else 0.0
