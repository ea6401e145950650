"""Shows questions with the same error once in pytest's own sections, with the ids of the others."""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence

import pytest

from pytest_llmeval.core.hostile_text import escaped, without_commands
from pytest_llmeval.report.status import cause_key, first_ids
from pytest_llmeval.results.record import Record

#: pytest's names for tests that failed, and for tests whose setup failed
_CATEGORIES = ("failed", "error")


class RepeatedErrors:
    """Lets the terminal reporter see one report of each cause while it prints its own sections.

    Other plugins, and the counts in pytest's last line, always see all reports.
    """

    def __init__(self) -> None:
        self._stats: dict[str, list[object]] = {}
        self._all: dict[str, list[object]] = {}

    def hide(self, reporter: pytest.TerminalReporter) -> None:
        """Leave one report of each cause."""
        self._stats = reporter.stats
        self._all = {name: self._stats[name] for name in _CATEGORIES if name in self._stats}
        self._stats.update({name: once_each(reports) for name, reports in self._all.items()})

    def show(self) -> None:
        """Undo ``hide``."""
        self._stats.update(self._all)

    @pytest.hookimpl(wrapper=True, trylast=True)  # inside the reporter's wrapper, around all other plugins
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Show all reports to other plugins."""
        self.show()
        try:
            return (yield)
        finally:
            self.hide(terminalreporter)


def once_each(reports: Sequence[object]) -> list[object]:
    """The reports without those of questions whose error has occurred before.

    The first report of a repeated error has a section that says in how many questions it occurred, and where.
    """
    ids: dict[str, list[str]] = {}
    kept: list[tuple[object, str | None]] = []
    for report in reports:
        record = None
        if isinstance(report, pytest.TestReport):
            record = Record.from_report(report.user_properties, report.nodeid)
        if record is None or record.completion.error is None:
            kept.append((report, None))
            continue
        key = cause_key(record.completion.error)
        if key not in ids:
            kept.append((report, key))
        ids.setdefault(key, []).append(record.id)
    return [
        report if key is None or len(ids[key]) == 1 else _with_others(report, ids[key][1:])
        for report, key in kept
    ]


def _with_others(report: object, ids: Sequence[str]) -> object:
    others = "1 other question" if len(ids) == 1 else f"{len(ids)} other questions"
    shown = copy.copy(report)
    assert isinstance(shown, pytest.TestReport)
    text = without_commands(escaped(f"{first_ids(ids)}; questions.jsonl has all errors"))
    shown.sections = [*shown.sections, (f"the same error in {others}", text)]
    return shown
