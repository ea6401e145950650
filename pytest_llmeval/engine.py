"""One model at work on its own thread, and a place to leave requests for it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout

from pytest_llmeval.errors import ModelUnusable, UserError, one_line
from pytest_llmeval.models.base import Job, Jobs, Model
from pytest_llmeval.types import Completion, Request


class Engine:
    """Runs ``model`` from the first request on until ``close``."""

    def __init__(self, model: Model, name: str) -> None:
        self.model = model
        self.name = name
        self._jobs = Jobs()
        self._open: set[Job] = set()
        self._failure: UserError | None = None
        self._thread: threading.Thread | None = None

    def ask(self, requests: Iterable[Request]) -> list[Job]:
        """Leave requests, in the order their answers will be wanted; never blocks."""
        jobs = [Job(request) for request in requests]
        if self._failure is not None:
            for job in jobs:
                job.future.cancel()
            return jobs
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"llmeval-{self.name}", daemon=True)
            self._thread.start()
        self._open.update(jobs)
        try:
            self._jobs.put(jobs)
        except RuntimeError:  # the model gave up between the two lines above
            for job in jobs:
                job.future.cancel()
        return jobs

    def wait(self, job: Job, timeout: float | None = None) -> Completion:
        """The completion of ``job``.

        Raises ``ModelUnusable`` when the model can answer nothing, TimeoutError after ``timeout``
        seconds.
        """
        try:
            completion = job.future.result(timeout)
        except CancelledError:
            raise self._failure or ModelUnusable(f"model {self.name} was stopped") from None
        except FutureTimeout:
            raise TimeoutError from None
        self._open.discard(job)
        return completion

    def close(self) -> None:
        """Stop: what waits is forgotten, what is under way is given a moment to end."""
        self._jobs.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _work(self) -> None:
        try:
            self.model.run(self._jobs)
            self._failure = ModelUnusable(f"model {self.name} was stopped")
        except UserError as error:
            self._failure = error
        except BaseException as error:
            self._failure = ModelUnusable(
                f"model {self.name} failed: {type(error).__name__}: {one_line(error)}"
            )
        finally:
            self._jobs.close()
            for job in tuple(self._open):
                job.future.cancel()
