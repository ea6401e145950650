"""The process that reports: counts each report, and at the end makes results, gates, files and exit code."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.analysis import gate
from pytest_llmeval.core.errors import LLMEvalError, UserError
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.plugin.items import planned
from pytest_llmeval.plugin.progress import Progress
from pytest_llmeval.plugin.pytest_internals import set_outcome_order, terminal_reporter
from pytest_llmeval.plugin.run_writer import write_files
from pytest_llmeval.plugin.session_gates import session_gates
from pytest_llmeval.plugin.session_tables import write_summary
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.results.record import Record, outcome_property
from pytest_llmeval.results.run_folder import new_run_folder
from pytest_llmeval.results.summary import BenchmarkInfo, Result, summarise
from pytest_llmeval.results.tally import Tally

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Answer, Comparison

_STATUS = {
    Outcome.CORRECT: (".", {"green": True}),
    Outcome.WRONG: ("w", {"yellow": True}),
    Outcome.UNPARSED: ("u", {"purple": True}),
    Outcome.ANSWERED: ("a", {"cyan": True}),
}


class Controller:
    """Listens in the one process that reports: pytest itself, or the controller of xdist.

    ``infos`` are the benchmarks of the run, ``order`` the index of each item by its node id (xdist only).
    ``errors`` are (question id, message). ``results``, ``verdicts`` and ``comparisons`` are there at the end,
    ``written`` is then the run's folder as it is shown.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.session = config.stash[SESSION]
        self.findings = config.stash[FINDINGS]
        self.tally = Tally()
        self.infos: dict[str, BenchmarkInfo] = {}
        self.order: Mapping[str, int] = {}
        #: the index and (id, model) of each counted item, where ``order`` is known
        self.counted: list[tuple[int, tuple[str, str]]] = []
        self.errors: list[tuple[str, str]] = []
        self.results: tuple[Result, ...] = ()
        self.verdicts: tuple[gate.GateResult, ...] = ()
        self.comparisons: tuple[Comparison, ...] = ()
        self.started = time.time()
        self.written: str | None = None
        self.ended_early = False
        self._made_report_dir = False
        self._gates = session_gates(config)
        self._baseline = self._baseline_answers()
        self._progress = Progress(config, self.tally)

    @cached_property
    def folder(self) -> Path:
        """The run's folder, made when first needed. Raises ``UserError``."""
        settings = self.session.settings
        self._made_report_dir = not settings.report_dir.exists()
        name = "+".join(model.name for model in settings.models)
        return new_run_folder(settings.report_dir, settings.run_name, model=name)

    def add_infos(self, infos: Mapping[str, BenchmarkInfo]) -> None:
        """Take over what a worker of xdist knows of its benchmarks."""
        for name, info in infos.items():
            self.infos.setdefault(name, info)

    def _baseline_answers(self) -> Mapping[tuple[str, str], Mapping[str, Answer]]:
        """The answers of the baseline by model and benchmark. Raises ``UserError``."""
        if self.session.baseline is None:
            return {}
        from pytest_llmeval.results.runs import read_answers

        return read_answers(self.session.baseline)

    def _compare(self) -> tuple[Comparison, ...]:
        """Each result against the baseline's, where that has one."""
        baseline = self.session.baseline
        if baseline is None:
            return ()
        from pytest_llmeval.analysis.compare import Side, compare
        from pytest_llmeval.results.runs import answers_of

        if not baseline.complete:
            self.findings.notes.append(f"the baseline {baseline.name} is an incomplete run")
        answers = answers_of(self.tally)
        comparisons = []
        for result in self.results:
            model = baseline.counterpart(result.model, result.benchmark)
            if model is None:
                line = f"the baseline {baseline.name} has no {result.benchmark} to compare with"
                self.findings.notes += [line] if line not in self.findings.notes else []
                continue
            after = Side(
                self.folder.name,
                result.model,
                result.identity,
                result.info.conditions,
                answers[result.model, result.benchmark],
            )
            before = baseline.side(model, result.benchmark, self._baseline.get((model, result.benchmark), {}))
            subjects = tuple(result.info.subjects)
            comparisons.append(compare(result.benchmark, before, after, result.info.groups, subjects))
        return tuple(comparisons)

    def pytest_report_header(self) -> list[str]:
        """Which models, and how they are asked."""
        settings = self.session.settings
        models = ", ".join(model.name for model in settings.models)
        return [f"llmeval: {models}; {settings.mode}"] if models else []

    def pytest_sessionstart(self) -> None:
        """Fix the order in which pytest's last line counts outcomes; else the first to occur leads."""
        reporter = terminal_reporter(self.config)
        if reporter is not None:
            set_outcome_order(reporter, [outcome.value for outcome in _STATUS])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is planned; under xdist the workers collect, and send it."""
        self.findings.planned = planned(session.items, self.session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Before the first question: check that the models can answer and that results can be written."""
        asks = any("llm" in getattr(item, "fixturenames", ()) for item in session.items)
        if session.testsfailed or not (asks or not session.items):
            return
        try:
            self.session.models.check()
            if self.findings.planned:
                self.folder  # noqa: B018
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        self._progress.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a question when its item's call ends, or when it never got that far."""
        if report.when != "call" and not (report.when == "setup" and report.failed):
            return
        record = Record.from_report(report.user_properties, report.nodeid)
        if record is None:
            return
        self.tally.add(record)
        if self.order:
            index = self.order.get(report.nodeid, len(self.order))
            self.counted.append((index, (record.id, record.model)))
        if record.completion.error is not None:
            self.errors.append((record.id, record.completion.error))
        self._progress.report(record)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, Mapping[str, bool]]] | None:
        """Letters and words of our own for items that passed; failures stay pytest's."""
        if report.when != "call" or not report.passed:
            return None
        outcome = outcome_property(report.user_properties)
        if outcome is None:
            return None
        letter, markup = _STATUS[outcome]
        return outcome.value, letter, (outcome.value.upper(), markup)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Results, gates, files, exit code."""
        self._progress.stop()
        findings, settings = self.findings, self.session.settings
        if findings.problems or findings.fatal:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        counts = self.tally.counts()
        answered = counts.requested > counts.error
        if session.exitstatus in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR) and not (
            findings.fatal and answered  # what a model answered before it failed counts
        ):
            if not answered:
                self._remove_folder()
            return
        self.add_infos({name: suite.info for name, suite in self.session.suites.items()})
        self._set_planned()
        models = {name: self.session.models.identity(name) for name in self.session.models.configs}
        self.results = summarise(self.tally, self.infos, models)
        self.ended_early = self.missing > 0
        self.comparisons = self._compare()
        self.verdicts = gate.evaluate(
            self._gates,
            self.results,
            self.infos,
            complete=not self.ended_early,
            partial=settings.gate_partial,
            allow_errors=settings.allow_errors,
            models=tuple(models),
            comparisons=None
            if self.session.baseline is None
            else {(one.after.model, one.benchmark): one for one in self.comparisons},
            strict=settings.inconclusive == "fail",
            repeats=settings.repeats,
        )
        try:
            if self.results:
                write_files(self)
            else:
                self._remove_folder()
        except (LLMEvalError, OSError) as error:
            findings.problems.append(f"results could not be written: {error}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.exitstatus = self._exit_code(session)

    def _exit_code(self, session: pytest.Session) -> int:
        status = int(session.exitstatus)
        errors = len(self.errors)
        forgiven = 0 < errors <= self.session.settings.allow_errors and session.testsfailed == errors
        if status == pytest.ExitCode.TESTS_FAILED and forgiven:
            status = int(pytest.ExitCode.OK)
        if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and any(
            verdict.failed for verdict in self.verdicts
        ):
            status = int(pytest.ExitCode.TESTS_FAILED)
        return status

    def _set_planned(self) -> None:
        for name, info in self.infos.items():
            counts = [sum(subjects.values()) for subjects in self.findings.planned.get(name, {}).values()]
            self.infos[name] = replace(info, planned=max(counts, default=0))

    @property
    def missing(self) -> int:
        """How many of the selected questions' answers are not counted."""
        selected = sum(
            number
            for of_model in self.findings.planned.values()
            for subjects in of_model.values()
            for number in subjects.values()
        )
        return selected * self.session.settings.repeats - self.tally.counts().requested

    @property
    def complete(self) -> bool:
        """Whether every selected question was answered, but for the errors that are allowed."""
        return not self.ended_early and len(self.errors) <= self.session.settings.allow_errors

    def _remove_folder(self) -> None:
        """Leave nothing of a run without results."""
        if "folder" not in self.__dict__:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._made_report_dir:
            with contextlib.suppress(OSError):  # another run has begun in it
                self.folder.parent.rmdir()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tables, errors by cause, gates, and where the reports are."""
        write_summary(self, terminalreporter)

    @property
    def shown_folder(self) -> str:
        """The run's folder, as seen from where pytest was started."""
        return os.path.relpath(self.folder, self.config.invocation_params.dir)
