"""Distributes requests to replicas in contiguous slices, and reassigns those of a lost replica."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_llmeval.core.types import ChatPrompt, Request

_MIN_SLICE = 8
_MAX_STRIKES = 2


@dataclass(slots=True, eq=False)
class NumberedRequest:
    """A request and its number; ``strikes`` counts the replicas that died while they had it."""

    number: int
    request: Request
    strikes: int = 0
    attempts: int = 0

    @property
    def shared_prompt(self) -> object:
        """The prompt text shared with neighbouring requests; slices preferably end where it changes."""
        prompt = self.request.prompt
        if isinstance(prompt, ChatPrompt):
            return prompt.system, prompt.shots
        return prompt.description, prompt.shots


@dataclass(slots=True)
class _Replica:
    capacity: int
    requests: dict[int, NumberedRequest] = field(default_factory=dict)


class Planner:
    """Assigns slices, smaller ones towards the end so that all replicas finish at about the same time.

    When a replica's process dies, its requests become suspects. Each suspect is sent to a replica that
    has no other requests, so that only a request that kills a second replica is given up.
    """

    def __init__(self) -> None:
        self._waiting: deque[NumberedRequest] = deque()
        self._suspects: deque[NumberedRequest] = deque()
        self._replicas: dict[int, _Replica] = {}

    @property
    def unanswered(self) -> int:
        """The number of requests without an answer."""
        assigned = sum(len(replica.requests) for replica in self._replicas.values())
        return len(self._waiting) + len(self._suspects) + assigned

    def add(self, requests: Iterable[NumberedRequest]) -> None:
        """Queue requests, in the order in which their answers are needed."""
        self._waiting.extend(requests)

    def add_replica(self, replica: int, capacity: int) -> None:
        """Add a replica that takes up to ``capacity`` requests at once."""
        self._replicas[replica] = _Replica(capacity)

    def next_slice(self, replica: int) -> Sequence[NumberedRequest]:
        """The requests to send to a replica now; empty while it has enough."""
        target = self._replicas[replica]
        if any(request.strikes for request in target.requests.values()):
            return ()
        if self._suspects:
            batch = [] if target.requests else [self._suspects.popleft()]
        else:
            size = min(target.capacity, max(_MIN_SLICE, -(-self.unanswered // (2 * len(self._replicas)))))
            batch = self._take(size - len(target.requests)) if len(target.requests) <= size // 2 else []
        for request in batch:
            request.attempts += 1
            target.requests[request.number] = request
        return batch

    def _take(self, size: int) -> list[NumberedRequest]:
        batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
        if not self._waiting or not batch:
            return batch
        following = self._waiting[0].shared_prompt
        for index in range(len(batch) - 1, len(batch) // 2, -1):
            if batch[index].shared_prompt != following:
                break
        else:
            return batch
        self._waiting.extendleft(reversed(batch[index + 1 :]))
        return batch[: index + 1]

    def complete(self, replica: int, number: int) -> NumberedRequest | None:
        """Remove a request that a replica answered; None if it was reassigned meanwhile."""
        return self._replicas[replica].requests.pop(number, None)

    def remove_replica(self, replica: int, *, blame: bool) -> list[NumberedRequest]:
        """Reassign the requests of a lost replica; returns those that are given up.

        ``blame`` is whether one of its requests may have killed it; false if its machine died.
        """
        lost = self._replicas.pop(replica, None)
        if lost is None:
            return []
        requests = list(lost.requests.values())
        if blame:
            for request in requests:
                request.strikes += 1
        self._suspects.extend(request for request in requests if 0 < request.strikes < _MAX_STRIKES)
        self._waiting.extendleft(request for request in reversed(requests) if not request.strikes)
        return [request for request in requests if request.strikes >= _MAX_STRIKES]
