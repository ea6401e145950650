"""Around each item: look ahead, turn what happened into an outcome, write it down."""

from __future__ import annotations

import gc
from collections.abc import Callable, Container, Generator, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.assertion import util
from _pytest.outcomes import Failed

from pytest_llmeval.analysis.majority import majority_index
from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.types import Completion, Outcome, Question, Record, Rotation
from pytest_llmeval.plugin.collect import model_of, question_of
from pytest_llmeval.plugin.lookahead import LookAhead
from pytest_llmeval.plugin.state import STATE, State
from pytest_llmeval.results.judge_usage import Judged
from pytest_llmeval.runtime.llm import LLM, Asked
from pytest_llmeval.runtime.pool import set_up_llm

if TYPE_CHECKING:
    from pytest_llmeval.results.question_log import QuestionLog

PREFIX = "llm_"
_BY_LETTER = {outcome.value[0]: outcome for outcome in Outcome}
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
    if asked.scored is not None:
        return asked.scored.outcome
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
    for one in record.rotations or ((record,) if record.order else ()):
        lines.append(f"in the order {' '.join(one.order or ())}: {one.answer or '-'} {one.outcome.value}")
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


def circle(records: Sequence[Record]) -> Record:
    """The record that stands for a question asked in several orders of its choices, with all of them in it.

    It is right only when right in all. So the first wrong one decides, else the first unread; an error
    comes before both, since a question that was not wholly asked has no result. Without a gold answer the
    first order stands for all.
    """
    if len(records) == 1:
        return records[0]
    deciding = [Outcome.ERROR]
    if records[0].target is not None:
        deciding += [Outcome.WRONG, Outcome.UNPARSED]
    for outcome in deciding:
        for record in records:
            if record.outcome is outcome:
                return replace(record, rotations=tuple(records))
    return replace(records[0], rotations=tuple(records))


class _Try:
    """One run of a test function: keeps what it raised, unless that is a skip or an interruption."""

    __slots__ = ("error", "unexpected")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        #: whether the test broke, where it should have asked and asserted
        self.unexpected = False

    def __enter__(self) -> _Try:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> bool:
        if not isinstance(error, (Exception, Failed)) or isinstance(error, pytest.skip.Exception):
            return False
        self.error = error
        self.unexpected = not isinstance(error, (AssertionError, Failed, ModelUnusable, RequestFailed))
        if not self.unexpected:
            # nobody is shown where it was raised, and its frames hold this: garbage for the collector
            error.with_traceback(None)
        return True


def _call(item: pytest.Function) -> None:
    """Run an item's test function once more."""
    item.obj(**{name: item.funcargs[name] for name in item._fixtureinfo.argnames})


class Recorder:
    """The item side of the plugin, in whichever process runs the items."""

    def __init__(
        self,
        config: pytest.Config,
        folder: Callable[[], Path],
        part: str,
        sent: Callable[[], Iterable[pytest.Item]] | None = None,
        alone: Container[int] = (),
    ) -> None:
        """``sent`` gives, in a worker of xdist, the items after the next one that are its own; ``alone``
        are the places of those that it asks one by one.
        """
        self._sent = sent
        self._alone = alone
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
        alone = {item for place, item in enumerate(session.items) if place in self._alone}
        self._ahead = LookAhead(self._asking, self._state.models, self._sent, alone)
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
        item.user_properties += named(question.id, model, question.benchmark, question.subject)
        try:
            return (yield)
        except pytest.skip.Exception:
            raise
        except Exception as error:
            record = self._record(item, question, Asked(Completion(error=one_line(error))), Outcome.ERROR)
            self._write(record)
            item.user_properties += scalars(record, [record] * self._state.settings.repeats)
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
        llm = self._state.models.get(model)
        records: list[Record] = []
        problem: Failure | None = None
        broke: BaseException | None = None
        # the difference of two answers: nobody sees it, and it takes longer than the test
        compare, util._reprcompare = util._reprcompare, None
        try:
            for repeat in range(llm.repeats):
                llm.repeat = repeat
                orders: list[Record] = []
                for rotation in range(len(llm.orders(question))):
                    llm.rotation = rotation
                    llm.asked.clear()
                    with _Try() as tried:
                        if repeat == rotation == 0:
                            yield
                        else:
                            _call(pyfuncitem)
                    record, failure = self._judged(pyfuncitem, question, llm, tried)
                    orders.append(record)
                    problem = problem or failure
                    broke = broke or (tried.error if tried.unexpected else None)
                    if isinstance(tried.error, ModelUnusable):
                        break
                records.append(circle(orders))
                self._write(records[-1])
                if isinstance(tried.error, ModelUnusable):
                    break
        finally:
            util._reprcompare = compare
            llm.repeat = llm.rotation = 0
        told = records[majority_index([(record.outcome, record.answer) for record in records])]
        pyfuncitem.user_properties += scalars(told, records)
        if broke is not None:
            raise broke
        if problem is not None:
            raise problem
        if self._state.settings.strict and told.outcome in (Outcome.WRONG, Outcome.UNPARSED):
            raise Failure(explain(question, told))
        return True

    def _judged(
        self, item: pytest.Item, question: Question, llm: LLM, tried: _Try
    ) -> tuple[Record, Failure | None]:
        """The record of one try, and why it is an error of the item, if it is."""
        error = tried.error
        asked = llm.asked.pop(question.id, None)
        if tried.unexpected:
            message = f"the test raised {type(error).__name__}: {one_line(error)}"
            broken = (asked or Asked(Completion())).broken(message)
            return self._record(item, question, broken, Outcome.ERROR, llm.repeat), None
        problem = None
        if isinstance(error, ModelUnusable):
            problem = Failure(str(error))
            self._state.fatal = self._state.fatal or str(error)
            item.session.shouldstop = "the model cannot be asked"
        elif isinstance(error, RequestFailed):
            problem = Failure(f"{question.id}: {error}")
        if asked is None:
            if problem is None:
                problem = Failure(f"{question.id}: the test did not ask the model about its question")
            asked = Asked(Completion(error=str(problem)))
        outcome = judge(
            question, asked, passed=error is None or isinstance(error, (ModelUnusable, RequestFailed))
        )
        return self._record(item, question, asked, outcome, llm.repeat), problem

    @pytest.hookimpl(tryfirst=True)  # registered after the Controller, which reads what was written
    def pytest_sessionfinish(self) -> None:
        """Everything is written; let the models go."""
        self._state.models.close()
        if self._log is not None:
            self._log.close()

    def _record(
        self, item: pytest.Item, question: Question, asked: Asked, outcome: Outcome, repeat: int = 0
    ) -> Record:
        completion = asked.completion
        return Record(
            id=question.id,
            nodeid=item.nodeid,
            model=self._asking[item][1],
            benchmark=question.benchmark,
            subject=question.subject,
            outcome=outcome,
            answer=asked.answer,
            target=question.answer if asked.scored is None else asked.scored.target,
            completion=completion,
            prompt=completion.prompt if completion.prompt is not None else asked.prompt_text,
            cluster=question.cluster,
            repeat=repeat,
            score=asked.score,
            order=asked.order,
            judgement=asked.judgement,
            metrics={} if asked.scored is None else asked.scored.metrics,
        )

    def _write(self, record: Record) -> None:
        if self._log is None:
            from pytest_llmeval.results.question_log import QuestionLog

            # of a worker that dies, what it has reported is counted: the line must be there before
            self._log = QuestionLog(self._folder() / self._part, each_line=self._sent is not None)
        self._log.write(record)


def named(id: str, model: str, benchmark: str, subject: str) -> list[tuple[str, object]]:
    """What says, on a report, which question it is of."""
    return [
        (PREFIX + "id", id),
        (PREFIX + "model", model),
        (PREFIX + "benchmark", benchmark),
        (PREFIX + "subject", subject),
    ]


def scalars(record: Record, records: Sequence[Record]) -> list[tuple[str, object]]:
    """What rides the report: ``record`` stands for all the ``records`` of its question."""
    completion = record.completion
    pairs: list[tuple[str, object]] = [
        (PREFIX + "outcome", record.outcome.value),
        (PREFIX + "answer", record.answer),
        (PREFIX + "target", record.target),
    ]
    asked = [one for each in records for one in each.rotations or (each,)]
    if len(asked) > 1:
        completion = _together([one.completion for one in asked])
        latencies = [
            round(one.completion.latency_s, 6)
            for one in asked
            if one.outcome is not Outcome.ERROR and not one.completion.cached
        ]
        pairs.append((PREFIX + "latencies_s", latencies))
    if any(each.rotations for each in records):
        pairs.append((PREFIX + "rotations", "/".join(map(_spelled, records))))
    if len(records) > 1:
        pairs += [
            (PREFIX + "outcomes", "".join(one.outcome.value[0] for one in records)),
            (PREFIX + "stored", sum(map(_from_store, records))),
        ]
    pairs += [
        (PREFIX + "latency_s", round(completion.latency_s, 6)),
        (PREFIX + "prompt_tokens", completion.prompt_tokens),
        (PREFIX + "completion_tokens", completion.completion_tokens),
        (PREFIX + "attempts", completion.attempts),
    ]
    if completion.shared_tokens is not None:
        pairs.append((PREFIX + "shared_tokens", completion.shared_tokens))
    if record.cluster is not None:
        pairs.append((PREFIX + "cluster", record.cluster))
    scores = [one.score for one in records if one.score is not None]
    if scores:
        pairs.append((PREFIX + "score", sum(scores) / len(scores)))
    judged = Judged.of(one.judgement for one in records if one.judgement is not None)
    if judged is not None:
        pairs.append((PREFIX + "judged", judged.scalars()))
    if completion.cached:
        pairs.append((PREFIX + "cached", True))
    if completion.error is not None:
        pairs.append((PREFIX + "error", completion.error))
    return pairs


def _from_store(record: Record) -> bool:
    return all(one.completion.cached for one in record.rotations or (record,))


def _spelled(record: Record) -> str:
    """``c0 w2 u-``: what became of each order, and the place of the answer given among the choices."""
    return " ".join(
        f"{one.outcome.value[0]}{one.order.index(one.answer) if one.answer and one.order else '-'}"
        for one in record.rotations or (record,)
    )


def read_rotations(spelled: str) -> tuple[tuple[Rotation, ...], ...]:
    """What ``llm_rotations`` of a report holds: for each time a question was asked, all its orders."""
    return tuple(
        tuple(
            Rotation(_BY_LETTER[word[0]], None if word[1:] == "-" else int(word[1:])) for word in time.split()
        )
        for time in spelled.split("/")
        if time
    )


def _together(completions: Sequence[Completion]) -> Completion:
    """Tokens and attempts in all, latency in the mean; an error where one of them is."""

    def total(numbers: Sequence[int | None]) -> int | None:
        known = [number for number in numbers if number is not None]
        return sum(known) if known else None

    return Completion(
        latency_s=sum(one.latency_s for one in completions) / len(completions),
        prompt_tokens=total([one.prompt_tokens for one in completions]),
        completion_tokens=total([one.completion_tokens for one in completions]),
        shared_tokens=total([one.shared_tokens for one in completions]),
        attempts=sum(one.attempts for one in completions),
        cached=all(one.cached for one in completions),
        error=next((one.error for one in completions if one.error is not None), None),
    )
