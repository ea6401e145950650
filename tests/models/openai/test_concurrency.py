"""Adaptive concurrency: its invariants, and how it finds the capacity of different kinds of servers."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.concurrency import INITIAL, MAXIMUM, ConcurrencyControl

#: for each response: whether its request was sent in the first round, and its latency (None: overload)
Responses = list[tuple[bool, float | None]]
RESPONSES = st.lists(st.tuples(st.booleans(), st.none() | st.floats(0, 100)), max_size=2000)


def targets(control: ConcurrencyControl, responses: Responses) -> list[float]:
    """The target after each of the responses."""
    targets, first_round = [], control.start()
    for late, latency_s in responses:
        round_ = control.start()
        if latency_s is None:
            control.record_overload(first_round if late else round_)
        else:
            control.record_success(first_round if late else round_, latency_s)
        control.finish()
        targets.append(control.target)
    return targets


@given(RESPONSES, st.integers(1, 20), st.integers(0, 300))
def test_the_target_stays_within_its_bounds(responses: Responses, minimum: int, more: int) -> None:
    control = ConcurrencyControl(minimum + more / 2, minimum=minimum, maximum=minimum + more)
    for target in targets(control, responses):
        assert 1 <= minimum <= target <= minimum + more


@given(RESPONSES, st.integers(1, 100))
def test_a_fixed_target_never_changes(responses: Responses, number: int) -> None:
    assert set(targets(ConcurrencyControl(number, minimum=number, maximum=number), responses)) <= {number}


@given(RESPONSES)
def test_one_response_at_most_halves_or_doubles_the_target(responses: Responses) -> None:
    before = float(INITIAL)
    for target in targets(ConcurrencyControl(), responses):
        assert before / 2 <= target <= before * 2 or target == 1
        before = target


@given(st.integers(1, MAXIMUM), st.integers(1, 300))
def test_many_overloads_in_one_round_count_once(initial: int, overloads: int) -> None:
    control = ConcurrencyControl(initial)
    rounds = [control.start() for _ in range(overloads)]
    for round_ in rounds:
        control.record_overload(round_)
        control.finish()
    assert control.target == (initial if overloads < initial else max(initial / 2, 1))
    assert control.in_flight == 0


def test_an_unused_limit_does_not_grow() -> None:
    control = ConcurrencyControl()
    for _ in range(1000):
        control.record_success(control.start(), 0.1)
        control.finish()
    assert control.limit == INITIAL


def simulate(
    control: ConcurrencyControl, serve: Callable[[int, int], tuple[float, bool]], requests: int
) -> list[int]:
    """The limit after each request to a simulated server.

    ``serve`` gets the number of requests in flight and the number of the request; it returns the
    latency in seconds and whether the request succeeds.
    """
    now, in_flight, limits = 0.0, [(0.0, 0, 0, True, 0.0)][:0], []
    for number in range(requests):
        while control.in_flight >= control.limit:
            now, _, round_, success, latency_s = heapq.heappop(in_flight)
            control.finish()
            if success:
                control.record_success(round_, latency_s)
            else:
                control.record_overload(round_)
        round_ = control.start()
        latency_s, success = serve(control.in_flight, number)
        heapq.heappush(in_flight, (now + latency_s, number, round_, success, latency_s))
        limits.append(control.limit)
    return limits


def wobble(number: int) -> float:
    """A factor between 0.8 and 1.2, because answers differ in length."""
    return 0.8 + (number * 7919 % 101) / 250


@given(st.floats(0.001, 10))
def test_the_limit_grows_fast_while_a_server_keeps_up(seconds: float) -> None:
    limits = simulate(ConcurrencyControl(), lambda _, n: (seconds * wobble(n), True), 2000)
    assert limits[200] >= 32 and limits[-1] == MAXIMUM


@given(st.integers(2, 200))
def test_the_limit_settles_near_a_server_s_capacity(capacity: int) -> None:
    def serve(in_flight: int, number: int) -> tuple[float, bool]:
        return (wobble(number), True) if in_flight <= capacity else (0.01, False)

    settled = simulate(ConcurrencyControl(), serve, 9000)[3000:]
    assert capacity / 3 <= sum(settled) / len(settled) <= capacity * 1.5 + 8


@given(st.integers(1, 16))
def test_the_limit_stays_low_for_a_server_that_only_queues(workers: int) -> None:
    """Its latency grows in proportion to the requests in flight: more of them gain nothing."""

    def serve(in_flight: int, number: int) -> tuple[float, bool]:
        return in_flight / workers * wobble(number), True

    limits = simulate(ConcurrencyControl(), serve, 6000)
    assert max(limits) <= 3 * INITIAL
    assert sum(limits) / len(limits) <= 2 * INITIAL


def test_rare_overloads_barely_lower_the_limit() -> None:
    limits = simulate(ConcurrencyControl(), lambda _, n: (wobble(n), n % 20 != 7), 6000)
    assert min(limits) >= INITIAL - 4 and sum(limits) / len(limits) >= INITIAL


def test_the_limit_drops_to_one_under_overload_and_recovers() -> None:
    limits = simulate(ConcurrencyControl(), lambda _, n: (0.1, n > 300), 2000)
    assert min(limits) == 1 and limits[300] <= 2 and limits[-1] >= INITIAL
