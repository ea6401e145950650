"""Rate limits and back-off."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]

_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 30.0


class RateLimit:
    """Admits at most ``rate`` callers per second, evenly spaced, without bursts.

    The first caller waits ``delay`` seconds. Without a rate, callers do not wait. For use in one event loop.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        delay: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._interval_s = 1 / rate if rate else 0.0
        self._delay = delay
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf
        self._lock = asyncio.Lock()

    @property
    def limited(self) -> bool:
        """Whether there is a rate."""
        return self._interval_s > 0

    async def acquire(self, cost: float = 1) -> None:
        """Wait for the caller's turn, in order of arrival; the turn uses ``cost`` units of the rate."""
        if not self._interval_s:
            return
        async with self._lock:
            now = self._clock()
            slot = max(now + self._delay, self._next)
            self._delay = 0.0
            self._next = slot + cost * self._interval_s
            if slot > now:
                await self._sleep(slot - now)

    def adjust(self, cost: float) -> None:
        """Correct the cost of an earlier turn by ``cost`` (negative: it cost less)."""
        self._next += cost * self._interval_s


def backoff_s(failures: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after this many failures: exponential, with jitter from ``draw`` (0 to 1)."""
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16), _MAX_BACKOFF_S) * (0.5 + draw() / 2)
