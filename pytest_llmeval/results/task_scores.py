"""The numbers that lm-evaluation-harness would report for its tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a task or group; ``stderr`` is None if it has none."""

    filter: str
    metric: str
    value: float | str
    stderr: float | None
    higher_is_better: bool | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The numbers of a task or group, over this number of ``documents``."""

    name: str
    alias: str
    documents: int
    shots: int | None
    version: str
    numbers: tuple[Number, ...]
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class TaskScores:
    """The report of lm-evaluation-harness; ``library`` is its version. Groups come after the tasks."""

    library: str
    results: tuple[TaskResult, ...]


def scores_json(scores: TaskScores) -> dict[str, Any]:
    """The part of results.json: ``acc,none`` and ``acc_stderr,none`` as in lm-eval's own results."""
    return {
        "version": scores.library,
        "tasks": {task.name: _task_json(task) for task in scores.results if not task.is_group},
        "groups": {group.name: _task_json(group) for group in scores.results if group.is_group},
    }


def _task_json(task: TaskResult) -> dict[str, Any]:
    content: dict[str, Any] = {
        "alias": task.alias,
        "documents": task.documents,
        "shots": task.shots,
        "version": task.version,
        "higher_is_better": {number.metric: number.higher_is_better for number in task.numbers},
    }
    return content | dict(_metric_items(task.numbers))


def _metric_items(numbers: Iterable[Number]) -> Iterator[tuple[str, object]]:
    for number in numbers:
        yield f"{number.metric},{number.filter}", _finite(number.value)
        yield f"{number.metric}_stderr,{number.filter}", _finite(number.stderr)


def _finite(value: float | str | None) -> float | str | None:
    """JSON has neither infinity nor NaN."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
