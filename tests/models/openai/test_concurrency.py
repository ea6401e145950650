"""The level of requests in flight: its invariants, and how it finds what servers of all kinds can take."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.concurrency import MOST, START, Level

#: for each reply: sent how many rounds ago (0: this one), seconds, and None for a refusal
REPLIES = st.lists(st.tuples(st.booleans(), st.none() | st.floats(0, 100)), max_size=2000)


def play(level: Level, replies: list[tuple[bool, float | None]]) -> list[float]:
    """The level after each of the replies; those marked late were sent in an earlier round."""
    levels, first = [], level.sent()
    for late, seconds in replies:
        sent = level.sent()
        if seconds is None:
            level.refused(first if late else sent)
        else:
            level.good(first if late else sent, seconds)
        level.ended()
        levels.append(level.level)
    return levels


@given(REPLIES, st.integers(1, 20), st.integers(0, 300))
def test_always_within_its_bounds(replies: list[tuple[bool, float | None]], least: int, more: int) -> None:
    level = Level(least + more / 2, least=least, most=least + more)
    for one in play(level, replies):
        assert 1 <= least <= one <= least + more


@given(REPLIES, st.integers(1, 100))
def test_a_fixed_one_never_changes(replies: list[tuple[bool, float | None]], number: int) -> None:
    assert set(play(Level(number, least=number, most=number), replies)) <= {number}


@given(REPLIES)
def test_never_more_than_halved_nor_doubled_by_one_reply(replies: list[tuple[bool, float | None]]) -> None:
    before = float(START)
    for now in play(Level(), replies):
        assert before / 2 <= now <= before * 2 or now == 1
        before = now


@given(st.integers(1, MOST), st.integers(1, 300))
def test_many_refusals_of_one_round_count_once(start: int, refused: int) -> None:
    level = Level(start)
    sent = [level.sent() for _ in range(refused)]
    for one in sent:
        level.refused(one)
        level.ended()
    assert level.level == (start if refused < start else max(start / 2, 1))
    assert level.in_flight == 0


def test_what_is_not_used_does_not_grow() -> None:
    level = Level()
    for _ in range(1000):
        level.good(level.sent(), 0.1)
        level.ended()
    assert level.limit == START


def simulate(level: Level, serve: Callable[[int, int], tuple[float, bool]], requests: int) -> list[int]:
    """The limit after each of so many requests.

    A server gets how many are in flight and the number of the request, and says after how many
    seconds it replies, and whether well.
    """
    now, flying, limits = 0.0, [(0.0, 0, 0, True, 0.0)][:0], []
    for number in range(requests):
        while level.in_flight >= level.limit:
            now, _, sent, good, seconds = heapq.heappop(flying)
            level.ended()
            if good:
                level.good(sent, seconds)
            else:
                level.refused(sent)
        sent = level.sent()
        seconds, good = serve(level.in_flight, number)
        heapq.heappush(flying, (now + seconds, number, sent, good, seconds))
        limits.append(level.limit)
    return limits


def wobble(number: int) -> float:
    """Between 0.8 and 1.2, for answers are not of one length."""
    return 0.8 + (number * 7919 % 101) / 250


@given(st.floats(0.001, 10))
def test_a_server_with_room_is_filled_soon(seconds: float) -> None:
    limits = simulate(Level(), lambda _, n: (seconds * wobble(n), True), 2000)
    assert limits[200] >= 32 and limits[-1] == MOST


@given(st.integers(2, 200))
def test_a_server_that_refuses_what_is_too_much(capacity: int) -> None:
    def serve(flying: int, number: int) -> tuple[float, bool]:
        return (wobble(number), True) if flying <= capacity else (0.01, False)

    settled = simulate(Level(), serve, 9000)[3000:]
    assert capacity / 3 <= sum(settled) / len(settled) <= capacity * 1.5 + 8


@given(st.integers(1, 16))
def test_a_server_that_only_queues_is_not_flooded(workers: int) -> None:
    """Its latency grows as much as what is in flight: more of it gains nothing."""
    limits = simulate(Level(), lambda flying, n: (flying / workers * wobble(n), True), 6000)
    assert max(limits) <= 3 * START
    assert sum(limits) / len(limits) <= 2 * START


def test_a_stray_refusal_of_many_is_hardly_felt() -> None:
    limits = simulate(Level(), lambda _, n: (wobble(n), n % 20 != 7), 6000)
    assert min(limits) >= START - 4 and sum(limits) / len(limits) >= START


def test_refused_altogether_it_sinks_to_one_and_comes_back() -> None:
    limits = simulate(Level(), lambda _, n: (0.1, n > 300), 2000)
    assert min(limits) == 1 and limits[300] <= 2 and limits[-1] >= START
