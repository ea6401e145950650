"""Who may send when: the places in flight, the rates, and a server's wish to be left alone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from pytest_llmeval.models.openai.concurrency import Level
from pytest_llmeval.models.openai.rate_limit import Pace
from pytest_llmeval.models.openai.traffic_limits import Traffic


class Clock:
    """Time that passes when nobody can go on without it."""

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


def traffic(clock: Clock, level: int = 4, rate: float | None = None, tokens: float | None = None) -> Traffic:
    return Traffic(
        Level(level, least=level, most=level),
        Pace(rate, clock=clock, sleep=clock.sleep),
        Pace(tokens, clock=clock, sleep=clock.sleep),
        clock=clock,
        sleep=clock.sleep,
        draw=lambda: 0.5,
    )


def run(go: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        await asyncio.wait_for(go(), 20)

    asyncio.run(within())


def test_no_more_than_the_level_at_once_also_when_it_sinks() -> None:
    clock = Clock()

    async def go() -> None:
        flow = Traffic(Level(8), Pace(None), Pace(None), clock=clock, sleep=clock.sleep)
        most = []

        async def one(number: int) -> None:
            async with flow.passage(0) as passage:
                most.append((flow.level.in_flight, flow.level.limit))
                await asyncio.sleep(0)
                passage.refused(overload=True, hint=None)

        await asyncio.gather(*(one(n) for n in range(60)))
        assert max(most) == (8, 8) and flow.level.limit == 1
        assert most[-1] == (1, 1) and len(most) == 60 and flow.level.in_flight == 0

    run(go)


def test_all_hold_back_when_a_server_says_so() -> None:
    clock, went = Clock(), []

    async def go() -> None:
        flow = traffic(clock)
        async with flow.passage(0) as passage:
            passage.refused(overload=True, hint=7.0)

        async def one() -> None:
            async with flow.passage(0):
                went.append(clock.now - 100)

        await asyncio.gather(*(one() for _ in range(9)))

    run(go)
    assert len(went) == 9 and all(7 <= at <= 7.8 for at in went)


def test_one_who_waits_for_a_turn_holds_back_too() -> None:
    clock, went = Clock(), []

    async def go() -> None:
        flow = traffic(clock, rate=1.0)

        async def one(number: int) -> None:
            async with flow.passage(0) as passage:
                went.append(clock.now - 100)
                if number == 0:
                    passage.refused(overload=True, hint=5.0)

        await asyncio.gather(*(one(n) for n in range(4)))

    run(go)
    assert went[0] == 0 and went[1] >= 5
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(went))


def test_tokens_come_evenly_and_are_corrected() -> None:
    clock, went = Clock(), []

    async def go() -> None:
        flow = traffic(clock, level=1, tokens=100.0)  # a second
        assert flow.counts_tokens and not traffic(clock).counts_tokens
        for used in (200, None, 1000, 0, 0):
            async with flow.passage(200) as passage:
                went.append(clock.now - 100)
                if used == 0:
                    passage.refused(overload=True, hint=None)
                else:
                    passage.answered(0.1, used)

    run(go)
    assert went == pytest.approx([0, 2, 4, 14, 14], abs=0.1)


def test_leaving_in_the_middle_makes_room() -> None:
    clock = Clock()

    async def go() -> None:
        flow = traffic(clock, level=1)
        flow.hold(1e6)
        waiting = asyncio.create_task(flow.enter(0))
        for _ in range(5):
            await asyncio.sleep(0)
        assert flow.level.in_flight == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert flow.level.in_flight == 0
        with pytest.raises(ValueError, match="x"):
            async with traffic(clock).passage(0):
                raise ValueError("x")

    run(go)
