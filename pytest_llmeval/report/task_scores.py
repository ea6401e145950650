"""The numbers of lm-evaluation-harness' tasks, as its own table shows them: terminal, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llmeval.report.text import clean, left, right, width_of
from pytest_llmeval.results.task_scores import TaskScores

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


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"
