"""Rows into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.hf.batching import plan_batches

LENGTHS = st.lists(st.integers(1, 4000), max_size=80)


@given(LENGTHS, st.integers(1, 20_000), st.integers(1, 40), st.integers(0, 2000))
def test_each_row_once_within_the_budget(lengths: list[int], budget: int, most: int, room: int) -> None:
    batches = plan_batches(lengths, budget, most, room)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        wide = max(lengths[row] for row in batch) + room
        assert len(batch) == 1 or len(batch) * wide <= budget
        assert len(batch) <= most
        assert min(lengths[row] for row in batch) >= 0.75 * max(lengths[row] for row in batch)


@given(LENGTHS)
def test_the_first_row_is_in_the_first_batch(lengths: list[int]) -> None:
    batches = plan_batches(lengths, 8000, 16)
    assert [min(batch) for batch in batches] == sorted(min(batch) for batch in batches)


def test_like_lengths_share_a_batch() -> None:
    assert plan_batches([100, 900, 110, 1000], 4000, 8) == [[2, 0], [3, 1]]


def test_a_row_over_the_budget_is_alone() -> None:
    assert plan_batches([50, 48, 48], 100, 8) == [[0, 1], [2]]
    assert plan_batches([500, 480], 100, 8) == [[0], [1]]
