"""The metrics of lm-evaluation-harness tasks, laid out as in its own results table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llmeval.report.table import GAP
from pytest_llmeval.report.text import clean, left, right, width_of
from pytest_llmeval.results.task_scores import TaskScores

HEADER = ("task", "filter", "n-shot", "metric", "better", "value", "stderr")
#: columns from this one on are aligned right
NUMBERS_FROM = 5
_MAX_CELL = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of a task or group: the cells under ``HEADER``."""

    cells: tuple[str, ...]
    is_group: bool


def task_rows(scores: TaskScores) -> Iterator[Row]:
    """A row for each metric of each task, then of each group."""
    for task in scores.results:
        shots = "" if task.shots is None else str(task.shots)
        for number in task.numbers:
            better = {True: "higher", False: "lower", None: ""}[number.higher_is_better]
            stderr = "" if number.stderr is None else _figure(number.stderr)
            cells = (number.filter, shots, number.metric, better, _figure(number.value), stderr)
            yield Row((task.alias, *cells), task.is_group)


def task_table(scores: TaskScores, unicode: bool) -> list[str]:
    """The table as lines for the terminal."""
    texts = [HEADER, *(row.cells for row in task_rows(scores))]
    lines_of_cells = [[clean(cell, unicode=unicode, limit=_MAX_CELL) for cell in cells] for cells in texts]
    sizes = [max(map(width_of, column)) for column in zip(*lines_of_cells, strict=True)]
    lines = [f"as lm-eval {clean(scores.library, unicode=unicode)} reports it:"]
    for cells in lines_of_cells:
        padded = [
            right(cell, size) if column >= NUMBERS_FROM else left(cell, size)
            for column, (cell, size) in enumerate(zip(cells, sizes, strict=True))
        ]
        lines.append(GAP.join(padded).rstrip())
    return lines


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"
