"""One request's way to an answer: attempts, back-off, and which refusals end a question or the run."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_llmeval.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.models import wire
from pytest_llmeval.models.endpoint import Endpoint
from pytest_llmeval.models.fitting import dropped_note, fit
from pytest_llmeval.models.pacing import Pace, Sleep, backoff_s
from pytest_llmeval.types import Completion, Prompt, Request, shown

_RETRIED = (408, 409, 429)
_REJECTED = (400, 413, 422)
_LIST_AT_MOST = 5
# so many questions refused in the very same words, and none answered: it is not the questions
_REFUSED_ALIKE = 8


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
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (0, 200, *_RETRIED) or self.status >= 500


@dataclass(slots=True)
class Calls:
    """The requests of one run, and what was learnt about the server meanwhile.

    ``post`` sends one body and returns the reply's, or raises ``Refused``; ``list_models`` tells
    the server's models, as far as it does.
    """

    post: Callable[[dict[str, Any]], Awaitable[bytes]]
    list_models: Callable[[], Awaitable[tuple[str, ...]]]
    where: Endpoint
    model: str
    pace: Pace
    sleep: Sleep
    retries: int
    context: int | None = None
    dialect: wire.Dialect = field(default_factory=wire.Dialect)
    #: a request used up its attempts without a connection, and nothing was heard since
    dead: bool = False
    answered: bool = False
    #: what each request so far was refused with, until one is answered
    refusals: list[str] = field(default_factory=list)

    async def complete(self, request: Request) -> Completion:
        """One request's completion. Raises ``RequestFailed`` and ``ModelUnusable``."""
        answer_tokens = 1 if request.choices else request.max_tokens
        prompt, dropped = fit(request.prompt, answer_tokens, self.context)
        limit = self.context
        sent = failed = 0
        while True:
            await self.pace.turn()
            sent += 1
            dialect, started = self.dialect, time.perf_counter()
            try:
                completion = await self._once(request, prompt, dialect)
            except Refused as caught:
                refused = caught
            else:
                self.dead, self.answered = False, True
                latency = time.perf_counter() - started
                completion = replace(completion, latency_s=latency, attempts=sent)
                return _without(completion, prompt, dropped, limit)
            self.dead = self.dead and refused.unreachable
            if self._adapt(refused, request, dialect):
                continue
            if prompt.shots and refused.status in _REJECTED and wire.about_length(refused.message):
                prompt, dropped, limit = prompt.without_shots(1), dropped + 1, None
                continue
            await self._give_up(refused, request, sent)
            failed += 1
            if failed > self.retries or self.dead:
                self.dead = refused.unreachable
                times = "1 attempt" if sent == 1 else f"{sent} attempts"
                raise RequestFailed(
                    f"no answer from {self.where.shown} after {times}: {self._said(refused)}", attempts=sent
                )
            await self.sleep(backoff_s(failed, refused.hint))

    async def _once(self, request: Request, prompt: Prompt, dialect: wire.Dialect) -> Completion:
        reply = await self.post(wire.body(request, prompt, self.model, dialect))
        try:
            return wire.read(reply, request.choices)
        except wire.NoCompletion as error:
            raise Refused(str(error), status=200) from None
        except wire.NoScores:
            raise self._no_scores() from None

    def _adapt(self, refused: Refused, request: Request, dialect: wire.Dialect) -> bool:
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
        if refused.status in _REJECTED and request.choices and wire.about_logprobs(refused.message):
            raise self._no_scores()
        if not refused.passing:
            self._see_whether_all_are_refused(said)
            raise RequestFailed(f"{self.where.shown} refused the request: {said}", attempts=sent)

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
            f"{self.where.shown}/chat/completions has no model {one_line(self.model, 80)!r} ({said}); "
            "check the model's name and the base URL (most end in /v1)"
        )

    def _no_scores(self) -> ModelUnusable:
        return ModelUnusable(
            f"model {one_line(self.model, 80)} at {self.where.shown} gives no log-probabilities; "
            "use --llm-mode=generate, or a server that supports top_logprobs"
        )

    def _said(self, refused: Refused) -> str:
        return said(self.where, refused)


def _without(completion: Completion, prompt: Prompt, dropped: int, limit: int | None) -> Completion:
    if not dropped:
        return completion
    notes = (*completion.notes, dropped_note(dropped, limit))
    return replace(completion, dropped_shots=dropped, prompt=shown(prompt), notes=notes)


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
