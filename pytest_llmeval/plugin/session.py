"""The session's side: count each report, and at the end results, gates, files and exit code."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmeval.analysis import gate, gate_expressions
from pytest_llmeval.core.errors import LLMEvalError, UserError, one_line
from pytest_llmeval.core.run_info import RunInfo, machine, versions
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.lm_eval.names import is_task
from pytest_llmeval.plugin.collect import benchmark_name, find_benchmark, planned
from pytest_llmeval.plugin.progress import Progress
from pytest_llmeval.plugin.recorder import PREFIX, read_rotations
from pytest_llmeval.plugin.state import STATE, State
from pytest_llmeval.report import terminal
from pytest_llmeval.report.run_files import write_run
from pytest_llmeval.report.task_scores import table as task_table
from pytest_llmeval.report.text import can_draw
from pytest_llmeval.results.judge_usage import Judged
from pytest_llmeval.results.question_log import QUESTIONS, merge
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.results_json import REPORT
from pytest_llmeval.results.run_folder import new_run_folder, point_latest
from pytest_llmeval.results.submission import write_submissions
from pytest_llmeval.results.summary import BenchmarkInfo, Entry, Result, Tally, summarise

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Answer, Comparison

_STATUS = {
    Outcome.CORRECT: (".", {"green": True}),
    Outcome.WRONG: ("w", {"yellow": True}),
    Outcome.UNPARSED: ("u", {"purple": True}),
    Outcome.ANSWERED: ("a", {"cyan": True}),
}
_BY_LETTER = {outcome.value[0]: outcome for outcome in Outcome}


class Controller:
    """Listens in the one process that reports: pytest itself, or the controller of xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._state: State = config.stash[STATE]
        self._gates = self._parse_gates()
        self._baseline = self._read_baseline()
        self._comparisons: tuple[Comparison, ...] = ()
        self._tally = Tally()
        self._errors: list[tuple[str, str]] = []
        self._results: tuple[Result, ...] = ()
        self._verdicts: tuple[gate.GateResult, ...] = ()
        self._started = time.time()
        self._progress = Progress(config, self._state, self._tally)
        self._written: str | None = None
        self._ended_early = False
        self._made_report_dir = False
        self.infos: dict[str, BenchmarkInfo] = {}
        self.order: Mapping[str, int] = {}
        self._places: list[tuple[int, tuple[str, str]]] = []

    @cached_property
    def folder(self) -> Path:
        """The run's folder, made when first needed. Raises ``UserError``."""
        settings = self._state.settings
        self._made_report_dir = not settings.report_dir.exists()
        name = "+".join(model.name for model in settings.models)
        return new_run_folder(settings.report_dir, settings.run_name, model=name)

    def _parse_gates(self) -> tuple[gate_expressions.Gate, ...]:
        from pytest_llmeval.suites import catalog

        settings = self._state.settings
        gates = tuple(gate_expressions.parse(expression) for expression in settings.fail_under)
        gates += gate_expressions.from_table(settings.file_gates, f"{settings.config_file} [gates]")
        gates += tuple(
            gate_expressions.parse_drop(expression, from_config=settings.max_drop_from_file)
            for expression in settings.max_drop
        )
        if any(one.benchmark for one in gates):
            start = self._config.invocation_params.dir
            tasks = [one for one in settings.benchmarks if is_task(one)]
            own = [one for one in settings.benchmarks if not is_task(one)]
            given = [str(find_benchmark(one, start, self._config)) for one in own]
            known = catalog.known(start, given, self._config.args)
            names = {name: (tuple(one.groups), tuple(one.subjects)) for name, one in known.items()}
            if tasks and any(is_task(one.benchmark or "") for one in gates):
                from pytest_llmeval.lm_eval.suite import outline

                names |= {name: outline(name, settings) for name in tasks}
            gate_expressions.check_names(gates, names)
        return gates

    def _read_baseline(self) -> Mapping[tuple[str, str], Mapping[str, Answer]]:
        """The answers of the baseline by model and benchmark. Raises ``UserError``."""
        if self._state.baseline is None:
            return {}
        from pytest_llmeval.results.runs import read_answers

        return read_answers(self._state.baseline)

    def _compare(self) -> tuple[Comparison, ...]:
        """Each result against the baseline's, where that has one."""
        baseline = self._state.baseline
        if baseline is None:
            return ()
        from pytest_llmeval.analysis.compare import Side, compare
        from pytest_llmeval.results.runs import answers_of, way_of

        if not baseline.complete:
            self._state.notes.append(f"the baseline {baseline.name} is an incomplete run")
        now = answers_of(self._tally)
        found = []
        for result in self._results:
            model = baseline.counterpart(result.model, result.benchmark)
            if model is None:
                line = f"the baseline {baseline.name} has no {result.benchmark} to compare with"
                self._state.notes += [line] if line not in self._state.notes else []
                continue
            key = result.model, result.benchmark
            was = self._baseline.get((model, result.benchmark), {})
            after = Side(self.folder.name, result.model, result.identity, way_of(result.info), now[key])
            before = baseline.side(model, result.benchmark, was)
            subjects = tuple(result.info.subjects)
            found.append(compare(result.benchmark, before, after, result.info.groups, subjects))
        return tuple(found)

    def pytest_report_header(self) -> list[str]:
        """Which models, and how they are asked."""
        settings = self._state.settings
        models = ", ".join(model.name for model in settings.models)
        return [f"llmeval: {models}; {settings.mode}"] if models else []

    def pytest_sessionstart(self) -> None:
        """Fix the order in which pytest's last line counts outcomes; else the first to occur leads."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for outcome in _STATUS:
                reporter.stats.setdefault(outcome.value, [])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is planned (without xdist: its workers collect, and tell at their end)."""
        self._state.planned = planned(session.items, self._state)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Before the first question: can the models answer at all, and can results be kept?"""
        asks = any("llm" in getattr(item, "fixturenames", ()) for item in session.items)
        if session.testsfailed or not (asks or not session.items):
            return
        try:
            self._state.models.check()
            if self._state.planned:
                self.folder  # noqa: B018
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        self._progress.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a question when its item's call ends, or when it never got that far."""
        if report.when != "call" and not (report.when == "setup" and report.failed):
            return
        found = dict(report.user_properties)
        if PREFIX + "outcome" not in found:
            return
        entry = _entry(found, report.nodeid)
        self._tally.add(entry)
        if self.order:
            self._places.append((self.order.get(report.nodeid, len(self.order)), (entry.id, entry.model)))
        error = found.get(PREFIX + "error")
        if error is not None:
            self._errors.append((entry.id, str(error)))
        self._progress.tell(entry)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, Mapping[str, bool]]] | None:
        """Letters and words of our own for what passed; failures stay pytest's."""
        if report.when != "call" or not report.passed:
            return None
        for key, value in report.user_properties:
            if key == PREFIX + "outcome":
                outcome = Outcome(str(value))
                letter, markup = _STATUS[outcome]
                return outcome.value, letter, (outcome.value.upper(), markup)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Results, gates, files, exit code."""
        self._progress.stop()
        state = self._state
        if state.problems or state.fatal:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        counts = self._tally.counts()
        answered = counts.requested > counts.error
        if session.exitstatus in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR) and not (
            state.fatal and answered  # of a model that failed in the middle, what it did answer counts
        ):
            if not answered:
                self._remove_folder()
            return
        for name, suite in state.suites.items():
            self.infos.setdefault(name, suite.info)
        self._set_planned()
        models = {name: state.models.identity(name) for name in state.models.configs}
        self._results = summarise(self._tally, self.infos, models)
        self._ended_early = self._missing() > 0
        self._comparisons = self._compare()
        self._verdicts = gate.evaluate(
            self._gates,
            self._results,
            self.infos,
            complete=not self._ended_early,
            partial=state.settings.gate_partial,
            allow_errors=state.settings.allow_errors,
            models=tuple(models),
            comparisons=None
            if state.baseline is None
            else {(one.after.model, one.benchmark): one for one in self._comparisons},
            strict=state.settings.inconclusive == "fail",
            repeats=state.settings.repeats,
        )
        try:
            if self._results:
                self._write(models)
            else:
                self._remove_folder()
        except (LLMEvalError, OSError) as error:
            state.problems.append(f"results could not be written: {error}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.exitstatus = self._exit_code(session)

    def _exit_code(self, session: pytest.Session) -> int:
        status = int(session.exitstatus)
        errors = len(self._errors)
        forgiven = 0 < errors <= self._state.settings.allow_errors and session.testsfailed == errors
        if status == pytest.ExitCode.TESTS_FAILED and forgiven:
            status = int(pytest.ExitCode.OK)
        if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and any(
            verdict.failed for verdict in self._verdicts
        ):
            status = int(pytest.ExitCode.TESTS_FAILED)
        return status

    def _set_planned(self) -> None:
        for name, info in self.infos.items():
            counts = [sum(subjects.values()) for subjects in self._state.planned.get(name, {}).values()]
            self.infos[name] = replace(info, planned=max(counts, default=0))

    def _missing(self) -> int:
        wanted = sum(
            number
            for of_model in self._state.planned.values()
            for subjects in of_model.values()
            for number in subjects.values()
        )
        return wanted * self._state.settings.repeats - self._tally.counts().requested

    @property
    def _asked_words(self) -> str:
        return "questions" if self._state.settings.repeats == 1 else "questions' repeats"

    @property
    def _complete(self) -> bool:
        return not self._ended_early and len(self._errors) <= self._state.settings.allow_errors

    def _write(self, models: Mapping[str, str]) -> None:
        folder = self.folder
        # of a line that a worker wrote and died before it told, the later one's is the one that counts
        parts = sorted(folder.glob("questions.gw*.jsonl"), key=_age)
        if parts:
            merge(parts, folder / QUESTIONS, [key for _, key in sorted(self._places)] or None)
            for part in parts:
                part.unlink()
        self._results = self._with_task_scores()
        run = RunInfo(
            name=folder.name,
            started=datetime.fromtimestamp(self._started, UTC).isoformat(timespec="seconds"),
            duration_s=round(time.time() - self._started, 3),
            complete=self._complete,
            command=command_line(self._config),
            versions=versions(),
            machine=machine(),
        )
        write_run(folder, run, self._results, self._verdicts, self._errors, self._comparisons)
        if any(result.counts.answered for result in self._results):
            write_submissions(folder)
        point_latest(folder.parent, folder)
        self._written = os.path.relpath(folder, self._config.invocation_params.dir)
        self._write_for_people(run)

    def _with_task_scores(self) -> tuple[Result, ...]:
        """The results, those of lm-evaluation-harness' tasks with the numbers that it would report."""
        if not any(is_task(result.benchmark) for result in self._results):
            return self._results
        from pytest_llmeval.lm_eval.suite import task_scores

        found = []
        for result in self._results:
            if is_task(result.benchmark):
                try:
                    given = task_scores(self.folder, result.model, result.benchmark, self._state.settings)
                    result = replace(result, task_scores=given)
                except Exception as error:  # code of a task, and of the library
                    line = f"{result.benchmark}: no numbers of its own: {one_line(error)}"
                    self._state.notes.append(line)
            found.append(result)
        return tuple(found)

    def _write_for_people(self, run: RunInfo) -> None:
        """What is made of the results for people to look at; the results are safe whatever becomes of it."""
        from pytest_llmeval.report import outlets

        settings = self._state.settings
        try:
            rerun = self._rerun()
        except Exception:  # a benchmark's folder went away meanwhile
            rerun = Rerun()
        report = outlets.Report(
            self.folder,
            run,
            self._results,
            self._verdicts,
            tuple(self._errors),
            rerun,
            self._comparisons,
        )
        for outlet in outlets.wanted(settings.badge, settings.plot, os.environ):
            try:
                outlet.write(report)
            except Exception as error:
                self._state.notes.append(f"{outlet.name} could not be written: {one_line(error)}")

    def _rerun(self) -> Rerun:
        """How to ask one question again, from what was typed."""
        from pytest_llmeval.config.options import OPTIONS

        settings, start = self._state.settings, self._config.invocation_params.dir
        earlier = self._state.earlier
        given = {option.key: getattr(self._config.option, option.dest) for option in OPTIONS}
        if earlier is not None:  # "latest" will be another run then
            given["replay"] = os.path.relpath(earlier.folder, start)
        names = {benchmark_name(one, start, self._config): one for one in settings.benchmarks}
        specs = zip((model.name for model in settings.models), settings.specs, strict=False)
        return Rerun(given, dict(specs), names, self._config.rootpath, start)

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
        write = terminalreporter.write_line
        state = self._state
        if state.fatal or state.problems:
            for line in [state.fatal] if state.fatal else state.problems:
                write(f"ERROR: {line}", red=True)
        fancy, paint = can_draw(getattr(sys.stdout, "encoding", None)), terminalreporter._tw.markup
        if self._results:
            terminalreporter.section("llmeval")
            for line in self._tables(terminalreporter._tw.fullwidth, fancy, paint):
                write(line)
            for line in self._compared(terminalreporter._tw.fullwidth, fancy, paint):
                write(line)
        told = {state.fatal}  # on a line of its own above
        errors = [(question, error) for question, error in self._errors if error not in told]
        for line in terminal.error_groups(errors, fancy, paint):
            write(line)
        for line in state.notes:
            write(f"llmeval: {line}", yellow=True)
        if self._results and self._ended_early:
            write(
                f"incomplete: {self._missing()} of the selected {self._asked_words} were not asked", red=True
            )
        for line in terminal.gate_lines(self._verdicts, fancy, paint):
            write(line)
        if self._written is not None:
            write(f"results: {self._written}")
            if (self.folder / REPORT).is_file():
                write(f"report: {os.path.join(self._written, REPORT)}")

    def _tables(self, width: int, fancy: bool, paint: terminal.Paint) -> list[str]:
        lines = []
        for name, info in self.infos.items():
            of_benchmark = [result for result in self._results if result.benchmark == name]
            for result in of_benchmark:
                lines += terminal.table(result, info, width, fancy, paint)
                lines += [] if result.task_scores is None else task_table(result.task_scores, fancy)
                lines.append("")
            if len(of_benchmark) > 1:
                lines += [*terminal.comparison(of_benchmark, info, width, fancy, paint), ""]
        return lines

    def _compared(self, width: int, fancy: bool, paint: terminal.Paint) -> list[str]:
        if not self._comparisons:
            return []
        from pytest_llmeval.report.comparison import lines

        return [line for one in self._comparisons for line in [*lines(one, fancy, paint, width=width), ""]]


def _age(part: Path) -> float:
    """When the writer of a part began: workers are counted, the controller writes last."""
    number = part.name.removeprefix("questions.gw").removesuffix(".jsonl")
    return int(number) if number.isdigit() else float("inf")


def _entry(found: Mapping[str, Any], nodeid: str) -> Entry:
    return Entry(
        id=found[PREFIX + "id"],
        model=found[PREFIX + "model"],
        benchmark=found[PREFIX + "benchmark"],
        subject=found[PREFIX + "subject"],
        outcome=Outcome(found[PREFIX + "outcome"]),
        gold=found.get(PREFIX + "target") is not None,
        latency_s=found.get(PREFIX + "latency_s"),
        prompt_tokens=found.get(PREFIX + "prompt_tokens"),
        completion_tokens=found.get(PREFIX + "completion_tokens"),
        shared_tokens=found.get(PREFIX + "shared_tokens"),
        attempts=found.get(PREFIX + "attempts", 1),
        cached=found.get(PREFIX + "cached", False),
        nodeid=nodeid,
        cluster=found.get(PREFIX + "cluster"),
        score=found.get(PREFIX + "score"),
        outcomes=tuple(_BY_LETTER[letter] for letter in found.get(PREFIX + "outcomes", "")),
        latencies=tuple(found.get(PREFIX + "latencies_s", ())),
        stored=found.get(PREFIX + "stored", 0),
        circles=read_rotations(found.get(PREFIX + "rotations", "")),
        judged=Judged.read(found.get(PREFIX + "judged")),
        answer=found.get(PREFIX + "answer"),
        target=found.get(PREFIX + "target"),
    )


def command_line(config: pytest.Config) -> str:
    """What was typed, as one line; credentials in URLs left out."""
    from pytest_llmeval.core.redact import redact

    return shlex.join(["pytest", *(redact(one_line(arg, 1000)) for arg in config.invocation_params.args)])
