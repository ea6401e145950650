"""How far a run is, told while it runs: in place on a terminal, else a line now and then."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_llmeval.plugin.pytest_internals import (
    is_controller,
    set_terminal_file,
    terminal_file,
    terminal_width,
)
from pytest_llmeval.plugin.say import make_say
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.report.live import LiveFile
from pytest_llmeval.report.status import status_line
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.tally import Tally

_LIVE_EVERY_S = 0.2
_TERMINAL_EVERY_S = 10.0
_LOG_EVERY_S = 60.0


class Progress:
    """Tells of the benchmark and model whose question was just finished."""

    def __init__(self, config: pytest.Config, tally: Tally) -> None:
        self._config = config
        self._session = config.stash[SESSION]
        self._findings = config.stash[FINDINGS]
        self._tally = tally
        self._live: LiveFile | None = None
        self._reported_at = time.monotonic()
        self._every_s = _TERMINAL_EVERY_S if sys.stdout.isatty() else _LOG_EVERY_S

    def start(self) -> None:
        """Take the place of the terminal's file, where a line can be written in place."""
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        in_place = (
            reporter is not None
            and sys.stdout.isatty()
            and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
            and self._config.option.capture != "no"  # what tests print would run into it
        )
        if in_place:
            self._live = LiveFile(terminal_file(reporter))
            set_terminal_file(reporter, self._live)
            self._every_s = _LIVE_EVERY_S

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.clear()
            reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            set_terminal_file(reporter, self._live.file)
            self._live = None

    def report(self, record: Record) -> None:
        """A question was finished: say how far the run is, if it is time to."""
        now = time.monotonic()
        if now - self._reported_at < self._every_s:
            return
        self._reported_at = now
        line = self.line(record.benchmark, record.model)
        if self._live is None:
            make_say(self._config)(line)
        else:
            reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            self._live.show(line, terminal_width(reporter))

    def line(self, benchmark: str, model: str) -> str:
        """One model on one benchmark, and all of the run where there is more."""
        tally, planned = self._tally, self._findings.planned
        counts = tally.counts(model=model, benchmark=benchmark)
        here = not is_controller(self._config)
        said = status_line(
            f"{benchmark} {model}",
            counts.requested,
            self._wanted(planned.get(benchmark, {}).get(model, {})),
            counts.correct,
            counts.scored,
            tally.seconds(model, benchmark),
            self._session.models.get(model).ready(benchmark) if here else 0,
            interval=counts.interval,
            stored=tally.stored(model, benchmark),
            errors=counts.error,
        )
        all_planned = sum(self._wanted(of) for models in planned.values() for of in models.values())
        if sum(len(models) for models in planned.values()) > 1:
            said += f"  (all {tally.counts().requested}/{all_planned})"
        return said

    def _wanted(self, subjects: Mapping[str, int]) -> int:
        """How many answers are to come of a number of questions by subject."""
        return sum(subjects.values()) * self._session.settings.repeats
