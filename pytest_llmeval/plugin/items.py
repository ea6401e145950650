"""The question and the model of an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from pytest_llmeval.core.types import Question
from pytest_llmeval.plugin.pytest_internals import parametrized_value
from pytest_llmeval.plugin.result_names import REPEAT_PARAMETER, ResultName
from pytest_llmeval.plugin.state import Plan, Session


class AskedQuestion(NamedTuple):
    """The question of an item, its model and result, and the first repeat that the item asks.

    An item asks all repeats of its question; pytest-repeat makes further items, for further repeats.
    """

    question: Question
    model: str
    result: ResultName
    first_repeat: int = 0

    @property
    def id(self) -> str:
        """The question's id in its result."""
        return self.result.id_of(self.question)

    @property
    def test(self) -> str | None:
        """The test's part of the result's name; None if the name is the benchmark's."""
        return self.result.test if self.result.shared else None


def asked_question(item: pytest.Item, session: Session) -> AskedQuestion | None:
    """What an item asks; None for an ordinary test."""
    question = question_of(item)
    if question is None:
        return None
    step: int = parametrized_value(item, REPEAT_PARAMETER) or 0
    result = session.names.name(item, question)
    repeats = session.suites[question.benchmark].info.repeats
    return AskedQuestion(question, model_of(item, session), result, step * repeats)


def ends_question(report: pytest.TestReport) -> bool:
    """Whether a report gives the result of its item's last try: of its test, or of its failed setup.

    Plugins that run a failed item again report the earlier tries with outcomes of their own.
    """
    if report.when == "setup":
        return report.failed
    return report.when == "call" and report.outcome in ("passed", "failed", "skipped")


def question_of(item: pytest.Item) -> Question | None:
    """The question of an item; None for an ordinary test."""
    question = parametrized_value(item, "question")
    return question if isinstance(question, Question) else None


def is_empty(item: pytest.Item) -> bool:
    """Whether an item is pytest's placeholder for a benchmark without selected questions."""
    question = parametrized_value(item, "question")  # pytest's marker for an empty list of values
    return (
        question is not None
        and not isinstance(question, Question)
        and item.get_closest_marker("llmeval") is not None
    )


def model_of(item: pytest.Item, session: Session) -> str:
    """The name of the model that an item sends its question to."""
    name: str | None = parametrized_value(item, "llm")
    return name if name is not None else next(iter(session.models.configs))


def make_plan(items: Sequence[pytest.Item], session: Session) -> Plan:
    """Count the selected questions by result, model and subject."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for item in items:
        question = question_of(item)
        if question is not None and session.models.configs:
            name = session.names.name(item, question).name
            subjects = counts.setdefault(name, {}).setdefault(model_of(item, session), {})
            subjects[question.subject] = subjects.get(question.subject, 0) + 1
    return counts
