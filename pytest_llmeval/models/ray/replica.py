"""The Ray actor: the local backend on a machine of the cluster, fed with requests over Ray."""

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

_CAPACITY = {"cpu": 64}
_GPU_CAPACITY = 512
_COLLECT_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class ReplicaOutput:
    """The completions since the last call; ``ended`` is the reason if there will be no more."""

    completions: tuple[tuple[int, Completion], ...]
    notes: tuple[str, ...] = ()
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """The requests that a replica takes at once, and its weights' fingerprint from samples, if known."""

    capacity: int
    samples: list[Any] | None


def weights_mismatch(
    config: ModelConfig, host: str, expected: list[Any], actual: list[Any], other: str
) -> str:
    """The one-line message that a machine's weights differ from those on ``other``."""
    files = one_line(fingerprint.difference(expected, actual), 120)
    return (
        f"{config.target} has different contents on {host} than {other} ({files}); "
        "the model must be the same, at the same path, on every machine"
    )


def local_model(config: ModelConfig) -> HuggingFaceModel:
    """The backend for the model without Ray."""
    if config.backend == "smollm2":
        from pytest_llmeval.models.smollm2 import SmolLM2Model

        return SmolLM2Model(config, default_cache_dir(os.environ))
    return HuggingFaceModel(config)


class Replica:
    """The actor. Ray calls its methods from several threads."""

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
        """The name of the machine on which Ray placed the actor."""
        return socket.gethostname()

    def load(self) -> ReplicaInfo:
        """Load the weights. Raises ``ModelUnusable``, also if they differ from those where pytest runs."""
        self._model = local_model(self._config)
        self._model.check()
        source = self._model.source if self._config.backend == "hf" else None
        samples = None
        if source is not None and fingerprint.is_identifiable(source):
            samples = fingerprint.weights(source, fingerprint.sample_sha256)
            self._compare(self._samples, samples)
        # hash whole files while they are loaded, which reads them as well
        with ThreadPoolExecutor(1) as pool:
            digests = None
            if source is not None and self._digests is not None:
                digests = pool.submit(fingerprint.weights, source, fingerprint.sha256)
            device = self._model.prepare()
        if digests is not None:
            self._compare(self._digests, digests.result())
        if self._gpu and device == "cpu":
            raise ModelUnusable(f"Ray assigned a GPU on {self.hello()}, but torch finds none there")
        threading.Thread(target=self._run, name="llmeval-replica", daemon=True).start()
        return ReplicaInfo(_CAPACITY.get(device, _GPU_CAPACITY), samples)

    def _compare(self, expected: list[Any] | None, actual: list[Any]) -> None:
        if expected is not None and expected != actual:
            raise ModelUnusable(
                weights_mismatch(self._config, self.hello(), expected, actual, "where pytest runs")
            )

    def _run(self) -> None:
        try:
            self._model.run(self._jobs)
        except BaseException as error:
            self._ended = f"{type(error).__name__}: {error}"
        self._answers.put(None)

    def put(self, requests: Sequence[tuple[int, Request]]) -> None:
        """Queue numbered requests."""
        jobs = []
        for number, request in requests:
            job = Job(request)
            job.future.add_done_callback(partial(self._put_answer, number))
            jobs.append(job)
        self._jobs.put(jobs)

    def _put_answer(self, number: int, future: Future[Completion]) -> None:
        self._answers.put((number, future.result()))

    def collect(self) -> ReplicaOutput:
        """The answers since the last call; waits up to a second for the first."""
        answers = []
        try:
            answers.append(self._answers.get(timeout=_COLLECT_TIMEOUT_S))
            while True:
                answers.append(self._answers.get_nowait())
        except queue.Empty:
            pass
        ended = self._ended or "it stopped" if None in answers else None
        return ReplicaOutput(
            tuple(answer for answer in answers if answer is not None), self._model.notes, ended
        )
