"""Around each item: look ahead, turn what happened into an outcome, write it down."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.assertion import util
from _pytest.outcomes import Failed

from pytest_llmeval.collect import model_of, question_of
from pytest_llmeval.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.fixtures import LLM, Asked, set_up_llm
from pytest_llmeval.lookahead import LookAhead
from pytest_llmeval.state import STATE, State, is_worker
from pytest_llmeval.types import Completion, Outcome, Question, Record

if TYPE_CHECKING:
    from pytest_llmeval.report.questions import QuestionLog

PREFIX = "llm_"
#: objects made between two collections of garbage; at Python's own 700 they take a tenth of a run
_COLLECT_EVERY = 50_000


class Failure(Failed):
    """A failure whose message says all: pytest shows it without a traceback."""

    __module__ = "builtins"  # pytest's summary gives the class its module's name otherwise

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


def judge(question: Question, asked: Asked, passed: bool) -> Outcome:
    """What a question became, given whether the test's assertion held."""
    if asked.completion.error is not None:
        return Outcome.ERROR
    if asked.answer is None and (asked.read or not asked.completion.text.strip()):
        return Outcome.UNPARSED
    if question.answer is None:
        return Outcome.ANSWERED
    return Outcome.CORRECT if passed else Outcome.WRONG


def explain(question: Question, record: Record) -> str:
    """The report of a wrong or unparsed answer under ``--llm-strict``."""
    completion = record.completion
    lines = [f"{record.outcome.value}: {question.id} ({record.model})", question.fields.get("question", "")]
    lines += [f"  {label}. {text}" for label, text in question.choices.items()]
    lines.append(f"gold answer: {question.answer or 'none'}")
    lines.append(f"answer read: {record.answer or 'none could be read'}")
    if completion.scores:
        scores = "  ".join(f"{label} {score:.3f}" for label, score in completion.scores.items())
        lines.append(f"log-probabilities: {scores}")
    else:
        lines.append(f"model's text ({completion.finish_reason or 'no finish reason'}):")
        lines += [f"  | {line}" for line in completion.text.splitlines() or [""]]
    return "\n".join(lines)


class Recorder:
    """The item side of the plugin, in whichever process runs the items."""

    def __init__(self, config: pytest.Config, folder: Callable[[], Path], part: str) -> None:
        self._config = config
        self._state: State = config.stash[STATE]
        self._folder = folder
        self._part = part
        config.add_cleanup(partial(gc.set_threshold, *gc.get_threshold()))
        config.add_cleanup(gc.unfreeze)  # of the cleanups the last, as this is the first added
        self._log: QuestionLog | None = None
        self._ahead: LookAhead | None = None
        self._asking: dict[pytest.Item, tuple[Question, str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Now the items are final."""
        for item in session.items:
            question = question_of(item)
            if question is not None:
                self._asking[item] = question, model_of(item, self._state)
        self._ahead = LookAhead(self._asking, self._state.models, knows_order=not is_worker(self._config))
        if self._asking:
            gc.freeze()  # else each full collection walks all questions and items again
            gc.set_threshold(_COLLECT_EVERY)

    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> LLM | None:
        """Give tests their model."""
        return set_up_llm(fixturedef, request, self._state.models)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Before each item: top up the window. pytest's own protocol then runs."""
        if self._ahead is not None:
            self._ahead.before(item, nextitem)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Name the question, so that one whose fixtures fail is counted too."""
        if item not in self._asking:
            return (yield)
        question, model = self._asking[item]
        item.user_properties += [
            (PREFIX + "id", question.id),
            (PREFIX + "model", model),
            (PREFIX + "benchmark", question.benchmark),
            (PREFIX + "subject", question.subject),
        ]
        try:
            return (yield)
        except pytest.skip.Exception:
            raise
        except Exception as error:
            self._record(item, question, Asked(Completion(error=one_line(error))), Outcome.ERROR)
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Run the test; a wrong answer is a measurement and passes, unless ``--llm-strict``."""
        if pyfuncitem not in self._asking:
            try:
                return (yield)
            except (RequestFailed, ModelUnusable) as error:
                raise Failure(str(error)) from None
        question, model = self._asking[pyfuncitem]
        asked_now: dict[str, Asked] = self._state.models.get(model).asked
        asked_now.clear()
        passed, problem = True, None
        # the difference of two answers: nobody sees it, and it takes longer than the test
        compare, util._reprcompare = util._reprcompare, None
        try:
            yield
        except (AssertionError, Failed):
            passed = False
        except pytest.skip.Exception:
            raise
        except ModelUnusable as error:
            problem = Failure(str(error))
            self._state.fatal = self._state.fatal or str(error)
            pyfuncitem.session.shouldstop = "the model cannot be asked"
        except RequestFailed as error:
            problem = Failure(f"{question.id}: {error}")
        except Exception as error:
            asked = asked_now.pop(question.id, None) or Asked(Completion())
            message = f"the test raised {type(error).__name__}: {one_line(error)}"
            self._record(pyfuncitem, question, asked.broken(message), Outcome.ERROR)
            raise
        finally:
            util._reprcompare = compare
        answered = asked_now.pop(question.id, None)
        if answered is None:
            if problem is None:
                problem = Failure(f"{question.id}: the test did not ask the model about its question")
            answered = Asked(Completion(error=str(problem)))
        outcome = judge(question, answered, passed)
        record = self._record(pyfuncitem, question, answered, outcome)
        if problem is not None:
            raise problem
        if self._state.settings.strict and outcome in (Outcome.WRONG, Outcome.UNPARSED):
            raise Failure(explain(question, record))
        return True

    @pytest.hookimpl(tryfirst=True)  # registered after the Controller, which reads what was written
    def pytest_sessionfinish(self) -> None:
        """Everything is written; let the models go."""
        self._state.models.close()
        if self._log is not None:
            self._log.close()

    def _record(self, item: pytest.Item, question: Question, asked: Asked, outcome: Outcome) -> Record:
        completion = asked.completion
        record = Record(
            id=question.id,
            nodeid=item.nodeid,
            model=self._asking[item][1],
            benchmark=question.benchmark,
            subject=question.subject,
            outcome=outcome,
            answer=asked.answer,
            target=question.answer,
            completion=completion,
            prompt=completion.prompt if completion.prompt is not None else asked.prompt_text,
            cluster=question.cluster,
        )
        item.user_properties += _scalars(record)
        if self._log is None:
            from pytest_llmeval.report.questions import QuestionLog

            self._log = QuestionLog(self._folder() / self._part)
        self._log.write(record)
        return record


def _scalars(record: Record) -> list[tuple[str, object]]:
    completion = record.completion
    pairs: list[tuple[str, object]] = [
        (PREFIX + "outcome", record.outcome.value),
        (PREFIX + "answer", record.answer),
        (PREFIX + "target", record.target),
        (PREFIX + "latency_s", round(completion.latency_s, 6)),
        (PREFIX + "prompt_tokens", completion.prompt_tokens),
        (PREFIX + "completion_tokens", completion.completion_tokens),
        (PREFIX + "attempts", completion.attempts),
    ]
    if completion.shared_tokens is not None:
        pairs.append((PREFIX + "shared_tokens", completion.shared_tokens))
    if record.cluster is not None:
        pairs.append((PREFIX + "cluster", record.cluster))
    if completion.cached:
        pairs.append((PREFIX + "cached", True))
    if completion.error is not None:
        pairs.append((PREFIX + "error", completion.error))
    return pairs
