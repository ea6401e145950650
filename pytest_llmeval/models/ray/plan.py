"""Which replica gets which questions: contiguous slices, and what becomes of those of a lost replica."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_llmeval.core.types import ChatPrompt, Request

_SMALLEST = 8
_MOST_STRIKES = 2


@dataclass(slots=True, eq=False)
class Ask:
    """One request by its number; ``strikes`` are the replicas that died while they had it."""

    number: int
    request: Request
    strikes: int = 0
    attempts: int = 0

    @property
    def shared(self) -> object:
        """What it has in common with its neighbours: a slice had better end where this changes."""
        prompt = self.request.prompt
        if isinstance(prompt, ChatPrompt):
            return prompt.system, prompt.shots
        return prompt.description, prompt.shots


@dataclass(slots=True)
class _Replica:
    hold: int
    asks: dict[int, Ask] = field(default_factory=dict)


class Planner:
    """Slices get smaller towards the end, so that all replicas end at about the same time.

    After a replica's process died, the questions it had are suspects: each is asked with nothing
    beside it, so that only one that ends a second replica is lost.
    """

    def __init__(self) -> None:
        self._waiting: deque[Ask] = deque()
        self._suspects: deque[Ask] = deque()
        self._replicas: dict[int, _Replica] = {}

    @property
    def open(self) -> int:
        """How many requests have no answer yet."""
        held = sum(len(replica.asks) for replica in self._replicas.values())
        return len(self._waiting) + len(self._suspects) + held

    def add(self, asks: Iterable[Ask]) -> None:
        """Let requests wait, in the order in which somebody waits for them."""
        self._waiting.extend(asks)

    def join(self, replica: int, hold: int) -> None:
        """A replica that takes up to ``hold`` requests at once."""
        self._replicas[replica] = _Replica(hold)

    def next_slice(self, replica: int) -> Sequence[Ask]:
        """What to send a replica now; empty while it has enough."""
        own = self._replicas[replica]
        if any(ask.strikes for ask in own.asks.values()):
            return ()
        if self._suspects:
            taken = [] if own.asks else [self._suspects.popleft()]
        else:
            size = min(own.hold, max(_SMALLEST, -(-self.open // (2 * len(self._replicas)))))
            taken = self._take(size - len(own.asks)) if len(own.asks) <= size // 2 else []
        for ask in taken:
            ask.attempts += 1
            own.asks[ask.number] = ask
        return taken

    def _take(self, size: int) -> list[Ask]:
        taken = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
        if not self._waiting or not taken:
            return taken
        following = self._waiting[0].shared
        for place in range(len(taken) - 1, len(taken) // 2, -1):
            if taken[place].shared != following:
                break
        else:
            return taken
        self._waiting.extendleft(reversed(taken[place + 1 :]))
        return taken[: place + 1]

    def done(self, replica: int, number: int) -> Ask | None:
        """A replica answered; None when that is no longer wanted of it."""
        return self._replicas[replica].asks.pop(number, None)

    def lost(self, replica: int, *, blame: bool) -> list[Ask]:
        """A replica is gone: its requests go to others; returns those that are given up.

        ``blame`` is whether one of its questions may have ended it (its machine did not go).
        """
        gone = self._replicas.pop(replica, None)
        if gone is None:
            return []
        asks = list(gone.asks.values())
        if blame:
            for ask in asks:
                ask.strikes += 1
        self._suspects.extend(ask for ask in asks if 0 < ask.strikes < _MOST_STRIKES)
        self._waiting.extendleft(ask for ask in reversed(asks) if not ask.strikes)
        return [ask for ask in asks if ask.strikes >= _MOST_STRIKES]
