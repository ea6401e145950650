"""When requests may be sent: concurrency, rate limits, and pauses that the server requests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from pytest_llmeval.models.openai.concurrency import ConcurrencyControl
from pytest_llmeval.models.openai.rate_limit import RateLimit
from pytest_llmeval.models.openai.traffic_limits import TrafficLimits


class Clock:
    """A clock that advances when no task can continue without it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            for _ in range(50):
                await asyncio.sleep(0)
            self.now = min(max(self.now, until), self.now + 0.05)


def make_limits(
    clock: Clock, concurrency: int = 4, rate: float | None = None, tokens: float | None = None
) -> TrafficLimits:
    return TrafficLimits(
        ConcurrencyControl(concurrency, minimum=concurrency, maximum=concurrency),
        RateLimit(rate, clock=clock, sleep=clock.sleep),
        RateLimit(tokens, clock=clock, sleep=clock.sleep),
        clock=clock,
        sleep=clock.sleep,
        draw=lambda: 0.5,
    )


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def with_timeout() -> None:
        await asyncio.wait_for(main(), 20)

    asyncio.run(with_timeout())


def test_a_falling_limit_is_never_exceeded() -> None:
    clock = Clock()

    async def main() -> None:
        limits = TrafficLimits(
            ConcurrencyControl(8), RateLimit(None), RateLimit(None), clock=clock, sleep=clock.sleep
        )
        concurrency = limits.concurrency
        in_flight = []

        async def send(number: int) -> None:
            async with limits.attempt(0) as attempt:
                in_flight.append((concurrency.in_flight, concurrency.limit))
                await asyncio.sleep(0)
                attempt.failed(overloaded=True, retry_after_s=None)

        await asyncio.gather(*(send(n) for n in range(60)))
        assert max(in_flight) == (8, 8) and concurrency.limit == 1
        assert in_flight[-1] == (1, 1) and len(in_flight) == 60 and concurrency.in_flight == 0

    run(main)


def test_retry_after_pauses_all_requests() -> None:
    clock, sent_at = Clock(), []

    async def main() -> None:
        limits = make_limits(clock)
        async with limits.attempt(0) as attempt:
            attempt.failed(overloaded=True, retry_after_s=7.0)

        async def send() -> None:
            async with limits.attempt(0):
                sent_at.append(clock.now - 100)

        await asyncio.gather(*(send() for _ in range(9)))

    run(main)
    assert len(sent_at) == 9 and all(7 <= at <= 7.8 for at in sent_at)


def test_a_pause_also_applies_to_requests_waiting_for_the_rate_limit() -> None:
    clock, sent_at = Clock(), []

    async def main() -> None:
        limits = make_limits(clock, rate=1.0)

        async def send(number: int) -> None:
            async with limits.attempt(0) as attempt:
                sent_at.append(clock.now - 100)
                if number == 0:
                    attempt.failed(overloaded=True, retry_after_s=5.0)

        await asyncio.gather(*(send(n) for n in range(4)))

    run(main)
    assert sent_at[0] == 0 and sent_at[1] >= 5
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(sent_at))


def test_tokens_are_limited_and_adjusted_to_actual_usage() -> None:
    clock, sent_at = Clock(), []

    async def main() -> None:
        limits = make_limits(clock, concurrency=1, tokens=100.0)  # per second
        assert limits.limits_tokens and not make_limits(clock).limits_tokens
        for used in (200, None, 1000, 0, 0):
            async with limits.attempt(200) as attempt:
                sent_at.append(clock.now - 100)
                if used == 0:
                    attempt.failed(overloaded=True, retry_after_s=None)
                else:
                    attempt.succeeded(0.1, used)

    run(main)
    assert sent_at == pytest.approx([0, 2, 4, 14, 14], abs=0.1)


def test_cancellation_frees_the_slot() -> None:
    clock = Clock()

    async def main() -> None:
        limits = make_limits(clock, concurrency=1)
        limits.pause(1e6)
        waiting = asyncio.create_task(limits.acquire(0))
        for _ in range(5):
            await asyncio.sleep(0)
        assert limits.concurrency.in_flight == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert limits.concurrency.in_flight == 0
        with pytest.raises(ValueError, match="x"):
            async with make_limits(clock).attempt(0):
                raise ValueError("x")

    run(main)
