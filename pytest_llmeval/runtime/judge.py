"""The judge: sends answers to a judge model as soon as they arrive.

A judgement is requested before its answer exists. When the evaluated model finishes the job, a callback on
the model's thread sends the request to the judge's own engine. So neither pytest nor the evaluated model
waits for the judge.
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
    """Judges answers with the model of ``engine``; safe for several threads."""

    def __init__(self, config: ModelConfig, engine: Engine) -> None:
        self.name = config.name
        self._config = config
        self._engine = engine
        self._lock = threading.Lock()

    @property
    def window(self) -> int:
        """The number of answers to send ahead."""
        return self._engine.model.window

    @property
    def status(self) -> str | None:
        """What the model is doing until it can answer; None if it can answer."""
        status: str | None = getattr(self._engine.model, "status", None)
        return status

    def prepare(self) -> None:
        """Compute the store's key in advance, which takes a while for local weights."""
        with self._lock:
            self._engine.ask(())

    def follow(self, job: Job, case: JudgeCase, read: Callable[[Completion], str | None]) -> Pending:
        """Judge the answer of ``job`` once it is finished; ``read`` extracts the answer.

        The result is None if the job fails or has no answer.
        """
        pending: Pending = Future()
        job.future.add_done_callback(partial(self._on_answer, pending, case, read))
        return pending

    def submit(self, case: JudgeCase, response: str) -> Pending:
        """Send an answer to the judge."""
        pending: Pending = Future()
        self._submit(pending, case, response)
        return pending

    def wait(self, pending: Pending, timeout: float | None = None) -> Judgement | None:
        """Wait for a judgement.

        Raises ``ModelUnusable`` if the judge cannot answer, and TimeoutError after ``timeout`` seconds.
        """
        try:
            return pending.result(timeout)
        except FutureTimeout:
            raise TimeoutError from None

    def _on_answer(
        self,
        pending: Pending,
        case: JudgeCase,
        read: Callable[[Completion], str | None],
        future: Future[Completion],
    ) -> None:
        if future.cancelled():  # the engine reports the reason to the test
            pending.set_result(None)
            return
        completion = future.result()
        try:
            response = None if completion.error is not None else read(completion)
        except Exception as error:  # raised by a plugin's extractor
            pending.set_result(self._error(f"{type(error).__name__}: {one_line(error, 120)}"))
            return
        if response is None:
            pending.set_result(None)
        else:
            self._submit(pending, case, response)

    def _submit(self, pending: Pending, case: JudgeCase, response: str) -> None:
        try:
            request = case.prompt.request(case.question, case.text, response, self._config)
            request = request.with_system(self._config.system)
        except LLMEvalError as error:
            pending.set_result(self._error(str(error)))
            return
        self._ask(pending, case.prompt, request, None)

    def _ask(
        self, pending: Pending, prompt: JudgePrompt, request: Request, first_reply: Completion | None
    ) -> None:
        with self._lock:
            [job] = self._engine.ask([request])
        job.future.add_done_callback(lambda _: self._on_reply(pending, prompt, request, first_reply, job))

    def _on_reply(
        self,
        pending: Pending,
        prompt: JudgePrompt,
        request: Request,
        first_reply: Completion | None,
        job: Job,
    ) -> None:
        try:
            reply = self._engine.wait(job)
        except ModelUnusable as error:
            pending.set_exception(ModelUnusable(f"the judge {self.name}: {error}"))
            return
        text, reasoning = split_reasoning(reply.text, self._config.reasoning_marks)
        truncated = reply.finish_reason == "length"
        verdict, problem = None, reply.error
        try:
            verdict = None if truncated or reply.error is not None else prompt.read(text)
        except LLMEvalError as error:  # the benchmark's pattern takes too long
            problem = str(error)
        if verdict is None and problem is None and first_reply is None:
            self._ask(pending, prompt, prompt.again(request, text), reply)
            return
        replies = [reply] if first_reply is None else [first_reply, reply]
        pending.set_result(
            Judgement(
                judge=self.name,
                verdict=None if verdict is None else verdict.label,
                score=None if verdict is None else verdict.score,
                text=text,
                reasoning=reply.reasoning + reasoning,
                unread=None if first_reply is None else first_reply.text,
                prompt_tokens=_sum(item.prompt_tokens for item in replies),
                completion_tokens=_sum(item.completion_tokens for item in replies),
                latency_s=sum(item.latency_s for item in replies),
                attempts=sum(item.attempts for item in replies),
                cached=all(item.cached for item in replies),
                error=None if verdict is not None else problem or _unreadable(text, truncated, request),
            )
        )

    def _error(self, message: str) -> Judgement:
        return Judgement(judge=self.name, attempts=0, error=message)


Pending = Future[Judgement | None]


def _unreadable(text: str, truncated: bool, request: Request) -> str:
    if truncated:
        return f"its reply was cut off by its token limit ({request.max_tokens}; max_tokens in [judge])"
    last = next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")
    return f"no verdict can be read in its reply, which ends with {one_line(repr(last), 80)}"


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
