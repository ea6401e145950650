"""Rate limits, back-off and ``Retry-After``."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime

Sleep = Callable[[float], Awaitable[None]]

_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 30.0
_MAX_RETRY_AFTER_S = 60.0


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


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """The wait that a server requests, in seconds, at most a minute; None if it requests none.

    Reads ``retry-after-ms`` and ``retry-after`` (seconds or an HTTP date, RFC 9110 10.2.3);
    ``headers`` have lower-case names, ``now`` is the Unix time.
    """
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        seconds /= 1000
    else:
        value = headers.get("retry-after")
        seconds = _number(value)
        if seconds is None and value:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - now
            except (ValueError, OverflowError):
                return None
    return None if seconds is None or seconds <= 0 else min(seconds, _MAX_RETRY_AFTER_S)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def backoff_s(failures: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after this many failures: exponential, with jitter from ``draw`` (0 to 1)."""
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16), _MAX_BACKOFF_S) * (0.5 + draw() / 2)
