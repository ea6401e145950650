"""Slices for replicas, and the reassignment of a lost replica's requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import ChatPrompt, Message, Request
from pytest_llmeval.models.ray.plan import NumberedRequest, Planner


def numbered_requests(count: int, subject: int = 10) -> list[NumberedRequest]:
    def prompt(number: int) -> ChatPrompt:
        shot = (Message("user", f"subject {number // subject}"),)
        return ChatPrompt((Message("user", str(number)),), (shot,))

    return [NumberedRequest(number, Request(prompt(number))) for number in range(count)]


@given(
    st.integers(0, 120),
    st.integers(1, 4),
    st.integers(1, 40),
    st.sets(st.integers(0, 119), max_size=3),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6),
    st.randoms(use_true_random=False),
)
def test_each_request_is_answered_once_whatever_dies(
    count: int, replicas: int, capacity: int, deadly: set[int], deaths: list[tuple[int, bool]], random: object
) -> None:
    planner = Planner()
    planner.add(numbered_requests(count))
    names = list(range(replicas))
    assigned: dict[int, list[int]] = {name: [] for name in names}
    for name in names:
        planner.add_replica(name, capacity)
    finished: list[int] = []
    killed: dict[int, int] = {}
    steps = 0
    while planner.unanswered:
        steps += 1
        assert steps < 5000
        for name in names:
            assigned[name] += [request.number for request in planner.next_slice(name)]
            assert len(assigned[name]) <= capacity
        name = random.choice([n for n in names if assigned[n]])  # type: ignore[attr-defined]
        machine_dies = bool(deaths) and deaths[-1][1]
        if deaths and steps % 7 == 0:
            deaths.pop()
        else:
            machine_dies = False
        first = assigned[name][0]
        if first in deadly or machine_dies:
            if not machine_dies:
                killed[first] = killed.get(first, 0) + 1
            given_up = planner.remove_replica(name, blame=not machine_dies)
            assert {request.number for request in given_up} <= deadly
            finished += [request.number for request in given_up]
            names[names.index(name)] = new = max(assigned) + 1
            assigned[new] = []
            assigned[name] = []
            planner.add_replica(new, capacity)
        else:
            assert planner.complete(name, assigned[name].pop(0)) is not None
            finished.append(first)
    assert sorted(finished) == list(range(count))
    assert all(times <= 2 for times in killed.values())


def test_slices_are_contiguous_end_at_a_subject_and_get_smaller() -> None:
    planner = Planner()
    planner.add(numbered_requests(100))
    planner.add_replica(0, 64)
    planner.add_replica(1, 64)
    sizes, following = [], 0
    while planner.unanswered:
        for replica in (0, 1):
            numbers = [request.number for request in planner.next_slice(replica)]
            assert numbers == list(range(following, following + len(numbers)))
            following += len(numbers)
            sizes.append(len(numbers))
            for number in numbers:
                planner.complete(replica, number)
    assert sizes[:2] == [20, 20], "at most 25, and ten requests share their shots"
    assert sizes[-1] < sizes[0]


def test_a_late_answer_from_a_lost_replica_does_not_count_twice() -> None:
    planner = Planner()
    planner.add(numbered_requests(1))
    planner.add_replica(0, 8)
    planner.add_replica(1, 8)
    (first,) = planner.next_slice(0)
    planner.remove_replica(0, blame=False)
    (second,) = planner.next_slice(1)
    assert second is first and first.attempts == 2
    assert planner.complete(1, 0) is first
    assert planner.complete(1, 0) is None
