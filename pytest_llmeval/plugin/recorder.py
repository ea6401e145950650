"""Around each item: ask ahead, run the test in all its attempts, and record what became of its question."""

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

#: objects made between two garbage collections; at Python's own 700 they take a tenth of a run
_COLLECT_EVERY = 50_000


class Failure(pytest.fail.Exception):  # type: ignore[misc, name-defined]  # pytest has no type for it
    """A failure whose message says all: pytest shows it without a traceback."""

    __module__ = "builtins"  # pytest's summary would show the module's name too

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


def outcome_of(question: Question, response: Response, passed: bool) -> Outcome:
    """What became of a question, given whether the test's assertion held."""
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
    """The report of a wrong or unparsed answer under ``--llm-strict``."""
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


class _Caught:
    """Keeps what a test function raises, unless that is a skip or an interruption."""

    __slots__ = ("error", "unexpected")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        #: whether the test broke, where it should have asked and asserted
        self.unexpected = False

    def __enter__(self) -> _Caught:
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
            # its traceback is never shown, and the frames refer to this: garbage for the collector
            error.with_traceback(None)
        return True


class Recorder:
    """The item side of the plugin, in whichever process runs the items.

    Records are written to the file ``part`` in the folder that ``folder`` returns. ``queued`` returns, in a
    worker of xdist, the items that it was sent after the next one; ``alone`` are the indices of items that
    are asked one by one.
    """

    def __init__(
        self,
        config: pytest.Config,
        folder: Callable[[], Path],
        part: str,
        queued: Callable[[], Iterable[pytest.Item]] | None = None,
        alone: Container[int] = (),
    ) -> None:
        self._session = config.stash[SESSION]
        self._findings = config.stash[FINDINGS]
        self._folder = folder
        self._part = part
        self._queued = queued
        self._alone = alone
        config.add_cleanup(partial(gc.set_threshold, *gc.get_threshold()))
        config.add_cleanup(gc.unfreeze)  # of the cleanups the last, as this is the first added
        self._log: QuestionLog | None = None
        self._ahead: LookAhead | None = None
        #: the items that ask a question, with it and their model's name
        self._asking: dict[pytest.Item, tuple[Question, str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which items ask a question, now that they are final."""
        for item in session.items:
            question = question_of(item)
            if question is not None:
                self._asking[item] = question, model_of(item, self._session)
        alone = {item for index, item in enumerate(session.items) if index in self._alone}
        self._ahead = LookAhead(self._asking, self._session.models, self._queued, alone)
        if self._asking:
            gc.freeze()  # else each full collection walks all questions and items again
            gc.set_threshold(_COLLECT_EVERY)

    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> LLM | None:
        """Give tests their model."""
        return set_up_llm(fixturedef, request, self._session.models)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Ask ahead before each item; pytest's own protocol then runs it."""
        if self._ahead is not None:
            self._ahead.before(item, nextitem)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Name the question on the report, so that one whose fixtures fail is counted too."""
        if item not in self._asking:
            return (yield)
        question, model = self._asking[item]
        blank = Record(question.id, item.nodeid, model, question.benchmark, question.subject, Outcome.ERROR)
        item.user_properties += blank.identity_properties()
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
        """Run the test in all its attempts; a wrong answer passes, unless ``--llm-strict``."""
        if pyfuncitem not in self._asking:
            try:
                return (yield)
            except (RequestFailed, ModelUnusable) as error:
                raise Failure(str(error)) from None
        from pytest_llmeval.runtime.asker import Attempt

        question, model = self._asking[pyfuncitem]
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
                        with _Caught() as caught:
                            if repeat == rotation == 0:
                                yield
                            else:
                                call_test_function(pyfuncitem)
                        record, failure = self._attempted(pyfuncitem, question, asker, caught)
                        orders.append(record)
                        problem = problem or failure
                        unexpected = unexpected or (caught.error if caught.unexpected else None)
                        if isinstance(caught.error, ModelUnusable):
                            break
                    records.append(Record.of_rotations(orders))
                    self._write(records[-1])
                    if isinstance(caught.error, ModelUnusable):
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

    def _attempted(
        self, item: pytest.Item, question: Question, asker: Asker, caught: _Caught
    ) -> tuple[Record, Failure | None]:
        """The record of one attempt, and why it is an error of the item, if it is."""
        from pytest_llmeval.runtime.asker import Response

        error, attempt = caught.error, asker.attempt
        response = attempt.responses.get(question.id)
        if caught.unexpected:
            message = f"the test raised {type(error).__name__}: {one_line(error)}"
            failed = (response or Response(Completion())).failed(message)
            return self._record(item, question, failed, Outcome.ERROR, attempt.repeat), None
        problem = None
        if isinstance(error, ModelUnusable):
            problem = Failure(str(error))
            self._findings.fatal = self._findings.fatal or str(error)
            stop_session(item.session, "the model cannot be asked")
        elif isinstance(error, RequestFailed):
            problem = Failure(f"{question.id}: {error}")
        if response is None:
            if problem is None:
                problem = Failure(f"{question.id}: the test did not ask the model about its question")
            response = Response(Completion(error=str(problem)))
        passed = error is None or isinstance(error, (ModelUnusable, RequestFailed))
        outcome = outcome_of(question, response, passed)
        return self._record(item, question, response, outcome, attempt.repeat), problem

    @pytest.hookimpl(tryfirst=True)  # registered after the Controller, which reads what was written
    def pytest_sessionfinish(self) -> None:
        """Let the models go, once all records are written."""
        self._session.models.close()
        if self._log is not None:
            self._log.close()

    def _record(
        self, item: pytest.Item, question: Question, response: Response, outcome: Outcome, repeat: int = 0
    ) -> Record:
        decided = response.outcome_decided
        return Record(
            id=question.id,
            nodeid=item.nodeid,
            model=self._asking[item][1],
            benchmark=question.benchmark,
            subject=question.subject,
            outcome=outcome,
            answer=response.answer,
            target=question.answer if decided is None else decided.target,
            completion=response.completion,
            prompt=response.prompt,
            cluster=question.cluster,
            repeat=repeat,
            score=response.score,
            order=response.order,
            judgement=response.judgement,
            metrics={} if decided is None else decided.metrics,
        )

    def _write(self, record: Record) -> None:
        if self._log is None:
            from pytest_llmeval.results.question_log import QuestionLog

            # what a worker has reported is counted, even if it dies: the line must be on the disk before
            self._log = QuestionLog(self._folder() / self._part, each_line=self._queued is not None)
        self._log.write(record)
