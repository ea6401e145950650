"""Reports the progress of a run: a line that is rewritten on a terminal, or else a new line now and then.

Both are written from the main thread only: when a question has finished, and while it waits for an answer.
"""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable, Mapping

import pytest

from pytest_llmeval.plugin.pytest_internals import (
    is_controller,
    set_terminal_file,
    terminal_file,
    terminal_reporter,
    terminal_width,
    without_capture,
)
from pytest_llmeval.plugin.say import make_say
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.report.live import LiveFile
from pytest_llmeval.report.status import status_line, waiting_text
from pytest_llmeval.report.table import GAP
from pytest_llmeval.report.text import clean
from pytest_llmeval.results.activity import Activity
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.tally import Tally

_LIVE_EVERY_S = 0.2
_TERMINAL_EVERY_S = 10.0
_LOG_EVERY_S = 60.0
#: seconds without an answer before a log says so, and between lines about different reasons
_LOG_QUIET_S = 3.0
_LOG_CHANGE_S = 10.0


class Progress:
    """Reports the progress of the benchmark and model whose question finished last.

    ``repeats`` returns how often each question of a result is asked.
    """

    def __init__(self, config: pytest.Config, tally: Tally, repeats: Callable[[str], int]) -> None:
        self._config = config
        self._session = config.stash[SESSION]
        self._findings = config.stash[FINDINGS]
        self._tally = tally
        self._repeats = repeats
        #: benchmark and model of the last question
        self._last: tuple[str, str] | None = None
        self._waited_at = -math.inf
        self._waited_for: tuple[bool, str] | None = None
        self._live: LiveFile | None = None
        self._reported_at = time.monotonic()
        self._every_s = _TERMINAL_EVERY_S if sys.stdout.isatty() else _LOG_EVERY_S

    def start(self) -> None:
        """Watch for tests that wait; replace the terminal's file, if the terminal can rewrite a line."""
        self._session.models.on_wait = self.wait
        reporter = terminal_reporter(self._config)
        in_place = (
            sys.stdout.isatty()
            and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
            and self._config.option.capture != "no"  # output of tests would be appended to the line
        )
        if reporter is not None and in_place:
            self._live = LiveFile(terminal_file(reporter))
            set_terminal_file(reporter, self._live)
            self._every_s = _LIVE_EVERY_S

    def stop(self) -> None:
        """Restore the terminal's file."""
        reporter = terminal_reporter(self._config)
        if reporter is not None and self._live is not None:
            self._live.clear()
            set_terminal_file(reporter, self._live.file)
            self._live = None

    def report(self, record: Record) -> None:
        """Report progress after a question, unless the last report is too recent."""
        self._last = record.benchmark, record.model
        now = time.monotonic()
        if now - self._reported_at < self._every_s:
            return
        self._reported_at = now
        self._show(self.line(record.benchmark, record.model))

    def wait(self, activity: Activity) -> None:
        """Report what a model is doing while the main thread waits for it.

        In a log this is a line after some seconds without an answer, then one now and then; sooner if the
        reason changes.
        """
        if self._live is None:
            now = time.monotonic()
            reason = bool(activity.sent), re.sub(r"\d+", "", activity.status or "")
            every_s = self._every_s if reason == self._waited_for else min(_LOG_CHANGE_S, self._every_s)
            if activity.quiet_s < min(_LOG_QUIET_S, self._every_s) or now - self._waited_at < every_s:
                return
            self._waited_at, self._waited_for = now, reason
        self._show(self._waiting_line(activity))

    def _waiting_line(self, activity: Activity) -> str:
        text, model = waiting_text(activity), activity.model
        if self._last is not None and self._last[1] == model:
            return f"{self.line(*self._last)}{GAP}{text}"
        planned = sum(
            self._expected(result, models.get(model, {})) for result, models in self._findings.plan.items()
        )
        return f"{clean(model)} 0/{planned}{GAP}{text}" if planned else f"{clean(model)}: {text}"

    def _show(self, line: str) -> None:
        reporter = terminal_reporter(self._config)
        if reporter is not None and self._live is not None:
            with without_capture(self._config):
                self._live.show(line, terminal_width(reporter))
        else:
            make_say(self._config)(line)

    def line(self, benchmark: str, model: str) -> str:
        """The progress of a model on a benchmark, and that of the whole run if it has several of them."""
        tally, plan = self._tally, self._findings.plan
        counts = tally.counts(model=model, benchmark=benchmark)
        has_engines = not is_controller(self._config)
        line = status_line(
            f"{benchmark} {model}",
            counts.requested,
            self._expected(benchmark, plan.get(benchmark, {}).get(model, {})),
            counts.correct,
            counts.scored,
            tally.seconds(model, benchmark),
            self._session.models.get(model).ready(self._session.names.benchmark_of(benchmark))
            if has_engines
            else 0,
            interval=counts.interval,
            stored=tally.stored(model, benchmark),
            errors=counts.error,
        )
        pairs = [(name, subjects) for name, models in plan.items() for subjects in models.values()]
        if len(pairs) > 1:
            line += f"  (all {tally.counts().requested}/{sum(self._expected(*pair) for pair in pairs)})"
        return line

    def _expected(self, result: str, subjects: Mapping[str, int]) -> int:
        """The number of answers to expect for these numbers of a result's questions by subject."""
        return sum(subjects.values()) * self._repeats(result)
