"""Runs each item: sends questions ahead of time, runs the test in all its attempts, and writes records."""

from __future__ import annotations

import gc
from collections.abc import Callable, Container, Generator, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.types import Completion, Outcome, Question
from pytest_llmeval.plugin.items import model_of, question_of
from pytest_llmeval.plugin.llm_fixture import set_up_llm
from pytest_llmeval.plugin.lookahead import LookAhead
from pytest_llmeval.plugin.pytest_internals import call_test_function, stop_session, without_assertion_diff
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.results.record import Record

if TYPE_CHECKING:
    from pytest_llmeval.results.question_log import QuestionLog
    from pytest_llmeval.runtime.asker import Asker, Response
    from pytest_llmeval.runtime.llm import LLM

#: allocations between two garbage collections; with Python's default of 700 they take a tenth of a run
_COLLECT_EVERY = 50_000


class Failure(pytest.fail.Exception):  # type: ignore[misc, name-defined]  # pytest has no type for it
    """A failure that pytest shows without a traceback, because its message suffices."""

    __module__ = "builtins"  # pytest's summary would show the module's name too

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


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
    completion = record.completion
    lines = [f"{record.outcome.value}: {question.id} ({record.model})", question.fields.get("question", "")]
    lines += [f"  {label}. {text}" for label, text in question.choices.items()]
    for single in record.rotations or ((record,) if record.order else ()):
        order = " ".join(single.order or ())
        lines.append(f"in the order {order}: {single.answer or '-'} {single.outcome.value}")
    lines.append(f"gold answer: {record.target or 'none'}")
    lines.append(f"answer read: {record.answer or 'none could be read'}")
    if completion.scores:
        scores = "  ".join(f"{label} {score:.3f}" for label, score in completion.scores.items())
        lines.append(f"log-probabilities: {scores}")
    else:
        lines.append(f"model's text ({completion.finish_reason or 'no finish reason'}):")
        lines += [f"  | {line}" for line in completion.text.splitlines() or [""]]
    if record.judgement is not None:
        lines.append(f"judge {record.judgement.judge}: {record.judgement.verdict or 'no verdict'}")
        lines += [f"  | {line}" for line in record.judgement.text.splitlines()]
    return "\n".join(lines)


class _ErrorCapture:
    """A context manager that catches the exception of a test function, except skips and interruptions."""

    __slots__ = ("error", "unexpected")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        #: whether ``error`` is a bug in the test rather than a failed request or assertion
        self.unexpected = False

    def __enter__(self) -> _ErrorCapture:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> bool:
        if not isinstance(error, (Exception, pytest.fail.Exception)) or isinstance(
            error, pytest.skip.Exception
        ):
            return False
        self.error = error
        self.unexpected = not isinstance(
            error, (AssertionError, pytest.fail.Exception, ModelUnusable, RequestFailed)
        )
        if not self.unexpected:
            # the traceback is never shown, and its frames would be a reference cycle
            error.with_traceback(None)
        return True


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
        #: the items that ask a question: the question and the model's name
        self._questions: dict[pytest.Item, tuple[Question, str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record which items ask a question; the items do not change any more."""
        for item in session.items:
            question = question_of(item)
            if question is not None:
                self._questions[item] = question, model_of(item, self._session)
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
            self._lookahead.before(item, nextitem)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Add the question to the report, so that it is counted even if a fixture fails."""
        if item not in self._questions:
            return (yield)
        question, model = self._questions[item]
        initial = Record(question.id, item.nodeid, model, question.benchmark, question.subject, Outcome.ERROR)
        item.user_properties += initial.identity_properties()
        try:
            return (yield)
        except pytest.skip.Exception:
            raise
        except Exception as error:
            from pytest_llmeval.runtime.asker import Response

            response = Response(Completion(error=one_line(error)))
            record = self._record(item, question, response, Outcome.ERROR)
            self._write(record)
            item.user_properties += Record.of_repeats([record] * self._session.settings.repeats).to_report()
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Run the test in all its attempts; a wrong answer fails the item only under ``--llm-strict``."""
        if pyfuncitem not in self._questions:
            try:
                return (yield)
            except (RequestFailed, ModelUnusable) as error:
                raise Failure(str(error)) from None
        from pytest_llmeval.runtime.asker import Attempt

        question, model = self._questions[pyfuncitem]
        asker = self._session.models.get(model)
        records: list[Record] = []
        problem: Failure | None = None
        unexpected: BaseException | None = None
        try:
            with without_assertion_diff():
                for repeat in range(asker.repeats):
                    orders: list[Record] = []
                    for rotation in range(len(asker.orders(question))):
                        asker.attempt = Attempt(repeat, rotation)
                        with _ErrorCapture() as capture:
                            if repeat == rotation == 0:
                                yield
                            else:
                                call_test_function(pyfuncitem)
                        record, failure = self._attempt_record(pyfuncitem, question, asker, capture)
                        orders.append(record)
                        problem = problem or failure
                        unexpected = unexpected or (capture.error if capture.unexpected else None)
                        if isinstance(capture.error, ModelUnusable):
                            break
                    records.append(Record.of_rotations(orders))
                    self._write(records[-1])
                    if isinstance(capture.error, ModelUnusable):
                        break
        finally:
            asker.attempt = Attempt()
        pyfuncitem.user_properties += Record.of_repeats(records).to_report()
        if unexpected is not None:
            raise unexpected
        if problem is not None:
            raise problem
        if self._session.settings.strict:
            majority = Record.majority(records)
            if majority.outcome in (Outcome.WRONG, Outcome.UNPARSED):
                raise Failure(explain(question, majority))
        return True

    def _attempt_record(
        self, item: pytest.Item, question: Question, asker: Asker, capture: _ErrorCapture
    ) -> tuple[Record, Failure | None]:
        """The record of one attempt, and the failure of the item if the attempt is an error."""
        from pytest_llmeval.runtime.asker import Response

        error, attempt = capture.error, asker.attempt
        response = attempt.responses.get(question.id)
        if capture.unexpected:
            message = f"the test raised {type(error).__name__}: {one_line(error)}"
            response = (response or Response(Completion())).with_error(message)
            return self._record(item, question, response, Outcome.ERROR, attempt.repeat), None
        problem = None
        if isinstance(error, ModelUnusable):
            problem = Failure(str(error))
            self._findings.fatal = self._findings.fatal or str(error)
            stop_session(item.session, "the model cannot answer")
        elif isinstance(error, RequestFailed):
            problem = Failure(f"{question.id}: {error}")
        if response is None:
            if problem is None:
                problem = Failure(f"{question.id}: the test did not send its question to the model")
            response = Response(Completion(error=str(problem)))
        passed = error is None or isinstance(error, (ModelUnusable, RequestFailed))
        outcome = outcome_of(question, response, passed)
        return self._record(item, question, response, outcome, attempt.repeat), problem

    @pytest.hookimpl(tryfirst=True)  # before the Controller, which reads the records
    def pytest_sessionfinish(self) -> None:
        """Close the models and the question log."""
        self._session.models.close()
        if self._log is not None:
            self._log.close()

    def _record(
        self, item: pytest.Item, question: Question, response: Response, outcome: Outcome, repeat: int = 0
    ) -> Record:
        grade = response.deciding_grade
        accepted_by = None
        if outcome is Outcome.WRONG and response.answer is not None:
            accepted_by = self._session.suites[question.benchmark].accepted_by(question, response.answer)
        return Record(
            id=question.id,
            nodeid=item.nodeid,
            model=self._questions[item][1],
            benchmark=question.benchmark,
            subject=question.subject,
            outcome=outcome,
            answer=response.answer,
            target=question.answer if grade is None else grade.target,
            completion=response.completion,
            prompt=response.prompt,
            cluster=question.cluster,
            repeat=repeat,
            score=response.score,
            order=response.order,
            judgement=response.judgement,
            metrics={} if grade is None else grade.metrics,
            official=response.official,
            accepted_by=accepted_by,
        )

    def _write(self, record: Record) -> None:
        if self._log is None:
            from pytest_llmeval.results.question_log import QuestionLog

            # the controller counts a report even if its worker crashes later, so each line is written at once
            self._log = QuestionLog(self._folder() / self._part, each_line=self._queue is not None)
        self._log.write(record)
