"""``--llm-ray=ADDRESS``: replicas of a local model on a Ray cluster, asked from here."""

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
from pytest_llmeval.models import fingerprint
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.hf.load import Source
from pytest_llmeval.models.ray.messages import Answer, Failed, Level, Note, Start, Status
from pytest_llmeval.models.ray.replica import local_model

_PATIENCE_S = 60.0
_END_S = 10.0
_LEAST_WINDOW = 512


class RayModel:
    """Speaks with ``cluster/driver.py``, a process of its own, whose log is in ``folder``."""

    def __init__(self, config: ModelConfig, cache_dir: Path, folder: Callable[[], Path]) -> None:
        if config.backend not in ("hf", "smollm2"):
            raise UserError(
                f"--llm-ray={config.ray} is for local models (hf:PATH, smollm2), and {config.name} is none"
            )
        if config.ray_cpus and config.ray_gpus:
            raise UserError("--llm-ray-cpus is for replicas on CPUs and --llm-ray-gpus on GPUs: give one")
        if config.device not in ("auto", "cpu" if config.ray_cpus else "cuda"):
            raise UserError(
                f"--llm-device={config.device}: Ray gives each replica its device; leave it out "
                "(--llm-ray-cpus=N for replicas on CPUs)"
            )
        self.config = replace(config, device="cpu" if config.ray_cpus else config.device)
        if Path(config.target).expanduser().exists():
            self.config = replace(self.config, target=str(Path(config.target).expanduser().absolute()))
        self.status: str | None = None
        self.notes: tuple[str, ...] = ()
        self._folder = folder
        self._local = local_model(self.config)
        self._hold = 0
        self._digest: Callable[[Path], str] | None = None

    @property
    def window(self) -> int:
        """Twice what the replicas take at once."""
        return max(_LEAST_WINDOW, 2 * self._hold)

    def check(self) -> None:
        """Packages and path; joins no cluster. Raises ``ModelUnusable``."""
        if importlib.util.find_spec("ray") is None:
            raise ModelUnusable("--llm-ray needs Ray; pip install 'pytest-llmeval-harness[ray]'")
        if self._here is not None:
            self._local.check()

    def identity(self) -> str:
        """That of the model without Ray."""
        return self._local.identity()

    def store_key(self, digest: Callable[[Path], str]) -> str | None:
        """That of the model without Ray on such a device; None where the weights are only elsewhere."""
        source = self._here
        if source is None or not fingerprint.known(source):
            return None
        self._digest = digest
        kind = None if self.config.ray_cpus or self.config.device != "auto" else "gpu"
        return fingerprint.fingerprint(self.config, source, digest, kind)

    @property
    def _here(self) -> Source | None:
        try:
            return self._local.source
        except ModelUnusable:
            if os.path.isabs(self.config.target):
                return None
            raise

    def _weights(self, digest: Callable[[Path], str]) -> list[Any] | None:
        """What every machine must have; None where that is not known, or comes with a package."""
        source = self._here if self.config.backend == "hf" else None
        return (
            None if source is None or not fingerprint.known(source) else fingerprint.weights(source, digest)
        )

    def run(self, jobs: Jobs) -> None:
        """Join the cluster and answer jobs until they are closed. Raises ``ModelUnusable``."""
        config = self.config
        start = Start(
            address=str(config.ray),
            config=replace(config, ray=None),
            samples=self._weights(fingerprint.sampled),
            digests=None if self._digest is None else self._weights(self._digest),
            cpus=config.ray_cpus or 0,
            gpus=0 if config.ray_cpus else config.ray_gpus or 1,
            patience_s=config.start_timeout or _PATIENCE_S,
        )
        log = self._folder() / f"ray-{re.sub(r'[^A-Za-z0-9._-]+', '_', config.name)}.log"
        package = str(Path(__file__).parents[3])
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest_llmeval.models.ray.driver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for pytest, which then ends it
                env=os.environ
                | {
                    "RAY_USAGE_STATS_ENABLED": "0",
                    "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
                },
            )
        try:
            self._converse(jobs, process, start, log)
        finally:
            jobs.on_change(None)
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _converse(self, jobs: Jobs, process: subprocess.Popen[bytes], start: Start, log: Path) -> None:
        assert process.stdin is not None and process.stdout is not None
        events: queue.Queue[Any] = queue.Queue()
        jobs.on_change(lambda: events.put(_CHANGED))
        threading.Thread(target=_listen, args=(process.stdout, events), daemon=True).start()
        events.put(_CHANGED)
        asked: dict[int, Job] = {}
        number = 0
        try:
            pickle.dump(start, process.stdin)
            while not jobs.closed:
                event = events.get()
                if event is _CHANGED:
                    taken = jobs.take(sys.maxsize, wait=False)
                    numbered = dict(enumerate(taken, number))
                    number += len(taken)
                    asked |= numbered
                    if numbered:
                        pickle.dump([(n, job.request) for n, job in numbered.items()], process.stdin)
                        process.stdin.flush()
                elif event is None:
                    raise BrokenPipeError
                elif isinstance(event, Failed):
                    raise ModelUnusable(f"model {self.config.name}: {event.why}")
                else:
                    self._heard(event, asked)
        except BrokenPipeError:
            raise ModelUnusable(
                f"model {self.config.name}: the connection to the Ray cluster at {start.address} ended; "
                f"see {log}"
            ) from None

    def _heard(self, event: Answer | Level | Note | Status, asked: dict[int, Job]) -> None:
        if isinstance(event, Answer):
            job, completion = asked.pop(event.number), event.completion
            # the wait is all that was not computing, on the way and there
            took = completion.latency_s if completion.batch_s is None else completion.batch_s
            job.taken = max(job.created, time.perf_counter() - took)
            job.finish(completion)
        elif isinstance(event, Level):
            self._hold = event.hold
        elif isinstance(event, Note):
            self.notes = (*self.notes, event.text)
        else:
            self.status = event.text


_CHANGED = object()


def _listen(stream: Any, events: queue.Queue[Any]) -> None:
    with suppress(EOFError, OSError, pickle.UnpicklingError, ValueError):
        while True:
            events.put(pickle.load(stream))
    events.put(None)
