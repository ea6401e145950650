"""Rate limits and back-off, with a fake clock."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.rate_limit import RateLimit, backoff_s


class Clock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def admission_times(rate: float | None, spent: list[float]) -> list[float]:
    """When each of several consecutive callers was admitted; each then spends some seconds."""
    clock = Clock()
    limit = RateLimit(rate, clock=clock, sleep=clock.sleep)
    times = []

    async def go() -> None:
        for seconds in spent:
            await limit.acquire()
            times.append(clock.now - 100)
            clock.now += seconds

    asyncio.run(go())
    return times


def test_the_first_caller_does_not_wait_and_others_are_evenly_spaced() -> None:
    assert admission_times(0.16, [0, 0, 0]) == pytest.approx([0, 6.25, 12.5])


def test_unused_time_allows_no_burst() -> None:
    assert admission_times(2, [10, 0, 0, 0]) == pytest.approx([0, 10, 10.5, 11])


def test_without_a_rate_nobody_waits() -> None:
    assert admission_times(None, [0, 1, 0]) == [0, 0, 1]


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 20), min_size=2, max_size=20))
def test_never_closer_than_the_rate_allows(rate: float, spent: list[float]) -> None:
    times = admission_times(rate, spent)
    assert times[0] == 0
    assert all(later - earlier >= (1 / rate) * 0.999999 - 1e-9 for earlier, later in pairwise(times))


def test_concurrent_callers_get_consecutive_slots() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def go() -> None:
        limit = RateLimit(4, clock=lambda: 5.0, sleep=sleep)
        await asyncio.gather(*(limit.acquire() for _ in range(4)))

    asyncio.run(go())
    assert waits == pytest.approx([0.25, 0.5, 0.75])


def test_backoff_doubles_up_to_a_limit() -> None:
    assert [backoff_s(n, lambda: 1.0) for n in (1, 2, 3, 4)] == [0.5, 1, 2, 4]
    assert backoff_s(1000, lambda: 1.0) == 30
    assert backoff_s(1, lambda: 0.0) == 0.25


@given(st.integers(1, 5000), st.floats(0, 1))
def test_backoff_stays_within_its_limits(failures: int, draw: float) -> None:
    assert 0.25 <= backoff_s(failures, lambda: draw) <= 30
