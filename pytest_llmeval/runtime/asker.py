"""Asks a model questions: ahead of time, in repeats and orders of their choices; and grades the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, UserError
from pytest_llmeval.core.types import Completion, Grade, Judgement, Order, Question, Request, shown
from pytest_llmeval.scoring.extract import split_reasoning
from pytest_llmeval.suites.choice_order import original, presented

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.models.base import Job
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge, Pending
    from pytest_llmeval.suites.suite import Suite

_FIRST_WAIT_MESSAGE_S = 3.0
_NEXT_WAIT_MESSAGE_S = 10.0

#: a question's id, which repeat of it, and which order of its choices
Key: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Response:
    """What a model answered to one question during one attempt of its test.

    ``request`` is None where nothing was sent (a replay). ``answer`` and the completion's scores are in the
    file's labels; ``presented`` is the completion in the labels as they were shown. ``extracted`` tells
    whether the suite has read the answer, or the test reads the completion by itself. ``order`` is the
    order of the choices where it may not be the file's.
    """

    completion: Completion
    request: Request | None = None
    answer: str | None = None
    extracted: bool = False
    order: Order | None = None
    presented: Completion | None = None
    judgement: Judgement | None = None
    grade: Grade | None = None

    @property
    def prompt(self) -> str:
        """The prompt as a person reads it, of several the first; empty where nothing was sent."""
        if self.completion.prompt is not None:
            return self.completion.prompt
        return "" if self.request is None else _prompt_text(self.request)

    @property
    def score(self) -> float | None:
        """The score of a graded metric."""
        return self.grade.score if self.grade is not None and self.grade.graded else None

    @property
    def outcome_decided(self) -> Grade | None:
        """The grade of a suite that decides the outcome by itself."""
        return self.grade if self.grade is not None and self.grade.outcome is not None else None

    def failed(self, message: str) -> Response:
        """This response with an error that makes the answer worthless."""
        return replace(self, completion=replace(self.completion, error=message))


@dataclass(slots=True)
class Attempt:
    """One run of a test function: which repeat of its question it asks, and in which order of the choices.

    ``responses`` are what it got, by question id.
    """

    repeat: int = 0
    rotation: int = 0
    responses: dict[str, Response] = field(default_factory=dict)


class Asker:
    """Asks one model the questions of all suites of a session.

    ``repeats`` is how often each question is asked; ``judge`` makes the judge where one is wanted; ``say``
    takes the name of the model that a test waits for.
    """

    def __init__(
        self,
        config: ModelConfig,
        engine: Engine,
        suites: Mapping[str, Suite],
        say: Callable[[str], None],
        repeats: int = 1,
        judge: Callable[[], Judge] | None = None,
    ) -> None:
        self.config = config
        self.repeats = repeats
        #: what the test that runs now asks through its ``llm``
        self.attempt = Attempt()
        self._engine = engine
        self._suites = suites
        self._say = say
        self._judge = judge
        self._jobs: dict[Key, tuple[Request, Job]] = {}
        self._judging: dict[Key, Pending] = {}
        #: why a question cannot be asked, by its id
        self._unaskable: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The model's name."""
        return self.config.name

    @property
    def window(self) -> int:
        """How many questions are worth asking ahead."""
        most_orders = max((suite.most_orders for suite in self._suites.values()), default=1)
        return -(-self._engine.model.window // (self.repeats * most_orders))

    def ready(self, benchmark: str) -> int:
        """How many questions of a benchmark are answered and wait for their tests."""
        answers = sum(
            job.future.done() for (id, *_), (_, job) in self._jobs.items() if id.startswith(f"{benchmark}/")
        )
        return answers // (self._suites[benchmark].most_orders if benchmark in self._suites else 1)

    def orders(self, question: Question) -> tuple[Order, ...]:
        """The orders of its choices in which a question is asked."""
        return self._suites[question.benchmark].orders(question)

    def shown(self, question: Question, attempt: Attempt) -> Question:
        """``question`` with its choices in the order in which ``attempt`` shows them."""
        return presented(question, self._order(question, attempt))

    def ask_ahead(self, questions: Sequence[Question], since: Attempt | None = None) -> None:
        """Send these questions, in the order in which their answers will be wanted.

        Each with all repeats and orders of its choices, from those of ``since`` on. Does not wait.
        """
        since = since or Attempt()
        requests: dict[Key, Request] = {}
        for question in questions:
            first = self._key(question, since)
            if question.problem is not None or first in self._jobs:
                continue
            try:
                of_question = self._requests(question)
            except UserError as error:  # its template fails: reported when its test comes
                self._unaskable[question.id] = str(error)
                continue
            for repeat in range(since.repeat, self.repeats):
                for rotation, request in enumerate(of_question):
                    key = question.id, repeat, rotation
                    if key >= first:
                        requests[key] = replace(request, repeat=repeat) if repeat else request
        if requests:  # waking the engine for nothing costs more than all the rest
            jobs = self._engine.ask(requests.values())
            self._jobs.update(zip(requests, zip(requests.values(), jobs, strict=True), strict=True))
            self._judge_ahead({question.id: question for question in questions}, requests)

    def _judge_ahead(self, questions: Mapping[str, Question], keys: Iterable[Key]) -> None:
        """Have each answer judged as soon as it arrives."""
        for key in keys:
            question = questions[key[0]]
            suite = self._suites[question.benchmark]
            case = suite.judge_case(question)
            if case is not None and self._judge is not None:
                _, job = self._jobs[key]
                self._judging[key] = self._judge().follow(job, case, partial(judged_answer, suite, question))

    def respond(self, question: Question, attempt: Attempt, *, extract: bool) -> Response:
        """The model's response, its answer read by the suite; waits for it.

        ``extract`` is whether the test leaves reading to the suite. Raises ``RequestFailed``.
        """
        if question.problem is not None:
            raise RequestFailed(question.problem)
        key = self._key(question, attempt)
        if key not in self._jobs:
            self.ask_ahead([question], attempt)
            if key not in self._jobs:
                raise RequestFailed(self._unaskable[question.id])
        request, job = self._jobs.pop(key)
        return self._received(question, attempt, request, self._wait(job), extract)

    def graded(self, question: Question, attempt: Attempt) -> Response:
        """The model's response with its grade; waits for the model, and for a judge where one is asked.

        Raises ``RequestFailed``, also where the metric or the judge fails.
        """
        response = self.respond(question, attempt, extract=True)
        suite = self._suites[question.benchmark]
        if suite.self_graded:
            return response
        if question.answer is not None and suite.judge_prompt is not None:
            response = self._judged(question, attempt, response)
        return self._with_grade(question, attempt, response)

    def submit(self, request: Request) -> Completion:
        """The completion of a request that belongs to no question. Raises ``RequestFailed``."""
        completion = self._wait(self._engine.ask([request])[0])
        if completion.error is not None:
            raise RequestFailed(completion.error, attempts=completion.attempts)
        return completion if request.choices else _without_reasoning(completion)

    def _received(
        self,
        question: Question,
        attempt: Attempt,
        request: Request | None,
        completion: Completion,
        extract: bool,
    ) -> Response:
        """The response that a completion makes. Raises ``RequestFailed``."""
        suite = self._suites[question.benchmark]
        order = self._order(question, attempt) if suite.reorders else None
        if completion.error is not None:
            attempt.responses[question.id] = Response(completion, request, order=order)
            raise RequestFailed(completion.error, attempts=completion.attempts)
        if suite.self_graded:
            response = Response(completion, request, extracted=extract, presented=completion)
            return self._with_grade(question, attempt, response)
        if not completion.scores:
            completion = _without_reasoning(completion)
        labels = {} if order is None else original(question, order)
        answer = suite.read(self.shown(question, attempt), completion)
        response = Response(
            _relabelled(completion, labels),
            request,
            None if answer is None else labels.get(answer, answer),
            extract,
            order,
            completion,
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
            attempt.responses[question.id] = response.failed(str(error))
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

    def _judged(self, question: Question, attempt: Attempt, response: Response) -> Response:
        """The response with the judge's judgement. Raises ``RequestFailed`` and ``ModelUnusable``."""
        try:
            judgement = self._judgement(question, attempt, response)
        except ModelUnusable as error:
            attempt.responses[question.id] = response.failed(str(error))
            raise
        response = attempt.responses[question.id] = replace(response, judgement=judgement)
        if judgement is not None and judgement.error is not None:
            message = f"the judge {judgement.judge}: {judgement.error}"
            attempt.responses[question.id] = response.failed(message)
            raise RequestFailed(message, attempts=judgement.attempts)
        return response

    def _judgement(self, question: Question, attempt: Attempt, response: Response) -> Judgement | None:
        """The judgement of an answer; None where no answer could be read."""
        pending = self._judging.pop(self._key(question, attempt), None)
        case = self._suites[question.benchmark].judge_case(question)
        if response.answer is None or case is None or self._judge is None:
            return None
        judge = self._judge()
        if pending is None:  # the test asks for the score again
            pending = judge.submit(case, response.answer)
        patience_s = _FIRST_WAIT_MESSAGE_S
        while True:
            try:
                return judge.wait(pending, patience_s)
            except TimeoutError:
                self._say(f"judge {judge.name}")
                patience_s = _NEXT_WAIT_MESSAGE_S

    def _key(self, question: Question, attempt: Attempt) -> Key:
        # a test may ask other questions too, which have fewer orders
        rotation = attempt.rotation and attempt.rotation % len(self.orders(question))
        return question.id, attempt.repeat, rotation

    def _order(self, question: Question, attempt: Attempt) -> Order:
        return self.orders(question)[self._key(question, attempt)[2]]

    def _requests(self, question: Question) -> list[Request]:
        """The question's request in each order of its choices."""
        suite = self._suites[question.benchmark]
        return [suite.request(presented(question, order), self.config) for order in self.orders(question)]

    def _wait(self, job: Job) -> Completion:
        patience_s = _FIRST_WAIT_MESSAGE_S
        while True:
            try:
                return self._engine.wait(job, patience_s)
            except TimeoutError:
                self._say(self.name)
                patience_s = _NEXT_WAIT_MESSAGE_S


def judged_answer(suite: Suite, question: Question, completion: Completion) -> str | None:
    """What a judge judges: the answer that the suite reads from a completion."""
    return suite.read(question, _without_reasoning(completion))


def _relabelled(completion: Completion, labels: Mapping[str, str]) -> Completion:
    """A completion whose choice scores are under the labels that ``labels`` maps theirs to."""
    if not (labels and completion.scores):
        return completion
    scores = {labels[label]: score for label, score in completion.scores.items()}
    return replace(completion, scores=scores)


def _prompt_text(request: Request) -> str:
    """What a model reads; of a text that is scored as a whole that is the text."""
    return "".join(request.choices.values()) if request.rolling else shown(request.prompt)


def _with_prompts(response: Response) -> Completion:
    """The completion of a request with parts, each part with the prompt that it answers."""
    completion, request = response.completion, response.request
    if request is None or not request.parts:
        return completion
    pairs = zip(completion.parts, request.parts, strict=True)
    parts = tuple(replace(part, prompt=part.prompt or _prompt_text(sent)) for part, sent in pairs)
    return replace(completion, parts=parts)


def _without_reasoning(completion: Completion) -> Completion:
    text, reasoning = split_reasoning(completion.text)
    if not reasoning:
        return completion
    return replace(completion, text=text, reasoning=completion.reasoning + reasoning)
