"""``python -m pytest_llmeval.models.ray.driver``: the one process that talks with Ray.

Ray ends its driver's process when the cluster's head goes, writes to its standard streams, and takes
over signals: none of it may happen to pytest.
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
from pytest_llmeval.models.ray.messages import Answer, Failed, Level, Note, Start, Status
from pytest_llmeval.models.ray.plan import Ask, Planner
from pytest_llmeval.models.ray.replica import Found, Ready, Replica, other_weights

_WAIT_S = 0.05
_COUNT_EVERY_S = 2.0
_AFTER_LOSS_S = 15.0
_PROBE_S = 5.0


@dataclass(slots=True)
class _Running:
    """A replica; ``doing`` is the call that is awaited: hello, load, collect or check."""

    number: int
    actor: Any
    ref: Any
    doing: str = "hello"
    host: str = "?"
    hold: int = 0


class Driver:
    """Keeps as many replicas as the cluster has room for, and the questions with them."""

    def __init__(self, start: Start, out: BinaryIO, inbox: queue.Queue[Sequence[Ask] | None]) -> None:
        import ray

        self._ray: Any = ray
        self._start = start
        self._out = out
        self._inbox = inbox
        self._planner = Planner()
        self._running: dict[int, _Running] = {}
        self._numbers = 0
        self._refused = 0
        self._crashes = 0
        self._why = ""
        self._said: object = None
        self._notes: set[str] = set()
        self._counted_at = 0.0
        self._without_since: float | None = None
        self._ever = False
        #: the machine that came up first, and its weights
        self._first: tuple[str, list[Any]] | None = None

    def tell(self, message: object) -> None:
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
            hint = "; the same versions of Ray and Python must be on all machines"
            raise ModelUnusable(
                f"the Ray cluster at {address} cannot be joined: {type(error).__name__}: "
                f"{one_line(error, 300)}{hint if 'ersion' in str(error) else ''}"
            ) from None

    def run(self) -> None:
        """Until nothing more is asked. Raises ``ModelUnusable``."""
        self.connect()
        while self._receive():
            self._scale()
            self._look()
            for one in list(self._running.values()):
                if one.hold:
                    self._feed(one)

    def _receive(self) -> bool:
        with suppress(queue.Empty):
            while True:
                asks = self._inbox.get_nowait()
                if asks is None:
                    return False
                self._planner.add(asks)
        return True

    def _room(self) -> tuple[int, str]:
        """How many replicas the cluster has room for, and what it has, in words."""
        needs = {"CPU": self._start.cpus} if self._start.cpus else {"GPU": self._start.gpus}
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        room = sum(min(int(node.get(name, 0) // number) for name, number in needs.items()) for node in nodes)
        has = {name: int(sum(node.get(name, 0) for node in nodes)) for name in ("CPU", "GPU")}
        return room, ", ".join([_count(len(nodes), "machine"), *(_count(has[n], n) for n in has)])

    @property
    def _wanted(self) -> str:
        start = self._start
        return _count(start.cpus, "CPU") if start.cpus else _count(start.gpus, "GPU")

    def _scale(self) -> None:
        """Start replicas where there is room; give up where none has come up for too long."""
        now = time.monotonic()
        if now - self._counted_at < _COUNT_EVERY_S:
            return
        self._counted_at = now
        room, has = self._room()
        for _ in range(room - self._refused - len(self._running)):
            self._launch()
        if any(one.doing != "hello" for one in self._running.values()):
            self._without_since = None
            return
        if self._refused and not self._running:
            raise ModelUnusable(self._why)
        if self._without_since is None:
            self._without_since = now
        waited = now - self._without_since
        place = f"the Ray cluster at {self._start.address} ({has})"
        patience = _AFTER_LOSS_S if self._ever else self._start.patience_s
        if waited > patience:
            what = "has no replica left" if self._ever else f"had no {self._wanted} free for a replica"
            lost = f": {self._why}" if self._why else ""
            raise ModelUnusable(f"{place} {what} within {waited:.0f} s{lost}")
        self._status(f"waiting for {self._wanted} free in {place}, up to {patience:.0f} s")

    def _launch(self) -> None:
        start = self._start
        self._numbers += 1
        make = self._ray.remote(Replica).options(
            num_cpus=start.cpus, num_gpus=start.gpus, max_restarts=0, max_concurrency=4
        )
        actor = make.remote(start.config, start.samples, start.digests, bool(start.gpus))
        self._running[self._numbers] = _Running(self._numbers, actor, actor.hello.remote())

    def _look(self) -> None:
        """See what the replicas have to say."""
        by_ref = {one.ref: one for one in self._running.values()}
        if not by_ref:
            time.sleep(_WAIT_S)
            return
        ready, _ = self._ray.wait(list(by_ref), num_returns=len(by_ref), timeout=_WAIT_S)
        for ref in ready:
            one = by_ref[ref]
            try:
                self._heard(one, self._ray.get(ref))
            except self._ray.exceptions.ActorUnavailableError:
                if one.doing == "check":
                    self._lose(one, "its machine cannot be reached", blame=False)
                else:
                    one.doing, one.ref = "check", one.actor.hello.remote()
            except self._ray.exceptions.RayActorError as error:
                self._died(one, error)
            except self._ray.exceptions.RayError as error:
                self._lose(one, one_line(getattr(error, "cause", None) or error), blame=False, refused=True)

    def _heard(self, one: _Running, told: Any) -> None:
        if one.doing == "hello":
            one.doing, one.host, one.ref = "load", told, one.actor.load.remote()
            self._status("loading the weights on the Ray cluster")
        elif one.doing == "load":
            if not self._same_weights(one, told):
                return
            one.doing, one.hold, one.ref = "collect", told.hold, one.actor.collect.remote()
            self._planner.join(one.number, one.hold)
            self._ever, self._crashes = True, 0
            self._status(None)
            self.tell(Level(sum(each.hold for each in self._running.values())))
        elif one.doing == "check":  # it lives, but answers may have got lost on the way
            self._lose(one, "the connection to it broke", blame=False)
        else:
            self._collected(one, told)

    def _same_weights(self, one: _Running, told: Ready) -> bool:
        """Whether a replica has the others' weights, where pytest has none to compare with."""
        if told.samples is None:
            return True
        if self._first is None:
            self._first = one.host, told.samples
        host, samples = self._first
        if samples == told.samples:
            return True
        why = other_weights(self._start.config, one.host, samples, told.samples, f"on {host}")
        self._lose(one, why, blame=False, refused=True)
        return False

    def _collected(self, one: _Running, found: Found) -> None:
        for number, completion in found.completions:
            ask = self._planner.done(one.number, number)
            if ask is not None:
                attempts = max(ask.attempts, completion.attempts)
                self.tell(Answer(number, replace(completion, attempts=attempts)))
                self._crashes = 0
        for note in set(found.notes) - self._notes:
            self._notes.add(note)
            self.tell(Note(note))
        if found.ended is not None:
            self._lose(one, one_line(found.ended), blame=True)
            return
        one.ref = one.actor.collect.remote()

    def _feed(self, one: _Running) -> None:
        asks = self._planner.next_slice(one.number)
        if asks:
            one.actor.put.remote([(ask.number, ask.request) for ask in asks])

    def _died(self, one: _Running, error: Exception) -> None:
        said = str(error)
        if "node" in said and "died" in said and "worker process has died" not in said:
            self._lose(one, "its machine died", blame=False)
        else:
            told = said.partition("Worker exit detail:")[2] or said
            self._lose(one, f"its process died: {one_line(told, 160)}", blame=True)

    def _lose(self, one: _Running, why: str, *, blame: bool, refused: bool = False) -> None:
        """Go on without a replica; another takes its place where there is room."""
        del self._running[one.number]
        self._counted_at = 0.0
        with suppress(Exception):
            self._ray.kill(one.actor)
        self._why = why if refused else f"a replica on {one.host} was lost: {why}"
        loading = one.doing in ("hello", "load")
        self._refused += refused or (loading and blame)
        self._crashes += blame
        for ask in self._planner.lost(one.number, blame=blame):
            error = f"it ended two replicas of the model; the last on {one.host}: {why}"
            self.tell(Answer(ask.number, Completion(error=one_line(error), attempts=ask.attempts)))
            self._crashes = 0
        self.tell(Note(f"{self._start.config.name}: {self._why}"))
        if self._crashes > 3 + 2 * len(self._running):
            raise ModelUnusable(f"replicas on the Ray cluster keep dying; {self._why}")

    def _status(self, text: str | None) -> None:
        if text != self._said:
            self._said = text
            self.tell(Status(text))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _probe(address: str) -> None:
    """Whether anything listens there: Ray itself would try for minutes. Raises ``ModelUnusable``."""
    if address in ("auto", "local"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ModelUnusable(
            f"--llm-ray={one_line(address, 80)} is no address of a cluster; "
            "write HOST:PORT, ray://HOST:PORT, auto or local"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_S).close()
    except OSError as error:
        raise ModelUnusable(
            f"--llm-ray={address}: nobody answers there ({error.strerror or error}); "
            "is the cluster running (ray status)?"
        ) from None


def _read(into: queue.Queue[Sequence[Ask] | None]) -> None:
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            asked = pickle.load(sys.stdin.buffer)
            into.put([Ask(number, request) for number, request in asked])
    into.put(None)


def main() -> None:
    """Answer what comes through standard input; what others print goes to standard error, the log."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    start: Start = pickle.load(sys.stdin.buffer)
    inbox: queue.Queue[Sequence[Ask] | None] = queue.Queue()
    threading.Thread(target=_read, args=(inbox,), daemon=True).start()
    driver = Driver(start, out, inbox)
    try:
        driver.run()
    except UserError as error:
        driver.tell(Failed(str(error)))
    except BrokenPipeError:  # pytest is gone
        pass
    finally:
        driver._ray.shutdown()


if __name__ == "__main__":
    main()
