"""``--llm-ray=ADDRESS``: replicas of a local model on a Ray cluster, driven from this machine."""

from __future__ import annotations

import importlib.util
import os
import pickle
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, UserError
from pytest_llmeval.core.paths import expanded
from pytest_llmeval.models import fingerprint
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.hf.load import Source
from pytest_llmeval.models.ray.messages import Answer, Capacity, Failure, Note, Start, Status
from pytest_llmeval.models.ray.replica import local_model

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_MIN_WINDOW = 512


class RayModel:
    """Communicates with ``driver.py``, which runs as a separate process with its log in ``folder``."""

    def __init__(self, config: ModelConfig, cache_dir: Path, folder: Callable[[], Path]) -> None:
        if config.backend not in ("hf", "smollm2"):
            raise UserError(
                f"--llm-ray={config.ray} is for local models (hf:PATH, smollm2); {config.name} is not local"
            )
        if config.ray_cpus and config.ray_gpus:
            raise UserError(
                "--llm-ray-cpus is for replicas on CPUs, --llm-ray-gpus for GPUs; set only one of them"
            )
        if config.device not in ("auto", "cpu" if config.ray_cpus else "cuda"):
            raise UserError(
                f"--llm-device={config.device}: Ray assigns each replica its device; omit the option "
                "(--llm-ray-cpus=N for replicas on CPUs)"
            )
        self.config = replace(config, device="cpu" if config.ray_cpus else config.device)
        if expanded(config.target).exists():
            self.config = replace(self.config, target=str(expanded(config.target).absolute()))
        self.status: str | None = None
        self.notes: tuple[str, ...] = ()
        self._folder = folder
        self._local = local_model(self.config)
        self._capacity = 0
        self._digest: Callable[[Path], str] | None = None

    @property
    def window(self) -> int:
        """Twice the number of requests that the replicas take at once."""
        return max(_MIN_WINDOW, 2 * self._capacity)

    def check(self) -> None:
        """Check packages and path without joining a cluster. Raises ``ModelUnusable``."""
        if importlib.util.find_spec("ray") is None:
            raise ModelUnusable("--llm-ray needs Ray; pip install 'pytest-llmeval-harness[ray]'")
        if self._local_source is not None:
            self._local.check()

    def identity(self) -> str:
        """The identity of the model without Ray."""
        return self._local.identity()

    def store_key(self, digest: Callable[[Path], str]) -> str | None:
        """The key of the model without Ray on the same device; None if this machine has no weights."""
        source = self._local_source
        if source is None or not fingerprint.is_identifiable(source):
            return None
        self._digest = digest
        kind = None if self.config.ray_cpus or self.config.device != "auto" else "gpu"
        return fingerprint.fingerprint(self.config, source, digest, kind)

    @property
    def _local_source(self) -> Source | None:
        try:
            return self._local.source
        except ModelUnusable:
            if os.path.isabs(self.config.target):
                return None
            raise

    def _weights(self, digest: Callable[[Path], str]) -> list[Any] | None:
        """The weights that every machine must have; None if unknown, or if they come with a package."""
        source = self._local_source if self.config.backend == "hf" else None
        return (
            None
            if source is None or not fingerprint.is_identifiable(source)
            else fingerprint.weights(source, digest)
        )

    def run(self, jobs: Jobs) -> None:
        """Join the cluster and answer jobs until they are closed. Raises ``ModelUnusable``."""
        config = self.config
        start = Start(
            address=str(config.ray),
            config=replace(config, ray=None),
            samples=self._weights(fingerprint.sample_sha256),
            digests=None if self._digest is None else self._weights(self._digest),
            cpus=config.ray_cpus or 0,
            gpus=0 if config.ray_cpus else config.ray_gpus or 1,
            timeout_s=config.start_timeout or _START_TIMEOUT_S,
        )
        log = self._folder() / f"ray-{re.sub(r'[^A-Za-z0-9._-]+', '_', config.name)}.log"
        package = str(Path(__file__).parents[3])
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest_llmeval.models.ray.driver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # so that Ctrl-C reaches only pytest, which then stops the driver
                env=os.environ
                | {
                    "RAY_USAGE_STATS_ENABLED": "0",
                    "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
                },
            )
        try:
            self._exchange_messages(jobs, process, start, log)
        finally:
            jobs.on_change(None)
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _exchange_messages(
        self, jobs: Jobs, process: subprocess.Popen[bytes], start: Start, log: Path
    ) -> None:
        assert process.stdin is not None and process.stdout is not None
        events: queue.Queue[Any] = queue.Queue()
        jobs.on_change(lambda: events.put(_JOBS_CHANGED))
        threading.Thread(target=_read_messages, args=(process.stdout, events), daemon=True).start()
        events.put(_JOBS_CHANGED)
        pending: dict[int, Job] = {}
        number = 0
        try:
            pickle.dump(start, process.stdin)
            while not jobs.closed:
                event = events.get()
                if event is _JOBS_CHANGED:
                    batch = dict(enumerate(jobs.take(sys.maxsize, wait=False), number))
                    number += len(batch)
                    pending |= batch
                    if batch:
                        pickle.dump([(n, job.request) for n, job in batch.items()], process.stdin)
                        process.stdin.flush()
                elif event is None:
                    raise BrokenPipeError
                elif isinstance(event, Failure):
                    raise ModelUnusable(f"model {self.config.name}: {event.reason}")
                else:
                    self._handle(event, pending)
        except BrokenPipeError:
            raise ModelUnusable(
                f"model {self.config.name}: the connection to the Ray cluster at {start.address} ended; "
                f"see {log}"
            ) from None

    def _handle(self, event: Answer | Capacity | Note | Status, pending: dict[int, Job]) -> None:
        if isinstance(event, Answer):
            job, completion = pending.pop(event.number), event.completion
            # all time that was not spent computing counts as queueing, here and in the cluster
            computing_s = completion.latency_s if completion.batch_s is None else completion.batch_s
            job.taken = max(job.created, time.perf_counter() - computing_s)
            job.finish(completion)
        elif isinstance(event, Capacity):
            self._capacity = event.requests
        elif isinstance(event, Note):
            self.notes = (*self.notes, event.text)
        else:
            self.status = event.text


_JOBS_CHANGED = object()


def _read_messages(stream: Any, events: queue.Queue[Any]) -> None:
    with suppress(EOFError, OSError, pickle.UnpicklingError, ValueError):
        while True:
            events.put(pickle.load(stream))
    events.put(None)
