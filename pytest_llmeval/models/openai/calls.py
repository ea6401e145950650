"""One request's way to an answer: attempts, back-off, and which refusals end a question or the run."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.types import Completion, Prompt, Request, shown
from pytest_llmeval.models.openai import chat_payloads
from pytest_llmeval.models.openai.context_fit import dropped_note, estimate_tokens, fit
from pytest_llmeval.models.openai.endpoint import Endpoint
from pytest_llmeval.models.openai.extra_fields import Extras
from pytest_llmeval.models.openai.rate_limit import Sleep, backoff_s
from pytest_llmeval.models.openai.traffic_limits import Traffic

_RETRIED = (408, 409, 429)
_OVERLOAD = (429, 503, 529)
_REJECTED = (400, 413, 422)
_LIST_AT_MOST = 5
# so many questions refused in the very same words, and none answered: it is not the questions
_REFUSED_ALIKE = 8
# so many attempts in a row without a reply, the last one of a request's last: the server is dead
_SILENT = 3
_QUIET_S = 30.0


class Refused(Exception):
    """An attempt without an answer; ``str()`` says why, and may hold what the server echoed.

    ``status`` is that of the reply, 0 when none came; ``hint`` are the seconds the server asks to
    wait; ``unreachable`` means that no connection was made, ``late`` that it was, and no reply came
    in time.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        hint: float | None = None,
        unreachable: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(f"status {status}: {message}" if status not in (0, 200) else message)
        self.message = message
        self.status = status
        self.code = code
        self.hint = hint
        self.unreachable = unreachable
        self.late = late

    @property
    def overload(self) -> bool:
        """Whether the server says that it has too much to do."""
        return self.status in _OVERLOAD or (self.status >= 500 and self.hint is not None)

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (0, 200, *_RETRIED) or self.status >= 500


class Interface(Protocol):
    """One of the interfaces of a server: what is sent where, and what comes back.

    ``dialect`` is the one to begin with, ``no_scores`` what is said of a server that scores nothing.
    """

    @property
    def path(self) -> str:
        """Where it is, after the base URL."""

    @property
    def no_scores(self) -> str:
        """What a model does not do when it does not score choices."""

    @property
    def dialect(self) -> chat_payloads.Dialect:
        """The dialect to begin with."""

    def parts(self, request: Request) -> tuple[str, ...]:
        """The requests that one takes there, by name."""

    def body(
        self, request: Request, prompt: Prompt, part: str, model: str, dialect: chat_payloads.Dialect
    ) -> dict[str, Any]:
        """The JSON to send for a part, with ``prompt`` in the place of the request's own."""

    def read(
        self, reply: bytes, request: Request, prompt: Prompt, part: str, dialect: chat_payloads.Dialect
    ) -> Completion:
        """The completion in a reply. Raises ``NoCompletion`` and ``NoScores``."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The body of a reply with status 200; when it was streamed, when its answer began (seconds)."""

    body: bytes
    first_token_s: float | None = None


class _TooLong(Exception):
    """The server found the prompt too long, and there are shots to drop."""


@dataclass(slots=True)
class _Tries:
    sent: int = 0


@dataclass(slots=True)
class Calls:
    """The requests of one run, and what was learnt about the server meanwhile.

    ``post`` sends one body and returns the reply's, or raises ``Refused``; ``list_models`` tells
    the server's models, as far as it does; ``lost`` knows whether there still is a server.
    """

    post: Callable[[dict[str, Any]], Awaitable[Reply]]
    list_models: Callable[[], Awaitable[tuple[str, ...]]]
    where: Endpoint
    model: str
    traffic: Traffic
    sleep: Sleep
    retries: int
    interface: Interface = field(default_factory=chat_payloads.Chat)
    extras: Extras = field(default_factory=Extras)
    stream: bool = False
    context: int | None = None
    clock: Callable[[], float] = time.monotonic
    lost: Callable[[], ModelUnusable | None] = lambda: None
    dialect: chat_payloads.Dialect = field(init=False)
    #: a request used up its attempts without a word from the server, and nothing was heard since
    dead: bool = False
    #: a dead server kept another one waiting: until then (on the clock) it is not asked
    quiet_until: float = -math.inf
    #: attempts without a reply since the last one
    silent: int = 0
    answered: bool = False
    #: what each request so far was refused with, until one is answered
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dialect = self.interface.dialect

    async def complete(self, request: Request) -> Completion:
        """One request's completion. Raises ``RequestFailed`` and ``ModelUnusable``."""
        answer_tokens = 1 if request.choices else request.max_tokens
        prompt, dropped = fit(request.prompt, answer_tokens, self.context)
        limit = self.context
        tries = _Tries()
        while True:
            tokens = estimate_tokens(prompt) + answer_tokens if self.traffic.counts_tokens else 0
            try:
                got = [
                    await self._part(request, prompt, part, tokens, tries)
                    for part in self.interface.parts(request)
                ]
            except _TooLong:
                prompt, dropped, limit = prompt.without_shots(1), dropped + 1, None
                continue
            return _without(_joined(got, tries.sent), prompt, dropped, limit)

    async def _part(
        self, request: Request, prompt: Prompt, part: str, tokens: int, tries: _Tries
    ) -> Completion:
        """The completion of one part, however many attempts it takes."""
        failed = 0
        while True:
            if self.dead and self.clock() < self.quiet_until:
                raise RequestFailed(f"not asked: {self.where.shown} answers no more", attempts=tries.sent)
            async with self.traffic.passage(tokens) as passage:
                tries.sent += 1
                dialect, started = self.dialect, time.perf_counter()
                try:
                    completion = await self._once(request, prompt, part, dialect)
                except Refused as caught:
                    refused = caught
                    passage.refused(overload=refused.overload, hint=refused.hint if refused.passing else None)
                else:
                    self.dead, self.silent, self.answered = False, 0, True
                    latency = time.perf_counter() - started
                    passage.answered(latency, _used(completion))
                    return replace(completion, latency_s=latency)
            if refused.status:
                self.dead, self.silent = False, 0
            else:
                self.silent += 1
                gone = self.lost()
                if gone is not None:
                    raise gone
            if self._adapt(refused, request, dialect):
                continue
            if prompt.shots and refused.status in _REJECTED and chat_payloads.about_length(refused.message):
                raise _TooLong
            await self._give_up(refused, request, tries.sent)
            failed += 1
            if failed > self.retries or self.dead:
                self._bury(refused)
                times = "1 attempt" if tries.sent == 1 else f"{tries.sent} attempts"
                raise RequestFailed(
                    f"no answer from {self.where.shown} after {times}: {self._said(refused)}",
                    attempts=tries.sent,
                )
            if refused.hint is None:  # else all wait, in ``traffic``
                await self.sleep(backoff_s(failed))

    def _bury(self, refused: Refused) -> None:
        """Note what it means that a request's last attempt ended so."""
        if self.dead and refused.late:
            self.quiet_until = self.clock() + _QUIET_S
        self.dead = refused.unreachable or self.silent >= _SILENT

    async def _once(
        self, request: Request, prompt: Prompt, part: str, dialect: chat_payloads.Dialect
    ) -> Completion:
        body = self.interface.body(request, prompt, part, self.model, dialect)
        body = self.extras.added(body, scoring=bool(request.choices), repeat=request.repeat)
        if self.stream and not request.choices:
            body["stream"] = True
            if dialect.stream_usage:
                body["stream_options"] = {"include_usage": True}
        reply = await self.post(body)
        try:
            completion = self.interface.read(reply.body, request, prompt, part, dialect)
        except chat_payloads.NoCompletion as error:
            raise Refused(str(error), status=200) from None
        except chat_payloads.NoScores:
            raise self._no_scores() from None
        clean = self.where.clean_answer
        return replace(
            completion,
            text=clean(completion.text),
            reasoning=clean(completion.reasoning),
            notes=tuple(map(clean, completion.notes)),
            first_token_s=reply.first_token_s,
        )

    def _adapt(self, refused: Refused, request: Request, dialect: chat_payloads.Dialect) -> bool:
        """Whether a refused parameter can be sent in another way, from now on."""
        if refused.status not in _REJECTED:
            return False
        if self.dialect == dialect:
            better = dialect.after(refused.message, scoring=bool(request.choices))
            if better is None:
                return False
            self.dialect = better
        return self.dialect != dialect

    async def _give_up(self, refused: Refused, request: Request, sent: int) -> None:
        """Raise what a lasting refusal means; returns for one that may pass."""
        said = self._said(refused)
        if refused.status in (401, 403):
            raise bad_key(self.where, refused)
        if refused.status == 402 or "insufficient_quota" in refused.code:
            raise ModelUnusable(f"{self.where.shown}: the account has no quota left ({said}); mend it there")
        if refused.status in (404, 405):
            raise await self._not_found(said)
        if refused.status in _REJECTED:
            self._see_whether_a_setting_is_to_blame(refused)
            if request.choices and chat_payloads.about_logprobs(refused.message):
                raise self._no_scores()
        if not refused.passing:
            self._see_whether_all_are_refused(said)
            raise RequestFailed(f"{self.where.shown} refused the request: {said}", attempts=sent)

    def _see_whether_a_setting_is_to_blame(self, refused: Refused) -> None:
        setting = None if self.answered else self.extras.to_blame(refused.message)
        if setting is not None:
            raise ModelUnusable(
                f"{self.where.shown} does not take a field of the request ({self._said(refused)}); "
                f"take out {setting} of model {one_line(self.model, 80)}"
            )

    def _see_whether_all_are_refused(self, said: str) -> None:
        if self.answered:
            return
        self.refusals.append(said)
        if len(self.refusals) >= _REFUSED_ALIKE and len(set(self.refusals)) == 1:
            raise ModelUnusable(f"{self.where.shown} refuses every request: {said}")

    async def _not_found(self, said: str) -> ModelUnusable:
        names = await self.list_models()
        if names and self.model not in names:
            return ModelUnusable(
                f"model {one_line(self.model, 80)!r} is not at {self.where.shown} ({said}); "
                f"it has {some_names(self.where, names)}"
            )
        return ModelUnusable(
            f"{self.where.shown}{self.interface.path} has no model {one_line(self.model, 80)!r} ({said}); "
            "check the model's name and the base URL (most end in /v1)"
        )

    def _no_scores(self) -> ModelUnusable:
        return ModelUnusable(
            f"model {one_line(self.model, 80)} at {self.where.shown} {self.interface.no_scores}"
        )

    def _said(self, refused: Refused) -> str:
        return said(self.where, refused)


def _used(completion: Completion) -> int | None:
    if completion.prompt_tokens is None or completion.completion_tokens is None:
        return None
    return completion.prompt_tokens + completion.completion_tokens


def _joined(parts: Sequence[Completion], sent: int) -> Completion:
    """One completion of those of a request's parts."""
    if len(parts) == 1:
        return replace(parts[0], attempts=sent)
    asked = [part.prompt_tokens for part in parts]
    return replace(
        parts[0],
        scores={label: score for part in parts for label, score in part.scores.items()},
        greedy={label: likeliest for part in parts for label, likeliest in part.greedy.items()},
        prompt_tokens=sum(count or 0 for count in asked) if None not in asked else None,
        latency_s=sum(part.latency_s for part in parts),
        attempts=sent,
    )


def _without(completion: Completion, prompt: Prompt, dropped: int, limit: int | None) -> Completion:
    if not dropped:
        return completion
    notes = (*completion.notes, dropped_note(dropped, limit))
    return replace(completion, dropped_shots=dropped, prompt=completion.prompt or shown(prompt), notes=notes)


def said(where: Endpoint, refused: Refused) -> str:
    """Why an attempt was refused, on one line and without secrets."""
    return one_line(where.clean(str(refused)), 200)


def bad_key(where: Endpoint, refused: Refused) -> ModelUnusable:
    """What status 401 and 403 mean."""
    reason = said(where, refused)
    if where.key is None:
        return ModelUnusable(
            f"{where.shown} wants a key ({reason}); set the environment variable {where.key_env}, "
            "or name another with --llm-api-key-env"
        )
    return ModelUnusable(
        f"{where.shown} does not accept the key in {where.key_env} ({reason}); set a valid one"
    )


def some_names(where: Endpoint, names: tuple[str, ...], prefix: str = "") -> str:
    """The first of a server's model names, on one line."""
    first = ", ".join(prefix + one_line(where.clean(name), 60) for name in names[:_LIST_AT_MOST])
    return first + (f", ... ({len(names)} in all)" if len(names) > _LIST_AT_MOST else "")
