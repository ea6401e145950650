"""Runs each item: sends questions ahead of time, runs the test in all its attempts, and writes records."""

from __future__ import annotations

import gc
from collections.abc import Callable, Container, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.core.errors import LLMEvalError, ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.hostile_text import escaped, safe, without_commands
from pytest_llmeval.core.types import Completion, Outcome, Question
from pytest_llmeval.plugin.failures import ErrorCapture, cause, cause_of_report, describe, is_failure
from pytest_llmeval.plugin.items import AskedQuestion, asked_question, ends_question
from pytest_llmeval.plugin.llm_fixture import set_up_llm
from pytest_llmeval.plugin.lookahead import LookAhead
from pytest_llmeval.plugin.pytest_internals import stop_session, without_assertion_diff
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.results.record import Record, other_properties

if TYPE_CHECKING:
    from pytest_llmeval.results.question_log import QuestionLog
    from pytest_llmeval.runtime.asker import Asker, Response
    from pytest_llmeval.runtime.llm import LLM

#: allocations between two garbage collections; with Python's default of 700 they take a tenth of a run
_COLLECT_EVERY = 50_000
#: longer gold answers are shortened
_LONGEST_TARGET = 20_000


class Failure(pytest.fail.Exception):  # type: ignore[misc, name-defined]  # pytest has no type for it
    """A failure that pytest shows without a traceback, because its message suffices."""

    __module__ = "builtins"  # pytest's summary would show the module's name too

    def __init__(self, message: str) -> None:
        super().__init__(without_commands(escaped(message)), pytrace=False)


def outcome_of(question: Question, response: Response, passed: bool) -> Outcome:
    """The outcome of a question; ``passed`` is whether the test's assertion succeeded."""
    if response.completion.error is not None:
        return Outcome.ERROR
    if response.grade is not None and response.grade.outcome is not None:
        return response.grade.outcome
    if response.answer is None and (response.extracted or not response.completion.text.strip()):
        return Outcome.UNPARSED
    if question.answer is None:
        return Outcome.ANSWERED
    return Outcome.CORRECT if passed else Outcome.WRONG


def explain(question: Question, record: Record) -> str:
    """The failure message for a wrong or unparsed answer under ``--llm-strict``."""
    completion, text = record.completion, question.fields.get("question", "")
    lines = [f"{record.outcome.value}: {question.id} ({record.model})", *_quoted(text, "")]
    for label, choice in question.choices.items():
        lines += _quoted(f"{label}. {choice}", "  ")
    for single in record.rotations or ((record,) if record.order else ()):
        order = " ".join(single.order or ())
        lines.append(f"in the order {order}: {one_line(single.answer or '-')} {single.outcome.value}")
    lines.append(f"gold answer: {one_line(record.target or 'none')}")
    # an answer that is a whole text follows below
    lines.append(f"answer read: {one_line(record.answer or 'none could be read')}")
    if completion.scores:
        scores = "  ".join(f"{label} {score:.3f}" for label, score in completion.scores.items())
        lines.append(f"log-probabilities: {scores}")
    else:
        lines.append(f"model's text ({one_line(completion.finish_reason) or 'no finish reason'}):")
        lines += _quoted(completion.text, "  | ")
    if record.judgement is not None:
        judge, verdict = record.judgement.judge, record.judgement.verdict or "no verdict"
        lines += [f"judge {judge}: {verdict}", *_quoted(record.judgement.text, "  | ")]
    return "\n".join(lines)


def _quoted(text: str, prefix: str) -> list[str]:
    """A text that somebody else wrote, as it may be printed, with each line after a prefix."""
    return [prefix + line for line in safe(text).split("\n")]


@dataclass(slots=True)
class _Try:
    """One run of an item; other plugins may run a failed item again.

    ``records`` has one record per repeat once the try has a result, ``raised`` is the exception that the try
    ended with. ``running`` is whether the test function runs now, ``failed_part`` the words of a part of it
    that failed (a subtest).
    """

    item: pytest.Item
    records: Sequence[Record] = ()
    raised: BaseException | None = None
    running: bool = False
    failed_part: str | None = None


class Recorder:
    """Runs the items and records their questions: in pytest's own process, or in each xdist worker.

    Records are written to the file ``part`` in the folder that ``folder`` returns. In a worker, ``queue``
    lists the items that it was sent, without the next one; ``suspects`` are the indices of items whose
    questions are sent one at a time.
    """

    def __init__(
        self,
        config: pytest.Config,
        folder: Callable[[], Path],
        part: str,
        queue: Callable[[], Iterable[pytest.Item]] | None = None,
        suspects: Container[int] = (),
    ) -> None:
        self._session = config.stash[SESSION]
        self._findings = config.stash[FINDINGS]
        self._folder = folder
        self._part = part
        self._queue = queue
        self._suspects = suspects
        config.add_cleanup(partial(gc.set_threshold, *gc.get_threshold()))
        config.add_cleanup(gc.unfreeze)  # cleanups run in reverse order: after those added later
        self._log: QuestionLog | None = None
        self._lookahead: LookAhead | None = None
        self._lookahead_error: BaseException | None = None
        #: the items that ask a question
        self._questions: dict[pytest.Item, AskedQuestion] = {}
        #: by node id: the last try of each item that has not been counted yet
        self._tries: dict[str, _Try] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record which items ask a question; the items do not change any more."""
        for item in session.items:
            asked = asked_question(item, self._session)
            if asked is not None:
                self._questions[item] = asked
        suspects = {item for index, item in enumerate(session.items) if index in self._suspects}
        self._lookahead = LookAhead(self._questions, self._session.models, self._queue, suspects)
        if self._questions:
            gc.freeze()  # keeps full collections from visiting all questions and items again
            gc.set_threshold(_COLLECT_EVERY)

    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> LLM | None:
        """Provide the ``llm`` fixture."""
        return set_up_llm(fixturedef, request, self._session.models)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Send questions ahead of time; pytest itself then runs the item."""
        if self._lookahead is not None:
            try:
                self._lookahead.before(item, nextitem)
            except BaseException as error:
                if not is_failure(error):
                    raise
                self._lookahead_error = error  # raised here, it would end the session

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # around the hooks of all other plugins
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Begin a try; count the question as an error if a fixture fails."""
        if item not in self._questions:
            return (yield)
        current = self._tries[item.nodeid] = _Try(item)
        item.user_properties[:] = other_properties(item.user_properties)
        try:
            result = yield
            error, self._lookahead_error = self._lookahead_error, None
            if error is not None:
                raise error
            return result
        except BaseException as error:
            if is_failure(error):
                self._fail(current, error, cause(error))
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count the question as an error if another plugin's hook fails."""
        try:
            return (yield)
        except BaseException as error:
            current = self._tries.get(item.nodeid)
            if current is not None and error is not current.raised and is_failure(error):
                self._fail(current, error, describe(error))
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Run the test in all its attempts; a wrong answer fails the item only under ``--llm-strict``."""
        current = self._tries.get(pyfuncitem.nodeid)
        if current is None:
            try:
                return (yield)
            except (RequestFailed, ModelUnusable) as error:
                raise Failure(str(error)) from None
        if current.running:  # the call below
            return (yield)
        from pytest_llmeval.runtime.asker import Attempt

        asked = self._questions[pyfuncitem]
        question, asker = asked.question, self._session.models.get(asked.model)
        records: list[Record] = []
        problem: Failure | None = None
        unexpected: BaseException | None = None
        current.running = True
        try:
            with without_assertion_diff():
                for repeat in range(asked.first_repeat, asked.first_repeat + asker.repeats(question)):
                    orders: list[Record] = []
                    for rotation in range(len(asker.orders(question))):
                        asker.attempt = Attempt(repeat, rotation, asked.test)
                        with ErrorCapture(pyfuncitem.obj) as capture:
                            if repeat == asked.first_repeat and rotation == 0:
                                yield
                            else:
                                pyfuncitem.ihook.pytest_pyfunc_call(pyfuncitem=pyfuncitem)
                        record, failure = self._attempt_record(pyfuncitem, question, asker, capture)
                        orders.append(record)
                        problem = problem or failure
                        unexpected = unexpected or (capture.error if capture.unexpected else None)
                        if isinstance(capture.error, ModelUnusable):
                            break
                    records.append(Record.of_rotations(orders))
                    if isinstance(capture.error, ModelUnusable):
                        break
        finally:
            asker.attempt = Attempt()
            current.running = False
        self._end(current, records)
        current.raised = unexpected or problem
        if current.raised is None and self._session.settings.strict:
            majority = Record.majority(records)
            if majority.outcome in (Outcome.WRONG, Outcome.UNPARSED):
                current.raised = Failure(explain(question, majority))
        if current.raised is not None:
            raise current.raised
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give the summary one line of a failure; on CI servers pytest prints the whole message."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, Failure):
            crash = getattr(report.longrepr, "reprcrash", None)
            if crash is not None:
                crash.message = crash.message.split("\n", 1)[0]
        return report

    @pytest.hookimpl(tryfirst=True)  # before the Controller, or xdist, receives the report
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the records of an item's last try."""
        current = self._tries.get(report.nodeid)
        if current is None or not ends_question(report):
            return
        if current.running:
            if report.failed and current.failed_part is None:
                current.failed_part = cause_of_report(report)
            return
        if current.failed_part is not None or (report.failed and current.raised is None):
            # nothing was raised here: another plugin caught or found the failure
            why = cause_of_report(report) if current.failed_part is None else current.failed_part
            self._fail(current, current.raised, f"the test failed: {why}")
        del self._tries[report.nodeid]
        # the report may be that of an earlier try
        report.user_properties = list(current.item.user_properties)
        try:
            for record in current.records:
                self._write(record)
        except LLMEvalError as error:
            self._findings.fatal = self._findings.fatal or str(error)
            stop_session(current.item.session, "results cannot be written")

    def _end(self, current: _Try, records: Sequence[Record]) -> None:
        """Set the records of a try, and put them on its item's report."""
        current.records = records
        combined = Record.of_repeats(records)
        others = other_properties(current.item.user_properties)
        current.item.user_properties[:] = others + combined.to_report()

    def _fail(self, current: _Try, error: BaseException | None, message: str) -> None:
        """Make a try an error, whatever the answer was."""
        from pytest_llmeval.runtime.asker import Response

        current.raised = error
        if current.records:
            records = [record.with_error(message) for record in current.records]
        else:
            asked, response = self._questions[current.item], Response(Completion(error=message))
            times = self._session.suites[asked.question.benchmark].info.repeats
            repeats = range(asked.first_repeat, asked.first_repeat + times)
            records = [
                self._record(current.item, asked.question, response, Outcome.ERROR, repeat)
                for repeat in repeats
            ]
        self._end(current, records)

    def _attempt_record(
        self, item: pytest.Item, question: Question, asker: Asker, capture: ErrorCapture
    ) -> tuple[Record, Failure | None]:
        """The record of one attempt, and the failure of the item if the attempt is an error."""
        from pytest_llmeval.runtime.asker import Response

        error, attempt = capture.error, asker.attempt
        response = attempt.responses.get(question.id)
        if error is not None and capture.unexpected:
            response = (response or Response(Completion())).with_error(describe(error))
            return self._record(item, question, response, Outcome.ERROR, attempt.repeat), None
        problem = None
        if isinstance(error, ModelUnusable):
            problem = Failure(str(error))
            self._findings.fatal = self._findings.fatal or str(error)
            stop_session(item.session, "the model cannot answer")
        elif isinstance(error, RequestFailed):
            problem = Failure(f"{question.id}: {error}")
        if response is None:
            message = "the test did not send its question to the model"
            if error is not None:
                message = cause(error) if problem else f"{message}: {cause(error)}"
            problem = problem or Failure(f"{question.id}: {message}")
            response = Response(Completion(error=message))
        passed = error is None or isinstance(error, (ModelUnusable, RequestFailed))
        outcome = outcome_of(question, response, passed)
        return self._record(item, question, response, outcome, attempt.repeat), problem

    @pytest.hookimpl(tryfirst=True)  # before the Controller, which reads the records
    def pytest_sessionfinish(self) -> None:
        """Close the models and the question log."""
        self._session.models.close()
        try:
            if self._log is not None:
                self._log.close()
        except LLMEvalError as error:
            self._add_unwritten(error)

    def _record(
        self, item: pytest.Item, question: Question, response: Response, outcome: Outcome, repeat: int = 0
    ) -> Record:
        grade, asked = response.deciding_grade, self._questions[item]
        accepted_by = None
        if outcome is Outcome.WRONG and response.answer is not None:
            accepted_by = self._session.suites[question.benchmark].accepted_by(question, response.answer)
        return Record(
            id=asked.id,
            nodeid=item.nodeid,
            model=asked.model,
            benchmark=asked.result.name,
            subject=question.subject,
            outcome=outcome,
            answer=response.answer,
            target=_recorded(question.answer if grade is None else grade.target),
            completion=response.completion,
            prompt=response.prompt,
            cluster=question.cluster,
            repeat=repeat,
            score=response.score,
            order=response.order,
            judgement=response.judgement,
            metrics={} if response.grade is None else response.grade.metrics,
            official=response.official,
            test=asked.test,
            accepted_by=accepted_by,
            question=question.fields.get("question", ""),
            choices=question.choices,
        )

    def _write(self, record: Record) -> None:
        from pytest_llmeval.results.question_log import QuestionLog

        try:
            if self._log is None:
                # each line at once: the controller counts a report even if its worker crashes later
                self._log = QuestionLog(self._folder() / self._part, each_line=self._queue is not None)
            self._log.write(record)
        except LLMEvalError as error:  # the answer still counts, and the store may have it
            self._add_unwritten(error)

    def _add_unwritten(self, error: LLMEvalError) -> None:
        line = f"not all answers are in questions.jsonl: {error}"
        if line not in self._findings.unwritten:
            self._findings.unwritten.append(line)


def _recorded(target: str | None) -> str | None:
    """A gold answer as records have it: tests of programs may take megabytes, which every page would hold."""
    if target is None or len(target) <= _LONGEST_TARGET:
        return target
    return f"{target[: _LONGEST_TARGET // 10]}... ({len(target):,} characters)"
