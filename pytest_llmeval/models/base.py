"""What a backend is: an object that takes jobs and finishes them, until there are no more.

A backend reads jobs in whatever number suits it (one batch, one batch of many batches, one
connection each) and finishes each exactly once. ``run_batches`` and ``run_concurrently`` are the
two usual ways to do so; a backend with a better plan reads ``Jobs`` itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.types import Completion, Request


@runtime_checkable
class Model(Protocol):
    """A backend. ``run`` is called on the engine's thread, all else on pytest's.

    It may have ``notes``: lines, said at the end of the run, on how it answered; and a ``status``: what
    it does before it can answer, in words that change, or None. One whose answers
    are to be stored is ``Storable``.
    """

    @property
    def window(self) -> int:
        """How many requests the model wants to see ahead of the one pytest waits for; it may change."""

    def check(self) -> None:
        """Look, cheaply and without loading weights, whether this model can answer at all.

        Called before the first question, on pytest's thread. Raises ``ModelUnusable``.
        """

    def identity(self) -> str:
        """What the answers depend on, short: folder and dtype, or URL and model name; no secrets."""

    def run(self, jobs: Jobs) -> None:
        """Load what is needed and finish jobs until ``jobs.closed``; called once.

        Raises ``ModelUnusable`` when no further question can be answered.
        """


@runtime_checkable
class Storable(Protocol):
    """A backend whose completions are worth keeping."""

    def store_key(self, digest: Callable[[Path], str]) -> str | None:
        """A text that changes with all of the model that may change an answer; None: keep nothing.

        It is compared, never shown. ``digest`` gives the SHA-256 of a file's content and remembers
        it. Called once, before the first request. Raises ``UserError``.
        """


def model_key(parts: Mapping[str, object]) -> str:
    """A ``store_key`` from what answers depend on: a hash, so that secrets may be among it."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way; ``finish`` or ``fail`` it exactly once.

    ``keep`` is given the completion, unless it is an error, before anybody else sees it. ``parts`` are the
    jobs that a job of several is made of (``joining.py``).
    """

    request: Request
    keep: Callable[[Completion], None] | None = None
    future: Future[Completion] = field(default_factory=Future)
    created: float = field(default_factory=time.perf_counter)
    taken: float = 0.0
    parts: Sequence[Job] = ()

    def finish(self, completion: Completion) -> None:
        """Hand the completion to whoever waits; fills in ``queue_s``, and ``latency_s`` if unset."""
        latency = completion.latency_s or time.perf_counter() - self.taken
        completion = replace(completion, latency_s=latency, queue_s=self.taken - self.created)
        if self.keep is not None and completion.error is None:
            self.keep(completion)
        self._resolve(completion)

    def fail(self, error: Exception) -> None:
        """The request has no completion: that question's error."""
        attempts = error.attempts if isinstance(error, RequestFailed) else 1
        if isinstance(error, (RequestFailed, ModelUnusable)):
            message = one_line(error)
        else:
            message = one_line(f"{type(error).__name__}: {error}")
        self.finish(Completion(error=message, attempts=attempts))

    def _resolve(self, completion: Completion) -> None:
        if not self.future.done():
            self.future.set_result(completion)


class Jobs:
    """The waiting requests of one model, first come first served; safe between threads."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._condition = threading.Condition()
        self._closed = False
        self._wake: Callable[[], object] | None = None

    @property
    def closed(self) -> bool:
        """True when nothing will be added and what was waiting is gone."""
        return self._closed

    def put(self, jobs: Iterable[Job]) -> None:
        """Add jobs at the end. Raises RuntimeError after ``close``."""
        with self._condition:
            if self._closed:
                raise RuntimeError("the model was closed")
            self._waiting.extend(jobs)
            self._condition.notify()
            if self._wake is not None:
                self._wake()

    def close(self) -> None:
        """Forget what waits and let ``take`` return nothing from now on."""
        with self._condition:
            self._closed = True
            for job in self._waiting:
                job.future.cancel()
            self._waiting.clear()
            self._condition.notify_all()
            if self._wake is not None:
                self._wake()

    def take(self, limit: int, *, wait: bool = True) -> list[Job]:
        """Up to ``limit`` jobs in order; blocks until there is one, if ``wait``; [] when closed."""
        with self._condition:
            while wait and not self._waiting and not self._closed:
                self._condition.wait()
            taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        now = time.perf_counter()
        for job in taken:
            job.taken = now
        return taken

    def on_change(self, wake: Callable[[], object] | None) -> None:
        """Have ``wake`` called (on the caller's thread) at every ``put`` and ``close``."""
        with self._condition:
            self._wake = wake


def run_batches(jobs: Jobs, answer: Callable[[Sequence[Job]], None], limit: int) -> None:
    """Give ``answer`` all that waits, up to ``limit`` jobs at a time, until the jobs are closed.

    What ``answer`` leaves unfinished by raising becomes those questions' error;
    ``ModelUnusable`` passes through.
    """
    while batch := jobs.take(limit):
        try:
            answer(batch)
        except ModelUnusable:
            raise
        except Exception as error:
            for job in batch:
                if not job.future.done():
                    job.fail(error)


async def run_concurrently(
    jobs: Jobs, complete: Callable[[Request], Awaitable[Completion]], concurrency: int | Callable[[], int]
) -> None:
    """Keep up to ``concurrency`` calls of ``complete`` in flight until the jobs are closed.

    One that may change is a callable, asked whenever a call ends or a job comes.
    An exception of ``complete`` is that question's error, but ``ModelUnusable`` ends all calls
    and is raised. Calls in flight when the jobs close are cancelled.
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    jobs.on_change(lambda: loop.call_soon_threadsafe(changed.set))
    running: set[asyncio.Task[None]] = set()
    fatal: list[ModelUnusable] = []

    async def one(job: Job) -> None:
        try:
            job.finish(await complete(job.request))
        except ModelUnusable as error:  # the job stays open: whoever waits for it is told by the engine
            fatal.append(error)
        except Exception as error:
            job.fail(error)

    def ended(task: asyncio.Task[None]) -> None:
        running.discard(task)
        changed.set()

    try:
        while not jobs.closed and not fatal:
            changed.clear()
            limit = concurrency if isinstance(concurrency, int) else concurrency()
            for job in jobs.take(max(limit - len(running), 0), wait=False):
                task = asyncio.create_task(one(job))
                running.add(task)
                task.add_done_callback(ended)
            if not jobs.closed:
                await changed.wait()
    finally:
        jobs.on_change(None)
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if fatal:
        raise fatal[0]
