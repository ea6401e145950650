"""The judge at work: a model that is asked about answers as soon as they arrive.

A judgement is requested before its answer exists: when the evaluated model finishes the job, on whichever
thread that is, the request goes to the judge's own engine. So neither pytest nor the evaluated model waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import LLMEvalError, ModelUnusable, one_line
from pytest_llmeval.core.types import Completion, Judgement, Request
from pytest_llmeval.models.base import Job
from pytest_llmeval.runtime.engine import Engine
from pytest_llmeval.scoring.extract.reasoning import split_reasoning
from pytest_llmeval.scoring.metrics.judge import JudgePrompt
from pytest_llmeval.suites.suite import JudgeCase


class Judge:
    """Judges answers by the model behind ``engine``; safe for several threads."""

    def __init__(self, config: ModelConfig, engine: Engine) -> None:
        self.name = config.name
        self._config = config
        self._engine = engine
        self._lock = threading.Lock()

    @property
    def window(self) -> int:
        """How many answers are worth judging ahead."""
        return self._engine.model.window

    @property
    def status(self) -> str | None:
        """What the model does before it can answer, in words; None where it can."""
        status: str | None = getattr(self._engine.model, "status", None)
        return status

    def prepare(self) -> None:
        """Compute what replies are stored under, which takes a while for local weights."""
        with self._lock:
            self._engine.ask(())

    def follow(self, job: Job, case: JudgeCase, read: Callable[[Completion], str | None]) -> Pending:
        """The judgement of the answer that ``read`` finds in the completion of ``job``, once it is finished.

        None where the job fails or no answer is found.
        """
        pending: Pending = Future()
        job.future.add_done_callback(partial(self._answered, pending, case, read))
        return pending

    def submit(self, case: JudgeCase, response: str) -> Pending:
        """The judgement of an answer."""
        pending: Pending = Future()
        self._submit(pending, case, response)
        return pending

    def wait(self, pending: Pending, timeout: float | None = None) -> Judgement | None:
        """The judgement, once the judge has replied.

        Raises ``ModelUnusable`` where the judge cannot answer at all, TimeoutError after ``timeout`` seconds.
        """
        try:
            return pending.result(timeout)
        except FutureTimeout:
            raise TimeoutError from None

    def _answered(
        self,
        pending: Pending,
        case: JudgeCase,
        read: Callable[[Completion], str | None],
        answered: Future[Completion],
    ) -> None:
        if answered.cancelled():  # whoever waits for the answer learns why
            pending.set_result(None)
            return
        completion = answered.result()
        try:
            response = None if completion.error is not None else read(completion)
        except Exception as error:  # a plugin's extractor
            pending.set_result(self._failed(f"{type(error).__name__}: {one_line(error, 120)}"))
            return
        if response is None:
            pending.set_result(None)
        else:
            self._submit(pending, case, response)

    def _submit(self, pending: Pending, case: JudgeCase, response: str) -> None:
        try:
            request = case.prompt.request(case.question, case.text, response, self._config)
        except LLMEvalError as error:
            pending.set_result(self._failed(str(error)))
            return
        self._ask(pending, case.prompt, request, None)

    def _ask(
        self, pending: Pending, prompt: JudgePrompt, request: Request, unread: Completion | None
    ) -> None:
        with self._lock:
            [job] = self._engine.ask([request])
        job.future.add_done_callback(lambda _: self._replied(pending, prompt, request, unread, job))

    def _replied(
        self, pending: Pending, prompt: JudgePrompt, request: Request, unread: Completion | None, job: Job
    ) -> None:
        try:
            reply = self._engine.wait(job)
        except ModelUnusable as error:
            pending.set_exception(ModelUnusable(f"the judge {self.name}: {error}"))
            return
        text, reasoning = split_reasoning(reply.text)
        cut = reply.finish_reason == "length"
        verdict = None if cut or reply.error is not None else prompt.read(text)
        if verdict is None and reply.error is None and unread is None:
            self._ask(pending, prompt, prompt.again(request, text), reply)
            return
        replies = [reply] if unread is None else [unread, reply]
        pending.set_result(
            Judgement(
                judge=self.name,
                verdict=None if verdict is None else verdict.label,
                score=None if verdict is None else verdict.score,
                text=text,
                reasoning=reply.reasoning + reasoning,
                unread=None if unread is None else unread.text,
                prompt_tokens=_sum(one.prompt_tokens for one in replies),
                completion_tokens=_sum(one.completion_tokens for one in replies),
                latency_s=sum(one.latency_s for one in replies),
                attempts=sum(one.attempts for one in replies),
                cached=all(one.cached for one in replies),
                error=None if verdict is not None else reply.error or _unreadable(text, cut, request),
            )
        )

    def _failed(self, message: str) -> Judgement:
        return Judgement(judge=self.name, attempts=0, error=message)


Pending = Future[Judgement | None]


def _unreadable(text: str, cut: bool, request: Request) -> str:
    if cut:
        return f"its reply was cut off by its token limit ({request.max_tokens}; max_tokens in [judge])"
    last = next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")
    return f"no verdict can be read in its reply, which ends with {one_line(repr(last), 80)}"


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
