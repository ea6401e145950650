"""``python -m pytest_llmeval.models.ray.driver``: the only process that uses Ray.

Ray terminates its driver process when the cluster's head node is lost, writes to the standard streams,
and installs signal handlers, so it must not run in pytest's process.
"""

from __future__ import annotations

import os
import pickle
import queue
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest_llmeval
from pytest_llmeval.core.errors import ModelUnusable, UserError, one_line
from pytest_llmeval.core.types import Completion
from pytest_llmeval.models.ray.messages import Answer, Capacity, Failure, Note, Start, Status
from pytest_llmeval.models.ray.plan import NumberedRequest, Planner
from pytest_llmeval.models.ray.replica import Replica, ReplicaInfo, ReplicaOutput, weights_mismatch

_POLL_S = 0.05
_SCALE_INTERVAL_S = 2.0
_REPLACEMENT_TIMEOUT_S = 15.0
_PROBE_TIMEOUT_S = 5.0


@dataclass(slots=True)
class _ReplicaState:
    """A replica as the driver sees it; ``call`` is the pending call: hello, load, collect or check."""

    number: int
    actor: Any
    ref: Any
    call: str = "hello"
    host: str = "?"
    capacity: int = 0


class Driver:
    """Runs as many replicas as the cluster has resources for, and distributes requests to them."""

    def __init__(
        self, start: Start, out: BinaryIO, inbox: queue.Queue[Sequence[NumberedRequest] | None]
    ) -> None:
        import ray

        self._ray: Any = ray
        self._start = start
        self._out = out
        self._inbox = inbox
        self._planner = Planner()
        self._replicas: dict[int, _ReplicaState] = {}
        self._last_number = 0
        self._unusable_count = 0
        self._crashes = 0
        self._last_loss = ""
        self._last_status: object = None
        self._notes: set[str] = set()
        self._scaled_at = 0.0
        self._no_replica_since: float | None = None
        self._was_ready = False
        #: the first machine that was ready, and its weights' fingerprint
        self._first: tuple[str, list[Any]] | None = None

    def send(self, message: object) -> None:
        """Send one message to pytest's process."""
        pickle.dump(message, self._out)
        self._out.flush()

    def connect(self) -> None:
        """Join the cluster. Raises ``ModelUnusable``."""
        address = self._start.address
        self._status(f"connecting to the Ray cluster at {address}")
        _probe(address)
        options: dict[str, Any] = {"runtime_env": {"py_modules": [str(Path(pytest_llmeval.__file__).parent)]}}
        if not address.startswith("ray://"):
            options |= {"log_to_driver": False, "logging_level": "error"}
        if address == "local":
            options |= {"include_dashboard": False}
        try:
            self._ray.init(address=address, namespace=f"llmeval-{os.getpid()}", **options)
        except Exception as error:
            hint = "; all machines need the same versions of Ray and Python"
            raise ModelUnusable(
                f"the Ray cluster at {address} cannot be joined: {type(error).__name__}: "
                f"{one_line(error, 300)}{hint if 'ersion' in str(error) else ''}"
            ) from None

    def run(self) -> None:
        """Answer requests until standard input ends. Raises ``ModelUnusable``."""
        self.connect()
        while self._receive():
            self._scale()
            self._poll()
            for replica in list(self._replicas.values()):
                if replica.capacity:
                    self._send_requests(replica)

    def _receive(self) -> bool:
        with suppress(queue.Empty):
            while True:
                requests = self._inbox.get_nowait()
                if requests is None:
                    return False
                self._planner.add(requests)
        return True

    def _cluster_capacity(self) -> tuple[int, str]:
        """The number of replicas that fit the cluster's resources, and a description of the resources."""
        needs = {"CPU": self._start.cpus} if self._start.cpus else {"GPU": self._start.gpus}
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        replicas = sum(
            min(int(node.get(name, 0) // number) for name, number in needs.items()) for node in nodes
        )
        totals = {name: int(sum(node.get(name, 0) for node in nodes)) for name in ("CPU", "GPU")}
        counts = [_count(totals[name], name) for name in totals]
        return replicas, ", ".join([_count(len(nodes), "machine"), *counts])

    @property
    def _replica_resources(self) -> str:
        start = self._start
        return _count(start.cpus, "CPU") if start.cpus else _count(start.gpus, "GPU")

    def _scale(self) -> None:
        """Start replicas if resources are free. Raises ``ModelUnusable`` after too long without a replica."""
        now = time.monotonic()
        if now - self._scaled_at < _SCALE_INTERVAL_S:
            return
        self._scaled_at = now
        replicas, resources = self._cluster_capacity()
        for _ in range(replicas - self._unusable_count - len(self._replicas)):
            self._launch()
        if any(replica.call != "hello" for replica in self._replicas.values()):
            self._no_replica_since = None
            return
        if self._unusable_count and not self._replicas:
            raise ModelUnusable(self._last_loss)
        if self._no_replica_since is None:
            self._no_replica_since = now
        waited = now - self._no_replica_since
        cluster = f"the Ray cluster at {self._start.address} ({resources})"
        timeout_s = _REPLACEMENT_TIMEOUT_S if self._was_ready else self._start.timeout_s
        if waited > timeout_s:
            problem = (
                "has no replica left"
                if self._was_ready
                else f"had no {self._replica_resources} free for a replica"
            )
            reason = f": {self._last_loss}" if self._last_loss else ""
            raise ModelUnusable(f"{cluster} {problem} within {waited:.0f} s{reason}")
        self._status(f"waiting for {self._replica_resources} free in {cluster}, up to {timeout_s:.0f} s")

    def _launch(self) -> None:
        start = self._start
        self._last_number += 1
        actor_class = self._ray.remote(Replica).options(
            num_cpus=start.cpus, num_gpus=start.gpus, max_restarts=0, max_concurrency=4
        )
        actor = actor_class.remote(start.config, start.samples, start.digests, bool(start.gpus))
        self._replicas[self._last_number] = _ReplicaState(self._last_number, actor, actor.hello.remote())

    def _poll(self) -> None:
        """Handle the calls that have returned."""
        by_ref = {replica.ref: replica for replica in self._replicas.values()}
        if not by_ref:
            time.sleep(_POLL_S)
            return
        ready, _ = self._ray.wait(list(by_ref), num_returns=len(by_ref), timeout=_POLL_S)
        for ref in ready:
            replica = by_ref[ref]
            try:
                self._handle(replica, self._ray.get(ref))
            except self._ray.exceptions.ActorUnavailableError:
                if replica.call == "check":
                    self._drop(replica, "its machine cannot be reached", blame=False)
                else:
                    replica.call, replica.ref = "check", replica.actor.hello.remote()
            except self._ray.exceptions.RayActorError as error:
                self._handle_death(replica, error)
            except self._ray.exceptions.RayError as error:
                self._drop(
                    replica, one_line(getattr(error, "cause", None) or error), blame=False, unusable=True
                )

    def _handle(self, replica: _ReplicaState, result: Any) -> None:
        if replica.call == "hello":
            replica.call, replica.host, replica.ref = "load", result, replica.actor.load.remote()
            self._status("loading the weights on the Ray cluster")
        elif replica.call == "load":
            if not self._same_weights(replica, result):
                return
            replica.call, replica.capacity, replica.ref = (
                "collect",
                result.capacity,
                replica.actor.collect.remote(),
            )
            self._planner.add_replica(replica.number, replica.capacity)
            self._was_ready, self._crashes = True, 0
            self._status(None)
            self.send(Capacity(sum(other.capacity for other in self._replicas.values())))
        elif replica.call == "check":  # it is alive, but answers may have been lost on the way
            self._drop(replica, "the connection to it broke", blame=False)
        else:
            self._collect(replica, result)

    def _same_weights(self, replica: _ReplicaState, ready: ReplicaInfo) -> bool:
        """Check that a replica has the first replica's weights, in case pytest's machine has none."""
        if ready.samples is None:
            return True
        if self._first is None:
            self._first = replica.host, ready.samples
        host, samples = self._first
        if samples == ready.samples:
            return True
        reason = weights_mismatch(self._start.config, replica.host, samples, ready.samples, f"on {host}")
        self._drop(replica, reason, blame=False, unusable=True)
        return False

    def _collect(self, replica: _ReplicaState, output: ReplicaOutput) -> None:
        for number, completion in output.completions:
            request = self._planner.complete(replica.number, number)
            if request is not None:
                attempts = max(request.attempts, completion.attempts)
                self.send(Answer(number, replace(completion, attempts=attempts)))
                self._crashes = 0
        for note in set(output.notes) - self._notes:
            self._notes.add(note)
            self.send(Note(note))
        if output.ended is not None:
            self._drop(replica, one_line(output.ended), blame=True)
            return
        replica.ref = replica.actor.collect.remote()

    def _send_requests(self, replica: _ReplicaState) -> None:
        requests = self._planner.next_slice(replica.number)
        if requests:
            replica.actor.put.remote([(request.number, request.request) for request in requests])

    def _handle_death(self, replica: _ReplicaState, error: Exception) -> None:
        message = str(error)
        if "node" in message and "died" in message and "worker process has died" not in message:
            self._drop(replica, "its machine died", blame=False)
        else:
            detail = message.partition("Worker exit detail:")[2] or message
            self._drop(replica, f"its process died: {one_line(detail, 160)}", blame=True)

    def _drop(self, replica: _ReplicaState, reason: str, *, blame: bool, unusable: bool = False) -> None:
        """Continue without a replica; another one is started if resources are free.

        ``blame``: a request may have killed the replica. ``unusable``: its machine cannot run replicas.
        """
        del self._replicas[replica.number]
        self._scaled_at = 0.0
        with suppress(Exception):
            self._ray.kill(replica.actor)
        self._last_loss = reason if unusable else f"a replica on {replica.host} was lost: {reason}"
        loading = replica.call in ("hello", "load")
        self._unusable_count += unusable or (loading and blame)
        self._crashes += blame
        for request in self._planner.remove_replica(replica.number, blame=blame):
            error = f"the request ended two replicas of the model, the last on {replica.host}: {reason}"
            self.send(Answer(request.number, Completion(error=one_line(error), attempts=request.attempts)))
            self._crashes = 0
        self.send(Note(f"{self._start.config.name}: {self._last_loss}"))
        if self._crashes > 3 + 2 * len(self._replicas):
            raise ModelUnusable(f"replicas on the Ray cluster keep dying; {self._last_loss}")

    def _status(self, text: str | None) -> None:
        if text != self._last_status:
            self._last_status = text
            self.send(Status(text))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _probe(address: str) -> None:
    """Check that a server listens at the address; Ray would retry for minutes. Raises ``ModelUnusable``."""
    if address in ("auto", "local"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ModelUnusable(
            f"--llm-ray={one_line(address, 80)} is not a cluster address; "
            "write HOST:PORT, ray://HOST:PORT, auto or local"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_TIMEOUT_S).close()
    except OSError as error:
        raise ModelUnusable(
            f"--llm-ray={address}: nothing answers there ({error.strerror or error}); "
            "is the cluster running (ray status)?"
        ) from None


def _read_requests(inbox: queue.Queue[Sequence[NumberedRequest] | None]) -> None:
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            requests = pickle.load(sys.stdin.buffer)
            inbox.put([NumberedRequest(number, request) for number, request in requests])
    inbox.put(None)


def main() -> None:
    """Answer requests from standard input; redirect everything printed to standard error, the log."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    start: Start = pickle.load(sys.stdin.buffer)
    inbox: queue.Queue[Sequence[NumberedRequest] | None] = queue.Queue()
    threading.Thread(target=_read_requests, args=(inbox,), daemon=True).start()
    driver = Driver(start, out, inbox)
    try:
        driver.run()
    except UserError as error:
        driver.send(Failure(str(error)))
    except BrokenPipeError:  # pytest is gone
        pass
    finally:
        driver._ray.shutdown()


if __name__ == "__main__":
    main()
