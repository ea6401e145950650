"""Slices for replicas, and what becomes of the questions of one that is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import ChatPrompt, Message, Request
from pytest_llmeval.models.ray.plan import Ask, Planner


def asks(count: int, subject: int = 10) -> list[Ask]:
    def prompt(number: int) -> ChatPrompt:
        shot = (Message("user", f"subject {number // subject}"),)
        return ChatPrompt((Message("user", str(number)),), (shot,))

    return [Ask(number, Request(prompt(number))) for number in range(count)]


@given(
    st.integers(0, 120),
    st.integers(1, 4),
    st.integers(1, 40),
    st.sets(st.integers(0, 119), max_size=3),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6),
    st.randoms(use_true_random=False),
)
def test_each_question_is_answered_once_whatever_dies(
    count: int, replicas: int, hold: int, deadly: set[int], deaths: list[tuple[int, bool]], random: object
) -> None:
    planner = Planner()
    planner.add(asks(count))
    names = list(range(replicas))
    held: dict[int, list[int]] = {name: [] for name in names}
    for name in names:
        planner.join(name, hold)
    ended: list[int] = []
    killed: dict[int, int] = {}
    steps = 0
    while planner.open:
        steps += 1
        assert steps < 5000
        for name in names:
            held[name] += [ask.number for ask in planner.next_slice(name)]
            assert len(held[name]) <= hold
        name = random.choice([n for n in names if held[n]])  # type: ignore[attr-defined]
        machine_goes = bool(deaths) and deaths[-1][1]
        if deaths and steps % 7 == 0:
            deaths.pop()
        else:
            machine_goes = False
        first = held[name][0]
        if first in deadly or machine_goes:
            if not machine_goes:
                killed[first] = killed.get(first, 0) + 1
            given_up = planner.lost(name, blame=not machine_goes)
            assert {ask.number for ask in given_up} <= deadly
            ended += [ask.number for ask in given_up]
            names[names.index(name)] = new = max(held) + 1
            held[new] = []
            held[name] = []
            planner.join(new, hold)
        else:
            assert planner.done(name, held[name].pop(0)) is not None
            ended.append(first)
    assert sorted(ended) == list(range(count))
    assert all(times <= 2 for times in killed.values())


def test_slices_are_contiguous_end_with_a_subject_and_get_smaller() -> None:
    planner = Planner()
    planner.add(asks(100))
    planner.join(0, 64)
    planner.join(1, 64)
    sizes, following = [], 0
    while planner.open:
        for replica in (0, 1):
            numbers = [ask.number for ask in planner.next_slice(replica)]
            assert numbers == list(range(following, following + len(numbers)))
            following += len(numbers)
            sizes.append(len(numbers))
            for number in numbers:
                planner.done(replica, number)
    assert sizes[:2] == [20, 20], "25 at most, and ten questions share their shots"
    assert sizes[-1] < sizes[0]


def test_an_answer_of_a_replica_that_was_given_up_counts_once() -> None:
    planner = Planner()
    planner.add(asks(1))
    planner.join(0, 8)
    planner.join(1, 8)
    (ask,) = planner.next_slice(0)
    planner.lost(0, blame=False)
    (again,) = planner.next_slice(1)
    assert again is ask and ask.attempts == 2
    assert planner.done(1, 0) is ask
    assert planner.done(1, 0) is None
