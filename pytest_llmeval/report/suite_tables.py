"""The tables of suites: a row for each benchmark, then the weighted average."""

from __future__ import annotations

from pytest_llmeval.report import figures
from pytest_llmeval.report.table import Paint, Row, fold, layout_table, plain
from pytest_llmeval.report.text import clean
from pytest_llmeval.results.suite_average import SuiteResult

HEADER = ("benchmark", "weight", "n", "accuracy", "95% interval", "unparsed", "errors")
AVERAGE = "weighted average"


def suite_cells(result: SuiteResult) -> list[tuple[str, ...]]:
    """The cells under ``HEADER`` of each benchmark, and of the average if there is one."""
    rows: list[tuple[str, ...]] = [
        (
            row.label,
            f"{row.member.weight:g}",
            figures.count(row.counts.requested),
            figures.percent(row.accuracy),
            figures.interval(row.interval),
            figures.count(row.counts.unparsed),
            figures.count(row.counts.error),
        )
        for row in result.rows
    ]
    if result.average is None:
        return rows
    average = figures.percent(result.average), figures.interval(result.interval)
    return [*rows, (AVERAGE, "", "", *average, "", "")]


def missing_line(result: SuiteResult) -> str:
    """Why there is no average; empty if there is one."""
    return f"no average: {result.missing}" if result.missing else ""


def suite_table(result: SuiteResult, width: int, unicode: bool = True, paint: Paint = plain) -> list[str]:
    """The table as lines for the terminal."""
    title = f"suite {result.suite}{' · ' if unicode else ' - '}{result.model}"
    rows = [
        Row(
            clean(cells[0], unicode=unicode),
            tuple(clean(cell, unicode=unicode) for cell in cells[1:]),
            bold=cells[0] == AVERAGE,
        )
        for cells in suite_cells(result)
    ]
    lines = [paint(line, bold=True) for line in fold(clean(title, unicode=unicode), width)]
    if rows:
        lines += layout_table(HEADER[0], [[text] for text in HEADER[1:]], rows, width, unicode, paint)
    if result.missing:
        text = clean(missing_line(result), unicode=unicode, limit=2000)
        lines += [paint(line, yellow=True) for line in fold(text, width)]
    return lines
