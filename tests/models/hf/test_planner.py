"""Planning: every request once, only common prefixes shared, budgets respected, no extra tokens."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.models.hf.planner import Planner
from pytest_llmeval.models.hf.prefill import THIS_BATCH, Item, KVSpan, Placement, PrefillBatch, Tokens
from pytest_llmeval.models.hf.prefix_cache import common_length

#: a token with its position in its prompt: stands for one key in these tests
Key = tuple[int, int]


class Machine:
    """Runs batches on tokens instead of keys and values, and records what each index may attend to."""

    def __init__(self) -> None:
        self.cached: dict[int, list[Key]] = {}
        self.seen: dict[int, list[Tokens]] = {}
        self.computed = 0

    def run(self, batch: PrefillBatch) -> None:
        """Check one batch and record the prompts that its items saw."""
        for entry in batch.evicted:
            del self.cached[entry]
        packed = [
            (segment.start + offset, token)
            for segment in batch.segments
            for offset, token in enumerate(segment.tokens)
        ]
        assert len(packed) == batch.tokens
        self.computed += len(packed)
        visible: list[list[Key]] = [[] for _ in packed]
        for read in batch.reads:
            keys = self.keys(read.span, packed)
            assert keys[0][0] == read.span.start
            assert read.first < read.last
            assert read.span.entry != THIS_BATCH or read.span.last <= read.first
            for index in range(read.first, read.last):
                visible[index] += keys
        for segment in batch.segments:
            for index in range(segment.first, segment.last):
                visible[index] += packed[segment.first : index + 1]
        for index, (position, _) in enumerate(packed):
            assert len(self.prompt(visible[index])) == position + 1
        for segment in batch.segments:
            if segment.cache_as is not None:
                assert segment.cache_as not in self.cached
                self.cached[segment.cache_as] = packed[segment.first : segment.last]
        for placement in batch.placements:
            item = placement.item
            prompts = []
            for branch in placement.logit_indices:
                for length, index in enumerate(branch, start=1):
                    prompt = self.prompt(visible[index])
                    prompts.append((prompt, length == len(branch)))
                    assert packed[index][1] == prompt[-1]
            self.seen[item.number] = [prompt for prompt, last in prompts if last]
            before = [key for span in placement.prefix for key in self.keys(span, packed)]
            unshared = packed[placement.unshared[0] : placement.unshared[1]]
            assert len(unshared) == placement.computed
            if len(item.branches) == 1:
                assert self.prompt(before + unshared) == item.shareable + item.branches[0]

    def keys(self, span: KVSpan, packed: list[Key]) -> list[Key]:
        source = packed if span.entry == THIS_BATCH else self.cached[span.entry]
        return source[span.first : span.last]

    @staticmethod
    def prompt(keys: list[Key]) -> Tokens:
        """The tokens by position, each position once."""
        assert sorted(position for position, _ in keys) == list(range(len(keys)))
        return tuple(token for _, token in sorted(keys))


def tokens_alone(item: Item) -> int:
    """The tokens computed for an item that shares nothing with others; its branches share beginnings."""
    prefixes = {branch[:length] for branch in item.branches for length in range(1, len(branch) + 1)}
    return len(item.shareable) + len(prefixes)


@st.composite
def item_lists(draw: st.DrawFn) -> list[Item]:
    """Items over few distinct tokens, so that many begin alike."""
    stems: list[Tokens] = [()]
    token = st.integers(0, 2)
    for _ in range(draw(st.integers(0, 5))):
        stem = draw(st.sampled_from(stems))
        stems.append((*stem, *draw(st.lists(token, min_size=1, max_size=60))))
    items = []
    for number in range(draw(st.integers(1, 14))):
        shareable = (*draw(st.sampled_from(stems)), *draw(st.lists(token, max_size=30)))
        if draw(st.booleans()):
            items.append(Item(number, shareable, ((draw(token),),), draw(st.integers(1, 9))))
        else:
            head = draw(token)
            tails = draw(st.lists(st.lists(token, max_size=4), min_size=1, max_size=4))
            items.append(Item(number, shareable, tuple((head, *tail) for tail in tails)))
    return items


@settings(max_examples=400)
@given(
    item_lists(),
    st.integers(20, 200),
    st.integers(0, 150),
    st.integers(1, 30),
    st.integers(40, 300),
    st.integers(0, 10_000).map(random.Random),
)
def test_every_item_sees_its_prompt_once_within_the_budgets(
    all_items: list[Item],
    prefill_tokens: int,
    cached_tokens: int,
    max_logits: int,
    decode_tokens: int,
    chance: random.Random,
) -> None:
    planner = Planner(prefill_tokens, cached_tokens, max_logits, decode_tokens)
    machine = Machine()
    pending = list(all_items)
    running: list[Placement] = []
    order: list[int] = []
    computed_alone = 0
    while pending or planner.waiting:
        arriving = chance.randint(0 if planner.waiting else 1, 5)
        planner.add(pending[:arriving])
        del pending[:arriving]
        arrived = all_items[: len(all_items) - len(pending)]
        waiting = [item.number for item in arrived if item.number not in order]
        longest = max((placement.max_length for placement in running), default=0)
        batch = planner.next_batch(len(running), longest)
        if batch.placements and chance.random() < 0.2:
            planner.roll_back(batch)
            planner.add(placement.item for placement in batch.placements)
            allocated = {segment.cache_as for segment in batch.segments}
            for entry in batch.evicted:
                if entry not in allocated:
                    machine.cached.pop(entry)
            continue
        machine.run(batch)
        numbers = [placement.item.number for placement in batch.placements]
        if numbers:
            assert numbers[0] == waiting[0], "the item that has waited longest is in the next batch"
        order += numbers
        if len(numbers) > 1:
            assert batch.tokens <= prefill_tokens
            logits = [{i for branch in p.logit_indices for i in branch} for p in batch.placements]
            assert sum(map(len, logits)) <= max_logits
        assert planner.cache.tokens <= cached_tokens
        alone = sum(tokens_alone(placement.item) for placement in batch.placements)
        assert batch.tokens <= alone
        computed_alone += alone
        running += [placement for placement in batch.placements if placement.item.max_new_tokens]
        if len(running) > 1:
            assert len(running) * max(placement.max_length for placement in running) <= decode_tokens
        while running and (not batch.placements or chance.random() < 0.4):
            planner.release(running.pop(chance.randrange(len(running))))
            if not batch.placements:
                break
    assert sorted(order) == [item.number for item in all_items]
    assert machine.computed <= computed_alone
    for item in all_items:
        assert machine.seen[item.number] == [item.shareable + branch for branch in item.branches]


@given(st.lists(st.integers(0, 1)), st.lists(st.integers(0, 1)))
def test_common_length(left: list[int], right: list[int]) -> None:
    length = common_length(tuple(left), tuple(right))
    assert left[:length] == right[:length]
    assert length == min(len(left), len(right)) or left[length] != right[length]


def plan_all(planner: Planner, items: list[Item]) -> list[PrefillBatch]:
    planner.add(items)
    batches = []
    while planner.waiting:
        batches.append(planner.next_batch())
    return batches


def test_a_shared_prefix_is_computed_once() -> None:
    shots = tuple(range(500))
    items = [Item(n, shots + tuple(range(1000 + 100 * n, 1050 + 100 * n)), ((7,),)) for n in range(40)]
    batches = plan_all(Planner(600, 10_000), items)
    assert sum(batch.tokens for batch in batches) == 500 + 40 * 51
    assert sum(len(batch.placements) for batch in batches) == 40
    assert len(batches) <= 6


def test_shared_prefixes_nest() -> None:
    system = tuple(range(100))
    items = []
    for subject in range(3):
        shots = (*system, *range(1000 * (subject + 1), 1000 * (subject + 1) + 200))
        for question in range(5):
            text = tuple(range(5000 + 100 * question, 5030 + 100 * question))
            choices = tuple((9, 10_000 + choice, 10_001) for choice in range(4))
            items.append(Item(len(items), shots + text, choices))
    batches = plan_all(Planner(400, 5_000), items)
    assert sum(batch.tokens for batch in batches) == 100 + 3 * 200 + 15 * (30 + 1 + 4 * 2)


def test_a_short_common_prefix_is_not_worth_a_segment() -> None:
    items = [Item(n, (1, 2, 3, *range(10 * n + 50, 10 * n + 58)), ((4,),)) for n in range(3)]
    batch = plan_all(Planner(1000, 1000), items)[0]
    assert (len(batch.segments), batch.reads) == (3, ())


def test_prompts_that_arrive_one_by_one_share_too() -> None:
    planner, computed = Planner(1000, 2000), []
    for number in range(4):
        planner.add(
            [Item(number, (*range(300), *range(1000 * number + 1000, 1000 * number + 1020)), ((5,),))]
        )
        computed.append(planner.next_batch().tokens)
    assert computed == [321, 21, 21, 21]


def test_a_prefix_in_use_is_not_evicted_for_a_newer_one() -> None:
    planner = Planner(1000, 150)
    planner.add([Item(n, (*range(100), 500 + n), ((1,),), max_new_tokens=5) for n in range(3)])
    running = planner.next_batch()
    planner.add([Item(9 + n, (*range(700, 800), 900 + n), ((1,),)) for n in range(3)])
    other = planner.next_batch(3, 10)
    assert other.evicted == () and other.tokens == 3 * 102
    planner.add([Item(30 + n, (*range(100), 600 + n), ((1,),)) for n in range(3)])
    assert planner.next_batch(3, 10).tokens == 3 * 2, "a referenced prefix stays cached"
    for placement in running.placements:
        planner.release(placement)
    planner.add([Item(19 + n, (*range(700, 800), 900 + n), ((1,),)) for n in range(3)])
    assert planner.next_batch().tokens == 100 + 3 * 2


def test_a_batch_is_empty_when_nothing_waits_or_fits() -> None:
    planner = Planner(100, 100, decode_tokens=50)
    assert planner.next_batch() == PrefillBatch((), (), (), ())
    planner.add([Item(0, (1, 2, 3), ((4,),), max_new_tokens=20)])
    assert planner.next_batch(running=2, longest=20).placements == ()
    assert planner.next_batch(running=1, longest=20).placements != ()


@pytest.mark.parametrize("max_rows", [1, 3])
def test_the_number_of_rows_is_limited(max_rows: int) -> None:
    planner = Planner(1000, 1000, max_rows=max_rows)
    planner.add([Item(n, (n,), ((4,),), max_new_tokens=1) for n in range(7)])
    assert len(planner.next_batch().placements) == max_rows
    assert len(planner.next_batch(running=max_rows, longest=3).placements) == 0
