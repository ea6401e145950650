"""What runs on a worker's machine: the local backend, fed and emptied from afar."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import default_cache_dir
from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models import fingerprint
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.hf.backend import HuggingFaceModel

_HOLD = {"cpu": 64}
_HOLD_GPU = 512
_COLLECT_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What came back since the last time; ``ended`` says why no more will."""

    completions: tuple[tuple[int, Completion], ...]
    notes: tuple[str, ...] = ()
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """How many requests a replica wants at once, and its weights by samples, where they can be told."""

    hold: int
    samples: list[Any] | None


def other_weights(config: ModelConfig, host: str, wanted: list[Any], found: list[Any], than: str) -> str:
    """That a machine has other weights, as one line."""
    files = one_line(fingerprint.difference(wanted, found), 120)
    return (
        f"{config.target} holds other contents on {host} than {than} ({files}); "
        "the model must be the same, at the same path, on every machine"
    )


def local_model(config: ModelConfig) -> HuggingFaceModel:
    """The backend that a run without Ray would have."""
    if config.backend == "smollm2":
        from pytest_llmeval.models.smollm2 import SmolLM2Model

        return SmolLM2Model(config, default_cache_dir(os.environ))
    return HuggingFaceModel(config)


class Replica:
    """An actor; Ray calls its methods from several threads."""

    def __init__(
        self, config: ModelConfig, samples: list[Any] | None, digests: list[Any] | None, gpu: bool
    ) -> None:
        self._config = config
        self._samples = samples
        self._digests = digests
        self._gpu = gpu
        self._jobs = Jobs()
        self._answers: queue.Queue[tuple[int, Completion] | None] = queue.Queue()
        self._ended: str | None = None

    def hello(self) -> str:
        """The name of the machine it came to."""
        return socket.gethostname()

    def load(self) -> Ready:
        """Load the weights. Raises ``ModelUnusable``, also for others than pytest has."""
        self._model = local_model(self._config)
        self._model.check()
        source = self._model.source if self._config.backend == "hf" else None
        samples = None
        if source is not None and fingerprint.known(source):
            samples = fingerprint.weights(source, fingerprint.sampled)
            self._compare(self._samples, samples)
        # all is read while it is loaded, which reads it too
        with ThreadPoolExecutor(1) as pool:
            reading = None
            if source is not None and self._digests is not None:
                reading = pool.submit(fingerprint.weights, source, fingerprint.sha256)
            device = self._model.prepare()
        if reading is not None:
            self._compare(self._digests, reading.result())
        if self._gpu and device == "cpu":
            raise ModelUnusable(f"Ray gave a GPU of {self.hello()}, but torch finds none there")
        threading.Thread(target=self._run, name="llmeval-replica", daemon=True).start()
        return Ready(_HOLD.get(device, _HOLD_GPU), samples)

    def _compare(self, wanted: list[Any] | None, found: list[Any]) -> None:
        if wanted is not None and wanted != found:
            raise ModelUnusable(other_weights(self._config, self.hello(), wanted, found, "where pytest runs"))

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
