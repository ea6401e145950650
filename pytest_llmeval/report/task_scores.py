"""The numbers of lm-evaluation-harness' tasks, as its own table shows them: terminal, Markdown and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_llmeval.report.text import clean, left, right, width_of
from pytest_llmeval.results.task_scores import Number, Scored, TaskScores

HEADER = ("task", "filter", "n-shot", "metric", "better", "value", "stderr")
_NUMBERS_FROM = 5
_LABEL = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One number, as text: cells under ``HEADER``."""

    cells: tuple[str, ...]
    is_group: bool


def rows(given: TaskScores) -> Iterator[Row]:
    """A row a number, those of groups behind those of tasks."""
    for one in given.scored:
        shots = "" if one.shots is None else str(one.shots)
        for number in one.numbers:
            better = {True: "higher", False: "lower", None: ""}[number.higher_is_better]
            stderr = "" if number.stderr is None else _figure(number.stderr)
            told = (number.filter, shots, number.metric, better, _figure(number.value), stderr)
            yield Row((one.alias, *told), one.is_group)


def table(given: TaskScores, unicode: bool) -> list[str]:
    """Lines for the terminal."""
    shown = [HEADER, *(row.cells for row in rows(given))]
    texts = [[clean(cell, unicode=unicode, limit=_LABEL) for cell in cells] for cells in shown]
    sizes = [max(width_of(cells[at]) for cells in texts) for at in range(len(HEADER))]
    lines = [f"as lm-eval {clean(given.library, unicode=unicode)} reports it:"]
    for cells in texts:
        padded = [
            right(cell, size) if at >= _NUMBERS_FROM else left(cell, size)
            for at, (cell, size) in enumerate(zip(cells, sizes, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def scores_json(given: TaskScores) -> dict[str, Any]:
    """The part of results.json: ``acc,none`` and ``acc_stderr,none`` as lm-eval's own results have them."""
    return {
        "version": given.library,
        "tasks": {one.name: _scored_json(one) for one in given.scored if not one.is_group},
        "groups": {one.name: _scored_json(one) for one in given.scored if one.is_group},
    }


def _scored_json(one: Scored) -> dict[str, Any]:
    told: dict[str, Any] = {
        "alias": one.alias,
        "documents": one.documents,
        "shots": one.shots,
        "version": one.version,
        "higher_is_better": {number.metric: number.higher_is_better for number in one.numbers},
    }
    return told | dict(_pairs(one.numbers))


def _pairs(numbers: Iterable[Number]) -> Iterator[tuple[str, object]]:
    for number in numbers:
        yield f"{number.metric},{number.filter}", _finite(number.value)
        yield f"{number.metric}_stderr,{number.filter}", _finite(number.stderr)


def _finite(value: float | str | None) -> float | str | None:
    """JSON has no infinity and no NaN."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"
