"""The question and the model of an item."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_llmeval.core.types import Question
from pytest_llmeval.plugin.pytest_internals import parametrized_value
from pytest_llmeval.plugin.state import Plan, Session


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
    """Count the selected questions by benchmark, model and subject."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for item in items:
        question = question_of(item)
        if question is not None and session.models.configs:
            subjects = counts.setdefault(question.benchmark, {}).setdefault(model_of(item, session), {})
            subjects[question.subject] = subjects.get(question.subject, 0) + 1
    return counts
