"""Sends questions to a model, ahead of time, in all repeats and orders of choices, and grades the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, UserError
from pytest_llmeval.core.types import (
    Completion,
    Grade,
    Judgement,
    OfficialReading,
    Order,
    Question,
    Request,
    shown,
)
from pytest_llmeval.scoring.answer_sets import relabel
from pytest_llmeval.scoring.extract import split_reasoning
from pytest_llmeval.suites.choice_order import original, presented

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.models.base import Job
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge, Pending
    from pytest_llmeval.suites.suite import Suite

#: how often a waiting test reports that it waits
_REPORT_EVERY_S = 0.5

#: a question's id, which repeat of it, and which order of its choices
Key: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Response:
    """A model's response to one question in one attempt of its test.

    ``request`` is None if nothing was sent (a replay). ``answer`` and ``completion`` use the labels of the
    benchmark's file; ``presented`` is the completion with the labels that the model saw. ``extracted`` is
    False if the test extracts the answer from the completion itself. ``order`` is the order of the choices;
    None if the suite never changes it.
    """

    completion: Completion
    request: Request | None = None
    answer: str | None = None
    extracted: bool = False
    order: Order | None = None
    presented: Completion | None = None
    judgement: Judgement | None = None
    grade: Grade | None = None
    official: OfficialReading | None = None

    @property
    def prompt(self) -> str:
        """The prompt for display (the first, if there are several); empty if nothing was sent."""
        if self.completion.prompt is not None:
            return self.completion.prompt
        return "" if self.request is None else _prompt_text(self.request)

    @property
    def score(self) -> float | None:
        """The score of a graded metric."""
        return self.grade.score if self.grade is not None and self.grade.graded else None

    @property
    def deciding_grade(self) -> Grade | None:
        """The grade, if it decides the outcome whatever the test asserts."""
        return self.grade if self.grade is not None and self.grade.outcome is not None else None

    def with_error(self, message: str) -> Response:
        """A copy of this response with an error, which makes the outcome an error."""
        return replace(self, completion=replace(self.completion, error=message))


@dataclass(slots=True)
class Attempt:
    """One call of a test function, for one repeat of its question and one order of the choices.

    ``test`` is the test's name in results, if it is not the only one that asks its benchmark.

    ``responses`` are the model's responses in this attempt, by question id.
    """

    repeat: int = 0
    rotation: int = 0
    test: str | None = None
    responses: dict[str, Response] = field(default_factory=dict)


class Asker:
    """Sends the questions of all suites to one model, and grades its answers.

    Each question is sent as often as its suite's ``repeats`` says. ``judge`` returns the judge, if there is
    one. While a test waits for a model, ``report_waiting`` is called twice a second with the model's name.
    """

    def __init__(
        self,
        config: ModelConfig,
        engine: Engine,
        suites: Mapping[str, Suite],
        report_waiting: Callable[[str], None],
        judge: Callable[[], Judge] | None = None,
    ) -> None:
        self.config = config
        #: the current attempt of the running test
        self.attempt = Attempt()
        self._engine = engine
        self._suites = suites
        self._report_waiting = report_waiting
        self._judge = judge
        self._jobs: dict[Key, tuple[Request, Job]] = {}
        self._pending: dict[Key, Pending] = {}
        #: by question id: why no request can be built
        self._problems: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The model's name."""
        return self.config.name

    @property
    def window(self) -> int:
        """The number of questions to send ahead."""
        max_orders = max((suite.most_orders for suite in self._suites.values()), default=1)
        return -(-self._engine.model.window // (self.most_repeats * max_orders))

    @property
    def most_repeats(self) -> int:
        """The largest number of repeats of a question."""
        return max((suite.info.repeats for suite in self._suites.values()), default=1)

    def repeats(self, question: Question) -> int:
        """How often one item sends a question."""
        return self._suites[question.benchmark].info.repeats

    def ready(self, benchmark: str) -> int:
        """The number of a benchmark's questions that are answered and whose tests have not run."""
        answers = sum(
            job.future.done() for (id, *_), (_, job) in self._jobs.items() if id.startswith(f"{benchmark}/")
        )
        return answers // (self._suites[benchmark].most_orders if benchmark in self._suites else 1)

    def orders(self, question: Question) -> tuple[Order, ...]:
        """The orders of choices in which a question is sent."""
        return self._suites[question.benchmark].orders(question)

    def shown(self, question: Question, attempt: Attempt) -> Question:
        """A copy of ``question`` with its choices in the order of ``attempt``."""
        return presented(question, self._order(question, attempt))

    def ask_ahead(self, questions: Sequence[Question], start: Attempt | None = None) -> None:
        """Send questions in the order in which their answers will be needed, without waiting.

        Each question is sent in all orders of choices and all its repeats, beginning with those of
        ``start``: the repeats of a test that another plugin repeats have higher numbers.
        """
        start = start or Attempt()
        requests: dict[Key, Request] = {}
        for question in questions:
            first = self._key(question, start)
            if question.problem is not None or first in self._jobs:
                continue
            try:
                rotations = self._requests(question)
            except UserError as error:  # its template fails: reported when its test runs
                self._problems[question.id] = str(error)
                continue
            for repeat in self._repeats_from(question, start):
                for rotation, request in enumerate(rotations):
                    key = question.id, repeat, rotation
                    if key >= first:
                        requests[key] = replace(request, repeat=repeat) if repeat else request
        if requests:  # waking the engine is expensive
            jobs = self._engine.ask(requests.values())
            self._jobs.update(zip(requests, zip(requests.values(), jobs, strict=True), strict=True))
            self._judge_ahead({question.id: question for question in questions}, requests)

    def _repeats_from(self, question: Question, start: Attempt) -> range:
        """The numbers of the repeats of one item, beginning with that of ``start``."""
        repeats = self.repeats(question)
        return range(start.repeat, start.repeat - start.repeat % repeats + repeats)

    def _judge_ahead(self, questions: Mapping[str, Question], keys: Iterable[Key]) -> None:
        """Arrange for each answer to be judged as soon as it arrives."""
        for key in keys:
            question = questions[key[0]]
            suite = self._suites[question.benchmark]
            case = suite.judge_case(question)
            if case is not None and self._judge is not None:
                _, job = self._jobs[key]
                self._pending[key] = self._judge().follow(
                    job, case, partial(self.answer_to_judge, suite, question)
                )

    def respond(self, question: Question, attempt: Attempt, *, extract: bool) -> Response:
        """Wait for the model's response, and extract its answer.

        ``extract`` is False if the test extracts the answer itself. Raises ``RequestFailed``.
        """
        if question.problem is not None:
            raise RequestFailed(question.problem)
        key = self._key(question, attempt)
        if key not in self._jobs:
            self.ask_ahead([question], attempt)
            if key not in self._jobs:
                raise RequestFailed(self._problems[question.id])
        request, job = self._jobs.pop(key)
        return self._make_response(question, attempt, request, self._wait(job), extract)

    def respond_graded(self, question: Question, attempt: Attempt) -> Response:
        """Wait for the model's response, and for the judge if there is one; add the grade.

        Raises ``RequestFailed``, also if the metric or the judge fails.
        """
        response = self.respond(question, attempt, extract=True)
        suite = self._suites[question.benchmark]
        if suite.self_graded:
            return response
        if question.answer is not None and suite.judge_prompt is not None:
            response = self._with_judgement(question, attempt, response)
        return self._with_grade(question, attempt, response)

    def submit(self, request: Request) -> Completion:
        """Wait for the completion of a request without a question. Raises ``RequestFailed``."""
        completion = self._wait(self._engine.ask([request])[0])
        if completion.error is not None:
            raise RequestFailed(completion.error, attempts=completion.attempts)
        return completion if request.choices else self._without_reasoning(completion)

    def answer_to_judge(self, suite: Suite, question: Question, completion: Completion) -> str | None:
        """The answer that the suite reads from a completion, which is what a judge judges."""
        return suite.read(question, self._without_reasoning(completion))

    def _without_reasoning(self, completion: Completion) -> Completion:
        text, reasoning = split_reasoning(completion.text, self.config.reasoning_marks)
        if not reasoning:
            return completion
        return replace(completion, text=text, reasoning=completion.reasoning + reasoning)

    def _make_response(
        self,
        question: Question,
        attempt: Attempt,
        request: Request | None,
        completion: Completion,
        extract: bool,
    ) -> Response:
        """Convert a completion to a response.

        Raises ``RequestFailed`` for a completion with an error, and if reading its answer takes too long.
        """
        suite = self._suites[question.benchmark]
        order = self._order(question, attempt) if suite.reorders else None
        if completion.error is not None:
            attempt.responses[question.id] = Response(completion, request, order=order)
            raise RequestFailed(completion.error, attempts=completion.attempts)
        if suite.self_graded:
            response = Response(completion, request, extracted=extract, presented=completion)
            return self._with_grade(question, attempt, response)
        if not completion.scores:
            completion = self._without_reasoning(completion)
        labels = {} if order is None else original(question, order)
        presented_question = self.shown(question, attempt)
        try:
            answer = suite.read(presented_question, completion)
            official = suite.official(presented_question, completion, answer)
        except RequestFailed as error:  # the benchmark's pattern takes too long
            attempt.responses[question.id] = Response(
                _with_labels(replace(completion, error=str(error)), labels), request, order=order
            )
            raise
        if official is not None and official.answer is not None:
            official = replace(official, answer=relabel(official.answer, labels, tuple(question.choices)))
        response = Response(
            _with_labels(completion, labels),
            request,
            None if answer is None else relabel(answer, labels, tuple(question.choices)),
            extract,
            order,
            completion,
            official=official,
        )
        attempt.responses[question.id] = response
        return response

    def _with_grade(self, question: Question, attempt: Attempt, response: Response) -> Response:
        suite = self._suites[question.benchmark]
        assert response.presented is not None
        try:
            grade = suite.grade(
                self.shown(question, attempt), response.presented, self.config, response.judgement
            )
        except RequestFailed as error:
            attempt.responses[question.id] = response.with_error(str(error))
            raise
        if suite.self_graded:
            response = replace(response, answer=grade.answer, completion=_with_prompts(response))
        if grade.note:
            kind = grade.note.partition(": ")[0] + ": "
            # a replayed answer has the note of the earlier run
            notes = [note for note in response.completion.notes if not note.startswith(kind)]
            completion = replace(response.completion, notes=(*notes, grade.note))
            response = replace(response, completion=completion)
        response = attempt.responses[question.id] = replace(response, grade=grade)
        return response

    def _with_judgement(self, question: Question, attempt: Attempt, response: Response) -> Response:
        """Add the judge's judgement to a response. Raises ``RequestFailed`` and ``ModelUnusable``."""
        try:
            judgement = self._judgement(question, attempt, response)
        except ModelUnusable as error:
            attempt.responses[question.id] = response.with_error(str(error))
            raise
        response = attempt.responses[question.id] = replace(response, judgement=judgement)
        if judgement is not None and judgement.error is not None:
            message = f"the judge {judgement.judge}: {judgement.error}"
            attempt.responses[question.id] = response.with_error(message)
            raise RequestFailed(message, attempts=judgement.attempts)
        return response

    def _judgement(self, question: Question, attempt: Attempt, response: Response) -> Judgement | None:
        """The judgement of an answer; None if there is no answer."""
        pending = self._pending.pop(self._key(question, attempt), None)
        case = self._suites[question.benchmark].judge_case(question)
        if response.answer is None or case is None or self._judge is None:
            return None
        judge = self._judge()
        if pending is None:  # the test has already used the judgement
            pending = judge.submit(case, response.answer)
        while True:
            try:
                return judge.wait(pending, _REPORT_EVERY_S)
            except TimeoutError:
                self._report_waiting(f"judge {judge.name}")

    def _key(self, question: Question, attempt: Attempt) -> Key:
        # a test may also send other questions, which may have fewer orders
        rotation = attempt.rotation and attempt.rotation % len(self.orders(question))
        return question.id, attempt.repeat, rotation

    def _order(self, question: Question, attempt: Attempt) -> Order:
        return self.orders(question)[self._key(question, attempt)[2]]

    def _requests(self, question: Question) -> list[Request]:
        """The question's request in each order of its choices."""
        suite = self._suites[question.benchmark]
        return [suite.request(presented(question, order), self.config) for order in self.orders(question)]

    def _wait(self, job: Job) -> Completion:
        while True:
            try:
                return self._engine.wait(job, _REPORT_EVERY_S)
            except TimeoutError:
                self._report_waiting(self.name)


def _with_labels(completion: Completion, labels: Mapping[str, str]) -> Completion:
    """A copy of ``completion`` with the labels of its scores replaced by ``labels``."""
    if not (labels and completion.scores):
        return completion
    scores = {labels[label]: score for label, score in completion.scores.items()}
    return replace(completion, scores=scores)


def _prompt_text(request: Request) -> str:
    """The text of a request's prompt; for a text that is scored as a whole, that text."""
    return "".join(request.choices.values()) if request.rolling else shown(request.prompt)


def _with_prompts(response: Response) -> Completion:
    """The completion of a response; each of its parts includes its prompt."""
    completion, request = response.completion, response.request
    if request is None or not request.parts:
        return completion
    pairs = zip(completion.parts, request.parts, strict=True)
    parts = tuple(replace(part, prompt=part.prompt or _prompt_text(sent)) for part, sent in pairs)
    return replace(completion, parts=parts)
