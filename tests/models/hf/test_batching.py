"""Grouping rows into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.hf.batching import Mix, plan_batches

LENGTHS = st.lists(st.integers(1, 4000), max_size=80)


@given(LENGTHS, st.integers(1, 20_000), st.integers(1, 40), st.integers(0, 2000))
def test_every_row_is_in_one_batch_within_the_budget(
    lengths: list[int], budget: int, max_rows: int, max_new_tokens: int
) -> None:
    batches = plan_batches(lengths, budget, max_rows, max_new_tokens)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        width = max(lengths[row] for row in batch) + max_new_tokens
        assert len(batch) == 1 or len(batch) * width <= budget
        assert len(batch) <= max_rows
        assert min(lengths[row] for row in batch) >= 0.75 * max(lengths[row] for row in batch)


@given(LENGTHS)
def test_batches_are_in_the_order_of_their_first_rows(lengths: list[int]) -> None:
    batches = plan_batches(lengths, 8000, 16)
    assert [min(batch) for batch in batches] == sorted(min(batch) for batch in batches)


def test_rows_of_similar_length_share_a_batch() -> None:
    assert plan_batches([100, 900, 110, 1000], 4000, 8) == [[2, 0], [3, 1]]


def test_a_row_over_the_budget_is_a_batch_of_its_own() -> None:
    assert plan_batches([50, 48, 48], 100, 8) == [[0, 1], [2]]
    assert plan_batches([500, 480], 100, 8) == [[0], [1]]


@given(LENGTHS, st.integers(1, 20_000), st.integers(1, 40))
def test_a_mix_of_equal_or_single_rows_needs_no_padding(
    lengths: list[int], budget: int, max_rows: int
) -> None:
    equal = plan_batches(lengths, budget, max_rows, mix=Mix.EQUAL)
    assert sorted(row for batch in equal for row in batch) == list(range(len(lengths)))
    assert all(len({lengths[row] for row in batch}) == 1 for batch in equal)
    assert plan_batches(lengths, budget, max_rows, mix=Mix.SINGLE) == [[row] for row in range(len(lengths))]


def test_rows_of_equal_length_share_a_batch() -> None:
    assert plan_batches([7, 9, 7, 9], 100, 8, mix=Mix.EQUAL) == [[0, 2], [1, 3]]
