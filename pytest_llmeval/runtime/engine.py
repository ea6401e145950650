"""Run a model on its own thread, fed by a queue of requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial

from pytest_llmeval.core.errors import ModelUnusable, UserError, one_line
from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models.base import NO_CHAT_TEMPLATE, Job, Jobs, Model, Storable
from pytest_llmeval.models.joining import gather, side_by_side
from pytest_llmeval.results.activity import Activity
from pytest_llmeval.runtime.store import Store, request_key


class Engine:
    """Runs ``model`` from the first request until ``close``.

    Answers come from ``store`` where it has them, unless ``refresh`` is set; new answers are stored.
    """

    def __init__(self, model: Model, name: str, store: Store | None = None, *, refresh: bool = False) -> None:
        self.model = model
        self.name = name
        self._store = store
        self._refresh = refresh
        self._model_store: _ModelStore | None = None
        self._jobs = Jobs()
        self._unfinished: set[Job] = set()
        self._failure: UserError | None = None
        self._thread: threading.Thread | None = None
        self._joins_turns = False
        self._put = self._back = 0
        self._quiet_since = time.monotonic()

    def ask(self, requests: Iterable[Request]) -> list[Job]:
        """Queue requests, in the order their answers will be needed, and return without waiting.

        A request with parts is sent and stored part by part.
        """
        batch = list(requests)
        if not any(request.parts for request in batch):
            return self._ask(batch)
        jobs = iter(self._ask([part for request in batch for part in request.parts or (request,)]))
        return [
            gather(Job(request), [next(jobs) for _ in request.parts], side_by_side)
            if request.parts
            else next(jobs)
            for request in batch
        ]

    def _ask(self, requests: list[Request]) -> list[Job]:
        try:
            jobs = self._jobs_for(requests)
        except UserError as error:
            self._failure = self._failure or ModelUnusable(str(error))
            jobs = [Job(request) for request in requests]
        pending = [job for job in jobs if not job.future.done()]
        if self._failure is not None:
            for job in pending:
                job.future.cancel()
            return jobs
        if not pending:
            return jobs
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"llmeval-{self.name}", daemon=True)
            self._thread.start()
        self._unfinished.update(pending)
        self._count(pending)
        try:
            self._jobs.put(pending)
        except RuntimeError:  # the model stopped after the check of self._failure
            for job in pending:
                job.future.cancel()
        return jobs

    def _jobs_for(self, requests: Sequence[Request]) -> list[Job]:
        """A job for each request, already finished if its answer is stored."""
        if self._store is None or not isinstance(self.model, Storable):
            return [Job(request) for request in requests]
        if self._model_store is None:
            key = self.model.store_key(self._store.digest)
            self._model_store = _ModelStore(self._store, key, self.model.identity())
        return self._model_store.jobs(requests, self._refresh)

    def wait(self, job: Job, timeout: float | None = None) -> Completion:
        """Wait for the completion of ``job``.

        Raises ``ModelUnusable`` if the model cannot run, TimeoutError after ``timeout`` seconds.
        """
        try:
            completion = job.future.result(timeout)
        except CancelledError:
            raise self._failure or ModelUnusable(f"model {self.name} was stopped") from None
        except FutureTimeout:
            raise TimeoutError from None
        self._unfinished.difference_update((job, *job.parts))
        self._joins_turns |= NO_CHAT_TEMPLATE in completion.notes
        return completion

    @property
    def activity(self) -> Activity:
        """What the model is doing."""
        status = getattr(self.model, "status", None)
        quiet_s = time.monotonic() - max(self._quiet_since, self._jobs.taken_since)
        return Activity(self.name, self._jobs.taken, self._back, quiet_s, status)

    def _count(self, jobs: Sequence[Job]) -> None:
        if self._put == self._back:  # it had nothing to do
            self._quiet_since = time.monotonic()
        self._put += len(jobs)
        for job in jobs:
            job.future.add_done_callback(self._count_back)

    def _count_back(self, future: Future[Completion]) -> None:
        self._back += 1
        self._quiet_since = time.monotonic()

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the end of the run, from the backend and from completions, also stored ones."""
        lines = tuple(getattr(self.model, "notes", ()))
        if self._joins_turns:
            lines += (
                f"{self.name} has no chat template, so the turns of its prompts were joined as text, as for "
                "a base model; if it was trained on one, add its chat_template.jinja",
            )
        return lines

    def close(self) -> None:
        """Drop queued requests, and give running ones up to 10 seconds to finish."""
        self._jobs.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _work(self) -> None:
        try:
            self.model.run(self._jobs)
            reason = "was stopped" if self._jobs.closed else "gave up: its run() returned with the queue open"
            self._failure = ModelUnusable(f"model {self.name} {reason}")
        except UserError as error:
            self._failure = error
        except BaseException as error:
            self._failure = ModelUnusable(
                f"model {self.name} failed: {type(error).__name__}: {one_line(error)}"
            )
        finally:
            self._jobs.close()
            for job in tuple(self._unfinished):
                job.future.cancel()


class _ModelStore:
    """The stored completions of one model."""

    def __init__(self, store: Store, model_key: str | None, display_name: str) -> None:
        self._store = store
        self._model_key = model_key
        self._display_name = display_name

    def jobs(self, requests: Sequence[Request], refresh: bool) -> list[Job]:
        if self._model_key is None:
            return [Job(request) for request in requests]
        keys = [request_key(self._model_key, request) for request in requests]
        cached = {} if refresh else self._store.get(keys)
        jobs = []
        for key, request in zip(keys, requests, strict=True):
            job = Job(request, on_success=partial(self._store.put, key, self._display_name))
            if key in cached:
                job.future.set_result(cached[key])
            jobs.append(job)
        return jobs
