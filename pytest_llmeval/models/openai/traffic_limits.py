"""When a request may go: its place in flight, the tokens and requests a minute, the server's wish to wait."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from types import TracebackType

from pytest_llmeval.models.openai.concurrency import Level
from pytest_llmeval.models.openai.rate_limit import Pace, Sleep


class Traffic:
    """All that goes to one server; for one event loop.

    ``level`` is how many may be in flight, ``rate`` gives turns to requests, ``tokens`` to their
    tokens. ``hold`` keeps everyone back.
    """

    def __init__(
        self,
        level: Level,
        rate: Pace,
        tokens: Pace,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.level = level
        self._rate = rate
        self._tokens = tokens
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._until = -math.inf
        self._spread = 0.0
        self._free = asyncio.Condition()

    @property
    def counts_tokens(self) -> bool:
        """Whether it matters how many tokens an attempt takes."""
        return self._tokens.limited

    def passage(self, tokens: int) -> Passage:
        """To be entered, with ``async with``, for the time of one attempt of about so many tokens."""
        return Passage(self, tokens)

    def hold(self, seconds: float) -> None:
        """Send nothing for so long; then not all at the same moment."""
        until = self._clock() + seconds
        if until > self._until:
            self._until, self._spread = until, seconds / 10

    async def enter(self, tokens: int) -> int:
        """Return when it is the caller's turn, with what ``Level.sent`` gave."""
        async with self._free:
            await self._free.wait_for(lambda: self.level.in_flight < self.level.limit)
            sent = self.level.sent()
        try:
            await self._tokens.turn(tokens)
            waited = -math.inf
            while True:
                while self._until > waited:
                    waited = self._until
                    left = waited - self._clock()
                    if left > 0:
                        await self._sleep(left + self._draw() * self._spread)
                await self._rate.turn()
                if self._until <= waited:
                    return sent
        except BaseException:
            await self.leave()
            raise

    async def leave(self) -> None:
        """Make room for others."""
        self.level.ended()
        async with self._free:
            self._free.notify(max(self.level.limit - self.level.in_flight, 0))

    def correct(self, tokens: int) -> None:
        """So many tokens more (less, if negative) were used than announced."""
        self._tokens.correct(tokens)


class Passage:
    """One attempt's time on its way; say once how it went, or nothing."""

    def __init__(self, traffic: Traffic, tokens: int) -> None:
        self._traffic = traffic
        self._tokens = tokens
        self._sent = 0

    async def __aenter__(self) -> Passage:
        self._sent = await self._traffic.enter(self._tokens)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._traffic.leave()

    def answered(self, seconds: float, tokens: int | None) -> None:
        """A good reply, after so long; ``tokens`` were used for prompt and answer, if it is known."""
        self._traffic.level.good(self._sent, seconds)
        if tokens is not None:
            self._traffic.correct(tokens - self._tokens)

    def refused(self, *, overload: bool, hint: float | None) -> None:
        """No tokens were used; the server may have too much to do, and say how long to wait."""
        self._traffic.correct(-self._tokens)
        if overload:
            self._traffic.level.refused(self._sent)
        if hint is not None:
            self._traffic.hold(hint)
