"""API calls: attempts, back-off, and the failures that end a question or the whole run."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.types import Completion, Prompt, Request, shown
from pytest_llmeval.models.openai import chat_payloads
from pytest_llmeval.models.openai.attempt_failed import AttemptFailed
from pytest_llmeval.models.openai.chat_payloads import ChatPayloads
from pytest_llmeval.models.openai.choice_scores import NoScores
from pytest_llmeval.models.openai.context_fit import dropped_note, estimate_tokens, fit_context
from pytest_llmeval.models.openai.delays import body_wait_s, length_text, wait_text
from pytest_llmeval.models.openai.endpoint import Endpoint
from pytest_llmeval.models.openai.error_bodies import evidence
from pytest_llmeval.models.openai.extra_fields import ExtraFields
from pytest_llmeval.models.openai.failure_streak import FailureStreak
from pytest_llmeval.models.openai.failures import alike, classify
from pytest_llmeval.models.openai.known_failures import FailureKind
from pytest_llmeval.models.openai.payload_options import PayloadOptions
from pytest_llmeval.models.openai.payloads import Payloads, Response
from pytest_llmeval.models.openai.prompt_length import leaves_no_room, mentions_length
from pytest_llmeval.models.openai.rate_limit import Sleep, backoff_s
from pytest_llmeval.models.openai.refused_parameters import mentions_logprobs
from pytest_llmeval.models.openai.retry_status import RetryStatus
from pytest_llmeval.models.openai.run_errors import (
    connection_error,
    failure_reason,
    format_names,
    key_error,
    quota_error,
)
from pytest_llmeval.models.openai.served_models import other_model
from pytest_llmeval.models.openai.traffic_limits import TrafficLimits

# the run ends after this many questions in a row that failed alike, if no request has succeeded
_ALIKE = 8
# the run ends if the server answers for so long, but answers no question
_PATIENCE_S = 600.0
_OF_THE_RUN = frozenset([FailureKind.KEY, FailureKind.FORBIDDEN, FailureKind.MODEL, FailureKind.ADDRESS])
# a model that is too slow once is too slow again, and each attempt costs as much as an answer
_TIMEOUT_RETRIES = 1
# the server counts as unresponsive if this many attempts in a row had no response when a request gives up
_UNRESPONSIVE_AFTER = 3
_SKIP_S = 30.0


class _PromptTooLong(Exception):
    """The server rejected the prompt as too long, and there are shots to drop."""


@dataclass(slots=True, eq=False)
class _Attempts:
    count: int = 0


@dataclass(slots=True)
class Calls:
    """The API calls of one run, and the state of the server that they reveal.

    ``post`` sends a body and returns the response, or raises ``AttemptFailed``; ``list_models`` returns
    the server's model names, empty if it does not list them; ``server_exit`` returns the error to raise
    if the server's process has ended.
    """

    post: Callable[[dict[str, Any]], Awaitable[Response]]
    list_models: Callable[[], Awaitable[tuple[str, ...]]]
    endpoint: Endpoint
    model: str
    limits: TrafficLimits
    sleep: Sleep
    retries: int
    payloads: Payloads = field(default_factory=ChatPayloads)
    extra_fields: ExtraFields = field(default_factory=ExtraFields)
    stream: bool = False
    context: int | None = None
    clock: Callable[[], float] = time.monotonic
    server_exit: Callable[[], ModelUnusable | None] = lambda: None
    options: PayloadOptions = field(init=False)
    retrying: RetryStatus = field(init=False)
    #: a request used up its attempts without a response, and no response has arrived since
    unresponsive: bool = False
    #: requests fail unsent until this time (of the clock), after an unresponsive server let one time out
    skip_until: float = -math.inf
    #: attempts since the last response
    attempts_without_response: int = 0
    any_success: bool = False
    #: rejected requests with the same message, until the first success
    rejections: FailureStreak = field(default_factory=FailureStreak)
    #: questions in a row that used up their attempts although the server responded
    unanswered: FailureStreak = field(default_factory=FailureStreak)
    #: scored questions before the first one with a choice among the likely tokens, and whether there was one
    scored_in_vain: int = 0
    any_score: bool = False

    def __post_init__(self) -> None:
        self.options = self.payloads.options
        self.retrying = RetryStatus(self.retries)

    @property
    def status(self) -> str | None:
        """What the calls are waiting for, besides answers."""
        return self.retrying.text(self.limits.paused_s)

    async def complete(self, request: Request) -> Completion:
        """One request's completion. Raises ``RequestFailed`` and ``ModelUnusable``."""
        attempts = _Attempts()
        try:
            return await self._complete(request, attempts)
        finally:
            self.retrying.ended(attempts)

    async def _complete(self, request: Request, attempts: _Attempts) -> Completion:
        answer_tokens = 1 if request.choices else request.max_tokens
        prompt, dropped = fit_context(request.prompt, answer_tokens, self.context)
        context = self.context
        while True:
            tokens = estimate_tokens(prompt) + answer_tokens if self.limits.limits_tokens else 0
            try:
                completions = [
                    await self._complete_part(request, prompt, part, tokens, attempts)
                    for part in self.payloads.parts(request)
                ]
            except _PromptTooLong:
                prompt, dropped, context = prompt.without_shots(1), dropped + 1, None
                continue
            completion = _merge(completions, attempts.count)
            if completion.finish_reason == "scored":
                self._note_scores(completion)
            return _with_dropped_shots(completion, prompt, dropped, context)

    async def _complete_part(
        self, request: Request, prompt: Prompt, part: str, tokens: int, attempts: _Attempts
    ) -> Completion:
        """The completion of one part, after as many attempts as necessary."""
        failures = timeouts = 0
        while True:
            if self.unresponsive and self.clock() < self.skip_until:
                raise RequestFailed(
                    f"not sent: {self.endpoint.shown} no longer responds", attempts=attempts.count
                )
            async with self.limits.attempt(tokens) as attempt:
                attempts.count += 1
                options, started = self.options, time.perf_counter()
                body = self._body(request, prompt, part, options)
                try:
                    completion = await self._send(body, request, prompt, part, options)
                except AttemptFailed as error:
                    failure = error
                    attempt.failed(
                        overloaded=failure.overloaded,
                        retry_after_s=failure.retry_after_s
                        if failure.retryable and not failure.asks_too_long
                        else None,
                    )
                else:
                    self._note_success()
                    latency_s = time.perf_counter() - started
                    attempt.succeeded(latency_s, _total_tokens(completion))
                    return replace(completion, latency_s=latency_s)
            if failure.status:
                self.unresponsive, self.attempts_without_response = False, 0
            else:
                self.attempts_without_response += 1
                exit_error = self.server_exit()
                if exit_error is not None:
                    raise exit_error
            if self._adjust_options(failure, request, options, body):
                continue
            self._raise_if_too_long(failure, request, prompt, attempts.count)
            await self._raise_if_permanent(failure, request, attempts.count)
            failures += 1
            timeouts += failure.kind is FailureKind.SLOW
            if failures > self.retries or timeouts > _TIMEOUT_RETRIES or self.unresponsive:
                self._note_last_failure(failure)
                await self._raise_if_hopeless(failure)
                times = "1 attempt" if attempts.count == 1 else f"{attempts.count} attempts"
                raise RequestFailed(
                    f"no answer from {self.endpoint.shown} after {times}: {self._reason(failure)}",
                    attempts=attempts.count,
                )
            self.retrying.failed(attempts, failures, self._reason(failure))
            if failure.retry_after_s is None:  # otherwise ``limits`` pauses all requests
                await self.sleep(backoff_s(failures))

    def _note_success(self) -> None:
        self.unresponsive, self.attempts_without_response, self.any_success = False, 0, True
        self.rejections.end()
        self.unanswered.end()

    def _note_last_failure(self, failure: AttemptFailed) -> None:
        """Decide from a request's last failure whether the server is unresponsive."""
        if self.unresponsive and failure.timed_out:
            self.skip_until = self.clock() + _SKIP_S
        self.unresponsive = failure.unreachable or self.attempts_without_response >= _UNRESPONSIVE_AFTER

    def _body(self, request: Request, prompt: Prompt, part: str, options: PayloadOptions) -> dict[str, Any]:
        body = self.payloads.build(request, prompt, part, self.model, options)
        body = self.extra_fields.add_to(body, scoring=bool(request.choices), repeat=request.repeat)
        body = options.applied(body, self.extra_fields.extra_body)
        stream = self.stream if options.stream is None else options.stream
        if stream and not request.choices:
            body["stream"] = True
            if options.stream_usage:
                body["stream_options"] = {"include_usage": True}
        return body

    async def _send(
        self, body: dict[str, Any], request: Request, prompt: Prompt, part: str, options: PayloadOptions
    ) -> Completion:
        response = await self.post(body)
        try:
            completion = self.payloads.parse(response.body, request, prompt, part, options)
        except chat_payloads.NoCompletion as error:
            raise _no_completion(str(error), response.body) from None
        except chat_payloads.PromptTooLong as error:
            codes = frozenset(["context_length_exceeded"])
            raise AttemptFailed(str(error), kind=FailureKind.REFUSED, status=200, codes=codes) from None
        except NoScores as error:
            raise self._no_scores(str(error)) from None
        completion = options.restored(completion, request)
        clean = self.endpoint.clean_answer
        return replace(
            completion,
            text=clean(completion.text),
            reasoning=clean(completion.reasoning),
            notes=tuple(map(clean, completion.notes)),
            served_model=clean(other_model(self.model, completion.served_model)),
            first_token_s=response.first_token_s,
        )

    def _adjust_options(
        self, failure: AttemptFailed, request: Request, options: PayloadOptions, body: Mapping[str, Any]
    ) -> bool:
        """Whether to try again because a refused parameter is now sent in another way, or not at all."""
        if not failure.may_be_rejection:
            return False
        if self.options == options:
            adjusted = options.adjusted(
                failure.message,
                scoring=bool(request.choices),
                body=body,
                own=self.extra_fields.extra_body,
            )
            if adjusted is None:
                return False
            self.options = adjusted
        return self.options != options

    def _note_scores(self, completion: Completion) -> None:
        self.any_score = self.any_score or bool(completion.scores)
        self.scored_in_vain += not self.any_score

    def lessons(self) -> tuple[str, ...]:
        """What the model's answers taught about it, a line each."""
        lessons = self.options.lessons(self.payloads.options)
        in_vain = self.scored_in_vain
        if in_vain and (not self.any_score or in_vain >= _ALIKE):
            first = "1 question" if in_vain == 1 else f"{in_vain} questions"
            lessons += (
                f"in the first {first} none of the choices was among the most likely first tokens: "
                "the model begins its answers in another way; --llm-mode=generate reads them",
            )
        return lessons

    def _raise_if_too_long(
        self, failure: AttemptFailed, request: Request, prompt: Prompt, attempts: int
    ) -> None:
        """Raise if prompt and answer do not fit into the context: ``_PromptTooLong`` if shots are left."""
        if not failure.may_be_rejection:
            return
        if not mentions_length(failure.message, failure.codes, failure.status):
            return
        limit = 1 if request.choices else request.max_tokens
        no_room = leaves_no_room(failure.message, limit)
        if prompt.shots and not no_room:
            raise _PromptTooLong
        advice = f"; --llm-max-tokens leaves no room for it: lower it from {limit}" if no_room else ""
        raise RequestFailed(
            f"the prompt is too long for {self.endpoint.shown}: {self._reason(failure)}{advice}",
            attempts=attempts,
        )

    async def _raise_if_permanent(self, failure: AttemptFailed, request: Request, attempts: int) -> None:
        """Raise the error for a permanent failure; return for one that may be temporary.

        Until the first answer, a wrong key, model or address concerns the whole run. Afterwards it is a
        flaw of this answer: gateways have such moments.
        """
        reason, kind = self._reason(failure), failure.kind
        if failure.advice is not None and not self.any_success:
            raise connection_error(self.endpoint, failure)
        if kind is FailureKind.QUOTA:
            raise quota_error(self.endpoint, failure)
        if failure.asks_too_long and failure.retry_after_s is not None:
            raise ModelUnusable(
                f"{self.endpoint.shown} asks to wait {wait_text(failure.retry_after_s)} ({reason}); "
                "run again then: what is answered stays in the store"
            )
        if failure.rejected or failure.status == 403:
            self._raise_if_setting_rejected(failure)
            if request.choices and mentions_logprobs(failure.message):
                raise self._no_scores()
        if kind in _OF_THE_RUN:
            if not self.any_success:
                raise await self._run_error(failure)
            if kind is not FailureKind.FORBIDDEN:
                return
        if kind is FailureKind.REFUSED:
            self._raise_if_all_rejected(failure)
        if not failure.retryable:
            raise RequestFailed(f"{self.endpoint.shown} refused the request: {reason}", attempts=attempts)

    async def _run_error(self, failure: AttemptFailed) -> ModelUnusable:
        """The error for a failure that every request would have."""
        if failure.kind is FailureKind.MODEL:
            return await self._model_not_found(self._reason(failure))
        if failure.kind is FailureKind.ADDRESS:
            return ModelUnusable(
                f"{self.endpoint.shown}{self.payloads.path} does not exist ({self._reason(failure)}); "
                "check the base URL: /v1 is probably missing at its end"
            )
        return key_error(self.endpoint, failure)

    async def _raise_if_hopeless(self, failure: AttemptFailed) -> None:
        """End the run if the server responds, but answers no question; called when a question gives up."""
        if not failure.status:  # ``unresponsive`` covers servers without a response
            return
        of_the_run = failure.kind in _OF_THE_RUN
        count = self.unanswered.extend(failure.kind if of_the_run else None, self.clock())
        if count < _ALIKE:
            return
        if of_the_run:
            raise await self._run_error(failure)
        failing_s = self.clock() - self.unanswered.since
        if self.any_success and failing_s < _PATIENCE_S:
            return
        asked = (
            f"no question for {length_text(failing_s)}" if self.any_success else f"none of {count} questions"
        )
        hint = "; is the base URL right? Most end in /v1" if failure.html else ""
        raise ModelUnusable(
            f"{self.endpoint.shown} responds but has answered {asked}: {self._reason(failure)}{hint}"
        )

    def _raise_if_setting_rejected(self, failure: AttemptFailed) -> None:
        setting = None if self.any_success else self.extra_fields.rejected_setting(failure.message)
        if setting is not None:
            raise ModelUnusable(
                f"{self.endpoint.shown} does not accept a field of the request ({self._reason(failure)}); "
                f"remove {setting} from the settings of model {one_line(self.model, 80)}"
            )

    def _raise_if_all_rejected(self, failure: AttemptFailed) -> None:
        if self.any_success:
            return
        if self.rejections.extend(alike(failure.message)) >= _ALIKE:
            raise ModelUnusable(f"{self.endpoint.shown} refuses every request: {self._reason(failure)}")

    async def _model_not_found(self, reason: str) -> ModelUnusable:
        names = await self.list_models()
        if names and self.model not in names:
            return ModelUnusable(
                f"model {one_line(self.model, 80)!r} is not at {self.endpoint.shown} ({reason}); "
                f"it has {format_names(self.endpoint, names)}"
            )
        return ModelUnusable(
            f"{self.endpoint.shown}{self.payloads.path} has no model {one_line(self.model, 80)!r} "
            f"({reason}); check the model's name and the base URL (most end in /v1)"
        )

    def _no_scores(self, found: str = "") -> ModelUnusable | RequestFailed:
        """The error for a response without usable log-probabilities; ``found`` says what it has instead."""
        what = found or self.payloads.no_scores
        message = f"model {one_line(self.model, 80)} at {self.endpoint.shown} {what}"
        return RequestFailed(message) if self.any_success else ModelUnusable(message)

    def _reason(self, failure: AttemptFailed) -> str:
        return failure_reason(self.endpoint, failure)


def _total_tokens(completion: Completion) -> int | None:
    if completion.prompt_tokens is None or completion.completion_tokens is None:
        return None
    return completion.prompt_tokens + completion.completion_tokens


def _merge(parts: Sequence[Completion], attempts: int) -> Completion:
    """One completion from those of a request's parts."""
    if len(parts) == 1:
        return replace(parts[0], attempts=attempts)
    prompt_tokens = [part.prompt_tokens for part in parts]
    return replace(
        parts[0],
        scores={label: score for part in parts for label, score in part.scores.items()},
        greedy={label: greedy for part in parts for label, greedy in part.greedy.items()},
        prompt_tokens=sum(count or 0 for count in prompt_tokens) if None not in prompt_tokens else None,
        latency_s=sum(part.latency_s for part in parts),
        attempts=attempts,
    )


def _with_dropped_shots(
    completion: Completion, prompt: Prompt, dropped: int, context: int | None
) -> Completion:
    if not dropped:
        return completion
    notes = (*completion.notes, dropped_note(dropped, context))
    return replace(completion, dropped_shots=dropped, prompt=completion.prompt or shown(prompt), notes=notes)


def _no_completion(message: str, body: bytes) -> AttemptFailed:
    """The failure for a response with status 200 that is not an answer."""
    found = evidence(200, body)
    wait_s = body_wait_s(body, time.time())
    return AttemptFailed(
        message,
        status=found.status,
        kind=classify(found, wait_s),
        codes=found.codes,
        retry_after_s=wait_s,
        html=found.html,
        # a body with choices may quote the model
        reported=bool(found.words) and b'"choices"' not in body,
    )
