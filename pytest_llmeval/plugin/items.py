"""Which items are questions, and of which model they ask them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_llmeval.core.types import Question
from pytest_llmeval.plugin.pytest_internals import parametrized_value
from pytest_llmeval.plugin.state import Session


def question_of(item: pytest.Item) -> Question | None:
    """The question that an item asks; None for other tests."""
    question = parametrized_value(item, "question")
    return question if isinstance(question, Question) else None


def is_empty(item: pytest.Item) -> bool:
    """Whether an item stands for a benchmark without any selected question."""
    question = parametrized_value(item, "question")  # pytest's own marker of an empty list of values
    return (
        question is not None
        and not isinstance(question, Question)
        and item.get_closest_marker("llmeval") is not None
    )


def model_of(item: pytest.Item, session: Session) -> str:
    """The name of the model that an item asks."""
    name: str | None = parametrized_value(item, "llm")
    return name if name is not None else next(iter(session.models.configs))


def planned(items: Sequence[pytest.Item], session: Session) -> dict[str, dict[str, dict[str, int]]]:
    """How many questions are to be asked: benchmark -> model -> subject -> number."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for item in items:
        question = question_of(item)
        if question is not None and session.models.configs:
            subjects = counts.setdefault(question.benchmark, {}).setdefault(model_of(item, session), {})
            subjects[question.subject] = subjects.get(question.subject, 0) + 1
    return counts
