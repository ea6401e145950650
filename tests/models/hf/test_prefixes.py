"""Planning: every request once, prefixes really common, budgets kept, never more tokens than unshared."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.models.hf.passes import THIS_PASS, Item, Pass, Piece, Placed
from pytest_llmeval.models.hf.prefixes import Planner, common

Tokens = tuple[int, ...]


class Machine:
    """Runs passes on tokens in place of keys and values: what each place may attend to, it sees."""

    def __init__(self) -> None:
        self.kept: dict[int, list[tuple[int, int]]] = {}
        self.seen: dict[int, list[Tokens]] = {}
        self.computed = 0

    def run(self, planned: Pass) -> None:
        """Check one pass and note which prompts its items saw."""
        for name in planned.dropped:
            del self.kept[name]
        packed = [
            (segment.start + at, token)
            for segment in planned.segments
            for at, token in enumerate(segment.tokens)
        ]
        assert len(packed) == planned.tokens
        self.computed += len(packed)
        visible: list[list[tuple[int, int]]] = [[] for _ in packed]
        for read in planned.reads:
            keys = self.keys(read.piece, packed)
            assert keys[0][0] == read.piece.start
            assert read.first < read.last
            assert read.piece.kept != THIS_PASS or read.piece.last <= read.first
            for place in range(read.first, read.last):
                visible[place] += keys
        for segment in planned.segments:
            for place in range(segment.first, segment.last):
                visible[place] += packed[segment.first : place + 1]
        for place, (position, _) in enumerate(packed):
            assert len(self.prompt(visible[place])) == position + 1
        for segment in planned.segments:
            if segment.keep is not None:
                assert segment.keep not in self.kept
                self.kept[segment.keep] = packed[segment.first : segment.last]
        for placed in planned.placed:
            prompts = []
            for branch in placed.wanted:
                for length, place in enumerate(branch, start=1):
                    prompt = self.prompt(visible[place])
                    prompts.append((prompt, length == len(branch)))
                    assert packed[place][1] == prompt[-1]
            self.seen[placed.item.number] = [prompt for prompt, last in prompts if last]
            before = [key for piece in placed.history for key in self.keys(piece, packed)]
            own = packed[placed.own[0] : placed.own[1]]
            assert len(own) == placed.computed
            if len(placed.item.branches) == 1:
                assert self.prompt(before + own) == placed.item.shared + placed.item.branches[0]

    def keys(self, piece: Piece, packed: list[tuple[int, int]]) -> list[tuple[int, int]]:
        source = packed if piece.kept == THIS_PASS else self.kept[piece.kept]
        return source[piece.first : piece.last]

    @staticmethod
    def prompt(keys: list[tuple[int, int]]) -> Tokens:
        """The tokens by position, each position once."""
        assert sorted(place for place, _ in keys) == list(range(len(keys)))
        return tuple(token for _, token in sorted(keys))


def alone(item: Item) -> int:
    """Tokens that an item takes when nothing is shared with others, its branches' beginnings aside."""
    prefixes = {branch[:length] for branch in item.branches for length in range(1, len(branch) + 1)}
    return len(item.shared) + len(prefixes)


@st.composite
def prompts(draw: st.DrawFn) -> list[tuple[Tokens, tuple[Tokens, ...], int]]:
    """Prompts over few tokens that often begin alike: (shared, branches, room)."""
    stems: list[Tokens] = [()]
    token = st.integers(0, 2)
    for _ in range(draw(st.integers(0, 5))):
        stem = draw(st.sampled_from(stems))
        stems.append((*stem, *draw(st.lists(token, min_size=1, max_size=60))))
    found = []
    for _ in range(draw(st.integers(1, 14))):
        shared = (*draw(st.sampled_from(stems)), *draw(st.lists(token, max_size=30)))
        if draw(st.booleans()):
            found.append((shared, ((draw(token),),), draw(st.integers(1, 9))))
        else:
            head = draw(token)
            tails = draw(st.lists(st.lists(token, max_size=4), min_size=1, max_size=4))
            found.append((shared, tuple((head, *tail) for tail in tails), 0))
    return found


@settings(max_examples=400)
@given(
    prompts(),
    st.integers(20, 200),
    st.integers(0, 150),
    st.integers(1, 30),
    st.integers(40, 300),
    st.integers(0, 10_000).map(random.Random),
)
def test_every_item_sees_its_prompt_once_within_the_budgets(
    given_prompts: list[tuple[Tokens, tuple[Tokens, ...], int]],
    pass_tokens: int,
    kept_tokens: int,
    wanted: int,
    row_tokens: int,
    chance: random.Random,
) -> None:
    planner = Planner(pass_tokens, kept_tokens, wanted, row_tokens)
    machine = Machine()
    coming = [Item(number, *prompt) for number, prompt in enumerate(given_prompts)]
    items = {item.number: item for item in coming}
    running: list[Placed] = []
    order: list[int] = []
    unshared = 0
    while coming or planner.waiting:
        arriving = chance.randint(0 if planner.waiting else 1, 5)
        planner.add(coming[:arriving])
        waiting = sorted({item.number for item in items.values()} - set(order))
        waiting = [number for number in waiting if number < len(items) - len(coming[arriving:])]
        del coming[:arriving]
        widest = max((placed.width for placed in running), default=0)
        planned = planner.next_pass(len(running), widest)
        if planned.placed and chance.random() < 0.2:
            planner.take_back(planned)
            planner.add(placed.item for placed in planned.placed)
            machine_names = {segment.keep for segment in planned.segments}
            for name in planned.dropped:
                if name not in machine_names:
                    machine.kept.pop(name)
            continue
        machine.run(planned)
        numbers = [placed.item.number for placed in planned.placed]
        if numbers:
            assert numbers[0] == waiting[0], "the item that waits longest is in the next pass"
        order += numbers
        if len(numbers) > 1:
            assert planned.tokens <= pass_tokens
            assert sum(len({p for b in placed.wanted for p in b}) for placed in planned.placed) <= wanted
        assert planner.kept <= kept_tokens
        assert planned.tokens <= sum(alone(placed.item) for placed in planned.placed)
        unshared += sum(alone(placed.item) for placed in planned.placed)
        running += [placed for placed in planned.placed if placed.item.room]
        if len(running) > 1:
            assert len(running) * max(placed.width for placed in running) <= row_tokens
        while running and (not planned.placed or chance.random() < 0.4):
            planner.release(running.pop(chance.randrange(len(running))))
            if not planned.placed:
                break
    assert sorted(order) == list(items)
    assert machine.computed <= unshared
    for number, item in items.items():
        assert machine.seen[number] == [item.shared + branch for branch in item.branches]


@given(st.lists(st.integers(0, 1)), st.lists(st.integers(0, 1)))
def test_common(one: list[int], other: list[int]) -> None:
    same = common(tuple(one), tuple(other))
    assert one[:same] == other[:same]
    assert same == min(len(one), len(other)) or one[same] != other[same]


def run_all(planner: Planner, items: list[Item]) -> list[Pass]:
    planner.add(items)
    passes = []
    while planner.waiting:
        passes.append(planner.next_pass())
    return passes


def test_a_shared_prefix_is_computed_once() -> None:
    shots = tuple(range(500))
    items = [Item(n, shots + tuple(range(1000 + 100 * n, 1050 + 100 * n)), ((7,),)) for n in range(40)]
    passes = run_all(Planner(600, 10_000), items)
    assert sum(planned.tokens for planned in passes) == 500 + 40 * 51
    assert sum(len(planned.placed) for planned in passes) == 40
    assert len(passes) <= 6


def test_sharing_nests() -> None:
    system = tuple(range(100))
    items = []
    for subject in range(3):
        shots = (*system, *range(1000 * (subject + 1), 1000 * (subject + 1) + 200))
        for question in range(5):
            own = tuple(range(5000 + 100 * question, 5030 + 100 * question))
            choices = tuple((9, 10_000 + choice, 10_001) for choice in range(4))
            items.append(Item(len(items), shots + own, choices))
    passes = run_all(Planner(400, 5_000), items)
    assert sum(planned.tokens for planned in passes) == 100 + 3 * 200 + 15 * (30 + 1 + 4 * 2)


def test_what_two_prompts_barely_share_is_not_worth_a_segment() -> None:
    items = [Item(n, (1, 2, 3, *range(10 * n + 50, 10 * n + 58)), ((4,),)) for n in range(3)]
    planned = run_all(Planner(1000, 1000), items)[0]
    assert (len(planned.segments), planned.reads) == (3, ())


def test_one_prompt_at_a_time_still_shares() -> None:
    planner, computed = Planner(1000, 2000), []
    for number in range(4):
        planner.add(
            [Item(number, (*range(300), *range(1000 * number + 1000, 1000 * number + 1020)), ((5,),))]
        )
        computed.append(planner.next_pass().tokens)
    assert computed == [321, 21, 21, 21]


def test_a_prefix_in_use_is_not_dropped_for_a_newer_one() -> None:
    planner = Planner(1000, 150)
    planner.add([Item(n, (*range(100), 500 + n), ((1,),), room=5) for n in range(3)])
    held = planner.next_pass()
    planner.add([Item(9 + n, (*range(700, 800), 900 + n), ((1,),)) for n in range(3)])
    other = planner.next_pass(3, 10)
    assert other.dropped == () and other.tokens == 3 * 102
    planner.add([Item(30 + n, (*range(100), 600 + n), ((1,),)) for n in range(3)])
    assert planner.next_pass(3, 10).tokens == 3 * 2, "what is held stays known"
    for placed in held.placed:
        planner.release(placed)
    planner.add([Item(19 + n, (*range(700, 800), 900 + n), ((1,),)) for n in range(3)])
    assert planner.next_pass().tokens == 100 + 3 * 2


def test_nothing_waits_or_fits() -> None:
    planner = Planner(100, 100, row_tokens=50)
    assert planner.next_pass() == Pass((), (), (), ())
    planner.add([Item(0, (1, 2, 3), ((4,),), room=20)])
    assert planner.next_pass(running=2, widest=20).placed == ()
    assert planner.next_pass(running=1, widest=20).placed != ()


@pytest.mark.parametrize("most_rows", [1, 3])
def test_rows_are_limited(most_rows: int) -> None:
    planner = Planner(1000, 1000, most_rows=most_rows)
    planner.add([Item(n, (n,), ((4,),), room=1) for n in range(7)])
    assert len(planner.next_pass().placed) == most_rows
    assert len(planner.next_pass(running=most_rows, widest=3).placed) == 0
