"""When to send a request, and when to send it again."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime

Sleep = Callable[[float], Awaitable[None]]

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_LONGEST_HINT_S = 60.0


class Pace:
    """Lets callers through at most ``rate`` times a second: evenly, no bursts.

    The first goes ``delay`` seconds after it asked. Without a rate everyone goes at once. For one
    event loop.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        delay: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._delay = delay
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf
        self._line = asyncio.Lock()

    @property
    def limited(self) -> bool:
        """Whether there is a rate."""
        return self._gap > 0

    async def turn(self, cost: float = 1) -> None:
        """Return when it is the caller's turn, which takes that of ``cost``; first come first served."""
        if not self._gap:
            return
        async with self._line:
            now = self._clock()
            slot = max(now + self._delay, self._next)
            self._delay = 0.0
            self._next = slot + cost * self._gap
            if slot > now:
                await self._sleep(slot - now)

    def correct(self, cost: float) -> None:
        """An earlier turn was worth so much more; less, if negative."""
        self._next += cost * self._gap


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """What a server asks to wait, in seconds, at most a minute; None when it does not say.

    Reads ``retry-after-ms`` and ``retry-after`` (seconds or an HTTP date, RFC 9110 10.2.3);
    ``headers`` have lower-case names, ``now`` is the Unix time.
    """
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        seconds /= 1000
    else:
        told = headers.get("retry-after")
        seconds = _number(told)
        if seconds is None and told:
            try:
                seconds = parsedate_to_datetime(told).timestamp() - now
            except (ValueError, OverflowError):
                return None
    return None if seconds is None or seconds <= 0 else min(seconds, _LONGEST_HINT_S)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def backoff_s(failed: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after the ``failed``-th failure: doubling, and never the same for two callers."""
    return min(_FIRST_WAIT_S * 2.0 ** min(failed - 1, 16), _LONGEST_WAIT_S) * (0.5 + draw() / 2)
