"""What a run prints at its end: tables, errors by cause, gates, and where the reports are."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.plugin.pytest_internals import terminal_markup, terminal_width
from pytest_llmeval.report import status, terminal
from pytest_llmeval.report.table import Paint
from pytest_llmeval.report.task_scores import task_table
from pytest_llmeval.report.text import can_draw
from pytest_llmeval.results.results_json import REPORT

if TYPE_CHECKING:
    from pytest_llmeval.plugin.session import Controller


def write_summary(controller: Controller, reporter: pytest.TerminalReporter) -> None:
    """Print the end of a run."""
    write = reporter.write_line
    findings = controller.findings
    for line in [findings.fatal] if findings.fatal else findings.problems:
        write(f"ERROR: {line}", red=True)
    unicode, paint = can_draw(getattr(sys.stdout, "encoding", None)), terminal_markup(reporter)
    if controller.results:
        reporter.section("llmeval")
        width = terminal_width(reporter)
        for line in _tables(controller, width, unicode, paint):
            write(line)
        for line in _comparisons(controller, width, unicode, paint):
            write(line)
    # the fatal error has a line of its own above
    errors = [(question, error) for question, error in controller.errors if error != findings.fatal]
    for line in status.error_groups(errors, unicode, paint):
        write(line)
    for line in findings.notes:
        write(f"llmeval: {line}", yellow=True)
    if controller.results and controller.ended_early:
        what = "questions" if controller.session.settings.repeats == 1 else "questions' repeats"
        write(f"incomplete: {controller.missing} of the selected {what} were not asked", red=True)
    for line in status.gate_lines(controller.verdicts, unicode, paint):
        write(line)
    if controller.written is not None:
        write(f"results: {controller.written}")
        if (controller.folder / REPORT).is_file():
            write(f"report: {os.path.join(controller.written, REPORT)}")


def _tables(controller: Controller, width: int, unicode: bool, paint: Paint) -> list[str]:
    lines = []
    for name, info in controller.infos.items():
        results = [result for result in controller.results if result.benchmark == name]
        for result in results:
            lines += terminal.result_table(result, info, width, unicode, paint)
            lines += [] if result.task_scores is None else task_table(result.task_scores, unicode)
            lines.append("")
        if len(results) > 1:
            lines += [*terminal.models_table(results, info, width, unicode, paint), ""]
    return lines


def _comparisons(controller: Controller, width: int, unicode: bool, paint: Paint) -> list[str]:
    if not controller.comparisons:
        return []
    from pytest_llmeval.report.comparison import comparison_lines

    return [
        line
        for comparison in controller.comparisons
        for line in [*comparison_lines(comparison, unicode, paint, width=width), ""]
    ]
