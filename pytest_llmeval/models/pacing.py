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
    """Lets callers through at most ``rate`` times a second: evenly, the first at once, no bursts.

    Without a rate everyone goes at once. For one event loop.
    """

    def __init__(
        self, rate: float | None, *, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf

    async def turn(self) -> None:
        """Return when it is the caller's turn; turns are given first come first served."""
        if not self._gap:
            return
        now = self._clock()
        slot = max(now, self._next)
        self._next = slot + self._gap
        if slot > now:
            await self._sleep(slot - now)


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


def backoff_s(failed: int, hint: float | None, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after the ``failed``-th failure: doubling, and never the same for two callers.

    A server's own ``hint`` is kept, and up to a tenth of it added, so that not all come back at once.
    """
    if hint is not None:
        return hint * (1 + draw() / 10)
    return min(_FIRST_WAIT_S * 2.0 ** min(failed - 1, 16), _LONGEST_WAIT_S) * (0.5 + draw() / 2)
