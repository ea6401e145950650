"""What a test asks through its ``llm``, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, UserError, one_line
from pytest_llmeval.core.types import (
    ChatPrompt,
    Completion,
    Judgement,
    Message,
    Order,
    Outcome,
    Question,
    Request,
    Scored,
    TextPrompt,
    shown,
)
from pytest_llmeval.suites.choice_order import original, presented

if TYPE_CHECKING:
    from pytest_llmeval.models.base import Job
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge, Pending
    from pytest_llmeval.suites.suite import Scorer, Suite

_SAY_WAITING_AFTER_S = 3.0
_SAY_AGAIN_AFTER_S = 10.0

#: a question's id, which repeat of it, and which order of its choices
Key: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What happened to one question during one test.

    ``request`` is None when nothing was sent. ``read`` tells whether the test left reading the
    answer to the benchmark's extractor (``llm.answer``). ``score`` is a graded metric's, from 0 to 1.
    ``order`` is that of the choices where it may not be the file's; ``answer`` and the completion's scores
    are in the file's labels in any case. ``judgement`` is the judge's, where there is one; ``scored`` is
    there where the benchmark scores by itself.
    """

    completion: Completion
    request: Request | None = None
    answer: str | None = None
    read: bool = False
    score: float | None = None
    order: Order | None = None
    judgement: Judgement | None = None
    scored: Scored | None = None

    @property
    def prompt_text(self) -> str:
        """The prompt as a person reads it, of several the first; empty when nothing was sent."""
        return "" if self.request is None else _shown(self.request)

    def broken(self, message: str) -> Asked:
        """This, with an error that makes the answer worthless."""
        return replace(self, completion=replace(self.completion, error=message))


class LLM:
    """A model as tests see it: the ``llm`` fixture."""

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
        self.name = config.name
        self.asked: dict[str, Asked] = {}
        #: which of the ``repeats`` of its question a test asks now, from 0
        self.repeat = 0
        self.repeats = repeats
        #: in which of the orders of its choices a test asks its question now, from 0
        self.rotation = 0
        self._engine = engine
        self._suites = suites
        self._say = say
        self._ahead: dict[Key, tuple[Request, Job]] = {}
        self._unaskable: dict[str, str] = {}
        self._judge = judge
        self._judging: dict[Key, Pending] = {}

    def __repr__(self) -> str:
        return f"llm({self.name})"

    @property
    def window(self) -> int:
        """How many questions are worth asking ahead."""
        each = self.repeats * max(map(_most_orders, self._suites.values()), default=1)
        return -(-self._engine.model.window // each)

    def ready(self, benchmark: str) -> int:
        """How many answers to questions of a benchmark wait for their turn."""
        answers = sum(
            job.future.done() for (id, *_), (_, job) in self._ahead.items() if id.startswith(f"{benchmark}/")
        )
        return answers // (_most_orders(self._suites[benchmark]) if benchmark in self._suites else 1)

    def orders(self, question: Question) -> tuple[Order, ...]:
        """The orders of its choices in which a question is asked."""
        return self._suites[question.benchmark].ordering.orders(question)

    def ask_ahead(self, questions: Sequence[Question]) -> None:
        """Start on these questions, in the order their answers will be wanted."""
        requests: dict[Key, Request] = {}
        for question in questions:
            if question.problem is None and self._key(question) not in self._ahead:
                try:
                    of_question = self._requests(question)
                except UserError as error:  # its template fails: told when its turn comes
                    self._unaskable[question.id] = str(error)
                else:
                    now = self._key(question)
                    for repeat in range(self.repeat, self.repeats):
                        for rotation, request in enumerate(of_question):
                            key = question.id, repeat, rotation
                            if key >= now:
                                requests[key] = replace(request, repeat=repeat) if repeat else request
        if requests:  # waking the engine for nothing costs more than all the rest
            jobs = self._engine.ask(requests.values())
            self._ahead.update(zip(requests, zip(requests.values(), jobs, strict=True), strict=True))
            self._judge_ahead({question.id: question for question in questions}, requests)

    def _judge_ahead(self, questions: Mapping[str, Question], keys: Iterable[Key]) -> None:
        """Have answers that are under way judged as soon as they are there."""
        for key in keys:
            question = questions[key[0]]
            suite = self._suites[question.benchmark]
            case = suite.case(question)
            if case is not None and self._judge is not None:
                _, job = self._ahead[key]
                self._judging[key] = self._judge().follow(job, case, partial(response_of, suite, question))

    def answer(self, question: Question) -> str | None:
        """The answer read from the model's completion; None when none could be read.

        In logprob mode the label of the most likely choice. Raises ``RequestFailed``.
        """
        return self._ask(question, read=True).answer

    def score(self, question: Question) -> float | None:
        """What the benchmark's metric gives the answer, from 0 to 1; 0 where none could be read.

        None where the question has no gold answer. Raises ``RequestFailed``, also where the metric does.
        """
        asked = self._ask(question, read=True)
        if asked.scored is not None:
            return None if asked.scored.target is None else float(asked.scored.outcome is Outcome.CORRECT)
        if question.answer is None:
            return None
        suite = self._suites[question.benchmark]
        try:
            if suite.grading is not None:
                asked = self._judged(question, asked)
                score = 0.0 if asked.judgement is None else asked.judgement.score or 0.0
            else:
                score = 0.0 if asked.answer is None else suite.score(asked.answer, question)
            if not 0 <= score <= 1:
                raise ValueError(f"a score of {score} is not from 0 to 1")
        except (RequestFailed, ModelUnusable):  # of the judge
            raise
        except Exception as error:  # a plugin's metric, or a library on hostile text
            name = suite.benchmark.metric.name
            message = f"metric {name}: {type(error).__name__}: {one_line(error, 120)}"
            self.asked[question.id] = asked.broken(message)
            raise RequestFailed(message) from None
        reason = getattr(score, "reason", "")
        if reason:
            told = f"{suite.benchmark.metric.name}: "
            others = (note for note in asked.completion.notes if not note.startswith(told))  # of a replay
            notes = (*others, told + reason)
            asked = replace(asked, completion=replace(asked.completion, notes=notes))
            self.asked[question.id] = asked
        score = float(score)
        if suite.graded:
            self.asked[question.id] = replace(asked, score=score)
        return score

    def _judged(self, question: Question, asked: Asked) -> Asked:
        """What was asked, with the judge's word on it. Raises ``RequestFailed`` and ``ModelUnusable``."""
        try:
            judgement = self._judgement(question, asked)
        except ModelUnusable as error:
            self.asked[question.id] = asked.broken(str(error))
            raise
        asked = self.asked[question.id] = replace(asked, judgement=judgement)
        if judgement is not None and judgement.error is not None:
            message = f"the judge {judgement.judge}: {judgement.error}"
            self.asked[question.id] = asked.broken(message)
            raise RequestFailed(message, attempts=judgement.attempts)
        return asked

    def _judgement(self, question: Question, asked: Asked) -> Judgement | None:
        """None of an answer that could not be read."""
        pending = self._judging.pop(self._key(question), None)
        case = self._suites[question.benchmark].case(question)
        if asked.answer is None or case is None or self._judge is None:
            return None
        judge = self._judge()
        if pending is None:  # asked for once more
            pending = judge.submit(case, asked.answer)
        patience = _SAY_WAITING_AFTER_S
        while True:
            try:
                return judge.wait(pending, patience)
            except TimeoutError:
                self._say(f"judge {judge.name}")
                patience = _SAY_AGAIN_AFTER_S

    def correct(self, question: Question) -> bool:
        """Whether the metric's score is at least its threshold. Raises ``RequestFailed``.

        Of a benchmark that scores by itself and compares nothing, whether there is an answer.
        """
        score = self.score(question)
        scored = self.asked[question.id].scored
        if scored is not None:
            return scored.outcome in (Outcome.CORRECT, Outcome.ANSWERED)
        return score is not None and score >= self._suites[question.benchmark].threshold

    def complete(self, question: Question) -> Completion:
        """The model's whole completion. Raises ``RequestFailed`` when there is none.

        Its text speaks of the letters that were ``shown``, which are the file's unless choices are moved
        (``--llm-circular``, ``--llm-shuffle-choices``); its scores are in the file's.
        """
        return self._ask(question, read=False).completion

    def shown(self, question: Question) -> Question:
        """``question`` with its choices in the order in which they are shown now, its answer with them."""
        return presented(question, self._order(question))

    def _ask(self, question: Question, read: bool) -> Asked:
        if question.problem is not None:
            raise RequestFailed(question.problem)
        key = self._key(question)
        if key not in self._ahead:
            self.ask_ahead([question])
            if key not in self._ahead:
                raise RequestFailed(self._unaskable[question.id])
        request, job = self._ahead.pop(key)
        return self._read(question, request, self._wait(job), read)

    def _read(self, question: Question, request: Request | None, completion: Completion, read: bool) -> Asked:
        """What came back for a question, with the answer in it. Raises ``RequestFailed``."""
        suite = self._suites[question.benchmark]
        order = None if suite.ordering.plain else self._order(question)
        if completion.error is not None:
            self.asked[question.id] = Asked(completion, request, order=order)
            raise RequestFailed(completion.error, attempts=completion.attempts)
        if suite.scorer is not None:
            return self._scored(question, Asked(completion, request, read=read), suite.scorer)
        held = {} if order is None else original(question, order)
        if request.choices if request is not None else completion.scores:
            if request is not None and held:  # what an earlier run recorded is in the file's labels
                found = {held[label]: score for label, score in completion.scores.items()}
                completion = replace(completion, scores=found)
            scores = completion.scores
            answer = max(scores, key=scores.__getitem__) if scores else None
        else:
            completion = _without_reasoning(completion)
            read_off = suite.extract(completion.text, self.shown(question).choices)
            answer = None if read_off is None else held.get(read_off, read_off)
        asked = self.asked[question.id] = Asked(completion, request, answer, read, order=order)
        return asked

    def _scored(self, question: Question, asked: Asked, scorer: Scorer) -> Asked:
        """With what the benchmark itself makes of the completion. Raises ``RequestFailed`` where it fails."""
        try:
            scored = scorer(question, asked.completion, self.config)
        except Exception as error:  # code of a task
            message = (
                f"{question.benchmark} cannot score this: {type(error).__name__}: {one_line(error, 160)}"
            )
            self.asked[question.id] = asked.broken(message)
            raise RequestFailed(message) from None
        if asked.request is not None and asked.request.parts:
            pairs = zip(asked.completion.parts, asked.request.parts, strict=True)
            parts = tuple(replace(told, prompt=told.prompt or _shown(sent)) for told, sent in pairs)
            asked = replace(asked, completion=replace(asked.completion, parts=parts))
        found = self.asked[question.id] = replace(asked, scored=scored, answer=scored.answer)
        return found

    def generate(
        self,
        prompt: str | Sequence[Message | Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] = (),
    ) -> Completion:
        """The completion of one text (a user turn) or of chat messages. Raises ``RequestFailed``."""
        turns = (
            [Message("user", prompt)]
            if isinstance(prompt, str)
            else [
                turn if isinstance(turn, Message) else Message(turn["role"], turn["content"])
                for turn in prompt
            ]
        )
        return self._one(
            Request(
                ChatPrompt(tuple(turns)),
                max_tokens=max_tokens or self.config.max_tokens or 1024,
                temperature=(self.config.temperature or 0.0) if temperature is None else temperature,
                stop=(*self.config.stop, *stop),
            )
        )

    def choose(self, text: str, choices: Sequence[str] | Mapping[str, str]) -> str:
        """The label of the most likely continuation of ``text``.

        ``choices`` are continuations, or labels with their continuations. Raises
        ``RequestFailed``, also when the model scores none of them.
        """
        table = dict(choices) if isinstance(choices, Mapping) else {choice: choice for choice in choices}
        scores = self._one(Request(TextPrompt(text), choices=table)).scores
        if not scores:
            raise RequestFailed(f"model {self.name} gave a score to none of the choices")
        return max(scores, key=scores.__getitem__)

    def _one(self, request: Request) -> Completion:
        completion = self._wait(self._engine.ask([request])[0])
        if completion.error is not None:
            raise RequestFailed(completion.error, attempts=completion.attempts)
        return completion if request.choices else _without_reasoning(completion)

    def _key(self, question: Question) -> Key:
        """What a test asks of ``question`` now."""
        # a test may ask other questions too, which have fewer orders
        return question.id, self.repeat, self.rotation and self.rotation % len(self.orders(question))

    def _order(self, question: Question) -> Order:
        return self.orders(question)[self._key(question)[2]]

    def _requests(self, question: Question) -> list[Request]:
        suite = self._suites[question.benchmark]
        return [suite.request(question, self.config, order) for order in self.orders(question)]

    def _wait(self, job: Job) -> Completion:
        patience = _SAY_WAITING_AFTER_S
        while True:
            try:
                return self._engine.wait(job, patience)
            except TimeoutError:
                self._say(self.name)
                patience = _SAY_AGAIN_AFTER_S


def response_of(suite: Suite, question: Question, completion: Completion) -> str | None:
    """What a judge is to judge: the answer that is read from a completion."""
    return suite.extract(_without_reasoning(completion).text, question.choices)


def _most_orders(suite: Suite) -> int:
    """In how many orders a question's choices are shown."""
    return max(1, len(suite.benchmark.data.choices)) if suite.ordering.circular else 1


def _shown(request: Request) -> str:
    """What a model reads; of a text that is scored as a whole that is the text."""
    return "".join(request.choices.values()) if request.rolling else shown(request.prompt)


def _without_reasoning(completion: Completion) -> Completion:
    from pytest_llmeval.scoring.extract import split_reasoning

    text, reasoning = split_reasoning(completion.text)
    if not reasoning:
        return completion
    return replace(completion, text=text, reasoning=completion.reasoning + reasoning)
