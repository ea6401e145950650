"""What runs on a worker's machine: the local backend, fed and emptied from afar."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from pytest_llmeval.config import default_cache_dir
from pytest_llmeval.errors import ModelUnusable
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.hf import fingerprint
from pytest_llmeval.models.huggingface import HuggingFaceModel
from pytest_llmeval.types import Completion, ModelConfig, Request

_HOLD = {"cpu": 64}
_HOLD_GPU = 512
_COLLECT_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What came back since the last time; ``ended`` says why no more will."""

    completions: tuple[tuple[int, Completion], ...]
    notes: tuple[str, ...] = ()
    ended: str | None = None


def local_model(config: ModelConfig) -> HuggingFaceModel:
    """The backend that a run without Ray would have."""
    if config.backend == "smollm2":
        from pytest_llmeval.models.smollm2 import SmolLM2Model

        return SmolLM2Model(config, default_cache_dir(os.environ))
    return HuggingFaceModel(config)


class Replica:
    """An actor; Ray calls its methods from several threads."""

    def __init__(self, config: ModelConfig, sizes: Sequence[tuple[str, int]], gpu: bool) -> None:
        self._config = config
        self._sizes = list(sizes)
        self._gpu = gpu
        self._jobs = Jobs()
        self._answers: queue.Queue[tuple[int, Completion] | None] = queue.Queue()
        self._ended: str | None = None

    def hello(self) -> str:
        """The name of the machine it came to."""
        return socket.gethostname()

    def load(self) -> int:
        """Load the weights; returns how many requests it wants at once. Raises ``ModelUnusable``."""
        self._model = local_model(self._config)
        self._model.check()
        if self._sizes and fingerprint.sizes(self._model.source) != self._sizes:
            raise ModelUnusable(
                f"{self._config.target} holds other files on {self.hello()} than where pytest runs; "
                "the model must be the same, at the same path, on every machine"
            )
        device = self._model.prepare()
        if self._gpu and device == "cpu":
            raise ModelUnusable(f"Ray gave a GPU of {self.hello()}, but torch finds none there")
        threading.Thread(target=self._run, name="llmeval-replica", daemon=True).start()
        return _HOLD.get(device, _HOLD_GPU)

    def _run(self) -> None:
        try:
            self._model.run(self._jobs)
        except BaseException as error:
            self._ended = f"{type(error).__name__}: {error}"
        self._answers.put(None)

    def put(self, asked: Sequence[tuple[int, Request]]) -> None:
        """Let requests wait here."""
        jobs = []
        for number, request in asked:
            job = Job(request)
            job.future.add_done_callback(partial(self._answered, number))
            jobs.append(job)
        self._jobs.put(jobs)

    def _answered(self, number: int, future: Future[Completion]) -> None:
        self._answers.put((number, future.result()))

    def collect(self) -> Found:
        """What was answered, as soon as there is something (or nothing, after a second)."""
        answers = []
        try:
            answers.append(self._answers.get(timeout=_COLLECT_S))
            while True:
                answers.append(self._answers.get_nowait())
        except queue.Empty:
            pass
        ended = self._ended or "it stopped" if None in answers else None
        return Found(tuple(one for one in answers if one is not None), self._model.notes, ended)
