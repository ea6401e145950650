"""Limits traffic: concurrency, rates of requests and tokens, and the server's ``Retry-After``."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from types import TracebackType

from pytest_llmeval.models.openai.concurrency import ConcurrencyControl
from pytest_llmeval.models.openai.rate_limit import RateLimit, Sleep


class TrafficLimits:
    """All limits on the traffic to one server, for one event loop.

    ``concurrency`` limits the requests in flight, ``requests`` their rate, and ``tokens`` the rate of
    their tokens. ``pause`` stops all traffic for a while.
    """

    def __init__(
        self,
        concurrency: ConcurrencyControl,
        requests: RateLimit,
        tokens: RateLimit,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.concurrency = concurrency
        self._requests = requests
        self._tokens = tokens
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._paused_until = -math.inf
        self._jitter_s = 0.0
        self._slot_freed = asyncio.Condition()

    @property
    def limits_tokens(self) -> bool:
        """Whether the rate of tokens is limited."""
        return self._tokens.limited

    def attempt(self, tokens: int) -> Attempt:
        """A context manager (``async with``) for one attempt of about ``tokens`` tokens."""
        return Attempt(self, tokens)

    def pause(self, seconds: float) -> None:
        """Stop all traffic for this long; requests then resume at slightly different times."""
        until = self._clock() + seconds
        if until > self._paused_until:
            self._paused_until, self._jitter_s = until, seconds / 10

    @property
    def paused_s(self) -> float:
        """For how many seconds all traffic still stops."""
        return max(self._paused_until - self._clock(), 0.0)

    async def acquire(self, tokens: int) -> int:
        """Wait until the caller may send; returns the round from ``ConcurrencyControl.start``."""
        async with self._slot_freed:
            await self._slot_freed.wait_for(lambda: self.concurrency.in_flight < self.concurrency.limit)
            round_ = self.concurrency.start()
        try:
            await self._tokens.acquire(tokens)
            waited_until = -math.inf
            while True:
                while self._paused_until > waited_until:
                    waited_until = self._paused_until
                    remaining_s = waited_until - self._clock()
                    if remaining_s > 0:
                        await self._sleep(remaining_s + self._draw() * self._jitter_s)
                await self._requests.acquire()
                if self._paused_until <= waited_until:
                    return round_
        except BaseException:
            await self.release()
            raise

    async def release(self) -> None:
        """Free the caller's slot for other requests."""
        self.concurrency.finish()
        async with self._slot_freed:
            self._slot_freed.notify(max(self.concurrency.limit - self.concurrency.in_flight, 0))

    def adjust_tokens(self, tokens: int) -> None:
        """Correct the estimated number of tokens by ``tokens`` (negative: fewer were used)."""
        self._tokens.adjust(tokens)


class Attempt:
    """A context manager that holds a slot; call ``succeeded`` or ``failed`` at most once."""

    def __init__(self, limits: TrafficLimits, tokens: int) -> None:
        self._limits = limits
        self._tokens = tokens
        self._round = 0

    async def __aenter__(self) -> Attempt:
        self._round = await self._limits.acquire(self._tokens)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._limits.release()

    def succeeded(self, latency_s: float, tokens: int | None) -> None:
        """Record a response after ``latency_s`` seconds; ``tokens`` of prompt and answer, if known."""
        self._limits.concurrency.record_success(self._round, latency_s)
        if tokens is not None:
            self._limits.adjust_tokens(tokens - self._tokens)

    def failed(self, *, overloaded: bool, retry_after_s: float | None) -> None:
        """Record an attempt that used no tokens; the server may be overloaded and request a pause."""
        self._limits.adjust_tokens(-self._tokens)
        if overloaded:
            self._limits.concurrency.record_overload(self._round)
        if retry_after_s is not None:
            self._limits.pause(retry_after_s)
