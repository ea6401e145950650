"""The interface of a backend: an object that takes jobs and finishes them until ``Jobs`` is closed.

A backend takes as many jobs at a time as suits it and finishes each exactly once. ``run_batches`` and
``run_concurrently`` are the two usual ways to do so; a backend with its own schedule reads ``Jobs``
itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
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

#: the note of a completion whose chat turns were joined, because the model has no chat template
NO_CHAT_TEMPLATE = "no chat template: turns joined as text"


@runtime_checkable
class Model(Protocol):
    """A backend. ``run`` is called on the engine's thread, everything else on pytest's.

    It may have ``notes``, lines about how it answered that are shown at the end of the run, and a
    ``status``, a short text about what it is waiting for (or None), which may change: it is loading, or
    sends requests again. A backend whose completions should be stored also implements ``Storable``.

        A backend that answers everything with the same text::

            class Constant:
                window = 8

                def check(self): ...

                def identity(self):
                    return "constant"

                def run(self, jobs):
                    run_batches(jobs, lambda batch: [job.finish(Completion(text="42")) for job in batch], 8)
    """

    @property
    def window(self) -> int:
        """How many requests to queue ahead of the one that pytest waits for; it may change."""

    def check(self) -> None:
        """Check whether the model can answer, cheaply and without loading weights.

        Called before the first question, on pytest's thread. Raises ``ModelUnusable``.
        """

    def identity(self) -> str:
        """What the answers depend on, for display: folder and dtype, or URL and model. No secrets."""

    def run(self, jobs: Jobs) -> None:
        """Load what is needed and finish jobs until ``jobs.closed``; called once.

        Raises ``ModelUnusable`` when no further request can be answered.
        """


@runtime_checkable
class Storable(Protocol):
    """A backend whose completions can be stored and reused.

    ::

        def store_key(self, digest):
            return model_key({"weights": digest(self.folder / "model.safetensors"), "dtype": "float32"})
    """

    def store_key(self, digest: Callable[[Path], str]) -> str | None:
        """A text that changes whenever the model's answers may change; None: do not store.

        It is compared, never shown. ``digest`` returns the SHA-256 of a file's content and caches it.
        Called once, before the first request. Raises ``UserError``.
        """


def model_key(parts: Mapping[str, object]) -> str:
    """A ``store_key``: a hash of what the answers depend on, so that ``parts`` may include secrets.

    >>> model_key({"url": "http://localhost"}) == model_key({"url": "http://localhost"})
    True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class Job:
    """A request in progress; call ``finish`` or ``fail`` exactly once.

    ``on_success`` is called with a completion without an error, before ``future`` resolves. ``created`` and
    ``taken`` are times of ``time.perf_counter``. ``parts`` are the jobs whose completions are merged into
    this one's (``joining.py``).

        >>> from pytest_llmeval import Request, TextPrompt
        >>> job = Job(Request(TextPrompt("2 + 2 =")))
        >>> job.finish(Completion(text="4"))
        >>> job.future.result().text
        '4'
    """

    request: Request
    on_success: Callable[[Completion], None] | None = None
    future: Future[Completion] = field(default_factory=Future)
    created: float = field(default_factory=time.perf_counter)
    taken: float = 0.0
    parts: Sequence[Job] = ()

    def finish(self, completion: Completion) -> None:
        """Resolve ``future`` with the completion; sets ``queue_s``, and ``latency_s`` if unset.

        A completion with a score that is not finite becomes an error: no choice is the most likely one.
        """
        latency = completion.latency_s or time.perf_counter() - self.taken
        completion = replace(completion, latency_s=latency, queue_s=self.taken - self.created)
        if completion.error is None and (problem := completion.scores_problem) is not None:
            completion = replace(completion, scores={}, greedy={}, error=problem)
        if self.on_success is not None and completion.error is None:
            self.on_success(completion)
        self._resolve(completion)

    def fail(self, error: Exception) -> None:
        """Resolve ``future`` with a completion whose ``error`` describes ``error`` in one line."""
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
    """A thread-safe first-in, first-out queue of one model's requests.

    >>> from pytest_llmeval import Request, TextPrompt
    >>> jobs = Jobs()
    >>> jobs.put([Job(Request(TextPrompt("2 + 2 =")))])
    >>> len(jobs.take(8)), len(jobs.take(8, wait=False))
    (1, 0)
    """

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._condition = threading.Condition()
        self._closed = False
        #: how many jobs ``take`` has returned, and when it returned the first (of ``time.monotonic``)
        self.taken, self.taken_since = 0, -math.inf
        self._wake: Callable[[], object] | None = None

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called: the queue is empty and takes no more jobs."""
        return self._closed

    def put(self, jobs: Iterable[Job]) -> None:
        """Append jobs. Raises RuntimeError after ``close``."""
        with self._condition:
            if self._closed:
                raise RuntimeError("the model was closed")
            self._waiting.extend(jobs)
            self._condition.notify()
            if self._wake is not None:
                self._wake()

    def close(self) -> None:
        """Cancel all waiting jobs; from now on ``take`` returns nothing."""
        with self._condition:
            self._closed = True
            for job in self._waiting:
                job.future.cancel()
            self._waiting.clear()
            self._condition.notify_all()
            if self._wake is not None:
                self._wake()

    def take(self, limit: int, *, wait: bool = True) -> list[Job]:
        """Take up to ``limit`` jobs; with ``wait``, block until there is one. Returns [] when closed."""
        with self._condition:
            while wait and not self._waiting and not self._closed:
                self._condition.wait()
            batch = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
            if batch and not self.taken:
                self.taken_since = time.monotonic()
            self.taken += len(batch)
        now = time.perf_counter()
        for job in batch:
            job.taken = now
        return batch

    def on_change(self, wake: Callable[[], object] | None) -> None:
        """Call ``wake`` at every ``put`` and ``close``, on the thread that calls these; None: stop."""
        with self._condition:
            self._wake = wake


def run_batches(jobs: Jobs, answer: Callable[[Sequence[Job]], None], limit: int) -> None:
    """Call ``answer`` with the waiting jobs, up to ``limit`` at a time, until the jobs are closed.

    If it raises, its unfinished jobs fail with that exception; ``ModelUnusable`` is raised again.

        ::

            def run(self, jobs):
                run_batches(jobs, self._answer_batch, limit=16)
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

    A ``concurrency`` that may change is a callable; it is called whenever a call ends or a job arrives.
    An exception of ``complete`` fails that job, but ``ModelUnusable`` cancels all calls and is raised.
    Calls in flight when the jobs close are cancelled.

        ::

            def run(self, jobs):
                asyncio.run(run_concurrently(jobs, self._complete, concurrency=8))
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    jobs.on_change(lambda: loop.call_soon_threadsafe(changed.set))
    tasks: set[asyncio.Task[None]] = set()
    fatal_errors: list[ModelUnusable] = []

    async def run(job: Job) -> None:
        try:
            job.finish(await complete(job.request))
        except ModelUnusable as error:  # the job stays unfinished: the engine reports the error
            fatal_errors.append(error)
        except Exception as error:
            job.fail(error)

    def on_done(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        changed.set()

    try:
        while not jobs.closed and not fatal_errors:
            changed.clear()
            limit = concurrency if isinstance(concurrency, int) else concurrency()
            for job in jobs.take(max(limit - len(tasks), 0), wait=False):
                task = asyncio.create_task(run(job))
                tasks.add(task)
                task.add_done_callback(on_done)
            if not jobs.closed:
                await changed.wait()
    finally:
        jobs.on_change(None)
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if fatal_errors:
        raise fatal_errors[0]
