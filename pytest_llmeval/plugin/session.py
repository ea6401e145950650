"""Counts each report, and at the end creates results, checks gates, writes files and sets the exit code."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.analysis import gate
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.plugin.current_run import CurrentRun
from pytest_llmeval.plugin.hints import nothing_asked_lines
from pytest_llmeval.plugin.items import ends_question, make_plan
from pytest_llmeval.plugin.llm_fixture import has_llm
from pytest_llmeval.plugin.progress import Progress
from pytest_llmeval.plugin.pytest_internals import name_interruption, set_outcome_order, terminal_reporter
from pytest_llmeval.plugin.repeated_errors import RepeatedErrors
from pytest_llmeval.plugin.requested import find_members
from pytest_llmeval.plugin.run_writer import write_files
from pytest_llmeval.plugin.session_gates import session_gates
from pytest_llmeval.plugin.session_tables import write_summary
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.results.record import Record, outcome_property
from pytest_llmeval.results.suite_average import suite_results
from pytest_llmeval.results.summary import summarise

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Answer, Comparison

_STATUS = {
    Outcome.CORRECT: (".", {"green": True}),
    Outcome.WRONG: ("w", {"yellow": True}),
    Outcome.UNPARSED: ("u", {"purple": True}),
    Outcome.ANSWERED: ("a", {"cyan": True}),
}


class Controller:
    """The reporting part of the plugin: runs in pytest's own process, or in the controller of xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self.run = CurrentRun(config)
        self._config = config
        self._session = config.stash[SESSION]
        self._findings = config.stash[FINDINGS]
        self._gates = session_gates(config)
        self._baseline = self._baseline_answers()
        self._progress = Progress(config, self.run.tally, self.run.repeats)
        self._repeated_errors = RepeatedErrors()
        config.pluginmanager.register(self._repeated_errors, "llmeval-repeated-errors")

    def _baseline_answers(self) -> Mapping[tuple[str, str], Mapping[str, Answer]]:
        """The answers of the baseline by model and benchmark. Raises ``UserError``."""
        if self._session.baseline is None:
            return {}
        from pytest_llmeval.results.runs import read_answers

        return read_answers(self._session.baseline)

    def _compare(self) -> tuple[Comparison, ...]:
        """Compare each result with the baseline's, if the baseline has one."""
        baseline = self._session.baseline
        if baseline is None:
            return ()
        from pytest_llmeval.analysis.compare import Side, compare
        from pytest_llmeval.results.runs import answers_of, function_of

        if not baseline.complete:
            self._findings.notes.append(f"the baseline {baseline.name} is an incomplete run")
        answers = answers_of(self.run.tally)
        comparisons = []
        for result in self.run.results:
            own = answers[result.model, result.benchmark]
            function = function_of(own)
            earlier = baseline.result_like(result, self.run.results, function, self._baseline)
            if earlier is None:
                line = f"the baseline {baseline.name} has no {result.benchmark} to compare with"
                self._findings.notes += [line] if line not in self._findings.notes else []
                continue
            before = baseline.side(earlier, self._baseline)
            earlier_function = function_of(before.answers)
            if earlier_function and earlier_function != function:
                self._findings.notes.append(
                    f"{result.benchmark} was asked by {function}, in the baseline by {earlier_function}"
                )
            after = Side(self.run.folder.name, result.model, result.identity, result.info.conditions, own)
            subjects = tuple(result.info.subjects)
            comparisons.append(compare(result.benchmark, before, after, result.info.groups, subjects))
        return tuple(comparisons)

    def pytest_report_header(self) -> list[str]:
        """Print the models and the mode."""
        settings = self._session.settings
        models = ", ".join(one_line(model.name) for model in settings.models)
        return [f"llmeval: {models}; {settings.mode}"] if models else []

    def pytest_sessionstart(self) -> None:
        """Fix the order of outcomes in pytest's last line; pytest itself orders them by first occurrence."""
        reporter = terminal_reporter(self._config)
        if reporter is not None:
            set_outcome_order(reporter, [outcome.value for outcome in _STATUS])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record the plan; under xdist the workers collect and send it."""
        self._findings.plan = make_plan(session.items, self._session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Check, before the first question, that the models can answer and results can be written."""
        uses_model = any(map(has_llm, session.items))
        if session.testsfailed or not (uses_model or not session.items):
            return
        try:
            self._session.models.check()
            if self._findings.plan:
                self.run.folder  # noqa: B018
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        self._progress.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a question when its test has run, or when its setup failed."""
        if not ends_question(report):
            return
        record = Record.from_report(report.user_properties, report.nodeid)
        if record is None:
            return
        self.run.tally.add(record)
        if self.run.order:
            index = self.run.order.get(report.nodeid, len(self.run.order))
            self.run.record_keys.append((index, (record.id, record.model)))
        self._progress.report(record)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, Mapping[str, bool]]] | None:
        """Provide letters and words for items that passed; failures keep pytest's."""
        if report.when != "call" or not report.passed:
            return None
        outcome = outcome_property(report.user_properties)
        if outcome not in _STATUS:
            return None
        letter, markup = _STATUS[outcome]
        return outcome.value, letter, (outcome.value.upper(), markup)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Create results, check gates, write files and set the exit code."""
        self._progress.stop()
        findings, settings = self._findings, self._session.settings
        if findings.problems or findings.fatal:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        counts = self.run.tally.counts()
        has_answers = counts.requested > counts.error
        if session.exitstatus in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR) and not (
            findings.fatal and has_answers  # answers before the failure count
        ):
            if not has_answers:
                self.run.remove_folder()
            return
        self.run.add_infos(self._session.names.infos(self._session.suites))
        self._set_planned_counts()
        models = {name: self._session.models.identity(name) for name in self._session.models.configs}
        systems = {name: config.system for name, config in self._session.models.configs.items()}
        self.run.results = summarise(self.run.tally, self.run.infos, models, systems)
        self.run.ended_early = self.run.missing > 0
        self.run.suites = suite_results(
            find_members(settings, self._config),
            self.run.results,
            tuple(models),
            ended_early=self.run.ended_early,
        )
        self.run.comparisons = self._compare()
        self.run.verdicts = gate.evaluate(
            self._gates,
            self.run.results,
            self.run.infos,
            complete=not self.run.ended_early,
            partial=settings.gate_partial,
            allow_errors=settings.allow_errors,
            failed_questions=self.run.failed_questions,
            models=tuple(models),
            comparisons=None
            if self._session.baseline is None
            else {(item.after.model, item.benchmark): item for item in self.run.comparisons},
            strict=settings.inconclusive == "fail",
        )
        if self.run.results:
            write_files(self.run)
        else:
            self.run.remove_folder()
        session.exitstatus = self._exit_code(session)

    def _exit_code(self, session: pytest.Session) -> int:
        status = int(session.exitstatus)
        errors = self.run.failed_questions
        only_allowed_errors = (
            0 < errors <= self._session.settings.allow_errors and session.testsfailed == errors
        )
        if status == pytest.ExitCode.TESTS_FAILED and only_allowed_errors:
            status = int(pytest.ExitCode.OK)
        # another plugin may have made the failed item of an error pass
        fails = (
            errors > self._session.settings.allow_errors
            or self._findings.unwritten
            or any(verdict.failed for verdict in self.run.verdicts)
        )
        if fails and status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            status = int(pytest.ExitCode.TESTS_FAILED)
        return status

    def _set_planned_counts(self) -> None:
        for name, info in self.run.infos.items():
            counts = [sum(subjects.values()) for subjects in self._findings.plan.get(name, {}).values()]
            self.run.infos[name] = replace(info, planned=max(counts, default=0))

    @pytest.hookimpl(trylast=True)  # after the reporter
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Shorten what is said of Ctrl-C."""
        reporter = terminal_reporter(self._config)
        if reporter is not None and excinfo.type is KeyboardInterrupt and not self._config.option.fulltrace:
            name_interruption(reporter, "interrupted by Ctrl-C")

    @pytest.hookimpl(
        wrapper=True, tryfirst=True
    )  # around everything else, so that the results are on the screen
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int
    ) -> Generator[None]:
        """Print errors by cause, tables, gates, and the paths of the reports after all other sections."""
        self._repeated_errors.hide(terminalreporter)
        try:
            return (yield)
        finally:
            self._repeated_errors.show()
            if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
                self._findings.notes += nothing_asked_lines(self._config)
            write_summary(self.run, terminalreporter)
