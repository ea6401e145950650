"""Prints the end of a run: errors by cause, tables, gates, and the paths of the reports."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.core.hostile_text import escaped, without_commands
from pytest_llmeval.plugin.pytest_internals import terminal_markup, terminal_width
from pytest_llmeval.report import status, terminal
from pytest_llmeval.report.suite_tables import suite_table
from pytest_llmeval.report.table import Paint
from pytest_llmeval.report.task_scores import task_table
from pytest_llmeval.report.text import can_draw
from pytest_llmeval.results.results_json import REPORT

if TYPE_CHECKING:
    from pytest_llmeval.plugin.current_run import CurrentRun


def write_summary(run: CurrentRun, reporter: pytest.TerminalReporter) -> None:
    """Print the end of a run."""

    def write(line: str, **markup: bool) -> None:
        # tables and gates are clean, and have colours of our own
        reporter.write_line(without_commands(line), **markup)

    findings = run.findings
    if run.results:
        reporter.section("llmeval")
    for line in [*([findings.fatal] if findings.fatal else findings.problems), *findings.unwritten]:
        write(f"ERROR: {escaped(line)}", red=True)
    unicode, paint = can_draw(getattr(sys.stdout, "encoding", None)), terminal_markup(reporter)
    # the fatal error was printed above
    errors = [(question, error) for question, error in run.errors if error != findings.fatal]
    for line in status.error_groups(errors, unicode, paint):
        write(line)
    for line in findings.notes:
        write(f"llmeval: {escaped(line)}", yellow=True)
    if run.results:
        width = terminal_width(reporter)
        for line in _tables(run, width, unicode, paint):
            write(line)
        for suite in run.suites:
            for line in [*suite_table(suite, width, unicode, paint), ""]:
                write(line)
        for line in _comparisons(run, width, unicode, paint):
            write(line)
    if run.results and run.ended_early:
        unit = "questions" if all(info.repeats == 1 for info in run.infos.values()) else "questions' repeats"
        write(f"incomplete: {run.missing} of the selected {unit} were not run", red=True)
    if run.results and run.unanswered and run.stores_answers:
        what = "question" if run.unanswered == 1 else f"{run.unanswered} questions"
        write(f"the same command asks only the {what} without an answer; the other answers are stored")
    for line in status.gate_lines(run.verdicts, unicode, paint):
        write(line)
    if run.shown_path is not None:
        write(f"results: {escaped(run.shown_path)}")
        if (run.folder / REPORT).is_file():
            write(f"report: {escaped(os.path.join(run.shown_path, REPORT))}")


def _tables(run: CurrentRun, width: int, unicode: bool, paint: Paint) -> list[str]:
    lines = []
    for name, info in run.infos.items():
        results = [result for result in run.results if result.benchmark == name]
        for result in results:
            lines += terminal.result_table(result, info, width, unicode, paint)
            lines += [] if result.task_scores is None else task_table(result.task_scores, unicode)
            lines.append("")
        if len(results) > 1:
            lines += [*terminal.models_table(results, info, width, unicode, paint), ""]
    return lines


def _comparisons(run: CurrentRun, width: int, unicode: bool, paint: Paint) -> list[str]:
    if not run.comparisons:
        return []
    from pytest_llmeval.report.comparison import comparison_lines

    return [
        line
        for comparison in run.comparisons
        for line in [*comparison_lines(comparison, unicode, paint, width=width), ""]
    ]
